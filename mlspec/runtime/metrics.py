"""Counters, gauges and histograms that never raise.

Thin shells around prometheus_client's own: a wrong type, a NaN or a negative increment is counted as a recording error
and dropped, because one NaN would spoil a sum until the process ends. `raw` is the client's object, for hot paths.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import Generic, Literal, Self, TypeVar

import prometheus_client as client

from mlspec.runtime.faults import Faults

Mode = Literal[
    "all", "liveall", "min", "livemin", "max", "livemax", "sum", "livesum", "mostrecent", "livemostrecent"
]  # how the workers' values of one gauge become one


class BulkHistogram(client.Histogram):
    """prometheus_client's histogram, which can also count many observations at once."""

    def observe_all(self, amounts: list[float]) -> None:
        """Count each of `amounts`, as `observe` would."""
        ordered = sorted(amounts)
        below = 0
        for edge, bucket in zip(self._upper_bounds, self._buckets, strict=True):
            up_to = bisect_right(ordered, edge)
            if up_to > below:
                bucket.inc(up_to - below)
            below = up_to
        self._sum.inc(sum(ordered))


Raw = TypeVar("Raw", client.Counter, client.Gauge, BulkHistogram)


class Metric(Generic[Raw]):
    """One series. Without `raw` it records nothing: the series of a value that its closed label does not have."""

    __slots__ = ("_faults", "name", "raw")
    label_names: tuple[str, ...] = ()

    def __init__(self, name: str, raw: Raw | None, faults: Faults) -> None:
        self.name = name
        self.raw: Raw | None = raw
        self._faults = faults

    def select(self, values: Mapping[str, str]) -> Self:
        """This very series: it has no labels to choose by. So it can stand where a family can."""
        return self

    def settle(self, values: Mapping[str, str]) -> tuple[Self, bool]:
        """As `Family.settle`: this series is always the right one."""
        return self, True

    def birth(self, given: Mapping[str, str], *, spare: bool = False) -> None:
        """Nothing: a series without labels exists from the start."""

    def swallow(self, error: BaseException) -> None:
        """Count a fault in recording this metric."""
        self._faults.swallow(self.name, error)


class Counter(Metric[client.Counter]):
    """A total that only grows."""

    __slots__ = ()

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, finite and not negative."""
        try:
            if self.raw is not None:
                self.raw.inc(_finite(amount))
        except Exception as error:
            self._faults.swallow(self.name, error)


class Gauge(Metric[client.Gauge]):
    """A value that goes up and down."""

    __slots__ = ()

    def set(self, value: float) -> None:
        """Replace the value. NaN is allowed and means: not known."""
        try:
            if self.raw is not None:
                self.raw.set(float(value))
        except Exception as error:
            self._faults.swallow(self.name, error)

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, finite."""
        try:
            if self.raw is not None:
                self.raw.inc(_finite(amount))
        except Exception as error:
            self._faults.swallow(self.name, error)

    def dec(self, amount: float = 1) -> None:
        """Subtract `amount`, finite."""
        try:
            if self.raw is not None:
                self.raw.dec(_finite(amount))
        except Exception as error:
            self._faults.swallow(self.name, error)


class Histogram(Metric[BulkHistogram]):
    """Counts of observations by size."""

    __slots__ = ()

    def observe(self, amount: float) -> None:
        """Count one observation, finite, in the metric's unit."""
        try:
            if self.raw is not None:
                self.raw.observe(_finite(amount))
        except Exception as error:
            self._faults.swallow(self.name, error)


def _finite(amount: float) -> float:
    number = float(amount)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    return number
