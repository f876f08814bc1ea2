"""Whether Prometheus has the metrics that the spec expects of the other jobs."""

from collections.abc import Iterator
from typing import Final

from mlspec.live.evidence import Evidence
from mlspec.live.result import Said

AREA: Final = "target"
NEEDS: Final = "series"


def target_metric_missing(seen: Evidence) -> Iterator[Said]:
    """A metric that the spec expects of another job has no series in Prometheus.

    Why: The signals on it have no data.
    Instead: See under which name this version of the exporter has it. Some exist from their first event on.
    """
    spec = seen.environment.spec
    for job, target in spec.targets.items():
        if not any(one.health == "up" for one in seen.targets_of(job)):
            continue
        for name, metric in target.metrics.items():
            counted = f"{name}_count" if metric.type == "histogram" else name
            if not seen.has_series(job, counted):
                yield Said(job, f"{name} has no series", ("targets", job, "metrics", name), "waiting")
