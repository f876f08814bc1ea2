"""Labels and how many values they may have.

A closed label has the values that the spec lists. An open label keeps the first `max` distinct values that it sees;
every later one is recorded as `other`, so that no client can grow the memory of the service or of Prometheus.
"""

import threading
from dataclasses import dataclass

from mlspec import names
from mlspec.runtime.ledger import Ledger

LONGEST_VALUE = 200
# These two are always there and cost no budget: the overflow itself, and requests that reached no route.
FREE = frozenset({names.OTHER, names.NO_ROUTE})


@dataclass(frozen=True, slots=True, init=False)
class Closed:
    """A label that takes only `values`."""

    name: str
    values: tuple[str, ...]

    def __init__(self, name: str, *values: str) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class Open:
    """A label that keeps its first `max` distinct values; later ones become `other`."""

    name: str
    max: int


def clean(value: object) -> str:
    """`value` as a label value: text of at most 200 characters that UTF-8 can write."""
    return str(value)[:LONGEST_VALUE].encode("utf-8", "replace").decode("utf-8")


class Budget:
    """Which values one open label of one metric has admitted. A value once admitted stays admitted.

    With a `ledger` the budget is one for all workers of this host.
    """

    def __init__(self, metric: str, label: Open, ledger: Ledger | None) -> None:
        self._key = (metric, label.name)
        self._max = label.max
        self._ledger = ledger
        self._admitted: set[str] = set()
        self._lock = threading.Lock()

    def admit(self, value: str, *, spare: bool = False) -> bool:
        """Whether `value` may be a series of its own. `spare` leaves the last quarter of the budget to others."""
        if value in FREE or value in self._admitted:
            return True
        limit = self._max - max(1, self._max // 4) if spare else self._max
        with self._lock:
            # Values are never taken back: a full local view is therefore the whole view.
            if value not in self._admitted and len(self._admitted) < self._max:
                self._admit(value, limit)
            return value in self._admitted

    def _admit(self, value: str, limit: int) -> None:
        shared = None if self._ledger is None else self._ledger.admit(self._key, value, limit)
        if shared is not None:
            self._admitted |= shared
        elif len(self._admitted) < limit:
            self._admitted.add(value)
