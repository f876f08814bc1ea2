"""What was fetched from the running stack, as plain values: all that the checks know."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from mlspec.resolve import Environment
from mlspec.spec.metric import Metric
from mlspec.spec.signal import SignalBase

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Silence:
    """No usable answer: who was asked, and why there is none."""

    url: str
    why: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of an exposition."""

    name: str
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """A metric as the service exposes it, by the name that a spec declares."""

    name: str
    type: str
    help: str
    samples: tuple[Sample, ...] = ()

    def series(self) -> Iterator[tuple[Labels, list[Sample]]]:
        """Each series with its lines; the buckets, count and sum of a histogram are one series."""
        grouped: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
        for sample in self.samples:
            own = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le" or self.type != "histogram"))
            grouped.setdefault(own, []).append(sample)
        for labels, samples in grouped.items():
            yield dict(labels), samples

    def buckets(self, samples: list[Sample]) -> dict[float, float]:
        """Upper edge to cumulative count, of one series of a histogram."""
        found = {edge_of(s.labels.get("le", "")): s.value for s in samples if s.name == f"{self.name}_bucket"}
        return {edge: found[edge] for edge in sorted(found) if not math.isnan(edge)}


def edge_of(text: str) -> float:
    """A bucket's edge from its label; NaN for what is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


Exposed = Mapping[str, Family]


@dataclass(frozen=True, slots=True)
class Target:
    """A target as Prometheus sees it. Health is `up`, `down` or `unknown`."""

    labels: Labels
    health: str
    error: str
    url: str


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """A rule as Prometheus runs it; `hold` and `keep` in seconds. Health is `ok`, `err` or `unknown`."""

    group: str
    kind: Literal["recording", "alerting"]
    name: str
    expr: str
    labels: Labels
    health: str = "ok"
    error: str = ""
    hold: float = 0
    keep: float | None = 0  # None: this Prometheus does not tell
    annotations: Labels = field(default_factory=dict)
    firing: tuple[Labels, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave: its values, or Prometheus' words for an error; `instances` says whose each value is."""

    values: tuple[float, ...] = ()
    error: str = ""
    instances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A query of a signal or a panel. `history` is empty until Prometheus looks back as far as a `change` asks."""

    area: Literal["signal", "panel"]
    subject: str
    at: tuple[str | int, ...]
    expr: str
    signal: SignalBase
    history: str = ""


@dataclass(frozen=True)
class Evidence:
    """One environment, what was rendered for it, and what its running stack answered; None for what was not asked."""

    environment: Environment
    rendered: Mapping[str, str] = field(default_factory=dict)  # below the environment's folder
    exposed: Exposed | Silence | None = None
    targets: tuple[Target, ...] | Silence | None = None
    rules: tuple[LoadedRule, ...] | Silence | None = None
    managers: tuple[str, ...] | Silence | None = None  # the URLs that Prometheus sends alerts to
    series: frozenset[tuple[str, str]] | Silence | None = None  # job and name of the declared series that it has
    questions: tuple[Question, ...] = ()
    answers: Mapping[str, Answer] | Silence | None = None  # by expression
    alertmanager: Mapping[str, Any] | Silence | None = None  # its configuration
    now: float = 0.0  # seconds since 1970

    @property
    def metrics(self) -> dict[str, Metric]:
        """The service's declared metrics."""
        return self.environment.spec.metrics

    @property
    def families(self) -> Exposed:
        """What the service exposes, by name; nothing where it is silent."""
        return {} if self.exposed is None or isinstance(self.exposed, Silence) else self.exposed

    @cached_property
    def both(self) -> list[tuple[str, Metric, Family]]:
        """Each declared metric that is exposed with the declared type, beside what is exposed."""
        return [
            (name, metric, self.families[name])
            for name, metric in self.metrics.items()
            if name in self.families and self.families[name].type == metric.type
        ]

    @property
    def scraped(self) -> dict[str, tuple[str, str]]:
        """Every job that Prometheus is to scrape, with where it answers here and within the compose network."""
        spec = self.environment.spec
        return {job: found for job in spec.job_metrics() if (found := spec.addresses(job))}

    def targets_of(self, job: str) -> list[Target]:
        """The targets of a job, of this project and environment."""
        own = {"job": job, "project": self.environment.spec.project, "env": self.environment.name}
        targets = self.targets if isinstance(self.targets, tuple) else ()
        return [target for target in targets if own.items() <= dict(target.labels).items()]

    def answer_to(self, question: Question) -> Answer | None:
        """What a question was answered, without what targets left behind that are gone: that stays for five minutes."""
        answer = self.answers.get(question.expr) if isinstance(self.answers, Mapping) else None
        if answer is None or not answer.instances or not isinstance(self.targets, tuple):
            return answer
        there = {"", *(target.labels.get("instance", "") for target in self.targets)}
        kept = tuple(v for v, whose in zip(answer.values, answer.instances, strict=True) if whose in there)
        return Answer(kept, answer.error)

    def has_series(self, job: str, name: str) -> bool:
        """Whether Prometheus has series of a declared metric."""
        return isinstance(self.series, frozenset) and (job, name) in self.series
