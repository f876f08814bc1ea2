"""Measuring predictions: how many, how long, how sure, and what went wrong.

`Predictions` knows the metrics; `Prediction` is what a service uses, as a context manager or a decorator; a
`Measurement` is one prediction. Recording never raises, and what the service raises passes through untouched.
"""

import asyncio
import functools
import inspect
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from mlspec import names
from mlspec.runtime.families import AnyCounter, AnyHistogram, Family
from mlspec.runtime.metrics import Metric

P = ParamSpec("P")
R = TypeVar("R")
Label = str | Callable[[], str]
Confidence = float | Iterable[float] | None

OK = "ok"
ERROR = "error"
CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Predictions:
    """The metrics of predictions; each may be None, a family or an unlabelled metric.

    `labels` maps the roles `outcome` (ok, error) and `error_type` (an exception's class name, "cancelled", or what
    `Measurement.fail` was told) to label names. Other labels get their values from `measure`.
    """

    attempts: AnyCounter | None = None
    duration: AnyHistogram | None = None
    confidence: AnyHistogram | None = None
    errors: AnyCounter | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    _live: set[tuple[tuple[str, str], ...]] = field(default_factory=set, repr=False, compare=False)

    def measure(self, *, confidence: Callable[[Any], Confidence] | None = None, **labels: Label) -> "Prediction":
        """A recorder for one prediction, or for every call of the function that it decorates.

        `confidence` takes a decorated function's result. A label that is a callable is asked when a prediction starts.
        """
        return Prediction(self, confidence, labels)

    def live(self, **labels: str) -> None:
        """Create the series with these label values at 0, so that their first events are counted."""
        for metric in self._metrics():
            metric.birth(labels)

    def record(self, done: "Measurement", seconds: float, error_type: str | None) -> None:
        """Count one finished prediction. Never raises."""
        values = {**done.labels, self._name("outcome"): ERROR if error_type else OK}
        self._ensure_live(done.labels)
        if self.attempts is not None:
            self.attempts.select(values).inc()
        if self.duration is not None:
            self.duration.select(values).observe(seconds)
        if self.errors is not None and error_type:
            self.errors.select({**values, self._name("error_type"): error_type}).inc()
        if self.confidence is not None and done.confidence is not None:
            observe = self.confidence.select(values).observe
            for confidence in _each(done.confidence):
                observe(confidence)

    def swallow(self, error: BaseException) -> None:
        """Count a fault of ours that belongs to no single metric: at the first metric there is."""
        for metric in self._metrics()[:1]:
            metric.swallow(error)

    def _metrics(self) -> list[Family[Any] | Metric[Any]]:
        every = (self.attempts, self.duration, self.confidence, self.errors)
        return [metric for metric in every if metric is not None]

    def _name(self, role: str) -> str:
        return self.labels.get(role, role)

    def _ensure_live(self, labels: Mapping[str, str]) -> None:
        """A model version that is seen for the first time gets its error series as well, at 0."""
        key = tuple(labels.items())
        if key not in self._live and len(self._live) < 1000:
            self._live.add(key)
            self.live(**labels)


class Measurement:
    """One prediction in progress.

    Set `confidence` to a number, or to an iterable of them for a batch; unset, nothing is observed.
    """

    __slots__ = ("_error_type", "_of", "_started", "confidence", "labels")

    def __init__(self, of: Predictions, labels: Mapping[str, str]) -> None:
        self._of = of
        self.labels = labels
        self.confidence: Confidence = None
        self._error_type: str | None = None
        self._started = time.perf_counter()

    def fail(self, error_type: str = ERROR) -> None:
        """Record the outcome as an error although nothing is raised."""
        self._error_type = error_type or ERROR

    def finish(self, error: BaseException | None = None) -> None:
        """Record the prediction; `error` is what ended it. Never raises."""
        seconds = time.perf_counter() - self._started
        try:
            self._of.record(self, seconds, self._error_type if error is None else _kind(error))
        except Exception as fault:
            self._of.swallow(fault)


def _each(confidence: Any) -> Iterable[float]:
    """The confidences of a batch, or the one; numpy's 0-d arrays are one, though they look like many."""
    several = hasattr(confidence, "__iter__") and not isinstance(confidence, str)
    if getattr(confidence, "ndim", None) == 0:
        several = False
    return cast("Iterable[float]", confidence if several else (confidence,))


def _kind(error: BaseException) -> str:
    return CANCELLED if isinstance(error, asyncio.CancelledError) else type(error).__name__


# The open `with` blocks of this thread or task, innermost last.
_open: ContextVar[tuple[Measurement, ...]] = ContextVar("mlspec_open_predictions", default=())


class Prediction:
    """Measures as a context manager or a decorator. One object may serve many threads and tasks at a time.

    `with` gives a `Measurement`. As a decorator it takes sync and async functions; each call is measured on its own.
    """

    def __init__(
        self, of: Predictions, confidence: Callable[[Any], Confidence] | None, labels: Mapping[str, Label]
    ) -> None:
        self._of = of
        self._confidence = confidence
        self._labels = labels
        self._entered: list[Measurement] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Measurement:
        measurement = self._start()
        with self._lock:
            self._entered.append(measurement)
        _open.set((*_open.get(), measurement))
        return measurement

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        measurement = self._leave()
        if measurement is not None:
            measurement.finish(error)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        called: object = function if inspect.isroutine(function) else type(function).__call__
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):
            return cast("Callable[P, R]", self._wrap_async(cast("Callable[P, Any]", function)))
        if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
            self._of.swallow(TypeError(f"{function!r} is a generator: measure inside it, by `with`"))
            return function
        return self._wrap(function)

    def _wrap(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def measured(*args: P.args, **kwargs: P.kwargs) -> R:
            measurement = self._start()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                measurement.finish(error)
                raise
            self._succeed(measurement, result)
            return result

        return measured

    def _wrap_async(self, function: Callable[P, Any]) -> Callable[P, Any]:
        @functools.wraps(function)
        async def measured(*args: P.args, **kwargs: P.kwargs) -> object:
            measurement = self._start()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                measurement.finish(error)
                raise
            self._succeed(measurement, result)
            return result

        return measured

    def _start(self) -> Measurement:
        return Measurement(self._of, {name: self._label(value) for name, value in self._labels.items()})

    def _label(self, value: Label) -> str:
        try:
            return str(value() if callable(value) else value)
        except Exception as error:
            self._of.swallow(error)
            return names.OTHER

    def _succeed(self, measurement: Measurement, result: object) -> None:
        if self._confidence is not None:
            try:
                measurement.confidence = self._confidence(result)
            except Exception as error:
                self._of.swallow(error)
        measurement.finish()

    def _leave(self) -> Measurement | None:
        """The measurement that this `with` opened.

        Found by context, because several may be open on one object. Frameworks that leave in another context than they
        entered (sync dependencies with `yield`) get the object's last one, which is theirs if they don't share it.
        """
        stack = _open.get()
        with self._lock:
            own = next((measurement for measurement in reversed(stack) if measurement in self._entered), None)
            if own is None:
                return self._entered.pop() if self._entered else None
            self._entered.remove(own)
        _open.set(tuple(measurement for measurement in stack if measurement is not own))
        return own
