"""A laboratory for compiled queries: a spec as text, series in promtool's notation, and a real Prometheus over them."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from mlspec import names
from mlspec.load import parse
from mlspec.promql import View, companions, condition, recording, rule_labels
from mlspec.resolve import resolve
from mlspec.spec.units import duration
from mlspec.stack.tools import Missing, locate

# Samples are 15 s apart from here on. Queries ask 5 s after a sample, so that none lies on the edge of a window:
# Prometheus 2 includes one there, Prometheus 3 does not.
START = 1_700_006_400  # on the edge of a block of two hours
STEP = 15
PAST_SAMPLE = 5

# Grafana's own pattern of a variable, and what a dashboard would put in.
_VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::\w+)?\]\]|\$\{(\w+)(?:\.[^:^}]+)?(?::[^}]+)?\}")
_GRAFANA = {"job": ".+", "instance": ".+", "__rate_interval": "5m", "__range": "1h"}

METRICS = """
  requests_total: {type: counter, help: Requests., labels: {route: {max: 99}, status: {max: 99}}}
  errors_total: {type: counter, help: Errors., labels: {route: {max: 99}, reason: {max: 9}}}
  done_total: {type: counter, help: Done., labels: {route: {max: 99}}}
  lost_total: {type: counter, help: Lost., labels: {route: {max: 99}}}
  latency_seconds: {type: histogram, help: Latency., labels: {route: {max: 99}}, buckets: [0.05, 0.1, 0.5, 1, 2]}
  size_bytes: {type: histogram, help: Size., buckets: [1000, 1MB, 2500000]}
  temperature_celsius: {type: gauge, help: Temperature., labels: {room: {max: 9}}}
  used_bytes: {type: gauge, help: Used.}
  free_bytes: {type: gauge, help: Free.}
  load_ratio: {type: gauge, help: Load.}
  loaded: {type: gauge, help: Loaded., states: {0: no, 1: yes}}
  trained_timestamp_seconds: {type: gauge, help: Trained.}
"""
TARGETS = """
  node:
    metrics:
      node_load: {type: gauge, help: Load.}
      node_cpu_seconds_total: {type: counter, help: CPU., labels: {cpu: {max: 9}, mode: {max: 9}}}
"""


def spec_text(project: str, signals: Mapping[str, str], alerts: Mapping[str, str] | None = None) -> str:
    """A spec with the metrics above, and these signals and alerts as YAML flow mappings."""

    def block(entries: Mapping[str, str]) -> str:
        return "".join(f"\n  {name}: {text}" for name, text in entries.items())

    return (
        f"mlspec: 1\nproject: {project}\nuse: {{self: null}}\n"
        "service: {app: a:b, instrumentation: a/m.py, job: api}\n"
        f"metrics:{METRICS}targets:{TARGETS}signals:{block(signals)}\nalerts:{block(alerts or {}) or ' {}'}\n"
    )


def view_of(text: str, panel: bool = False) -> View:
    """The view of a spec's only environment."""
    environment = resolve(parse(text.encode(), "spec.yaml"), Path()).environments[0]
    return View(environment.spec, environment.name, panel)


def grafana(query: str) -> str:
    """A panel's query as Grafana sends it: the variables that it knows are replaced, wherever they stand."""
    return _VARIABLE.sub(lambda m: _GRAFANA.get(m[1] or m[2] or m[3], m[0]), query)


@dataclass(frozen=True)
class Series:
    """One series: its name, its labels, and its samples as (steps since the start, value)."""

    name: str
    labels: dict[str, str]
    samples: list[tuple[int, float]]


def series(text: str, project: str) -> Iterator[Series]:
    """The samples of lines of `name{labels} notation`."""
    return (Series(name, labels, expanded(notation)) for name, labels, notation in read_lines(text, project))


def read_lines(text: str, project: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Lines of `name{labels} notation`, as promtool's tests take them, given the labels of the project's target."""
    for line in filter(None, map(str.strip, text.splitlines())):
        match = re.fullmatch(r'(\w[\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(.+)', line)
        assert match, line
        own = {k: json.loads(v) for k, v in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")', match[2] or "")}
        common = {"job": "api", "instance": "one", "project": project, "env": "default"}
        yield match[1], {**common, **own}, match[3]


def expanded(notation: str) -> list[tuple[int, float]]:
    """promtool's `start+stepxN` (N+1 samples), `value`, `_` and `_xN` as samples."""
    values: list[float | None] = []
    for item in notation.split():
        match = re.fullmatch(r"(_|[-.\de]+?)(?:([+-][.\de]+)?x(\d+))?", item)
        assert match, item
        times = int(match[3] or 0)
        if match[1] == "_":
            values += [None] * (times or 1)
        else:
            values += [float(match[1]) + i * float(match[2] or 0) for i in range(times + 1)]
    return [(at, value) for at, value in enumerate(values) if value is not None]


def histogram(name: str, labels: str, buckets: Mapping[str, float], total: float, steps: int = 240) -> str:
    """The lines of a histogram that grows evenly: observations a step up to each `le`, and their sum."""
    inside = f"{labels}," if labels else ""
    lines = [f'{name}_bucket{{{inside}le="{le}"}} 0+{n}x{steps}' for le, n in buckets.items()]
    count = buckets["+Inf"]
    return "\n".join(
        [*lines, f"{name}_count{{{labels}}} 0+{count}x{steps}", f"{name}_sum{{{labels}}} 0+{total}x{steps}"]
    )


def named(name: str, labels: Mapping[str, str]) -> str:
    """A series as text."""

    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

    inside = ",".join(f'{label}="{escaped(value)}"' for label, value in labels.items())
    return f"{name}{{{inside}}}"


def openmetrics(all_series: Iterator[Series]) -> str:
    """Series as text that promtool back-fills."""

    lines = [
        f"{named(one.name, one.labels)} {value!r} {START + at * STEP}"
        for one in all_series
        for at, value in one.samples
    ]
    return "\n".join([*lines, "# EOF\n"])


def rules(view: View) -> list[dict[str, Any]]:
    """The rules of a spec, labelled as they are rendered."""
    recorded = [rule for name in view.spec.signals if (rule := recording(view, name))]
    own = [
        {
            "alert": name,
            "expr": condition(view, name, alert),
            "for": duration(alert.hold),
            "labels": {**rule_labels(view), names.SIGNAL: alert.signal, names.SEVERITY: alert.severity},
        }
        for name, alert in view.spec.alerts.items()
    ]
    beside = [
        {"alert": rule.alert, "expr": rule.expr, "for": duration(rule.hold), "labels": rule.labels}
        for rule in companions(view)
    ]
    return [{"record": r.record, "expr": r.expr, "labels": r.labels} for r in recorded] + own + beside


def tool(name: str, version: str | None) -> Path:
    """A binary of the local engine; `version` as in `locate`."""
    found = locate(name, version=version)
    assert not isinstance(found, Missing), f"{name} is missing ({found.why}); run: {found.command}"
    return found


@dataclass
class Server:
    """A running Prometheus."""

    url: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    def get(self, path: str, **parameters: Any) -> Any:
        """The data of an answer; raises AssertionError with Prometheus' words for an error."""
        answer = self.client.get(f"{self.url}/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", f"{answer['error']}\n{parameters}"
        return answer["data"]

    def vector(self, query: str, at: float) -> list[tuple[dict[str, str], float]]:
        """The result of an instant query, `at` steps after the start."""
        result = self.get("query", query=query, time=START + at * STEP)["result"]
        return [(one["metric"], float(one["value"][1])) for one in result]


@contextmanager
def prometheus(binary: Path, folder: Path, config: Mapping[str, Any]) -> Iterator[Server]:
    """A Prometheus over the blocks in `folder/data`, until the end of the block."""
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        server = Server(f"http://127.0.0.1:{port}")
        try:
            _wait_until_ready(server, process, folder / "log")
            yield server
        finally:
            server.client.close()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.client.get(f"{server.url}/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"Prometheus does not start:\n{log.read_text()}")
