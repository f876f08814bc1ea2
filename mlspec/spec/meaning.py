"""What a signal means within its spec: its unit, its bounds as numbers, the metrics and labels behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mlspec.spec.alert import Alert
from mlspec.spec.document import Spec
from mlspec.spec.metric import Metric
from mlspec.spec.signal import (
    Age,
    Bounded,
    Direction,
    Distribution,
    Increase,
    Level,
    Mean,
    Quantile,
    Rate,
    Ratio,
    Share,
    SignalBase,
    Up,
    Value,
    Within,
)
from mlspec.spec.units import UNITS, Quantity, Unit, UnitError, per


def natural_unit(spec: Spec, signal: SignalBase) -> Unit:
    """The unit of a signal's answer before any `unit:` of its own."""
    match signal:
        case Rate():
            return per(_unit(spec, signal.rate), signal.per)
        case Quantile() | Mean() | Value():
            return _unit(spec, signal.metrics()[0])
        case Share() | Ratio() | Within() | Up():
            return UNITS["fraction"]
        case Age():
            return UNITS["seconds"]
        case Increase() | Distribution():
            return UNITS["number"]
    return UNITS["fraction"] if signal.kind == "change" else UNITS["number"]


def _unit(spec: Spec, metric: str) -> Unit:
    found = spec.find_metric(metric)
    return found[1].unit_of(metric) if found else UNITS["number"]


def unit_of(spec: Spec, signal: SignalBase) -> Unit:
    """The unit in which a signal answers, and in which its bounds are."""
    return UNITS[signal.unit] if signal.unit else natural_unit(spec, signal)


def scale(spec: Spec, signal: SignalBase) -> Decimal:
    """What the natural answer is multiplied by to be in the signal's unit."""
    natural, asked = natural_unit(spec, signal), unit_of(spec, signal)
    return natural.size / asked.size if natural.dimension == asked.dimension else Decimal(1)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound as a number of the signal's unit."""

    direction: Direction
    level: Level
    value: Decimal


def thresholds(spec: Spec, signal: SignalBase, bounded: Bounded | None = None) -> list[Threshold]:
    """The signal's bounds (or those of an alert on it) as numbers, warning before critical; raises UnitError."""
    unit = unit_of(spec, signal)
    return [
        Threshold(direction, level, amount.to(unit))
        for direction, bound in (bounded or signal).bounds().items()
        for level, amount in bound.levels().items()
    ]


def alert_threshold(spec: Spec, alert: Alert) -> Threshold | None:
    """The one bound that an alert watches: its own, else the signal's at its level; None where there is none."""
    signal = spec.signals[alert.signal]
    found = thresholds(spec, signal, alert if alert.bounds() else signal)
    if alert.level:
        return next((t for t in found if t.level == alert.level), None)
    return next((t for t in found if t.level == "critical"), found[0] if alert.bounds() and found else None)


def needed_edges(spec: Spec) -> Iterator[tuple[str, Quantity, Unit]]:
    """Every value at which a histogram must have an edge for a bound to be exact: (metric, literal, its unit)."""
    for name, signal in spec.signals.items():
        unit = unit_of(spec, signal)
        match signal:
            case Within():
                yield signal.of, signal.within, _unit(spec, signal.of)
            case Distribution(bands=bands) if bands:
                for band in bands:
                    yield signal.distribution, band, _unit(spec, signal.distribution)
            case Quantile():
                alerts = [alert for alert in spec.alerts.values() if alert.signal == name]
                for bounded in (signal, *alerts):
                    for bound in bounded.bounds().values():
                        for amount in bound.levels().values():
                            yield signal.of, amount, unit


def edges_in_unit(spec: Spec, name: str, metric: Metric) -> set[Decimal]:
    """A histogram's edges and those that the spec's bounds need, in its unit; what cannot be read is left out."""
    unit = metric.unit_of(name)
    edges = {edge for edge in own_edges(name, metric) if edge is not None}
    needed = {
        _number(literal, given, unit) for metric_name, literal, given in needed_edges(spec) if metric_name == name
    }
    return edges | {edge for edge in needed if edge is not None}


def own_edges(name: str, metric: Metric) -> list[Decimal | None]:
    """A histogram's edges as declared, in its unit; None for one of another dimension."""
    unit = metric.unit_of(name)
    return [_number(literal, unit, unit) for literal in metric.edges()]


def _number(literal: Quantity, given: Unit, wanted: Unit) -> Decimal | None:
    if given.dimension != wanted.dimension:
        return None
    try:
        return literal.to(given) * given.size / wanted.size
    except UnitError:
        return None
