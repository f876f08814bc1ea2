"""An alert: a signal beyond a bound for a while, and what a person woken by it needs to know."""

from typing import Literal

from pydantic import Field, model_validator

from mlspec.spec.base import Boolean, Duration, LabelName, Name, Text
from mlspec.spec.signal import Bounded, Level

AlertSeverity = Literal["none", "info", "warning", "critical"]


class Alert(Bounded):
    """When people are called, and what they are told."""

    signal: Name
    level: Level | None = Field(None, description="Which of the signal's bounds; default: the critical one.")
    hold: Duration = Field(0, alias="for", description="How long the signal must be beyond its bound.")
    keep_firing_for: Duration = Field(0, description="How long the alert stays after the signal is back.")
    severity: AlertSeverity = Field("critical", description="How people are called.")
    labels: dict[LabelName, Text] = {}
    summary: Text
    description: Text | None = None
    impact: Text | None = Field(None, description="Who suffers, and how.")
    action: Text | None = Field(None, description="What to look at first.")
    runbook: Text | None = Field(None, description="Link to the full procedure.")
    absent: Literal["fire", "ignore"] | None = Field(
        None, description="What silence means; default: a companion alert tells of it, and a firing alert stays."
    )
    template: Boolean = Field(False, description="The texts are Prometheus templates: `{{` is not escaped.")

    @model_validator(mode="after")
    def _one_bound(self) -> "Alert":
        if self.level and self.bounds():
            raise ValueError(
                "`level` chooses one of the signal's bounds: leave it out beside a bound of the alert's own"
            )
        return self
