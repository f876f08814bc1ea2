"""Names that lead nowhere."""

import re
from collections.abc import Iterable, Iterator

from mlspec.diagnostic import Problem, closest
from mlspec.resolve import Environment
from mlspec.resolve.merge import Origin
from mlspec.spec.document import Spec
from mlspec.spec.metric import Metric
from mlspec.spec.signal import Change, Distribution, Expr, Share, SignalBase, Up

_SCRAPED = ("job", "instance")
_DECLARE = "declare the signal, or use one that is declared"


def unknown_metric(environment: Environment) -> Iterator[Problem]:
    """A signal asks for a metric that nothing declares.

    Why: The query would never have data: the alert on it is dead, the panel empty.
    Instead: Declare the metric, or use one that is declared.
    """
    spec = environment.spec
    layer = environment.layer
    known = [*spec.metrics]
    known += [m for job, t in spec.targets.items() if not _of_mlspec(environment, "targets", job) for m in t.metrics]
    for name, signal in spec.signals.items():
        for field, metric, index in _asked(signal):
            if spec.find_metric(metric) is None:
                gone = _removed(layer.removed.get(("metrics", metric)))
                message = f"signal `{name}` asks for `{metric}`, which nothing declares{gone}"
                yield Problem(("signals", name, field, *index), message, closest(metric, known))


def _removed(origin: Origin | None) -> str:
    return f" (removed at line {origin.place.key.line})" if origin else ""


def _of_mlspec(environment: Environment, noun: str, name: str) -> bool:
    """Whether a name comes from the pack that every spec has, and so is nothing to suggest."""
    return environment.layer.origin((noun, name)).layer == "pack self"


def _asked(signal: SignalBase) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """The metrics that a signal names: the key, the name, and its index in a list."""
    for field in ("rate", "share", "ratio", "mean", "increase", "value", "distribution", "age", "of"):
        value = getattr(signal, field, None)
        if isinstance(value, str):
            yield field, value, ()
        elif isinstance(value, tuple):
            yield from ((field, metric, (i,)) for i, metric in enumerate(value))


def unknown_signal(environment: Environment) -> Iterator[Problem]:
    """An alert, a panel or a change names a signal that nothing declares.

    Why: There is nothing to watch or to show.
    Instead: Declare the signal, or use one that is declared.
    """
    spec = environment.spec
    known = [name for name in spec.signals if not _of_mlspec(environment, "signals", name)]
    for name, alert in spec.alerts.items():
        if alert.signal not in spec.signals:
            gone = _removed(environment.layer.removed.get(("signals", alert.signal)))
            message = f"alert `{name}` watches `{alert.signal}`, which nothing declares{gone}"
            yield Problem(("alerts", name, "signal"), message, closest(alert.signal, known, _DECLARE))
    for at, panel in spec.panels():
        if panel.signal is not None and panel.signal not in spec.signals:
            message = f"a panel shows `{panel.signal}`, which nothing declares"
            yield Problem((*at, panel.type), message, closest(panel.signal, known, _DECLARE))
    for name, shape in spec.signals.items():
        if isinstance(shape, Change) and shape.change not in spec.signals:
            yield Problem(
                ("signals", name, "change"),
                f"signal `{name}` follows `{shape.change}`, which nothing declares",
                closest(shape.change, known, _DECLARE),
            )


def unknown_job(environment: Environment) -> Iterator[Problem]:
    """A signal asks whether a job is up that is not scraped.

    Why: It would read as down for ever.
    Instead: Use the service's job or a target's name.
    """
    spec = environment.spec
    scraped = [job for job in spec.job_metrics() if spec.addresses(job)]
    for name, signal in spec.signals.items():
        if isinstance(signal, Up) and signal.up not in scraped:
            message = f"signal `{name}` asks whether job `{signal.up}` is up, which is not scraped"
            yield Problem(("signals", name, "up"), message, closest(signal.up, scraped))


def missing_address(environment: Environment) -> Iterator[Problem]:
    """A target says not where it answers.

    Why: Prometheus cannot scrape it.
    Instead: Add `address: host:port`.
    """
    spec = environment.spec
    for job in spec.targets:
        if spec.addresses(job) is None and not environment.layer.origin(("targets", job)).is_pack:
            yield Problem(("targets", job), f"target `{job}` has no address", on_key=True)


def unscraped_metric(environment: Environment) -> Iterator[Problem]:
    """A signal asks for a metric of a target that does not run in this environment.

    Why: The query would never have data.
    Instead: Add the part to `stack`, give the target an address, or remove the signal.
    """
    spec = environment.spec
    for name, signal in spec.signals.items():
        for field, metric, index in _asked(signal):
            found = spec.find_metric(metric)
            if found and found[0] != spec.job and spec.addresses(found[0]) is None:
                message = f"signal `{name}` asks for `{metric}` of job `{found[0]}`, which is not scraped here"
                yield Problem(("signals", name, field, *index), message)


def unknown_label(environment: Environment) -> Iterator[Problem]:
    """A signal or panel uses a label that its metric does not have.

    Why: A selector on it matches nothing, and a sum by it keeps nothing apart.
    Instead: Use a label that the metric declares, or declare it.
    """
    spec = environment.spec
    for name, signal in spec.signals.items():
        metrics = _metrics(spec, signal)
        if not metrics:
            continue
        for field in ("by", "where", "having"):
            labels = getattr(signal, field, ())
            yield from _unknown_labels(("signals", name, field), f"signal `{name}`", labels, metrics)
    for at, panel in spec.panels():
        shown = spec.signals.get(panel.signal or "")
        metrics = _metrics(spec, shown) if shown else {}
        if metrics:
            yield from _unknown_labels((*at, "by"), "a panel", panel.by or (), metrics)
            yield from _unknown_labels((*at, "where"), "a panel", panel.where, metrics)


def _unknown_labels(
    at: tuple[str | int, ...], who: str, labels: Iterable[str], metrics: dict[str, Metric]
) -> Iterator[Problem]:
    in_mapping = at[-1] != "by"
    for i, label in enumerate(labels):
        if not _has_somewhere(metrics, label):
            message = f"{who} uses label `{label}`, which {' and '.join(f'`{name}`' for name in metrics)} does not have"
            known = [*(own for metric in metrics.values() for own in metric.labels), *_SCRAPED]
            yield Problem((*at, label if in_mapping else i), message, closest(label, known), in_mapping)


def _metrics(spec: Spec, signal: SignalBase) -> dict[str, Metric]:
    if isinstance(signal, Change) and signal.change in spec.signals:
        signal = spec.signals[signal.change]
    return {name: found[1] for name in signal.metrics() if (found := spec.find_metric(name))}


def _has_somewhere(metrics: dict[str, Metric], label: str) -> bool:
    return label in _SCRAPED or any(label in metric.labels for metric in metrics.values())


def label_value_outside(environment: Environment) -> Iterator[Problem]:
    """A signal selects a value that a closed label never has.

    Why: The selector matches nothing.
    Instead: Use one of the label's values, or add the value to the metric's label.
    """
    spec = environment.spec
    for name, signal in spec.signals.items():
        selected = [("where", signal.where), ("having", signal.having if isinstance(signal, Share) else {})]
        for metric_name, metric in _metrics(spec, signal).items():
            for field, matchers in selected:
                for label, wanted in matchers.items():
                    values = metric.labels[label].values if label in metric.labels else None
                    for value in wanted:
                        if values is not None and not any(_matches(value, v) for v in values):
                            message = f"`{metric_name}` never has `{label}` = `{value}`"
                            yield Problem(("signals", name, field, label), message, closest(value, values))


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None


def split_by_condition(environment: Environment) -> Iterator[Problem]:
    """A share is kept apart by the very label that it selects by.

    Why: Each share would be 0 or 1.
    Instead: Leave the label out of `by`; for the spread over its values use a `distribution`.
    """
    for name, signal in environment.spec.signals.items():
        if isinstance(signal, Share):
            for i, label in enumerate(signal.by):
                if label in signal.having:
                    yield Problem(
                        ("signals", name, "by", i), f"share `{name}` has `{label}` both in `having` and in `by`"
                    )


def series_without_label(environment: Environment) -> Iterator[Problem]:
    """A panel's series name uses a label that its query does not keep.

    Why: Every series would have the same, empty name.
    Instead: Add the label to the panel's `by`.
    """
    spec = environment.spec
    for at, panel in spec.panels():
        signal = spec.signals.get(panel.signal or "")
        if panel.series is None or signal is None or isinstance(signal, Expr):
            continue
        kept = {*(panel.by if panel.by is not None else signal.by), *_always_kept(signal)}
        for label in re.findall(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", panel.series):
            if label not in kept:
                message = f"the series name uses `{{{label}}}`, which the query does not keep"
                yield Problem((*at, "series"), message, closest(label, kept, f"add `by: [{label}]` to the panel"))


def _always_kept(signal: SignalBase) -> tuple[str, ...]:
    if isinstance(signal, Up):
        return _SCRAPED
    return ("band",) if isinstance(signal, Distribution) else ()
