"""Probes: functions that are asked for a gauge's value on a timer of their own, never inside a scrape.

A probe that raises or hangs reads as its declared `failed` value, so that an alert on the gauge sees it. A hung call is
abandoned, and no second one is started beside it: a probe holds at most one stuck thread.
"""

import asyncio
import importlib
import inspect
import logging
import math
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import PurePath
from types import ModuleType
from typing import Any

import prometheus_client as client

from mlspec import names
from mlspec.runtime.metrics import Gauge
from mlspec.runtime.settings import Timing

log = logging.getLogger("mlspec.runtime")
SHORTEST = 0.05  # seconds between two calls, at least
ERROR = "error"
TIMEOUT = "timeout"
Answer = bool | float | None


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks `target` every `every` seconds, for at most `timeout` seconds, and sets `gauge` to what it returns.

    `target` is a function or "module:attribute", resolved when it is asked, so that the service may import the
    instrumentation and the instrumentation name the service. It may be async; it then runs in a loop of its own. It
    returns a bool or a number. `failed` is the gauge's value when it doesn't; None means NaN: not known.
    """

    gauge: Gauge
    target: str | Callable[[], Any]
    every: float = 5.0
    timeout: float = 2.0
    failed: float | None = None

    def timed(self, timing: Timing | None) -> "Probe":
        """This probe with the environment's timing."""
        if timing is None:
            return self
        return replace(self, every=timing.every or self.every, timeout=timing.timeout or self.timeout)


class ProbeMetrics:
    """What mlspec says of the probes."""

    def __init__(self, registry: client.CollectorRegistry) -> None:
        self.failures = client.Counter(
            names.PROBE_FAILURES, "Probe calls without an answer.", ["metric", "reason"], registry=registry
        )
        self.last_answer = client.Gauge(
            names.PROBE_LAST_ANSWER,
            "When the probe last answered; before its first answer, when it was started.",
            ["metric"],
            registry=registry,
            multiprocess_mode="livemin",
        )

    def born(self, metric: str) -> None:
        """Create the series of a probe. Until it answers, its age counts from now."""
        for reason in (ERROR, TIMEOUT):
            self.failures.labels(metric, reason)
        self.last_answer.labels(metric).set(time.time())


class Asker:
    """Asks one probe from a daemon thread, from `start` until `stop`."""

    def __init__(self, probe: Probe, metrics: ProbeMetrics) -> None:
        self.probe = probe
        self._metrics = metrics
        self._stopped = threading.Event()
        self._call: Call | None = None

    def start(self) -> None:
        """Begin to ask, at once."""
        self._metrics.born(self.probe.gauge.name)
        threading.Thread(target=self._run, name=f"mlspec-probe-{self.probe.gauge.name}", daemon=True).start()

    def stop(self) -> None:
        """Ask no more. A call in progress is left alone."""
        self._stopped.set()

    def _run(self) -> None:
        every = max(self.probe.every, SHORTEST)
        due = time.monotonic()
        while not self._stopped.is_set():
            try:
                self._ask()
            except Exception:
                log.exception("probe %s", self.probe.gauge.name)
            # After a long pause of the process, one call: the missed ones are not made up for.
            due = max(due + every, time.monotonic())
            self._stopped.wait(due - time.monotonic())

    def _ask(self) -> None:
        if self._call is None or self._call.done.is_set():
            self._call = Call(self.probe.target)
            self._call.start()
        if not self._call.done.wait(self.probe.timeout):
            self._fail(TIMEOUT)
        elif self._call.error is not None:
            self._fail(ERROR, self._call.error)
        elif not self._stopped.is_set():
            self.probe.gauge.set(self._call.answer)
            self._metrics.last_answer.labels(self.probe.gauge.name).set(time.time())

    def _fail(self, reason: str, error: BaseException | None = None) -> None:
        if self._stopped.is_set():
            return
        self._metrics.failures.labels(self.probe.gauge.name, reason).inc()
        self.probe.gauge.set(math.nan if self.probe.failed is None else self.probe.failed)
        log.debug("probe %s: %s", self.probe.gauge.name, reason, exc_info=error)


class Call:
    """One call of a target in a daemon thread of its own, which can be abandoned."""

    def __init__(self, target: str | Callable[[], Any]) -> None:
        self._target = target
        self.done = threading.Event()
        self.answer = math.nan
        self.error: BaseException | None = None

    def start(self) -> None:
        """Make the call; `done` is set when it ended."""
        threading.Thread(target=self._run, name="mlspec-probe-call", daemon=True).start()

    def _run(self) -> None:
        try:
            self.answer = _number(_ask(resolve(self._target)))
        except BaseException as error:  # a SystemExit in a probe is an error of the probe
            self.error = error
        finally:
            self.done.set()


def _ask(target: Callable[[], Any]) -> object:
    answer: object = target()
    return asyncio.run(_await(answer)) if inspect.isawaitable(answer) else answer


async def _await(answer: Awaitable[object]) -> object:
    return await answer


def _number(answer: object) -> float:
    if answer is None or isinstance(answer, str | bytes):
        raise TypeError(f"a probe returns a bool or a number, not {answer!r}")
    number = float(answer)  # type: ignore[arg-type]
    if math.isnan(number):
        raise ValueError("a probe returned NaN")
    return number


def resolve(target: str | Callable[[], Any]) -> Callable[[], Any]:
    """The function that "module:attribute" names. Raises ImportError, AttributeError or TypeError if there is none."""
    if not isinstance(target, str):
        return target
    module, _, path = target.partition(":")
    found: Any = _main_module(module) or importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{target} is not a function")
    return found  # type: ignore[no-any-return]


def _main_module(name: str) -> ModuleType | None:
    """The running script, if it is the module `name`: importing it again would start a second service in here."""
    main = sys.modules.get("__main__")
    if main is None or name in sys.modules:
        return None
    if main.__spec__ is not None:
        return main if main.__spec__.name == name else None
    file = getattr(main, "__file__", None)
    if not file:  # a process that was spawned, such as a worker of uvicorn's
        return None
    script = PurePath(file).with_suffix("").parts
    wanted = tuple(name.split("."))
    return main if script[-len(wanted) :] == wanted else None
