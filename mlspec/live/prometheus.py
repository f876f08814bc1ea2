"""What Prometheus and Alertmanager answer, read into plain values."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import yaml

from mlspec import names
from mlspec.live.evidence import Answer, LoadedRule, Silence, Target
from mlspec.live.web import Web
from mlspec.promql import quoted
from mlspec.resolve import Environment

T = TypeVar("T")
QUERY_TIMEOUT: Final = "5s"  # less than the client waits, so that Prometheus' own words arrive
DISCOVERY: Final = 6.0  # seconds: it updates what it discovers every 5 s, and a reload forgets the Alertmanagers
_STRANGE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError)


class Prometheus:
    """The HTTP API of a Prometheus; one that does not answer is asked no further."""

    def __init__(self, web: Web, url: str) -> None:
        self._web = web
        self._api = f"{url}/api/v1"
        self._silence: Silence | None = None

    def targets(self) -> tuple[Target, ...] | Silence:
        """The targets that it scrapes."""
        return self._discovered("targets?state=active", read_targets)

    def rules(self) -> tuple[LoadedRule, ...] | Silence:
        """The rules that it runs."""
        return self._read("rules", read_rules)

    def managers(self) -> tuple[str, ...] | Silence:
        """The URLs that it sends alerts to."""
        return self._discovered("alertmanagers", read_managers)

    def series(self, environment: Environment) -> frozenset[tuple[str, str]] | Silence:
        """Which declared metrics it has series of: job and series name."""
        query = presence_query(environment)
        return self._read("query", lambda data: frozenset(map(_job_and_name, data["result"])), query)

    def answers(self, exprs: Iterable[str]) -> Mapping[str, Answer] | Silence:
        """What each of many queries gives now."""
        found: dict[str, Answer] = {}
        for expr in dict.fromkeys(exprs):
            answer = read_answer(self._json("query", expr), f"{self._api}/query")
            if isinstance(answer, Silence):
                return answer
            found[expr] = answer
        return found

    def _discovered(self, path: str, read: Callable[[Any], tuple[T, ...]]) -> tuple[T, ...] | Silence:
        """What it discovers; of one that has just started or reloaded, once it has."""
        until = time.monotonic() + DISCOVERY
        while True:
            found = self._read(path, read)
            if found or isinstance(found, Silence) or time.monotonic() > until:
                return found
            time.sleep(0.5)

    def _read(self, path: str, read: Callable[[Any], T], query: str = "") -> T | Silence:
        return _data(self._json(path, query), f"{self._api}/{path}", read)

    def _json(self, path: str, query: str = "") -> Any | Silence:
        if self._silence is None:
            form = {"query": query, "timeout": QUERY_TIMEOUT} if query else None
            answer = self._web.json(f"{self._api}/{path}", form)
            if not isinstance(answer, Silence):
                return answer
            self._silence = answer
        return self._silence


def presence_query(environment: Environment) -> str:
    """PromQL that counts the series of every declared metric, those of other jobs included."""
    wanted = [
        f"{name}_count" if metric.type == "histogram" else name
        for metrics in environment.spec.job_metrics().values()
        for name, metric in metrics.items()
    ]
    own = f"{names.PROJECT}={quoted(environment.spec.project)},{names.ENV}={quoted(environment.name)}"
    return f"count by (job, __name__) ({{__name__=~{quoted('|'.join(dict.fromkeys(wanted)))},{own}}})"


def read_targets(data: Any) -> tuple[Target, ...]:
    """The data of /api/v1/targets."""
    return tuple(
        Target(dict(one["labels"]), str(one["health"]), str(one.get("lastError") or ""), str(one["scrapeUrl"]))
        for one in data["activeTargets"]
    )


def read_managers(data: Any) -> tuple[str, ...]:
    """The data of /api/v1/alertmanagers."""
    return tuple(str(one["url"]) for one in data["activeAlertmanagers"])


def read_rules(data: Any) -> tuple[LoadedRule, ...]:
    """The data of /api/v1/rules."""
    return tuple(_rule(str(group["name"]), rule) for group in data["groups"] for rule in group["rules"])


def read_answer(answer: Any, url: str) -> Answer | Silence:
    """The answer of /api/v1/query: a vector's values, a scalar's, or its error."""
    if isinstance(answer, dict) and answer.get("status") == "error":
        return Answer(error=str(answer.get("error") or "it says no more"))
    return _data(answer, url, _answer)


def read_alertmanager(status: Any, url: str) -> Mapping[str, Any] | Silence:
    """The configuration that /api/v2/status shows."""
    if isinstance(status, Silence):
        return status
    try:
        config = yaml.safe_load(status["config"]["original"])
    except (*_STRANGE, yaml.YAMLError, RecursionError):
        return Silence(url, "it does not answer as Alertmanager does")
    return config if isinstance(config, dict) else Silence(url, "it shows no configuration")


def _data(answer: Any, url: str, read: Callable[[Any], T]) -> T | Silence:
    if isinstance(answer, Silence):
        return answer
    try:
        if answer["status"] != "success":
            return Silence(url, f"it answers with an error: {answer.get('error')}")
        return read(answer["data"])
    except _STRANGE:
        return Silence(url, "it does not answer as Prometheus does")


def _job_and_name(one: Any) -> tuple[str, str]:
    return str(one["metric"].get("job", "")), str(one["metric"]["__name__"])


def _answer(data: Any) -> Answer:
    if data["resultType"] == "scalar":
        return Answer((float(data["result"][1]),))
    values = tuple(float(one["value"][1]) for one in data["result"])
    return Answer(values, instances=tuple(str(one["metric"].get("instance", "")) for one in data["result"]))


def _rule(group: str, rule: Any) -> LoadedRule:
    return LoadedRule(
        group=group,
        kind="alerting" if rule["type"] == "alerting" else "recording",
        name=str(rule["name"]),
        expr=str(rule["query"]),
        labels=dict(rule.get("labels") or {}),
        health=str(rule["health"]),
        error=str(rule.get("lastError") or ""),
        hold=float(rule.get("duration") or 0),
        keep=float(rule["keepFiringFor"]) if "keepFiringFor" in rule else None,
        annotations=dict(rule.get("annotations") or {}),
        firing=tuple(dict(one["labels"]) for one in rule.get("alerts") or () if one["state"] == "firing"),
    )
