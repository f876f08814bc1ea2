"""What mlspec says of its own recording: exceptions that it swallowed and values that went to `other`.

Monitoring never breaks the service. Every recording path ends in `Faults.swallow` instead of an exception.
"""

import logging
from collections.abc import Iterable

import prometheus_client as client

from mlspec import names

log = logging.getLogger("mlspec.runtime")


class Faults:
    """Counts the faults of one module's metrics, by metric. Each metric is logged once."""

    def __init__(self, registry: client.CollectorRegistry) -> None:
        self._errors = client.Counter(
            names.RECORDING_ERRORS, "Exceptions while recording a metric, swallowed.", ["metric"], registry=registry
        )
        self._overflow = client.Counter(
            names.LABEL_OVERFLOW,
            "Observations whose label value was beyond the label's budget.",
            ["metric", "label"],
            registry=registry,
        )
        self._logged: set[str] = set()

    def watch(self, metric: str, open_labels: Iterable[str] = ()) -> None:
        """Create the series of `metric` at 0, so that its first fault is an increase."""
        self._errors.labels(metric)
        for label in open_labels:
            self._overflow.labels(metric, label)

    def swallow(self, metric: str, error: BaseException | str) -> None:
        """Count a fault in recording `metric`; log the first one with its cause."""
        try:
            self._errors.labels(metric).inc()
            if metric not in self._logged:
                self._logged.add(metric)
                cause = error if isinstance(error, BaseException) else None
                log.warning("%s could not be recorded (logged once): %s", metric, error, exc_info=cause)
        except Exception:
            log.debug("a fault could not be counted", exc_info=True)

    def overflow(self, metric: str, label: str) -> None:
        """Count an observation of `metric` that went to `other` because `label` was out of budget."""
        self._overflow.labels(metric, label).inc()
