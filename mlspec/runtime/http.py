"""The metrics of HTTP requests and how one answered request is counted in them.

The roles of labels: `method` (upper case; unknown ones are "other"), `route` (the template, never a raw path; "none"
where no route was reached), `status` (three digits; 499 if the client left before the answer was complete), and
`error_type` (the class name of an unhandled exception, else "http_<status>" from 400 on).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlspec import names
from mlspec.runtime.families import AnyCounter, AnyGauge, AnyHistogram, Family
from mlspec.runtime.metrics import Gauge, Metric
from mlspec.runtime.routes import Way
from mlspec.runtime.tallies import Queue, Tallies

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
CLIENT_LEFT = 499
FAILED = 500
INVALID = 422
METHOD, ROUTE, STATUS, ERROR_TYPE = ROLES = ("method", "route", "status", "error_type")


@dataclass(frozen=True)
class Http:
    """The metrics of HTTP requests; each may be None, a family or an unlabelled metric.

    `labels` maps roles to label names; a family uses those roles whose label it has. `in_progress` can have no label
    but the method: before the application has run, the route is not known. A metric with any other label is not
    measured, and that is counted as a recording error.
    """

    requests: AnyCounter | None = None
    duration: AnyHistogram | None = None
    errors: AnyCounter | None = None
    in_progress: AnyGauge | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    tallies: Tallies = field(default_factory=Tallies, repr=False, compare=False)

    def __post_init__(self) -> None:
        roles = {"requests": ROLES[:3], "duration": ROLES[:3], "errors": ROLES, "in_progress": ROLES[:1]}
        for name, allowed in roles.items():
            metric = getattr(self, name)
            unknown = set(metric.label_names if metric else ()) - {self._name(role) for role in allowed}
            if unknown:
                metric.swallow(ValueError(f"{metric.name}: no HTTP role gives the label {', '.join(sorted(unknown))}"))
                object.__setattr__(self, name, None)

    def queue(self, method: str, route: str, status: int) -> tuple[Queue, bool]:
        """Where requests with this method, route template and status wait to be counted; from 400 on as errors, too.

        And whether it may be kept: not if a value stands for `other`, which is counted anew each time.
        """
        values = self._values(method, route, str(status))
        requests, kept = _settle(self.requests, values)
        duration, kept_too = _settle(self.duration, values)
        errors, kept_as_well = _settle(self.errors if status >= 400 else None, values)
        return self.tallies.of(requests, duration, errors), kept and kept_too and kept_as_well

    def failed(self, method: str, route: str, error_type: str, seconds: float | None) -> None:
        """Count an exception that the application did not handle, and its request, unless that was counted before."""
        values = {**self._values(method, route, str(FAILED)), self._name(ERROR_TYPE): error_type}
        if seconds is not None and self.requests is not None:
            self.requests.select(values).inc()
        if seconds is not None and self.duration is not None:
            self.duration.select(values).observe(seconds)
        if self.errors is not None:
            self.errors.select(values).inc()

    def progress(self, method: str) -> Gauge:
        """The gauge of requests in progress. Only if there is an `in_progress`."""
        assert self.in_progress is not None
        return self.in_progress.select({self._name(METHOD): _known(method)})

    def birth(self, ways: Iterable[Way]) -> None:
        """Create at 0 what the routes are likely to answer, so that `increase` sees the first of each.

        At most three quarters of each label's budget: the rest is left to what really comes.
        """
        for way in ways:
            for method in sorted(way.methods - {"HEAD", "OPTIONS"} or way.methods):
                for status in (way.status, *((INVALID,) if way.validates else ()), FAILED):
                    self._birth(self._values(method, way.template, str(status)), status)

    def swallow(self, error: BaseException) -> None:
        """Count a fault of ours, at the first metric there is."""
        for metric in self._metrics()[:1]:
            metric.swallow(error)

    def _birth(self, values: Mapping[str, str], status: int) -> None:
        for metric in (self.requests, self.duration, self.errors if status >= 400 else None):
            if metric is not None:
                metric.birth(values, spare=True)

    def _metrics(self) -> list[Family[Any] | Metric[Any]]:
        return [
            metric for metric in (self.requests, self.duration, self.errors, self.in_progress) if metric is not None
        ]

    def _values(self, method: str, route: str, status: str) -> dict[str, str]:
        values = {METHOD: _known(method), ROUTE: route, STATUS: status, ERROR_TYPE: f"http_{status}"}
        return {self._name(role): value for role, value in values.items()}

    def _name(self, role: str) -> str:
        return self.labels.get(role, role)


def _known(method: str) -> str:
    return method if method in METHODS else names.OTHER


def _settle(metric: Any, values: Mapping[str, str]) -> tuple[Any, bool]:
    return metric.settle(values) if metric is not None else (None, True)
