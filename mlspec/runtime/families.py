"""Families: a metric with labels, and the series that its label values make.

A generated module subclasses these and adds a typed `labels(...)`. `child` takes the values in the declared order.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, product
from typing import Generic, TypeVar

import prometheus_client as client

from mlspec import names
from mlspec.runtime.core import Core
from mlspec.runtime.labels import Budget, Closed, Open, clean
from mlspec.runtime.metrics import BulkHistogram, Counter, Gauge, Histogram, Mode

Series = TypeVar("Series", Counter, Gauge, Histogram)
MOST_BIRTHS = 1000  # series that one call may create at 0


class Family(Generic[Series]):
    """Series of one metric by their label values. If all labels are closed, every series exists from the start.

    `nothing` stands for the series of a value that a closed label does not have: it records nothing.
    """

    def __init__(
        self,
        core: Core,
        labels: Sequence[Closed | Open],
        make: Callable[[tuple[str, ...]], Series],
        nothing: Series,
    ) -> None:
        self.name = nothing.name
        self.label_names = tuple(label.name for label in labels)
        self._labels = tuple(labels)
        self._make: Callable[[tuple[str, ...]], Series] = make
        self._nothing: Series = nothing
        self._faults = core.faults
        self._budgets = {
            label.name: Budget(self.name, label, core.ledger) for label in labels if isinstance(label, Open)
        }
        self._children: dict[tuple[str, ...], Series] = {}
        self._lock = threading.Lock()
        core.faults.watch(self.name, self._budgets)
        self.birth({})

    def child(self, *values: str) -> Series:
        """The series of these label values, in the declared order. Never raises."""
        try:
            return self._children[values]
        except (KeyError, TypeError):
            return self._settle(values)[0]

    def select(self, values: Mapping[str, str]) -> Series:
        """The series of these label values by name; names of other labels may be among them. Never raises."""
        return self.settle(values)[0]

    def settle(self, values: Mapping[str, str]) -> tuple[Series, bool]:
        """The series of these label values, and whether it is theirs alone: then the caller may keep it.

        A series that stands for `other`, or for nothing, has to be asked for again, so that each time is counted.
        """
        try:
            ordered = tuple([values[name] for name in self.label_names])
            known = self._children.get(ordered)
        except (KeyError, TypeError) as error:
            self.swallow(error)
            return self._nothing, False
        return (known, True) if known is not None else self._settle(ordered)

    def birth(self, given: Mapping[str, str], *, spare: bool = False) -> None:
        """Create at 0 every series with the `given` values, for all values of the closed labels that are not given.

        Nothing, if an open label is not given. `spare` leaves the last quarter of each budget to real traffic.
        """
        choices = [_choices(label, given) for label in self._labels]
        for values in islice(product(*choices), MOST_BIRTHS):
            if all(self._fits(label, value, spare) for label, value in zip(self._labels, values, strict=True)):
                self._child(values)

    def swallow(self, error: BaseException) -> None:
        """Count a fault in recording this metric."""
        self._faults.swallow(self.name, error)

    def _fits(self, label: Closed | Open, value: str, spare: bool) -> bool:
        if isinstance(label, Closed):
            return value in label.values
        return self._budgets[label.name].admit(value, spare=spare)

    def _settle(self, values: Sequence[object]) -> tuple[Series, bool]:
        try:
            cleaned = [clean(value) for value in values]
            settled = [self._value(label, value) for label, value in zip(self._labels, cleaned, strict=True)]
            return self._child(tuple(settled)), settled == cleaned
        except Exception as error:
            self._faults.swallow(self.name, error)
            return self._nothing, False

    def _value(self, label: Closed | Open, value: str) -> str:
        """`value`, or `other` where the label doesn't take it. Raises ValueError if it takes neither."""
        if isinstance(label, Open):
            if self._budgets[label.name].admit(value):
                return value
            self._faults.overflow(self.name, label.name)
            return names.OTHER
        if value in label.values:
            return value
        if names.OTHER in label.values:
            return names.OTHER
        raise ValueError(f"{label.name}={value!r} is none of {', '.join(label.values)}")

    def _child(self, values: tuple[str, ...]) -> Series:
        with self._lock:
            if values not in self._children:
                self._children[values] = self._make(values)
            return self._children[values]


def _choices(label: Closed | Open, given: Mapping[str, str]) -> Sequence[str]:
    if label.name in given:
        return (clean(given[label.name]),)
    return label.values if isinstance(label, Closed) else ()


class CounterFamily(Family[Counter]):
    """Totals by label values."""

    def __init__(self, core: Core, name: str, help: str, *labels: Closed | Open) -> None:
        raw = client.Counter(name, help, [label.name for label in labels], registry=core.registry)
        nothing = Counter(name, None, core.faults)
        super().__init__(core, labels, lambda values: Counter(name, raw.labels(*values), core.faults), nothing)


class GaugeFamily(Family[Gauge]):
    """Values by label values. `mode` says how the values of several workers become one."""

    def __init__(self, core: Core, name: str, help: str, *labels: Closed | Open, mode: Mode = "livemin") -> None:
        raw = client.Gauge(name, help, [label.name for label in labels], registry=core.registry, multiprocess_mode=mode)
        nothing = Gauge(name, None, core.faults)
        super().__init__(core, labels, lambda values: Gauge(name, raw.labels(*values), core.faults), nothing)


class HistogramFamily(Family[Histogram]):
    """Observations by label values, counted in `buckets` (upper edges, ascending, without +Inf)."""

    def __init__(self, core: Core, name: str, help: str, *labels: Closed | Open, buckets: Sequence[float]) -> None:
        raw = BulkHistogram(
            name, help, [label.name for label in labels], registry=core.registry, buckets=tuple(buckets)
        )
        nothing = Histogram(name, None, core.faults)
        super().__init__(core, labels, lambda values: Histogram(name, raw.labels(*values), core.faults), nothing)


AnyCounter = CounterFamily | Counter
AnyGauge = GaugeFamily | Gauge
AnyHistogram = HistogramFamily | Histogram
