"""A signal: a typed question about metrics, with its bounds. One class a kind; the kind is the key that is written."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from mlspec.spec.base import (
    Amount,
    Count,
    LabelName,
    MetricName,
    Name,
    Number,
    PositiveDuration,
    Shape,
    Text,
    one_or_more,
)
from mlspec.spec.metric import UnitName
from mlspec.spec.units import Quantity

Level = Literal["warning", "critical"]
Direction = Literal["above", "below", "equal"]
DIRECTIONS: tuple[Direction, ...] = ("above", "below", "equal")
DEFAULT_WINDOW = 300_000

# Label value, or several; `5*` stands for every value that begins with 5.
Matcher = Annotated[tuple[Text, ...], BeforeValidator(one_or_more)]


class Bound(Shape):
    """Where a signal stops being healthy: a value alone is the critical one."""

    warning: Amount | None = None
    critical: Amount | None = None

    @model_validator(mode="after")
    def _some(self) -> "Bound":
        if self.warning is None and self.critical is None:
            raise ValueError("a bound needs `critical` or `warning`")
        return self

    def levels(self) -> dict[Level, Quantity]:
        """The levels that are set, warning first."""
        both: dict[Level, Quantity | None] = {"warning": self.warning, "critical": self.critical}
        return {level: amount for level, amount in both.items() if amount is not None}


BoundField = Annotated[Bound, BeforeValidator(lambda v: v if isinstance(v, (dict, Bound)) else {"critical": v})]


class Bounded(Shape):
    """What has bounds: a signal, or an alert with a bound of its own."""

    above: BoundField | None = None
    below: BoundField | None = None
    equal: BoundField | None = None

    def bounds(self) -> dict[Direction, Bound]:
        """The directions that are set."""
        return {d: bound for d in DIRECTIONS if (bound := getattr(self, d)) is not None}


class SignalBase(Bounded):
    """What every kind of signal has."""

    kind: ClassVar[str]
    title: Text | None = None
    description: Text | None = None
    unit: UnitName | None = Field(None, description="Unit of the answer; default: what the kind and metric give.")
    over: PositiveDuration = Field(DEFAULT_WINDOW, description="The window that is looked at.")
    by: Annotated[tuple[LabelName, ...], BeforeValidator(one_or_more)] = Field((), description="Labels that are kept.")
    where: dict[LabelName, Matcher] = Field({}, description="Only series with these label values.")
    min_events: Count | None = Field(None, description="Alert only from this many events in the window on.")

    def metrics(self) -> tuple[str, ...]:
        """The metrics that are asked about, by name."""
        return ()


class Rate(SignalBase):
    """Events per second, minute or hour of a counter, or of a histogram's observations."""

    kind = "rate"
    rate: MetricName
    per: Literal["second", "minute", "hour"] = "second"

    def metrics(self) -> tuple[str, ...]:
        return (self.rate,)


class Share(SignalBase):
    """The share of a counter's events that have certain label values; 0 where nothing has them."""

    kind = "share"
    share: MetricName
    having: dict[LabelName, Matcher]

    def metrics(self) -> tuple[str, ...]:
        return (self.share,)


class Ratio(SignalBase):
    """One metric as a share of the sum of others: counters by their rates, gauges by their values."""

    kind = "ratio"
    ratio: MetricName
    of: Annotated[tuple[MetricName, ...], BeforeValidator(one_or_more)]

    def metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.ratio, *self.of)))


def _between_0_and_1(number: float) -> float:
    if not 0 < number < 1:
        raise ValueError(f"a quantile lies between 0 and 1, as `0.95`; found `{number:g}`")
    return number


QuantileNumber = Annotated[Number, AfterValidator(_between_0_and_1)]


class Quantile(SignalBase):
    """The value below which a share of a histogram's observations lies."""

    kind = "quantile"
    quantile: QuantileNumber
    of: MetricName

    def metrics(self) -> tuple[str, ...]:
        return (self.of,)


class Mean(SignalBase):
    """The mean of a histogram's observations in the window."""

    kind = "mean"
    mean: MetricName

    def metrics(self) -> tuple[str, ...]:
        return (self.mean,)


class Within(SignalBase):
    """The share of a histogram's observations at or below a value."""

    kind = "within"
    within: Amount
    of: MetricName

    def metrics(self) -> tuple[str, ...]:
        return (self.of,)


class Increase(SignalBase):
    """How many events a counter, or a histogram's count, saw in the window."""

    kind = "increase"
    increase: MetricName

    def metrics(self) -> tuple[str, ...]:
        return (self.increase,)


class Value(SignalBase):
    """A gauge as it is, each series for itself."""

    kind = "value"
    value: MetricName

    def metrics(self) -> tuple[str, ...]:
        return (self.value,)


class Distribution(SignalBase):
    """How events spread: a histogram's over bands of its values, a counter's over a label. For panels."""

    kind = "distribution"
    distribution: MetricName
    bands: tuple[Amount, ...] | None = Field(
        None, description="Edges between a histogram's bands; default: its buckets."
    )

    def metrics(self) -> tuple[str, ...]:
        return (self.distribution,)


class Up(SignalBase):
    """Whether a job's targets answer their scrapes."""

    kind = "up"
    up: Name


class Age(SignalBase):
    """Seconds since the time that a timestamp gauge tells."""

    kind = "age"
    age: MetricName

    def metrics(self) -> tuple[str, ...]:
        return (self.age,)


class Change(SignalBase):
    """How far another signal moved, as a fraction of what it was some time ago."""

    kind = "change"
    change: Name
    against: PositiveDuration


class Expr(SignalBase):
    """The way out: PromQL of the user's own, parsed, checked and given its job's matchers."""

    kind = "expr"
    expr: Text


KINDS: dict[str, type[SignalBase]] = {
    shape.kind: shape
    for shape in (Rate, Share, Ratio, Quantile, Mean, Within, Increase, Value, Distribution, Up, Age, Change, Expr)
}


def kind_of(data: object) -> str | None:
    """The kind that a signal's raw mapping names, None for none; the first in the order of `KINDS` wins."""
    if isinstance(data, SignalBase):
        return data.kind
    if isinstance(data, Mapping):
        return next((kind for kind in KINDS if kind in data), None)
    return None


def _tag(data: Any) -> str | None:
    kind = kind_of(data)
    return f"<{kind}>" if kind else None


Signal = Annotated[
    Annotated[Rate, Tag("<rate>")]
    | Annotated[Share, Tag("<share>")]
    | Annotated[Ratio, Tag("<ratio>")]
    | Annotated[Quantile, Tag("<quantile>")]
    | Annotated[Mean, Tag("<mean>")]
    | Annotated[Within, Tag("<within>")]
    | Annotated[Increase, Tag("<increase>")]
    | Annotated[Value, Tag("<value>")]
    | Annotated[Distribution, Tag("<distribution>")]
    | Annotated[Up, Tag("<up>")]
    | Annotated[Age, Tag("<age>")]
    | Annotated[Change, Tag("<change>")]
    | Annotated[Expr, Tag("<expr>")],
    Discriminator(
        _tag,
        custom_error_type="signal_kind",
        custom_error_message=f"a signal says what it asks by one of the keys {', '.join(KINDS)}",
    ),
]
