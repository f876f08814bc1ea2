"""Metrics that could not be emitted as they are declared, or would not be understood."""

import re
from collections.abc import Iterator
from math import prod

from mlspec import names
from mlspec.diagnostic import Problem, closest
from mlspec.resolve import Environment
from mlspec.spec.meaning import own_edges
from mlspec.spec.metric import EVENTS, Metric
from mlspec.spec.units import UNITS, Quantity, UnitError

_RESERVED_LABELS = {"le", "quantile", "job", "instance", names.PROJECT, names.ENV, names.SIGNAL, "pid"}
_RESERVED_SUFFIXES = ("_bucket", "_count", "_sum", "_created", "_info")
_SERIES_BUDGET = 200_000
_EVENT_TYPES = {"duration": "histogram", "confidence": "histogram", "in_progress": "gauge"}


def _own(environment: Environment) -> Iterator[tuple[str, Metric]]:
    yield from environment.spec.metrics.items()


def unsorted_buckets(environment: Environment) -> Iterator[Problem]:
    """Bucket edges are not in rising order, or one stands twice.

    Why: Each bucket counts what is at or below its edge; the client refuses edges that do not rise.
    Instead: Write the edges from the smallest to the largest, each once.
    """
    for name, metric in _own(environment):
        edges = own_edges(name, metric)
        for i in range(1, len(edges)):
            before, edge = edges[i - 1], edges[i]
            if before is not None and edge is not None and edge <= before:
                literals = metric.edges()
                message = f"`{name}`: edge {literals[i].text} follows {literals[i - 1].text}"
                yield Problem(("metrics", name, "buckets", i), message)
                break


def bucket_of_other_dimension(environment: Environment) -> Iterator[Problem]:
    """A bucket edge, a range, a state or a probe's value is of another dimension than the metric.

    Why: The metric's unit says what its numbers are.
    Instead: Write it in the metric's unit, or correct the metric's `unit` or name.
    """
    for name, metric in _own(environment):
        unit = metric.unit_of(name)
        literals: list[tuple[tuple[str | int, ...], Quantity]] = [
            (("buckets", i), edge) for i, edge in enumerate(metric.edges())
        ]
        literals += [(("range", i), edge) for i, edge in enumerate(metric.range or ())]
        literals += [(("states", state.text), state) for state in metric.states]
        if metric.probe and metric.probe.failed:
            literals.append((("probe", "failed"), metric.probe.failed))
        for at, literal in literals:
            try:
                literal.to(unit)
            except UnitError as error:
                yield Problem(("metrics", name, *at), f"`{name}`: {error}", on_key=at[0] == "states")


def buckets_and_type(environment: Environment) -> Iterator[Problem]:
    """A histogram without buckets, or buckets on what is no histogram.

    Why: The client's default edges fit hardly any model, and only a histogram has edges at all.
    Instead: Give a histogram `buckets`, a counter or gauge none.
    """
    for name, metric in _own(environment):
        if metric.type == "histogram" and not metric.edges():
            yield Problem(("metrics", name), f"histogram `{name}` has no buckets", on_key=True)
        if metric.type != "histogram" and metric.buckets is not None:
            yield Problem(("metrics", name, "buckets"), f"`{name}` is a {metric.type} and has buckets", on_key=True)


def empty_range(environment: Environment) -> Iterator[Problem]:
    """A range whose end is not above its beginning.

    Why: Nothing lies within it.
    Instead: Write `[lowest, highest]`.
    """
    for name, metric in _own(environment):
        if metric.range and metric.range[0].suffix == metric.range[1].suffix:
            low, high = metric.range
            if low.number >= high.number:
                yield Problem(("metrics", name, "range"), f"`{name}` has the range {low.text} to {high.text}")


def range_beyond_buckets(environment: Environment) -> Iterator[Problem]:
    """A histogram's range begins or ends far outside of its buckets.

    Why: What lies beyond the last edge is counted without being told apart, so quantiles there are wrong.
    Instead: Let the last edge be the range's end.
    Severity: warning
    """
    for name, metric in _own(environment):
        edges = [edge for edge in own_edges(name, metric) if edge is not None]
        if not metric.range or not edges:
            continue
        unit = metric.unit_of(name)
        try:
            high = metric.range[1].to(unit)
        except UnitError:
            continue
        if max(edges) < high and len(edges) > 1 and high - max(edges) > (edges[-1] - edges[-2]) * 2:
            yield Problem(("metrics", name, "buckets"), f"`{name}` reaches to {high}, its last edge is {max(edges)}")


def metric_name(environment: Environment) -> Iterator[Problem]:
    """A metric's name breaks what Prometheus clients require or reserve.

    Why: The client renames or refuses it, and then rules ask for a name that is not there.
    Instead: Counters end in `_total`; nothing else does, nor in `_bucket`, `_count`, `_sum`, `_created` or `_info`.
    """
    for name, metric in _own(environment):
        if metric.type == "counter" and not name.endswith("_total"):
            yield Problem(("metrics", name), f"counter `{name}` does not end in `_total`", f"`{name}_total`", True)
        if metric.type != "counter" and name.endswith("_total"):
            yield Problem(("metrics", name), f"`{name}` ends in `_total` and is a {metric.type}", on_key=True)
        if suffix := next((s for s in _RESERVED_SUFFIXES if name.endswith(s)), None):
            yield Problem(("metrics", name), f"`{name}` ends in `{suffix}`, which Prometheus reserves", on_key=True)
        if name.startswith(("mlspec_", "process_", "python_", "scrape_")) or name in ("up", "ALERTS"):
            message = f"`{name}` is a name that the runtime or Prometheus uses itself"
            yield Problem(("metrics", name), message, "Choose another name.", True)


def metric_style(environment: Environment) -> Iterator[Problem]:
    """A metric's name is not in Prometheus' style.

    Why: Names are read by people who know the conventions: snake_case, base units, no type in the name.
    Instead: Use snake_case with a base unit at the end: `_seconds`, `_bytes`, `_ratio`.
    Severity: warning
    """
    for name in environment.spec.metrics:
        if re.search(r"[A-Z]", name):
            yield Problem(("metrics", name), f"`{name}` is not in snake_case", on_key=True)
        elif unit := re.search(r"_(milliseconds|ms|minutes|hours|kilobytes|kb|megabytes|mb)(_total)?$", name):
            yield Problem(("metrics", name), f"`{name}` is in {unit[1]}, which is no base unit", on_key=True)
        elif kind := re.search(r"_(counter|gauge|histogram)$", name):
            yield Problem(("metrics", name), f"`{name}` has its type `{kind[1]}` in its name", on_key=True)


def colliding_series(environment: Environment) -> Iterator[Problem]:
    """Two metrics would be exposed under one name.

    Why: The client refuses the second.
    Instead: Rename one of them.
    """
    spec = environment.spec
    taken: dict[str, str] = {}
    for name, metric in _own(environment):
        base = name.removesuffix("_total") if metric.type == "counter" else name
        series = [name, base]
        if metric.type == "histogram":
            series += [f"{name}_bucket", f"{name}_count", f"{name}_sum"]
        clash = next((taken[s] for s in series if s in taken), None)
        if clash:
            yield Problem(("metrics", name), f"`{name}` collides with `{clash}`", on_key=True)
        taken |= dict.fromkeys(series, name)
    for job, target in spec.targets.items():
        for name in target.metrics:
            if name in spec.metrics:
                yield Problem(
                    ("targets", job, "metrics", name), f"`{name}` is declared by the service too", on_key=True
                )


def reserved_label(environment: Environment) -> Iterator[Problem]:
    """A metric has a label that Prometheus or mlspec sets itself.

    Why: Prometheus would rename it to `exported_…`, and what asks for it would match something else.
    Instead: Choose another name.
    """
    for name, metric in _own(environment):
        for label in metric.labels:
            if label in _RESERVED_LABELS:
                yield Problem(("metrics", name, "labels", label), f"`{name}` has the label `{label}`", on_key=True)


def too_many_series(environment: Environment) -> Iterator[Problem]:
    """The labels of a metric multiply to more series than Prometheus should hold for one metric.

    Why: Each series costs memory in the service and in Prometheus, for every instance.
    Instead: Lower the labels' `max`, or drop a label.
    Severity: warning
    """
    for name, metric in _own(environment):
        series = prod(len(label.values or ()) or label.max or 1 for label in metric.labels.values())
        series *= len(metric.edges()) + 3 if metric.type == "histogram" else 1
        if series > _SERIES_BUDGET:
            yield Problem(("metrics", name, "labels"), f"`{name}` may have {series:,} series", on_key=True)


def event_and_metric(environment: Environment) -> Iterator[Problem]:
    """A metric's `source` does not fit its type or its labels, or two metrics have the same.

    Why: The runtime sets the metric by itself: it must be able to fill every label.
    Instead: Use the type that the event needs, and labels that play its roles.
    """
    seen: dict[str, str] = {}
    for name, metric in _own(environment):
        if metric.source is None:
            continue
        event = metric.source.event
        at = ("metrics", name, "source")
        wanted = _EVENT_TYPES.get(event.split(".")[1], "counter")
        if metric.type != wanted:
            yield Problem((*at, "event"), f"`{name}` is a {metric.type}, and `{event}` sets a {wanted}")
        if event in seen:
            yield Problem((*at, "event"), f"`{event}` sets `{seen[event]}` already")
        seen[event] = name
        played = metric.source.role_labels()
        for role, label in metric.source.labels.items():
            if label not in metric.labels:
                yield Problem((*at, "labels", role), f"`{name}` has no label `{label}`", closest(label, metric.labels))
        if event.startswith("http."):
            for label in metric.labels:
                if label not in played.values():
                    message = f"nothing fills the label `{label}` of `{name}`"
                    roles = ", ".join(EVENTS[event])
                    yield Problem(
                        ("metrics", name, "labels", label), message, f"the roles of `{event}` are {roles}", True
                    )


def probe_of_other_type(environment: Environment) -> Iterator[Problem]:
    """A probe, or states, on what is no gauge without labels.

    Why: A probe's answer is one number that goes up and down.
    Instead: Make the metric a gauge without labels.
    """
    for name, metric in _own(environment):
        if metric.probe and (metric.type != "gauge" or metric.labels):
            yield Problem(
                ("metrics", name, "probe"), f"`{name}` has a probe and is no gauge without labels", on_key=True
            )
        if metric.states and metric.type != "gauge":
            yield Problem(("metrics", name, "states"), f"`{name}` has states and is a {metric.type}", on_key=True)


def probe_slower_than_timer(environment: Environment) -> Iterator[Problem]:
    """A probe may take longer than the time between two of its questions.

    Why: Its answers would always be late.
    Instead: Let `timeout` be at most `every`.
    """
    for name, metric in _own(environment):
        if metric.probe and metric.probe.timeout > metric.probe.every:
            yield Problem(("metrics", name, "probe"), f"the probe of `{name}` has a `timeout` longer than `every`")


def unit_and_name(environment: Environment) -> Iterator[Problem]:
    """A metric's declared unit is not the one that its name tells.

    Why: Whoever writes a query by hand believes the name.
    Instead: Correct the name or the unit.
    """
    for name, metric in _own(environment):
        told = metric.model_copy(update={"unit": None}).unit_of(name)
        if metric.unit and told.name != "number" and UNITS[metric.unit].name != told.name:
            yield Problem(("metrics", name, "unit"), f"`{name}` tells {told.name}, its unit says {metric.unit}")
