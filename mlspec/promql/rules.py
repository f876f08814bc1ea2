"""What Prometheus evaluates all the time: recorded signals, alert conditions, and what tells of silence."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from mlspec import names
from mlspec.promql.compile import Query, changing, compile_signal, shared, summed
from mlspec.promql.expr import metric_behind, parse, series_names
from mlspec.promql.select import SCRAPED, View, aggregate, quoted, selector, series_suffix
from mlspec.spec.alert import Alert
from mlspec.spec.meaning import Threshold, alert_threshold, scale
from mlspec.spec.metric import Metric
from mlspec.spec.signal import Change, Expr, Increase, Mean, Quantile, Rate, Ratio, Share, SignalBase, Up, Value, Within
from mlspec.spec.units import duration, plain

_RECORDED: Final = (Rate, Share, Ratio, Quantile, Mean, Within, Increase, Change)
# A computed value is compared with a bound moved by this part of itself: exactly 5% may compute as 0.05000000000000001.
MARGIN: Final = Decimal("1e-9")
# The value that an alert tells while nothing is known: that of `up` or ALERTS would read as a measurement.
_NO_VALUE: Final = "NaN"
GONE_FOR: Final = 600_000
DOWN_FOR: Final = 120_000


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule."""

    record: str
    expr: str
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Alerting:
    """An alerting rule; durations in milliseconds."""

    alert: str
    expr: str
    hold: int
    keep_firing_for: int
    labels: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict)


def recording(view: View, name: str) -> Recording | None:
    """The rule that records a signal; None for a kind that is asked directly."""
    signal = view.spec.signals[name]
    if not isinstance(signal, _RECORDED):
        return None
    query = compile_signal(view, signal)
    return Recording(_record_name(view, signal, query), query.expr, {**rule_labels(view), names.SIGNAL: name})


def rule_labels(view: View) -> dict[str, str]:
    """The labels of every rule."""
    return {names.PROJECT: view.spec.project, names.ENV: view.env}


def _record_name(view: View, signal: SignalBase, query: Query) -> str:
    level = "_".join(query.labels or ())
    window = duration(signal.over)
    match signal:
        case Quantile():
            operation = f"p{plain(Decimal(repr(signal.quantile)) * 100).replace('.', '_')}_{window}"
        case Change():
            inner = view.spec.signals[signal.change]
            return f"{level}:{'_'.join(inner.metrics()) or 'expr'}:change{duration(signal.against)}"
        case Ratio() if _of_gauges(view, signal):
            operation = "ratio"
        case _:
            operation = f"{signal.kind}{window}"
    return f"{level}:{signal.metrics()[0].removesuffix('_total')}:{operation}"


def _of_gauges(view: View, signal: Ratio) -> bool:
    found = view.spec.find_metric(signal.ratio)
    return found is not None and found[1].type == "gauge"


def condition(view: View, name: str, alert: Alert) -> str:
    """When an alert fires, before `for`: its signal beyond its bound, guarded against few events and silence."""
    signal = view.spec.signals[alert.signal]
    query = compile_signal(view, signal)
    subject, computed = _subject(view, alert.signal, query)
    if isinstance(signal, Up):
        return f"{subject} == 0 or absent({subject})"
    threshold = alert_threshold(view.spec, alert)
    expr = f"{subject} {_comparison(threshold, computed)}" if threshold else subject
    if signal.min_events and (events := _events(view, signal)):
        expr = f"{expr} and {events} >= {signal.min_events}"
    if query.labels is None:
        return f"{expr} or absent({query.expr})" if alert.absent == "fire" and threshold else expr
    if alert.absent == "fire":
        return f"{expr} or {_silent(view, signal, query)}"
    return expr if alert.absent == "ignore" else f"{expr} or {_latched(view, name, signal, query)}"


def _subject(view: View, name: str, query: Query) -> tuple[str, bool]:
    """What is compared with the bound, and whether it is computed (and so has float noise)."""
    signal = view.spec.signals[name]
    if rule := recording(view, name):
        own = [f"{label}={quoted(value)}" for label, value in rule.labels.items()]
        return f"{rule.record}{{{','.join(own)}}}", True
    if isinstance(signal, Up) or (isinstance(signal, Value) and scale(view.spec, signal) == 1):
        return query.expr, False
    return f"({query.expr})", True


def _comparison(threshold: Threshold, computed: bool) -> str:
    value = threshold.value
    if threshold.direction == "equal":
        return f"== {plain(value)}"
    away = abs(value) * MARGIN if computed else Decimal(0)
    if threshold.direction == "above":
        return f"> {plain(value + away)}"
    return f"< {plain(value - away)}"


def _events(view: View, signal: SignalBase) -> str | None:
    """`on (…)` how many events the window saw, of what the signal divides by; None where nothing is counted."""
    if isinstance(signal, Change):
        return _events(view, changing(view.spec, signal))
    counted = signal.of if isinstance(signal, Ratio) else signal.metrics()[:1]
    metrics = {name: found[1] for name in counted if (found := view.spec.find_metric(name))}
    if not metrics or any(metric.type == "gauge" for metric in metrics.values()):
        return None
    by = shared(view.spec, counted, dict.fromkeys(("job", *signal.by)))
    parts = []
    for name, metric in metrics.items():
        series = selector(view, name, signal.where, suffix=series_suffix(metric))
        parts.append(aggregate(by, f"increase({series}[{duration(signal.over)}])"))
    events = summed(parts, optional=True)
    return f"on ({', '.join(by)}) {events if len(parts) == 1 else f'({events})'}"


def _silent(view: View, signal: SignalBase, query: Query) -> str:
    """When there is nothing to compare; `on`, so that what fires by its bound does not fire twice."""
    up, series = _presence(view, signal)
    by = _target_labels(query)
    here = up if by == SCRAPED else aggregate(by, up, "max")
    on = f"on ({', '.join(by)})"
    return f"{on} ({here} unless {on} {series} or absent({up})) * {_NO_VALUE}"


def _latched(view: View, name: str, signal: SignalBase, query: Query) -> str:
    """The alert itself while its target is down, with the very labels of its condition: it is not to fire twice."""
    own = {"alertname": name, "alertstate": "firing", **rule_labels(view)}
    firing = f"ALERTS{{{','.join(f'{label}={quoted(value)}' for label, value in own.items())}}}"
    up, _ = _presence(view, signal)
    by = _target_labels(query)
    kept = aggregate(_labels_of_subject(view, signal, query), firing, "max")
    return f"({kept} and on ({', '.join(by)}) {aggregate(by, up, 'max')} == 0) * {_NO_VALUE}"


def _target_labels(query: Query) -> tuple[str, ...]:
    return tuple(label for label in SCRAPED if label in (query.labels or ()))


def _labels_of_subject(view: View, signal: SignalBase, query: Query) -> tuple[str, ...]:
    labels = query.labels or ()
    if isinstance(signal, _RECORDED):
        return (*labels, names.PROJECT, names.ENV, names.SIGNAL)
    if isinstance(signal, Value) and not signal.by:
        return (*labels, names.PROJECT, names.ENV)
    return labels


def signal_metrics(view: View, signal: SignalBase) -> tuple[str, ...]:
    """The metrics whose silence is that of a signal; a counter of failures may still wait for its first."""
    match signal:
        case Change():
            return signal_metrics(view, view.spec.signals[signal.change])
        case Ratio() if not _of_gauges(view, signal):
            return tuple(name for name in signal.of if name != signal.ratio) or signal.of
        case Expr():
            behind = [metric_behind(view.spec, series) for series in series_names(parse(signal.expr))]
            return tuple(dict.fromkeys(name for name in behind if name))
    return signal.metrics()


def _presence(view: View, signal: SignalBase) -> tuple[str, str]:
    """The `up` of a signal's job, and the series that shows that its metric is there."""
    name = signal_metrics(view, signal)[0]
    found = view.spec.find_metric(name)
    job, metric = found if found else (view.spec.job, None)
    where = signal.where if isinstance(signal, Value) else {}
    return f"up{{{','.join(view.job_matchers(job))}}}", selector(view, name, where, suffix=series_suffix(metric))


def companions(view: View) -> Iterator[Alerting]:
    """What tells of silence where an alert does not say itself: a job that is down, a metric that is gone."""
    spec = view.spec
    watched = [alert for alert in spec.alerts.values() if alert.absent is None]
    metrics = dict.fromkeys(m for a in watched for m in signal_metrics(view, spec.signals[a.signal]))
    jobs = dict.fromkeys(found[0] for m in metrics if (found := spec.find_metric(m)))
    own = {s.up for a in spec.alerts.values() if isinstance(s := spec.signals[a.signal], Up)}
    for job in jobs:
        if job not in own:
            yield _target_down(view, job)
    for name in metrics:
        found = spec.find_metric(name)
        if found:
            yield _metric_missing(view, name, *found)


def _target_down(view: View, job: str) -> Alerting:
    up = f"up{{{','.join(view.job_matchers(job))}}}"
    annotations = {
        "summary": f"{job} does not answer its scrapes.",
        "impact": "Nothing is known of it: its alerts are blind.",
        "action": "Check that it runs and that Prometheus reaches it.",
    }
    labels = {**rule_labels(view), names.SEVERITY: "critical", names.KIND: names.KIND_DOWN, "job": job}
    return Alerting("TargetDown", f"{up} == 0 or absent({up})", DOWN_FOR, 0, labels, annotations)


def _metric_missing(view: View, name: str, job: str, metric: Metric) -> Alerting:
    up = f"up{{{','.join(view.job_matchers(job))}}}"
    annotations = {
        "summary": f"{job} answers, but does not expose {name}.",
        "impact": "The alerts on this metric cannot fire.",
        "action": "Check that the code still emits it: mlspec validate --live tells what else is missing.",
    }
    labels = {**rule_labels(view), names.SEVERITY: "warning", "metric": name}
    expr = f"{up} == 1 unless on (job, instance) {selector(view, name, {}, suffix=series_suffix(metric))}"
    return Alerting("MetricMissing", expr, GONE_FOR, 0, labels, annotations)
