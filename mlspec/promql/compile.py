"""Signals to PromQL that is right by construction: one function a kind.

Sums stand before divisions, nothing is divided by zero, `le` is kept, and a share reads zero where nothing failed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from mlspec.promql.expr import with_matchers
from mlspec.promql.select import SCRAPED, View, aggregate, has_label, le, matcher, quoted, selector, series_suffix
from mlspec.spec.document import Spec
from mlspec.spec.meaning import own_edges, scale
from mlspec.spec.signal import (
    Age,
    Change,
    Distribution,
    Expr,
    Increase,
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
from mlspec.spec.units import duration, plain

_PER: Final = {"second": 1, "minute": 60, "hour": 3600}


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, the labels of its result (None: whatever the expression gives), and whether it asks about a range."""

    expr: str
    labels: tuple[str, ...] | None
    over_range: bool = False


@dataclass(frozen=True, slots=True)
class _Ask:
    """A signal on its way to PromQL: who asks, over which window, and how long ago."""

    view: View
    signal: Any
    fixed: bool
    offset: str = ""

    @property
    def by(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.view.keep, *self.signal.by)))

    def ranged(self, name: str, function: str, *more: str, suffix: str = "", total: bool = False) -> str:
        """`rate(x{…}[5m])`, or `increase` over the whole span."""
        over = self.signal.over
        window = self.view.span(over, self.fixed) if total else self.view.window(over, self.fixed)
        return (
            f"{function}({selector(self.view, name, self.signal.where, *more, suffix=suffix)}[{window}]{self.offset})"
        )

    def events(self, name: str, *more: str, by: tuple[str, ...] | None = None) -> str:
        """The summed rate of a counter, or of a histogram's observations."""
        suffix = self.suffix(name)
        return aggregate(self.by if by is None else by, self.ranged(name, "rate", *more, suffix=suffix))

    def suffix(self, name: str) -> str:
        found = self.view.spec.find_metric(name)
        return series_suffix(found[1] if found else None)

    def instant(self, name: str, *more: str) -> str:
        return selector(self.view, name, self.signal.where, *more) + self.offset


def compile_signal(view: View, signal: SignalBase, fixed: bool = False, offset: str = "") -> Query:
    """A signal as PromQL, in its unit. `fixed` keeps the signal's own window in a panel, as rules do."""
    ask = _Ask(view, signal, fixed, offset)
    query = _KINDS[signal.kind](ask)
    factor = scale(view.spec, signal)
    return query if factor == 1 else Query(f"{plain(factor)} * ({query.expr})", query.labels, query.over_range)


def _rate(ask: _Ask) -> Query:
    per = _PER[ask.signal.per]
    expr = ask.events(ask.signal.rate)
    return Query(f"{per} * {expr}" if per > 1 else expr, ask.by)


def _share(ask: _Ask) -> Query:
    from_all = ask.events(ask.signal.share)
    having = [matcher(label, values) for label, values in ask.signal.having.items()]
    return Query(f"({ask.events(ask.signal.share, *having)} or 0 * {from_all}) / ({from_all} > 0)", ask.by)


def _ratio(ask: _Ask) -> Query:
    signal: Ratio = ask.signal
    find = ask.view.spec.find_metric
    gauges = (found := find(signal.ratio)) is not None and found[1].type == "gauge"
    common = shared(ask.view.spec, signal.of, ask.by)

    def amount(name: str, by: tuple[str, ...]) -> str:
        return aggregate(by, ask.instant(name)) if gauges else ask.events(name, by=by)

    parts = [amount(name, common) for name in signal.of]
    top = amount(signal.ratio, ask.by)
    if common != ask.by:
        whole = _grouped(summed(parts, optional=not gauges), len(parts))
        return Query(f"{top} / on ({', '.join(common)}) group_left () ({whole} > 0)", ask.by)
    whole = summed(parts, optional=not gauges)
    if gauges:
        return Query(f"{top} / ({whole} > 0)", ask.by)
    others = [part for part in parts if part != top]
    filled = f"({top} or 0 * {_grouped(summed(others, optional=True), len(others))})" if others else top
    return Query(f"{filled} / ({_grouped(whole, len(parts))} > 0)", ask.by)


def shared(spec: Spec, metrics: Iterable[str], labels: Iterable[str]) -> tuple[str, ...]:
    """The labels that every one of the metrics has."""
    found = [spec.find_metric(name) for name in metrics]
    return tuple(label for label in labels if all(has_label(f[1] if f else None, label) for f in found))


def summed(parts: list[str], optional: bool) -> str:
    """The sum of vectors; with `optional`, of those that are there."""
    if not optional:
        return " + ".join(parts)
    return reduce(
        lambda left, right: (
            f"({left}) + {right} or {right} or ({left})" if " or " in left else f"{left} + {right} or {right} or {left}"
        ),
        parts,
    )


def _grouped(text: str, parts: int) -> str:
    return f"({text})" if parts > 1 else text


def _quantile(ask: _Ask) -> Query:
    keep = tuple(dict.fromkeys(("job", *ask.signal.by)))
    name = ask.signal.of
    buckets = aggregate((*keep, "le"), ask.ranged(name, "rate", suffix="_bucket"))
    count = aggregate(keep, ask.ranged(name, "rate", suffix="_count"))
    number = plain(Decimal(repr(ask.signal.quantile)))
    return Query(f"histogram_quantile({number}, {buckets}) and on ({', '.join(keep)}) {count} > 0", keep)


def _mean(ask: _Ask) -> Query:
    name = ask.signal.mean
    total = aggregate(ask.by, ask.ranged(name, "rate", suffix="_sum"))
    count = aggregate(ask.by, ask.ranged(name, "rate", suffix="_count"))
    return Query(f"{total} / ({count} > 0)", ask.by)


def _within(ask: _Ask) -> Query:
    signal: Within = ask.signal
    found = ask.view.spec.find_metric(signal.of)
    edge = signal.within.to(found[1].unit_of(signal.of)) if found else signal.within.number
    inside = aggregate(ask.by, ask.ranged(signal.of, "rate", le(edge), suffix="_bucket"))
    count = aggregate(ask.by, ask.ranged(signal.of, "rate", suffix="_count"))
    return Query(f"{inside} / ({count} > 0)", ask.by)


def _increase(ask: _Ask) -> Query:
    name = ask.signal.increase
    expr = aggregate(ask.by, ask.ranged(name, "increase", suffix=ask.suffix(name), total=True))
    return Query(expr, ask.by, over_range=True)


def _value(ask: _Ask) -> Query:
    signal: Value = ask.signal
    found = ask.view.spec.find_metric(signal.value)
    if not ask.view.panel and not signal.by:
        labels = (*SCRAPED, *(found[1].labels if found else ()))
        return Query(ask.instant(signal.value), labels)
    return Query(aggregate(ask.by, ask.instant(signal.value), "min" if _low_is_bad(signal) else "max"), ask.by)


def _low_is_bad(signal: Value) -> bool:
    """Whether the lowest of several series is the one to show; of two states, 0 is the low one."""
    if signal.equal is None:
        return signal.below is not None and signal.above is None
    return all(amount.number <= 0 for amount in signal.equal.levels().values())


def _distribution(ask: _Ask) -> Query:
    signal: Distribution = ask.signal
    found = ask.view.spec.find_metric(signal.distribution)
    if found is None or found[1].type != "histogram":
        expr = aggregate(ask.by, ask.ranged(signal.distribution, "increase", total=True))
        return Query(expr, ask.by, over_range=True)
    unit = found[1].unit_of(signal.distribution)
    edges = [b.to(unit) for b in signal.bands] if signal.bands else own_edges(signal.distribution, found[1])
    return Query(" or ".join(_bands(ask, [e for e in edges if e is not None])), ("band",), over_range=True)


def _bands(ask: _Ask, edges: list[Decimal]) -> Iterable[str]:
    name = ask.signal.distribution
    texts = [plain(edge) for edge in edges]
    upto = [aggregate((), ask.ranged(name, "increase", le(e), suffix="_bucket", total=True)) for e in edges]
    everything = aggregate((), ask.ranged(name, "increase", suffix="_count", total=True))
    yield _band(upto[0], f"≤ {texts[0]}")
    for i in range(1, len(edges)):
        yield _band(f"{upto[i]} - {upto[i - 1]}", f"{texts[i - 1]}–{texts[i]}")
    yield _band(f"{everything} - {upto[-1]}", f"> {texts[-1]}")


def _band(expr: str, name: str) -> str:
    return f'label_replace(clamp_min({expr}, 0), "band", {quoted(name)}, "", "")'


def _up(ask: _Ask) -> Query:
    signal: Up = ask.signal
    series = f"up{{{','.join(ask.view.job_matchers(signal.up))}}}"
    if ask.view.panel:
        span = ask.view.span(signal.over, ask.fixed)
        return Query(f"avg_over_time({series}[{span}])", SCRAPED, over_range=True)
    return Query(series, SCRAPED)


def _age(ask: _Ask) -> Query:
    series = selector(ask.view, ask.signal.age, ask.signal.where)
    return Query(f"time() - {aggregate(ask.by, f'last_over_time({series}[1d])', 'max')}", ask.by)


def _change(ask: _Ask) -> Query:
    followed = changing(ask.view.spec, ask.signal)
    now = compile_signal(ask.view, followed, ask.fixed)
    before = compile_signal(ask.view, followed, ask.fixed, f" offset {duration(ask.signal.against)}")
    return Query(f"({now.expr}) / (({before.expr}) > 0) - 1", now.labels, now.over_range)


def changing(spec: Spec, signal: Change) -> SignalBase:
    """The signal that a change follows, sliced as the change asks."""
    inner = spec.signals[signal.change]
    return inner.model_copy(
        update={"by": tuple(dict.fromkeys((*inner.by, *signal.by))), "where": {**inner.where, **signal.where}}
    )


def _expr(ask: _Ask) -> Query:
    return Query(with_matchers(ask.signal.expr, ask.view), None)


_KINDS: Final[dict[str, Callable[[_Ask], Query]]] = {
    Rate.kind: _rate,
    Share.kind: _share,
    Ratio.kind: _ratio,
    Quantile.kind: _quantile,
    Mean.kind: _mean,
    Within.kind: _within,
    Increase.kind: _increase,
    Value.kind: _value,
    Distribution.kind: _distribution,
    Up.kind: _up,
    Age.kind: _age,
    Change.kind: _change,
    Expr.kind: _expr,
}
