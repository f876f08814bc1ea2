"""Signals of metrics that cannot answer them."""

from collections.abc import Iterator

from mlspec.diagnostic import Problem
from mlspec.resolve import Environment
from mlspec.spec.signal import Change, Distribution, Quantile, Ratio

_NEEDS = {
    "rate": (("counter", "histogram"), "rate"),
    "share": (("counter",), "share"),
    "increase": (("counter", "histogram"), "increase"),
    "quantile": (("histogram",), "of"),
    "mean": (("histogram",), "mean"),
    "within": (("histogram",), "of"),
    "value": (("gauge",), "value"),
    "age": (("gauge",), "age"),
    "distribution": (("counter", "histogram"), "distribution"),
}
# Pictures that show some kinds of signal only.
_PICTURED = {
    "pie": ("distribution", "increase", "rate"),
    "states": ("value", "up"),
    "heatmap": ("distribution",),
}
_ADVICE = {
    ("counter", "value"): "Ask its `rate` or `increase`.",
    ("histogram", "value"): "Ask its `mean`, a `quantile` or `within`.",
    ("gauge", "rate"): "Ask its `value`.",
    ("gauge", "mean"): "Ask its `value`, or make the metric a histogram.",
    ("gauge", "quantile"): "Make the metric a histogram.",
    ("histogram", "share"): "Ask `within`, or a share of a counter.",
}


def wrong_metric_type(environment: Environment) -> Iterator[Problem]:
    """A signal asks a metric for what its type cannot tell.

    Why: A counter drawn raw only rises, a rate of a gauge means nothing, and a quantile needs buckets.
    Instead: Use a signal of another kind, or another metric.
    """
    spec = environment.spec
    for name, signal in spec.signals.items():
        if signal.kind not in _NEEDS:
            continue
        types, field = _NEEDS[signal.kind]
        metric = signal.metrics()[0]
        found = spec.find_metric(metric)
        if found and found[1].type not in types:
            message = f"signal `{name}` asks the {signal.kind} of `{metric}`, which is a {found[1].type}"
            wanted = " or a ".join(types)
            advice = _ADVICE.get((found[1].type, signal.kind), f"A {signal.kind} needs a {wanted}.")
            yield Problem(("signals", name, field), message, advice)


def mixed_ratio(environment: Environment) -> Iterator[Problem]:
    """A ratio divides metrics of different types or units.

    Why: Counters are divided by their rates and gauges by their values; a mixture means nothing.
    Instead: Use metrics of one type and unit.
    """
    spec = environment.spec
    for name, signal in spec.signals.items():
        if isinstance(signal, Ratio):
            found = {m: f[1] for m in signal.metrics() if (f := spec.find_metric(m))}
            kinds = {"gauge" if metric.type == "gauge" else "events" for metric in found.values()}
            units = {metric.unit_of(m).dimension for m, metric in found.items() if metric.type == "gauge"}
            if len(kinds) > 1 or len(units) > 1:
                yield Problem(("signals", name, "of"), f"ratio `{name}` mixes metrics that cannot be divided")


def distribution_without_label(environment: Environment) -> Iterator[Problem]:
    """A distribution of a counter does not say over which label, or one of a histogram over which bands it cannot show.

    Why: There is nothing to spread the events over.
    Instead: Add `by: [label]`; bands are for histograms.
    """
    spec = environment.spec
    for name, signal in spec.signals.items():
        if isinstance(signal, Distribution) and (found := spec.find_metric(signal.distribution)):
            if found[1].type == "counter" and not signal.by:
                yield Problem(("signals", name, "distribution"), f"distribution `{name}` of a counter needs `by`")
            if found[1].type == "counter" and signal.bands:
                yield Problem(("signals", name, "bands"), f"distribution `{name}` of a counter has bands", on_key=True)
            if found[1].type == "histogram" and signal.by:
                yield Problem(("signals", name, "by"), f"distribution `{name}` of a histogram has `by`", on_key=True)


def change_of_nothing_steady(environment: Environment) -> Iterator[Problem]:
    """A change follows a signal that cannot be compared with its own past.

    Why: A change of a change, of a distribution, of an age or of an expression has no sound query.
    Instead: Follow a rate, a share, a ratio, a mean, a quantile, an increase or a value.
    """
    spec = environment.spec
    for name, signal in spec.signals.items():
        if not isinstance(signal, Change) or (followed := spec.signals.get(signal.change)) is None:
            continue
        if followed.kind in ("change", "distribution", "age", "expr", "up"):
            message = f"change `{name}` follows `{signal.change}`, a signal of kind {followed.kind}"
            yield Problem(("signals", name, "change"), message)


def quantile_of_other_kind(environment: Environment) -> Iterator[Problem]:
    """A panel asks quantiles of a signal that is none.

    Why: Only a quantile signal can be asked at other quantiles.
    Instead: Remove `quantile` from the panel, or show a quantile signal.
    """
    spec = environment.spec
    for at, panel in spec.panels():
        signal = spec.signals.get(panel.signal or "")
        if panel.quantile and signal is not None and not isinstance(signal, Quantile):
            message = f"a panel asks quantiles of `{panel.signal}`, which is a {signal.kind}"
            yield Problem((*at, "quantile"), message, on_key=True)


def picture_of_other_kind(environment: Environment) -> Iterator[Problem]:
    """A panel's picture does not fit its signal.

    Why: A pie of values that are no parts of a whole misleads; states need a state gauge, and a heatmap a spread.
    Instead: Show a `distribution` as a pie, bar gauge or heatmap, a state gauge as `states`, the rest as `timeseries`.
    """
    spec = environment.spec
    for at, panel in spec.panels():
        signal = spec.signals.get(panel.signal or "")
        if signal is None:
            continue
        fitting = _PICTURED.get(panel.type)
        if fitting and signal.kind not in fitting:
            message = f"`{panel.signal}` is a {signal.kind} and is shown as {panel.type}"
            yield Problem((*at, panel.type), message, on_key=True)


def min_events_without_events(environment: Environment) -> Iterator[Problem]:
    """A signal asks for a least number of events, and counts none.

    Why: The guard would silently have no effect.
    Instead: Remove `min_events`; it guards rates, shares, ratios of counters, means, quantiles, `within` and increases.
    """
    for name, signal in environment.spec.signals.items():
        if signal.min_events is not None and signal.kind in ("value", "age", "expr", "up", "distribution"):
            yield Problem(
                ("signals", name, "min_events"), f"`{name}` is a {signal.kind} and has `min_events`", on_key=True
            )
