"""Probes: a timer of their own, a time-out, and never more than one stuck thread."""

import asyncio
import math
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from mlspec.runtime import Monitor, Probe, host
from mlspec.runtime.probes import resolve

from .support import get, lifespan, value

LAST, FAILURES = "mlspec_probe_last_answer_timestamp_seconds", "mlspec_probe_failures_total"


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    monitor = Monitor(project="test")
    yield monitor
    monitor.stop()


def asked(monitor: Monitor, target: str | Callable[[], Any], **options: Any) -> None:
    """Start to ask `target` for the gauge `ready` every 50 ms."""
    probe = Probe(monitor.gauge("ready", "Ready."), target, **{"every": 0.05, "timeout": 0.1, "failed": 0.0, **options})
    monitor.instrument(Starlette(), probes=[probe])
    monitor.start()


def until(condition: Callable[[], object], seconds: float = 3.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def test_an_answer_becomes_the_gauges_value_again_and_again(monitor: Monitor) -> None:
    answers = iter([True, 7, 0.5])
    asked(monitor, lambda: next(answers, 3))
    until(lambda: value(monitor, "ready") == 3)
    assert abs((value(monitor, LAST, metric="ready") or 0) - time.time()) < 1
    assert value(monitor, FAILURES, metric="ready", reason="error") == 0


def test_async_functions_are_awaited(monitor: Monitor) -> None:
    async def ready() -> bool:
        await asyncio.sleep(0)
        return True

    asked(monitor, ready)
    until(lambda: value(monitor, "ready") == 1)


@pytest.mark.parametrize("wrong", [None, "yes", math.nan, [1], RuntimeError(), SystemExit()])
def test_what_is_no_answer_reads_as_failed_and_is_counted(monitor: Monitor, wrong: Any) -> None:
    answers = iter([1, 1])

    def ready() -> Any:
        answer = next(answers, wrong)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    asked(monitor, ready, failed=-1.0)
    until(lambda: value(monitor, "ready") == -1)
    assert (value(monitor, FAILURES, metric="ready", reason="error") or 0) >= 1
    before = value(monitor, LAST, metric="ready")
    time.sleep(0.12)
    assert value(monitor, LAST, metric="ready") == before


def test_without_a_declared_bad_state_a_failure_reads_as_not_known(monitor: Monitor) -> None:
    asked(monitor, lambda: None, failed=None)
    until(lambda: math.isnan(value(monitor, "ready") or 0))


def test_a_hung_probe_reads_as_failed_holds_one_thread_and_recovers(monitor: Monitor) -> None:
    hang, calls = threading.Event(), []

    def ready() -> bool:
        calls.append(1)
        if len(calls) == 2:
            hang.wait(10)
        return True

    asked(monitor, ready)
    until(lambda: value(monitor, "ready") == 0)
    until(lambda: (value(monitor, FAILURES, metric="ready", reason="timeout") or 0) >= 3)
    assert len(calls) == 2
    assert sum(thread.name == "mlspec-probe-call" for thread in threading.enumerate()) == 1
    hang.set()
    until(lambda: value(monitor, "ready") == 1)


def test_a_scrape_never_waits_for_a_probe(monitor: Monitor) -> None:
    asked(monitor, lambda: time.sleep(2) or 1, timeout=1.5)
    time.sleep(0.05)
    began = time.monotonic()
    monitor.render()
    assert time.monotonic() - began < 0.5


def test_the_age_counts_from_the_start_until_a_probe_first_answers(monitor: Monitor) -> None:
    asked(monitor, lambda: time.sleep(1) or 1, timeout=2)
    until(lambda: value(monitor, LAST, metric="ready") is not None)
    assert abs((value(monitor, LAST, metric="ready") or 0) - time.time()) < 1


def test_probes_start_when_the_application_has_started_and_end_with_it() -> None:
    started: list[str] = []

    def startup(app: Any) -> Any:
        import contextlib

        @contextlib.asynccontextmanager
        async def span(_: Any) -> Any:
            await asyncio.sleep(0.1)
            started.append("model loaded")
            yield

        return span(app)

    monitor, seen = Monitor(project="test"), []
    app = Starlette(lifespan=startup)
    gauge = monitor.gauge("ready", "Ready.")
    monitor.instrument(app, probes=[Probe(gauge, lambda: seen.append(tuple(started)) or 1, every=0.05)])
    asyncio.run(lifespan(app, lambda: asyncio.sleep(0.2)))
    assert set(seen) == {("model loaded",)}
    count = len(seen)
    time.sleep(0.15)
    assert count <= len(seen) <= count + 1


def test_without_lifespan_events_the_first_request_starts_them(monitor: Monitor) -> None:
    app = Starlette()
    monitor.instrument(app, probes=[Probe(monitor.gauge("ready", "Ready."), lambda: 1)])
    assert value(monitor, "ready") == 0
    get(app, "/anything")
    until(lambda: value(monitor, "ready") == 1)


def test_the_environment_sets_the_timing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "runtime.json"
    file.write_text(
        '{"format": 1, "project": "test", "env": "prod", "probes": {"ready": {"every": 0.05, "timeout": 0.1}}}'
    )
    monkeypatch.setenv("MLSPEC_RUNTIME", str(file))
    monitor = Monitor(project="test")
    calls: list[int] = []
    asked(monitor, lambda: calls.append(1) or 1, every=3600)
    until(lambda: len(calls) > 2)
    monitor.stop()


def test_a_target_is_resolved_when_asked_so_that_imports_may_be_circular(monitor: Monitor) -> None:
    asked(monitor, "made_later:part.ready")
    until(lambda: (value(monitor, FAILURES, metric="ready", reason="error") or 0) >= 1)
    module: Any = types.ModuleType("made_later")
    module.part = types.SimpleNamespace(ready=lambda: True)
    sys.modules["made_later"] = module
    try:
        until(lambda: value(monitor, "ready") == 1)
    finally:
        del sys.modules["made_later"]


def test_the_running_script_is_not_imported_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    main: Any = types.ModuleType("__main__")
    main.__file__, main.ready = "/srv/app/service.py", lambda: 1
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert resolve("service:ready") is main.ready
    assert resolve("app.service:ready") is main.ready
    with pytest.raises(ImportError):
        resolve("other_service:ready")


def test_what_is_no_function_is_said() -> None:
    with pytest.raises(TypeError, match="not a function"):
        resolve("sys:path")


def test_the_hosts_figures_are_plausible() -> None:
    assert 0 <= host.cpu_percent() <= 100
    sum(number * number for number in range(2_000_000))
    assert host.cpu_percent() > 0
    assert host.memory_used_bytes() > 1e6
    assert host.memory_available_bytes() > 1e6
    assert host.disk_used_bytes() > 1e6
    assert host.disk_available_bytes() > 1e6
