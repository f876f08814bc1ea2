"""The stack around the service: its parts, their ports and versions."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from mlspec.spec.base import Port, PositiveDuration, Shape, Text, duration_at_least


def _tag(text: str) -> str:
    if not all(c.isascii() and (c.isalnum() or c in "._-@:") for c in text) or text == "latest":
        raise ValueError(f"`{text}` is no pinned version")
    return text


Version = Annotated[Text, AfterValidator(_tag)]
Interval = Annotated[PositiveDuration, AfterValidator(duration_at_least(1000, "an interval"))]


class PrometheusPart(Shape):
    """Prometheus."""

    port: Port = 9090
    version: Version = "v3.5.0"
    scrape_interval: Interval = 15_000
    scrape_timeout: PositiveDuration | None = Field(None, description="Default: 10 s, at most the interval.")
    evaluation_interval: Interval | None = Field(None, description="Default: the scrape interval.")
    retention: PositiveDuration = 15 * 86_400_000

    @model_validator(mode="after")
    def _timeout(self) -> "PrometheusPart":
        if self.timeout > self.scrape_interval:
            raise ValueError("`scrape_timeout` must not be longer than `scrape_interval`")
        return self

    @property
    def timeout(self) -> int:
        """The scrape's time-out, in milliseconds."""
        return self.scrape_timeout or min(10_000, self.scrape_interval)

    @property
    def evaluation(self) -> int:
        """How often rules are evaluated, in milliseconds."""
        return self.evaluation_interval or self.scrape_interval


class AlertmanagerPart(Shape):
    """Alertmanager, and how it groups what it tells."""

    port: Port = 9093
    version: Version = "v0.28.1"
    group_wait: PositiveDuration = 30_000
    group_interval: PositiveDuration = 300_000
    repeat_interval: PositiveDuration = 4 * 3_600_000


class NodeExporterPart(Shape):
    """The node exporter: the machine's own figures."""

    port: Port = 9100
    version: Version = "v1.9.1"


class GrafanaPart(Shape):
    """Grafana."""

    port: Port = 3000
    version: Version = "12.0.2"


class MlflowPart(Shape):
    """MLflow's tracking server and model registry."""

    port: Port = 5000
    version: Version = "v3.17.0"
    backend: Text = "sqlite"


class Stack(Shape):
    """The parts that run beside the service; one that is removed (`null`) does not run."""

    include: Text | None = Field(None, description="The user's own compose file.")
    prometheus: PrometheusPart = PrometheusPart()
    alertmanager: AlertmanagerPart = AlertmanagerPart()
    grafana: GrafanaPart | None = None
    node_exporter: NodeExporterPart | None = None
    mlflow: MlflowPart | None = None
