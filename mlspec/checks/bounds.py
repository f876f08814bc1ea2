"""Bounds that are not what they seem."""

from collections.abc import Iterator
from decimal import Decimal

from mlspec.diagnostic import Problem
from mlspec.resolve import Environment
from mlspec.spec.document import Spec
from mlspec.spec.meaning import natural_unit, own_edges, thresholds, unit_of
from mlspec.spec.metric import Metric
from mlspec.spec.signal import Bounded, Distribution, Mean, Quantile, SignalBase, Up, Value, Within
from mlspec.spec.units import UNITS, Quantity, UnitError, plain

_AS_TEXT = {
    "share": "a share such as `5%` or `0.05`",
    "time": "a time such as `50ms`",
    "bytes": "a size such as `512MiB`",
}


def wrong_dimension(environment: Environment) -> Iterator[Problem]:
    """A literal is of another dimension than what it bounds.

    Why: 50 milliseconds cannot be compared with a share or with bytes.
    Instead: Write it in the signal's unit.
    """
    spec = environment.spec
    for at, signal, bounded in _bounded(spec):
        unit = unit_of(spec, signal)
        for direction, bound in bounded.bounds().items():
            for level, amount in bound.levels().items():
                try:
                    amount.to(unit)
                except UnitError as error:
                    advice = f"Write {_AS_TEXT.get(unit.dimension, f'a number of {unit.name}')}."
                    yield Problem((*at, direction, level), f"`{at[1]}`: {error}", advice)
    for name, signal in spec.signals.items():
        yield from _inner_literals(spec, name, signal)


def _inner_literals(spec: Spec, name: str, signal: SignalBase) -> Iterator[Problem]:
    literals = {"within": [signal.within]} if isinstance(signal, Within) else {}
    if isinstance(signal, Distribution) and signal.bands:
        literals = {"bands": list(signal.bands)}
    for field, amounts in literals.items():
        found = spec.find_metric(signal.metrics()[0])
        for i, amount in enumerate(amounts):
            try:
                amount.to(found[1].unit_of(signal.metrics()[0]) if found else UNITS["number"])
            except UnitError as error:
                yield Problem(("signals", name, field, *([i] if field == "bands" else [])), f"`{name}`: {error}")


def _bounded(spec: Spec) -> Iterator[tuple[tuple[str, ...], SignalBase, Bounded]]:
    for name, signal in spec.signals.items():
        yield ("signals", name), signal, signal
    for name, alert in spec.alerts.items():
        if alert.signal in spec.signals:
            yield ("alerts", name), spec.signals[alert.signal], alert


def unit_of_other_dimension(environment: Environment) -> Iterator[Problem]:
    """A signal's unit is of another dimension than what it asks.

    Why: A share cannot be told in seconds.
    Instead: Leave `unit` out, or use one of the same dimension.
    """
    spec = environment.spec
    for name, signal in spec.signals.items():
        natural = natural_unit(spec, signal)
        if signal.unit and signal.kind != "expr" and UNITS[signal.unit].dimension != natural.dimension:
            yield Problem(("signals", name, "unit"), f"signal `{name}` is in {natural.name}, not in {signal.unit}")


def contradicting_bounds(environment: Environment) -> Iterator[Problem]:
    """A signal has bounds in two directions, or a warning beyond the critical bound.

    Why: Colours and alerts need one direction of getting worse, and a warning comes before the critical bound.
    Instead: Keep one of `above`, `below` and `equal`, with the warning on the healthy side.
    """
    spec = environment.spec
    for at, signal, bounded in _bounded(spec):
        unit, bounds = unit_of(spec, signal), bounded.bounds()
        if len(bounds) > 1:
            second = list(bounds)[1]
            both = " and ".join(f"`{direction}`" for direction in bounds)
            yield Problem((*at, second), f"`{at[1]}` has bounds {both}", on_key=True)
            continue
        for direction, bound in bounds.items():
            if bound.warning is None or bound.critical is None:
                continue
            try:
                warning, critical = bound.warning.to(unit), bound.critical.to(unit)
            except UnitError:
                continue
            if (direction == "above" and warning >= critical) or (direction == "below" and warning <= critical):
                message = f"`{at[1]}` warns {direction} {bound.warning.text}, past its critical {bound.critical.text}"
                yield Problem((*at, direction, "warning"), message)


def alert_without_bound(environment: Environment) -> Iterator[Problem]:
    """An alert watches a signal that has no bound at the alert's level.

    Why: There is no condition to fire on.
    Instead: Give the signal `above`, `below` or `equal`; or say `level: warning` where it has only that.
    """
    spec = environment.spec
    for name, alert in spec.alerts.items():
        signal = spec.signals.get(alert.signal)
        if signal is None or isinstance(signal, (Up, Distribution)):
            continue
        bounds = (alert if alert.bounds() else signal).bounds()
        level = alert.level or "critical"
        own = bool(alert.bounds())
        if not own and not any(level in bound.levels() for bound in bounds.values()):
            other = "; it has only a warning" if level == "critical" and bounds else ""
            message = f"alert `{name}` watches `{alert.signal}`, which has no {level} bound{other}"
            yield Problem(("alerts", name, "signal"), message)


def alert_on_distribution(environment: Environment) -> Iterator[Problem]:
    """An alert watches a distribution.

    Why: A spread has no single value to compare.
    Instead: Watch a `share`, `within` or `mean` of the same metric.
    """
    for name, alert in environment.spec.alerts.items():
        if isinstance(environment.spec.signals.get(alert.signal), Distribution):
            yield Problem(("alerts", name, "signal"), f"alert `{name}` watches the distribution `{alert.signal}`")


def impossible_bound(environment: Environment) -> Iterator[Problem]:
    """A bound that the signal can never reach, or can never leave.

    Why: The alert on it could never fire, or would always fire.
    Instead: Choose a bound within what the metric can be.
    """
    spec = environment.spec
    for at, signal, bounded in _bounded(spec):
        try:
            found = thresholds(spec, signal, bounded)
            low, high = _possible(spec, signal)
        except UnitError:
            continue
        for t in found:
            never = (t.direction == "above" and high is not None and t.value >= high) or (
                t.direction == "below" and low is not None and t.value <= low
            )
            always = (t.direction == "above" and low is not None and t.value < low) or (
                t.direction == "below" and high is not None and t.value > high
            )
            if never or always:
                limits = f"{low} to {high}"
                what = "can never be" if never else "is always"
                message = f"`{at[1]}` lies within {limits}: it {what} {t.direction} {plain(t.value)}"
                yield Problem((*at, t.direction, t.level), message)


def _possible(spec: Spec, signal: SignalBase) -> tuple[Decimal | None, Decimal | None]:
    """The lowest and highest value of a signal, in its unit."""
    unit = unit_of(spec, signal)
    if signal.kind in ("share", "within", "up"):
        return Decimal(0), 1 / unit.size
    if not isinstance(signal, (Value, Mean, Quantile)):
        return None, None
    name = signal.metrics()[0]
    found = spec.find_metric(name)
    if found is None:
        return None, None
    metric, own = found[1], found[1].unit_of(name)
    factor = own.size / unit.size
    low, high = (edge.to(own) * factor for edge in metric.range) if metric.range else (None, None)
    return low, high


def bound_beyond_buckets(environment: Environment) -> Iterator[Problem]:
    """The bound of a quantile stands at or above the histogram's last edge.

    Why: A quantile is never above the last finite edge, so the alert could never fire.
    Instead: Add an edge above the bound to the metric's buckets.
    """
    spec = environment.spec
    for at, signal, bounded in _bounded(spec):
        if not isinstance(signal, Quantile) or (found := spec.find_metric(signal.of)) is None:
            continue
        edges = [edge for edge in own_edges(signal.of, found[1]) if edge is not None]
        for direction, bound in bounded.bounds().items():
            for level, amount in bound.levels().items():
                value = _as(spec, signal, amount)
                if (
                    direction == "above"
                    and edges
                    and value == max(edges)
                    and not _ends_range(found[1], signal.of, value)
                ):
                    message = f"`{at[1]}` is bounded at {amount.text}, and `{signal.of}` has no edge above that"
                    yield Problem((*at, direction, level), message)


def _ends_range(metric: Metric, name: str, value: Decimal) -> bool:
    """Whether a value is at or past the end of the metric's range: then `impossible_bound` tells."""
    try:
        return metric.range is not None and value >= metric.range[1].to(metric.unit_of(name))
    except UnitError:
        return False


def _as(spec: Spec, signal: Quantile, amount: Quantity) -> Decimal | None:
    found = spec.find_metric(signal.of)
    if found is None:
        return None
    unit, own = unit_of(spec, signal), found[1].unit_of(signal.of)
    try:
        return amount.to(unit) * unit.size / own.size
    except UnitError:
        return None


def unknown_state(environment: Environment) -> Iterator[Problem]:
    """A bound on a state gauge names a value that is no state.

    Why: The gauge never has it.
    Instead: Use one of the declared states.
    """
    spec = environment.spec
    for at, signal, bounded in _bounded(spec):
        if isinstance(signal, Value) and (found := spec.find_metric(signal.value)) and found[1].states:
            known = {state.number for state in found[1].states}
            for direction, bound in bounded.bounds().items():
                for level, amount in bound.levels().items():
                    if direction == "equal" and amount.number not in known:
                        message = f"`{signal.value}` has no state {amount.text}"
                        yield Problem(
                            (*at, direction, level), message, f"one of {', '.join(s.text for s in found[1].states)}"
                        )


def equality_of_computed(environment: Environment) -> Iterator[Problem]:
    """An `equal` bound on a computed signal.

    Why: Rates, shares and means are floats: they are next to never equal to a number.
    Instead: Use `above` or `below`.
    """
    for at, signal, bounded in _bounded(environment.spec):
        if bounded.equal is not None and signal.kind not in ("value", "expr"):
            yield Problem(
                (*at, "equal"), f"`{at[1]}` is bounded by `equal`, and {signal.kind} is computed", on_key=True
            )
