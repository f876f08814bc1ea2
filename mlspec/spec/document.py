"""The whole spec of a service in one environment."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from mlspec.spec.alert import Alert
from mlspec.spec.base import AlertName, Integer, MetricName, Name, PositiveDuration, Shape, Text
from mlspec.spec.dashboard import Dashboard, Panel
from mlspec.spec.metric import Metric
from mlspec.spec.notify import Receiver
from mlspec.spec.service import ServiceSection, Target
from mlspec.spec.signal import Signal
from mlspec.spec.stack import Stack


def _project(text: str) -> str:
    if (
        not (text.isascii() and text.replace("-", "").replace("_", "").isalnum() and text[0].isalpha())
        or len(text) > 40
    ):
        raise ValueError(f"`{text}` is no project name: at most 40 letters, digits, `-` and `_`, a letter first")
    return text


def _format(number: int) -> int:
    if number != 1:
        raise ValueError(f"this mlspec reads format 1, found {number}")
    return number


class Model(Shape):
    """The model that the service loads: from a registry, a run or a file."""

    registry: Text | None = Field(None, description="`name@alias`")
    run: Text | None = None
    file: Text | None = None
    otherwise: Text | None = None
    refresh: PositiveDuration = 30_000
    experiment: Text | None = None


class Drift(Shape):
    """What is compared with what, and what follows from it."""

    reference: dict[str, Any] = {}
    current: dict[str, Any] = {}
    features: dict[str, Any] = {}
    prediction: Text | None = None
    target: Text | None = None
    feedback: dict[str, Any] = {}
    decide: dict[str, Any] = {}
    actions: dict[str, Any] = {}


class Spec(Shape):
    """One service in one environment: what healthy means, and the stack that watches it."""

    mlspec: Annotated[Integer, AfterValidator(_format)] = Field(description="Format of the language: 1.")
    project: Annotated[Text, AfterValidator(_project)]
    title: Text | None = None
    owner: Text | None = None
    service: ServiceSection
    metrics: dict[MetricName, Metric] = {}
    signals: dict[Name, Signal] = {}
    alerts: dict[AlertName, Alert] = {}
    dashboards: dict[Name, Dashboard] = {}
    drift: Drift | None = None
    model: Model | None = None
    targets: dict[Name, Target] = {}
    notify: dict[Name, Receiver] = {}
    stack: Stack = Stack()

    @property
    def job(self) -> str:
        """The Prometheus job of the service."""
        return self.service.job or self.project

    @property
    def name(self) -> str:
        """What a person calls the service."""
        return self.title or self.project

    def job_metrics(self) -> dict[str, dict[str, Metric]]:
        """Every job with the metrics that it exposes, the service's own first."""
        return {self.job: self.metrics, **{job: target.metrics for job, target in self.targets.items()}}

    def panels(self) -> Iterator[tuple[tuple[str | int, ...], Panel]]:
        """Every panel with its path in the spec."""
        for name, dashboard in self.dashboards.items():
            for i, row in enumerate(dashboard.rows):
                for j, panel in enumerate(row.panels):
                    yield ("dashboards", name, "rows", i, "panels", j), panel

    def find_metric(self, name: str) -> tuple[str, Metric] | None:
        """The job that exposes a metric, and the metric; None when nothing declares it."""
        if name in self.metrics:
            return self.job, self.metrics[name]
        found = ((job, target.metrics[name]) for job, target in self.targets.items() if name in target.metrics)
        return next(found, None)

    def addresses(self, job: str) -> tuple[str, str] | None:
        """Where a job answers, on this machine and within the compose network; None for a part that does not run."""
        if job == self.job:
            host = "127.0.0.1" if self.service.host == "0.0.0.0" else self.service.host
            return f"{host}:{self.service.port}", f"api:{self.service.port}"
        if given := self.targets[job].address:
            return given, given
        part = {
            "prometheus": (self.stack.prometheus.port, "prometheus:9090"),
            "alertmanager": (self.stack.alertmanager.port, "alertmanager:9093"),
            "node": (self.stack.node_exporter.port if self.stack.node_exporter else None, "node-exporter:9100"),
        }.get(job, (None, ""))
        return (f"127.0.0.1:{part[0]}", part[1]) if part[0] else None
