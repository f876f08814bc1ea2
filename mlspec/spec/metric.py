"""A metric: what the service emits."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from mlspec.spec.base import Amount, ImportPath, Integer, LabelName, Name, PositiveDuration, Shape, Text
from mlspec.spec.units import UNITS, Quantity, Unit, unit_of_name

MetricType = Literal["counter", "gauge", "histogram"]

# The events that the runtime measures by itself, and the roles that a metric's labels can play in each.
EVENTS = {
    "http.requests": ("method", "route", "status"),
    "http.duration": ("method", "route", "status"),
    "http.errors": ("method", "route", "error_type"),
    "http.in_progress": ("method",),
    "predictions.attempts": ("outcome",),
    "predictions.duration": ("outcome",),
    "predictions.confidence": (),
    "predictions.errors": ("error_type",),
}
Event = Literal[
    "http.requests",
    "http.duration",
    "http.errors",
    "http.in_progress",
    "predictions.attempts",
    "predictions.duration",
    "predictions.confidence",
    "predictions.errors",
]
MAX_LABEL_BUDGET = 10_000


def unit_name(text: str) -> str:
    """A validator: the name of a known unit."""
    if text not in UNITS:
        raise ValueError(f"`{text}` is no unit; known are {', '.join(UNITS)}")
    return text


UnitName = Annotated[Text, AfterValidator(unit_name)]


class Label(Shape):
    """A label: closed (`values`: these only) or open with a budget (`max`: beyond it, `other`)."""

    values: tuple[Text, ...] | None = Field(None, description="The label's only values.")
    max: Integer | None = Field(None, description="How many distinct values are kept; the rest is `other`.")

    @model_validator(mode="after")
    def _closed_or_open(self) -> "Label":
        if (self.values is None) == (self.max is None):
            raise ValueError("a label is closed (a list of values) or open (`{max: 10}`): write one of the two")
        if self.values is not None:
            if not self.values:
                raise ValueError("a closed label needs at least one value")
            if len(set(self.values)) < len(self.values):
                raise ValueError("a value stands twice")
        if self.max is not None and not 1 <= self.max <= MAX_LABEL_BUDGET:
            raise ValueError(f"`max` is {self.max}: write 1 to {MAX_LABEL_BUDGET}")
        return self


def _label(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f"a label is closed (a list of values) or open (`{{max: 10}}`), found `{value}`")
    return {"values": value} if isinstance(value, list) else value


class Linear(Shape):
    """Bucket edges at equal distances, both ends included."""

    first: Amount = Field(alias="from")
    to: Amount
    step: Amount

    def edges(self) -> list[Quantity]:
        """The edges, in the unit that `from` is written in; raises ValueError when they would be none or too many."""
        if len({self.first.suffix, self.to.suffix, self.step.suffix}) > 1:
            raise ValueError("write `from`, `to` and `step` in the same unit")
        if self.step.number <= 0 or self.to.number <= self.first.number:
            raise ValueError("`to` must be above `from` and `step` above 0")
        count = (self.to.number - self.first.number) / self.step.number
        if count != count.to_integral_value():
            raise ValueError("`step` must divide the way from `from` to `to`")
        if count > 200:
            raise ValueError(f"that makes {count + 1} buckets; 200 at most")
        return [_times(self.first, self.first.number + i * self.step.number) for i in range(int(count) + 1)]


class Exponential(Shape):
    """Bucket edges that each are `factor` times the one before."""

    first: Amount = Field(alias="from")
    factor: Amount
    count: Integer

    def edges(self) -> list[Quantity]:
        """The edges, in the unit that `from` is written in; raises ValueError when they would not rise."""
        if self.first.number <= 0 or self.factor.suffix or self.factor.number <= 1:
            raise ValueError("`from` must be above 0 and `factor` a number above 1")
        if not 1 <= self.count <= 200:
            raise ValueError("`count` is 1 to 200")
        return [_times(self.first, self.first.number * self.factor.number**i) for i in range(self.count)]


def _times(like: Quantity, number: object) -> Quantity:
    return Quantity.parse(f"{number:f}{like.suffix}")


class Buckets(Shape):
    """Bucket edges by rule instead of by hand."""

    linear: Linear | None = None
    exponential: Exponential | None = None

    @model_validator(mode="after")
    def _one(self) -> "Buckets":
        if (self.linear is None) == (self.exponential is None):
            raise ValueError("write `linear` or `exponential`, one of the two")
        self.edges()
        return self

    def edges(self) -> list[Quantity]:
        """The edges that the rule makes."""
        rule = self.linear or self.exponential
        assert rule is not None
        return rule.edges()


BucketsField = Annotated[
    Annotated[tuple[Amount, ...], Tag("<list>")] | Annotated[Buckets, Tag("<rule>")],
    Discriminator(lambda value: "<rule>" if isinstance(value, (dict, Buckets)) else "<list>"),
]


class Probe(Shape):
    """A question that is asked all the time, on a timer of its own, never inside a scrape."""

    call: ImportPath = Field(description="`package.module:function` that returns the gauge's value.")
    every: PositiveDuration = Field(5000, description="How often it is asked.")
    timeout: PositiveDuration = Field(2000, description="After this, the answer is `failed`.")
    failed: Amount | None = Field(None, description="The value that stands for no answer; default: no value.")


class Source(Shape):
    """Which event of the runtime sets the metric, and the part that each of its labels plays."""

    event: Event
    labels: dict[Name, LabelName] = Field({}, description="Role to label name, where the two differ.")

    @model_validator(mode="after")
    def _roles(self) -> "Source":
        if unknown := sorted(set(self.labels) - set(EVENTS[self.event])):
            raise ValueError(f"`{self.event}` has no role `{unknown[0]}`")
        return self

    def role_labels(self) -> dict[str, str]:
        """Each role of the event with the label that plays it."""
        return {role: self.labels.get(role, role) for role in EVENTS[self.event]}


class Metric(Shape):
    """A metric that the service, or another target, exposes."""

    type: MetricType
    help: Text
    unit: UnitName | None = Field(None, description="What is counted; default: from the name's suffix.")
    labels: dict[LabelName, Annotated[Label, BeforeValidator(_label)]] = {}
    buckets: BucketsField | None = Field(None, description="Upper edges, rising, without +Inf; or a rule.")
    range: tuple[Amount, Amount] | None = Field(None, description="Lowest and highest value that makes sense.")
    states: dict[Amount, Text] = Field({}, description="What each value of a state gauge means.")
    probe: Probe | None = None
    source: Source | None = None

    def unit_of(self, name: str) -> Unit:
        """The metric's unit: declared, else from its name's suffix."""
        return UNITS[self.unit] if self.unit else unit_of_name(name)

    def edges(self) -> tuple[Quantity, ...]:
        """The bucket edges as literals; empty for what is no histogram."""
        return tuple(self.buckets.edges() if isinstance(self.buckets, Buckets) else self.buckets or ())
