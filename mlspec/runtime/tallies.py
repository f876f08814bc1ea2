"""Counting requests for less than prometheus_client's own calls cost.

The seconds of a request are only appended to a queue, which is counted in bulk: before each collection, and whenever it
has grown to `MOST_WAITING`. With several workers, others read this one's numbers from its files at any time; a thread
then counts what waits every `LONGEST_WAIT` seconds. A worker that is killed loses at most that much.
"""

import atexit
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from mlspec.runtime import workers
from mlspec.runtime.metrics import Counter, Histogram

MOST_WAITING = 256
LONGEST_WAIT = 0.1  # seconds


class Queue(deque[float]):
    """Seconds of requests that wait to be counted, each in all of `counters` and in `histogram`.

    Whoever appends calls `settle` when it has grown to `MOST_WAITING`.
    """

    def __init__(self, counters: Sequence[Counter], histogram: Histogram | None) -> None:
        super().__init__()
        self._metrics = [*counters, *([histogram] if histogram is not None else ())]
        self._counters = [counter.raw for counter in counters if counter.raw is not None]
        self._histogram = histogram.raw if histogram is not None else None

    def settle(self) -> None:
        """Count what waits. Never raises.

        Each pop is atomic: threads that settle at the same time count nothing twice.
        """
        amounts: list[float] = []
        with suppress(IndexError):
            while self:
                amounts.append(self.popleft())
        if not amounts:
            return
        try:
            for counter in self._counters:
                counter.inc(len(amounts))
            if self._histogram is not None:
                self._histogram.observe_all(amounts)
        except Exception as error:
            self._metrics[0].swallow(error)


class Tallies:
    """The queues of one application's requests, one for each set of series that requests count in."""

    def __init__(self) -> None:
        self._queues: dict[tuple[int, ...], Queue] = {}
        self._stopped = threading.Event()

    def of(self, requests: Counter | None, duration: Histogram | None, errors: Counter | None) -> Queue:
        """Where to append the seconds of a request that counts in these series."""
        key = (id(requests), id(duration), id(errors))  # they live as long as their families
        if key not in self._queues:
            self._queues[key] = Queue([counter for counter in (requests, errors) if counter is not None], duration)
        return self._queues[key]

    def settle(self) -> None:
        """Count all that waits."""
        for queue in list(self._queues.values()):
            queue.settle()

    def start(self) -> None:
        """With several workers, count what waits from now on, until `stop`."""
        if workers.shared():
            self._stopped = threading.Event()
            threading.Thread(
                target=self._keep_settling, args=[self._stopped], name="mlspec-tallies", daemon=True
            ).start()
            atexit.register(self.settle)

    def stop(self) -> None:
        """Count what waits, for the last time."""
        self._stopped.set()
        self.settle()

    def forget(self) -> None:
        """After a fork, in the child: what waits is the parent's to count."""
        for queue in list(self._queues.values()):
            queue.clear()

    def _keep_settling(self, stopped: threading.Event) -> None:
        while not stopped.wait(LONGEST_WAIT):
            self.settle()
