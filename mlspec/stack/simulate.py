"""`mlspec simulate`: sample traffic at a steady rate, and what became of it.

The pace is open-loop: request k is due at k/rate seconds, whether or not earlier ones were answered, as real users
don't wait for each other either. A bounded number is in flight; a request that finds the bound reached is skipped and
counted, not sent late, so that a slow service shows as such and not as a lower rate.
"""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from mlspec.stack.report import StackError

if TYPE_CHECKING:
    import httpx

PROGRESS_SECONDS: Final = 0.2
# The requests that make sure of the service: when the first few all fail to connect, there is none.
FIRST_REQUESTS: Final = 3
NO_ANSWER: Final = "no answer"


class RequestLike(Protocol):
    """One sample request; `json` is the body, None for none."""

    @property
    def method(self) -> str:
        """GET, POST, …"""

    @property
    def path(self) -> str:
        """From the slash on."""

    @property
    def json(self) -> Any:
        """What becomes the JSON body."""

    @property
    def headers(self) -> Mapping[str, str] | None:
        """Headers beside httpx's own."""


@dataclass
class Summary:
    """What became of the traffic. `statuses` counts answers by class ("2xx") and "no answer"; times are in seconds.

    `sent` were sent, `skipped` would have been more in flight than allowed; `cut` were open when it ended.
    """

    sent: int = 0
    skipped: int = 0
    cut: int = 0
    elapsed: float = 0.0
    interrupted: bool = False
    statuses: Counter[str] = field(default_factory=Counter)
    latencies: "array[float]" = field(default_factory=lambda: array("d"))

    @property
    def rate(self) -> float:
        """Requests sent a second, as achieved."""
        return self.sent / self.elapsed if self.elapsed else 0.0

    def latency(self, quantile: float) -> float | None:
        """The latency of answered requests at a quantile (nearest rank), None when none was answered."""
        if not self.latencies:
            return None
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    def lines(self) -> list[str]:
        """The summary for people."""
        counts = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items())) or "no answers"
        text = [f"sent {self.sent} requests in {self.elapsed:.1f} s ({self.rate:.1f}/s)", counts]
        if self.latencies:
            shown = (f"p{q * 100:g} {1000 * (self.latency(q) or 0):.1f} ms" for q in (0.5, 0.95, 0.99))
            text.append("latency " + ", ".join(shown))
        if self.skipped:
            text.append(f"skipped {self.skipped}: the service did not keep up")
        if self.cut:
            text.append(f"cut off {self.cut} that were still open")
        return text


def simulate(
    base_url: str,
    requests: Iterator[RequestLike],
    *,
    rate: float,
    duration: float,
    in_flight: int = 64,
    timeout: float = 10.0,
    count: int | None = None,
    progress: Callable[[Summary], None] = lambda _summary: None,
) -> Summary:
    """Send `requests` to `base_url`, `rate` a second for `duration` seconds, or until they or `count` are at an end.

    `progress` is called a few times a second with the summary so far. Ctrl-C ends it early, with a summary. Raises
    StackError when nothing listens at `base_url`, when `requests` raises, and for a rate or duration that is no number
    above zero.
    """
    if not (0 < rate < float("inf") and 0 < duration < float("inf") and in_flight > 0):
        raise StackError("rate, duration and the number in flight must be numbers above zero")
    return asyncio.run(_Run(base_url, requests, rate, duration, in_flight, timeout, count, progress).run())


@dataclass
class _Run:
    base_url: str
    requests: Iterator[RequestLike]
    rate: float
    duration: float
    in_flight: int
    timeout: float
    count: int | None
    progress: Callable[[Summary], None]
    summary: Summary = field(default_factory=Summary)
    open: set["asyncio.Task[None]"] = field(default_factory=set)
    failure: StackError | None = None
    refused: int = 0

    async def run(self) -> Summary:
        import httpx

        limits = httpx.Limits(max_connections=self.in_flight, max_keepalive_connections=self.in_flight)
        self.began = time.perf_counter()
        # trust_env: a proxy has no part in this.
        async with httpx.AsyncClient(
            base_url=self.base_url, timeout=self.timeout, limits=limits, trust_env=False
        ) as client:
            reporter = asyncio.create_task(self._report())
            try:
                await self._pace(client)
                await self._finish()
            except asyncio.CancelledError:
                self.summary.interrupted = True
            finally:
                reporter.cancel()
                await self._cut()
        if self.refused and self.refused == self.summary.sent:
            self._give_up()
        if self.failure:
            raise self.failure
        self.progress(self.summary)
        return self.summary

    async def _pace(self, client: "httpx.AsyncClient") -> None:
        due = 0
        while self.failure is None and (self.count is None or self.summary.sent < self.count):
            await asyncio.sleep(max(0.0, self.began + due / self.rate - time.perf_counter()))
            self.summary.elapsed = time.perf_counter() - self.began
            if due / self.rate >= self.duration:
                return
            due += 1
            if len(self.open) >= self.in_flight:
                self.summary.skipped += 1
                continue
            request = self._next()
            if request is None:
                return
            self.summary.sent += 1
            task = asyncio.create_task(self._send(client, request))
            self.open.add(task)
            task.add_done_callback(self.open.discard)

    def _next(self) -> RequestLike | None:
        try:
            return next(self.requests, None)
        except Exception as error:
            raise StackError(f"the sample traffic raised {type(error).__name__}: {error}") from error

    async def _send(self, client: "httpx.AsyncClient", request: RequestLike) -> None:
        import httpx

        began = time.perf_counter()
        try:
            answer = await client.request(request.method, request.path, json=request.json, headers=request.headers)
        except httpx.ConnectError:
            self.summary.statuses[NO_ANSWER] += 1
            self.refused += 1
            # Later, a service may be restarting.
            if self.refused == self.summary.statuses.total() == FIRST_REQUESTS:
                self._give_up()
        except httpx.TransportError:
            self.summary.statuses[NO_ANSWER] += 1
        except (httpx.HTTPError, httpx.InvalidURL, TypeError, ValueError) as error:
            self.failure = StackError(f"the sample request {request.method} {request.path} can't be sent: {error}")
        else:
            self.summary.latencies.append(time.perf_counter() - began)
            self.summary.statuses[f"{answer.status_code // 100}xx"] += 1

    def _give_up(self) -> None:
        self.failure = StackError(f"nothing listens at {self.base_url}; start it with `mlspec up`")

    async def _finish(self) -> None:
        """Wait for the open requests, whose time-outs bound the wait."""
        if self.open:
            await asyncio.wait(set(self.open), timeout=self.timeout + 1)

    async def _cut(self) -> None:
        left = set(self.open)
        self.summary.cut = len(left)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _report(self) -> None:
        while True:
            self.progress(self.summary)
            await asyncio.sleep(PROGRESS_SECONDS)
