"""Whether the service exposes the metrics that the spec declares, as they are declared."""

from collections.abc import Iterator
from math import prod
from typing import Final

from mlspec.diagnostic import closest
from mlspec.live.evidence import Evidence
from mlspec.live.result import Said
from mlspec.spec.meaning import own_edges
from mlspec.spec.metric import Metric

AREA: Final = "metric"
NEEDS: Final = "exposed"
_NEVER_OURS: Final = ("process_", "python_", "mlspec_")
_MOST_BIRTHS: Final = 1000  # the runtime creates no more series of one metric before the first event


def metric_missing(seen: Evidence) -> Iterator[Said]:
    """A declared metric is not on /metrics.

    Why: Every rule and panel on it is blind.
    Instead: Run `mlspec render`, restart the service, and see that its code calls `instrument(app)` of the generated
        module.
    """
    exposed = seen.families
    several = seen.environment.spec.service.workers > 1
    for name, metric in seen.metrics.items():
        if name in exposed:
            continue
        at = ("metrics", name)
        if several and metric.labels:  # in multi-process mode, a family without series is not exposed at all
            yield _without_series(name, metric)
        else:
            near = closest(name, set(exposed) - set(seen.metrics), "")
            similar = f"; {near}" if near.startswith("did you mean") else ""
            yield Said(name, f"it is not among the {len(exposed)} metrics of the service{similar}", at)


def type_differs(seen: Evidence) -> Iterator[Said]:
    """A metric has another type than the declared one.

    Why: The queries are made for the declared type: the rate of a gauge or the quantile of a counter means nothing.
    Instead: Run `mlspec render` and restart the service; look for a second metric of this name in its code.
    """
    exposed = seen.families
    for name, metric in seen.metrics.items():
        if name in exposed and exposed[name].type != metric.type:
            yield Said(name, f"it is a {exposed[name].type}, declared as a {metric.type}", ("metrics", name, "type"))


def help_differs(seen: Evidence) -> Iterator[Said]:
    """A metric's help is not the declared one.

    Why: The service runs on an instrumentation that was rendered from an older spec.
    Instead: Run `mlspec render` and restart the service.
    """
    for name, metric, family in seen.both:
        if family.help.split() != metric.help.split():
            yield Said(name, f"its help says `{family.help}`, the spec `{metric.help}`", ("metrics", name, "help"))


def edges_differ(seen: Evidence) -> Iterator[Said]:
    """A histogram's buckets are not the declared ones.

    Why: A quantile or a share is exact only at an edge: the bounds need those that are declared.
    Instead: Run `mlspec render` and restart the service. During a deployment, wait until every instance is new.
    """
    for name, metric, family in seen.both:
        if metric.type != "histogram":
            continue
        declared = {float(edge) for edge in own_edges(name, metric) if edge is not None} | {float("inf")}
        for _, samples in family.series():
            found = set(family.buckets(samples))
            if found != declared:
                parts = [_edges("without", declared - found), _edges("with", found - declared)]
                said = " and ".join(part for part in parts if part)
                yield Said(name, f"its buckets are {said}", ("metrics", name, "buckets"))
                break


def _edges(how: str, edges: set[float]) -> str:
    shown = ", ".join(f"{edge:g}" for edge in sorted(edges)[:8])
    more = f" and {len(edges) - 8} more" if len(edges) > 8 else ""
    return f"{how} the edges {shown}{more}" if edges else ""


def no_series(seen: Evidence) -> Iterator[Said]:
    """A metric is exposed, but has no series yet.

    Why: Nothing was recorded: its rules and panels have no data.
    Instead: Send traffic, as with `mlspec simulate`. If it stays empty, no code sets it.
    """
    for name, metric, family in seen.both:
        if not family.samples and not _all_closed(metric):
            yield _without_series(name, metric)


def _without_series(name: str, metric: Metric) -> Said:
    if metric.source and metric.source.event.endswith(".errors"):
        return Said(name, "nothing failed yet", ("metrics", name), "ok")
    return Said(name, "it has no series yet: nothing was recorded", ("metrics", name), "waiting")


def series_unborn(seen: Evidence) -> Iterator[Said]:
    """A series of a metric whose labels are all closed does not exist from the start.

    Why: Prometheus' `increase` misses what happens before it sees a series for the first time.
    Instead: Use the generated module: it creates all of them at 0.
    """
    for name, metric, family in seen.both:
        if not metric.labels or not _all_closed(metric):
            continue
        expected = prod(len(label.values or ()) for label in metric.labels.values())
        found = sum(1 for _ in family.series())
        if found < min(expected, _MOST_BIRTHS):
            yield Said(name, f"{found} of its {expected} series exist", ("metrics", name, "labels"))


def _all_closed(metric: Metric) -> bool:
    return all(label.values is not None for label in metric.labels.values())


def metric_undeclared(seen: Evidence) -> Iterator[Said]:
    """The service exposes a metric with the project's own prefix that the spec does not declare.

    Why: No rule or panel knows of it, and no budget limits its series.
    Instead: Declare it under `metrics`, or remove it from the code.
    """
    exposed = seen.families
    layer = seen.environment.layer
    ours = {name.split("_")[0] for name in seen.metrics if not layer.origin(("metrics", name)).is_pack}
    packs = {name.split("_")[0] for name in seen.metrics} - ours
    for name in exposed:
        first = name.split("_")[0]
        if name in seen.metrics or name.startswith(_NEVER_OURS):
            continue
        if first in ours:
            yield Said(name, f"the spec declares no metric `{name}`", ("metrics",))
        elif first in packs:  # `http_…` and the like may well be another library's
            yield Said(name, f"the spec declares no metric `{name}`", ("metrics",), "noted")
