"""Measuring predictions as a context manager and as a decorator."""

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mlspec.runtime import Closed, CounterFamily, HistogramFamily, Monitor, Open, Prediction, Predictions

from .support import series, value


class Wine:
    """What a generated module holds."""

    def __init__(self) -> None:
        self.monitor = Monitor(project="wine")
        version = Open("model_version", 10)
        self.predictions = Predictions(
            attempts=CounterFamily(self.monitor, "attempts_total", "A.", Closed("outcome", "ok", "error"), version),
            duration=HistogramFamily(self.monitor, "seconds", "D.", version, buckets=(0.05, 0.1, 1)),
            confidence=self.monitor.histogram("confidence", "C.", buckets=(0.5, 0.9)),
            errors=CounterFamily(self.monitor, "errors_total", "E.", Open("error_type", 5)),
            labels={"outcome": "outcome"},
        )

    def prediction(
        self, *, model_version: str | Callable[[], str] = "1", confidence: Callable[[Any], Any] | None = None
    ) -> Prediction:
        return self.predictions.measure(confidence=confidence, model_version=model_version)

    def attempts(self) -> dict[tuple[str, ...], float]:
        return {labels: number for labels, number in series(self.monitor, "attempts_total").items() if number}

    def errors(self) -> dict[tuple[str, ...], float]:
        return series(self.monitor, "errors_total")

    def faults(self) -> float:
        return sum(series(self.monitor, "mlspec_recording_errors_total").values())


@pytest.fixture
def wine() -> Wine:
    return Wine()


def test_a_with_block_counts_one_prediction(wine: Wine) -> None:
    with wine.prediction() as prediction:
        prediction.confidence = 0.93
        time.sleep(0.06)
    assert wine.attempts() == {("1", "ok"): 1}
    assert value(wine.monitor, "confidence_sum") == 0.93
    assert value(wine.monitor, "seconds_bucket", model_version="1", le="0.05") == 0
    assert value(wine.monitor, "seconds_bucket", model_version="1", le="0.1") == 1


def test_the_error_series_of_a_version_exists_before_its_first_error(wine: Wine) -> None:
    wine.predictions.live(model_version="7")
    assert series(wine.monitor, "attempts_total") == {("7", "ok"): 0, ("7", "error"): 0}
    assert series(wine.monitor, "seconds_count") == {("7",): 0}
    with wine.prediction(model_version="8"):
        pass
    assert series(wine.monitor, "attempts_total")[("8", "error")] == 0


def test_what_is_raised_is_counted_and_passes_untouched(wine: Wine) -> None:
    error = ValueError("no")
    with pytest.raises(ValueError, match="no") as caught, wine.prediction():
        raise error
    assert caught.value is error
    assert wine.attempts() == {("1", "error"): 1}
    assert wine.errors() == {("ValueError",): 1}
    assert value(wine.monitor, "confidence_count") == 0


def test_a_prediction_can_fail_without_an_exception(wine: Wine) -> None:
    with wine.prediction() as prediction:
        prediction.fail("no_model")
    assert wine.attempts() == {("1", "error"): 1}
    assert wine.errors() == {("no_model",): 1}


def test_functions_are_measured_on_every_call_and_keep_their_face(wine: Wine) -> None:
    @wine.prediction(confidence=lambda result: result["p"])
    def predict(x: int, *, y: int = 2) -> dict[str, float]:
        """Predict."""
        return {"p": 0.4 + x * y / 10}

    assert predict(1) == {"p": 0.6000000000000001}
    assert predict(1, y=3)["p"] == 0.7
    assert (predict.__name__, predict.__doc__, str(inspect.signature(predict))) == (
        "predict", "Predict.", "(x: int, *, y: int = 2) -> dict[str, float]",
    )  # fmt: skip
    assert wine.attempts() == {("1", "ok"): 2}
    assert value(wine.monitor, "confidence_count") == 2


def test_async_functions_are_measured_until_they_end(wine: Wine) -> None:
    @wine.prediction()
    async def predict() -> str:
        await asyncio.sleep(0.06)
        return "done"

    assert inspect.iscoroutinefunction(predict)
    assert asyncio.run(predict()) == "done"
    assert value(wine.monitor, "seconds_bucket", model_version="1", le="0.05") == 0


def test_concurrent_calls_of_one_decorated_function_are_each_their_own(wine: Wine) -> None:
    @wine.prediction(confidence=lambda result: result)
    async def predict(number: int) -> float:
        await asyncio.sleep(0.01 * (number % 3))
        if number % 2:
            raise KeyError(number)
        return 0.95 if number % 4 else 0.1

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(predict(number) for number in range(40)), return_exceptions=True)

    asyncio.run(crowd())
    assert wine.attempts() == {("1", "ok"): 20, ("1", "error"): 20}
    assert wine.errors() == {("KeyError",): 20}
    assert value(wine.monitor, "confidence_bucket", le="0.5") == 10


def test_one_with_object_may_be_open_in_many_tasks_and_nested(wine: Wine) -> None:
    shared = wine.prediction()

    async def use(number: int) -> None:
        with shared as outer:
            outer.confidence = 0.1
            await asyncio.sleep(0.01 * (number % 3))
            with shared as inner:
                inner.confidence = 0.7
                await asyncio.sleep(0.01 * ((number + 1) % 3))
            assert outer is not inner

    async def crowd() -> None:
        await asyncio.gather(*(use(number) for number in range(30)))

    asyncio.run(crowd())
    assert wine.attempts() == {("1", "ok"): 60}
    assert value(wine.monitor, "confidence_bucket", le="0.5") == 30
    assert value(wine.monitor, "confidence_count") == 60
    assert shared._entered == []


def test_threads_may_share_a_with_object(wine: Wine) -> None:
    shared = wine.prediction()

    def use(confidence: float) -> None:
        for _ in range(50):
            with shared as prediction:
                prediction.confidence = confidence

    threads = [threading.Thread(target=use, args=[confidence]) for confidence in (0.1, 0.7, 0.95)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [value(wine.monitor, "confidence_bucket", le=le) for le in ("0.5", "0.9", "+Inf")] == [50, 100, 150]


def test_a_block_that_is_left_in_another_context_is_still_measured(wine: Wine) -> None:
    """FastAPI enters and leaves sync dependencies with `yield` in two threads, each with a copied context."""
    prediction = wine.prediction()
    contextvars.copy_context().run(prediction.__enter__)
    contextvars.copy_context().run(prediction.__exit__, None, None, None)
    assert wine.attempts() == {("1", "ok"): 1}


def test_cancellation_is_an_error_of_its_own_type(wine: Wine) -> None:
    @wine.prediction()
    async def predict() -> None:
        await asyncio.sleep(60)

    async def cancel() -> None:
        task = asyncio.ensure_future(predict())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert wine.attempts() == {("1", "error"): 1}
    assert wine.errors() == {("cancelled",): 1}


def test_the_version_is_asked_when_a_prediction_starts(wine: Wine) -> None:
    versions = iter("12")

    @wine.prediction(model_version=lambda: next(versions))
    def predict() -> None:
        return None

    predict()
    predict()
    predict()  # the callable raises StopIteration
    assert wine.attempts() == {("1", "ok"): 1, ("2", "ok"): 1, ("other", "ok"): 1}
    assert wine.faults() == 1


@pytest.mark.parametrize(
    ("confidence", "observed"),
    [(0.7, 1), ([0.1, 0.7, 0.95], 3), (np.float32(0.7), 1), (np.array([0.1, 0.7]), 2), (np.array(0.7), 1), (None, 0)],
)
def test_a_confidence_or_a_batch_of_them_is_observed(wine: Wine, confidence: Any, observed: int) -> None:
    with wine.prediction() as prediction:
        prediction.confidence = confidence
    assert value(wine.monitor, "confidence_count") == observed
    assert wine.faults() == 0


@pytest.mark.parametrize("confidence", [float("nan"), "high", object(), [0.5, None], {"p": 1}])
def test_a_confidence_that_is_none_is_a_counted_fault_not_an_exception(wine: Wine, confidence: Any) -> None:
    with wine.prediction() as prediction:
        prediction.confidence = confidence
    assert wine.attempts() == {("1", "ok"): 1}
    assert wine.faults() == 1


def test_a_confidence_function_that_raises_spoils_nothing(wine: Wine) -> None:
    @wine.prediction(confidence=lambda result: result["missing"])
    def predict() -> dict[str, float]:
        return {}

    assert predict() == {}
    assert wine.attempts() == {("1", "ok"): 1}
    assert wine.faults() == 1


def test_generators_are_left_alone_and_counted_as_a_fault(wine: Wine) -> None:
    @wine.prediction()
    def stream() -> Iterator[int]:
        yield 1

    assert list(stream()) == [1]
    assert wine.faults() == 1
    assert wine.attempts() == {}


def test_callable_objects_and_methods_can_be_decorated(wine: Wine) -> None:
    class Model:
        async def __call__(self) -> str:
            return "async"

        @wine.prediction()
        def predict(self, x: int) -> int:
            return x

    assert asyncio.run(wine.prediction()(Model())()) == "async"
    assert Model().predict(3) == 3
    assert wine.attempts() == {("1", "ok"): 2}


def test_metrics_may_be_missing_or_without_labels() -> None:
    monitor = Monitor(project="test")
    predictions = Predictions(attempts=monitor.counter("tries_total", "T."))
    with predictions.measure() as prediction:
        prediction.confidence = 1
    with Predictions().measure():
        pass
    predictions.live()
    assert value(monitor, "tries_total") == 1


def test_a_label_that_no_one_gave_is_a_counted_fault(wine: Wine) -> None:
    with wine.predictions.measure():
        pass
    assert wine.faults() == 2  # attempts and duration
