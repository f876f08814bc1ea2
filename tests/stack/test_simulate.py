"""Simulated traffic: its pace, its counts, its end. Against a real server."""

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from mlspec.stack.report import StackError
from mlspec.stack.simulate import Summary, simulate

from .conftest import SERVER, free_port, until
from .conftest import get as fetch

pytestmark = pytest.mark.slow  # real processes, and their time-outs


@dataclass(frozen=True)
class Request:
    path: str
    method: str = "GET"
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(SERVER), str(port)], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return bool(fetch(f"{url}/ready"))
        except AssertionError:
            return False

    until(answers)
    yield url
    process.kill()
    process.wait()


def forever(path: str) -> Iterator[Request]:
    return itertools.repeat(Request(path))


def test_the_rate_is_kept_and_everything_is_counted(base: str) -> None:
    seen: list[int] = []
    mixed = itertools.cycle(
        [Request("/"), Request("/status/404"), Request("/status/503"), Request("/", "POST", {"a": 1})]
    )
    summary = simulate(base, mixed, rate=80, duration=2, progress=lambda summary: seen.append(summary.sent))
    assert summary.sent == 160
    assert summary.rate == pytest.approx(80, rel=0.05)
    assert summary.statuses == {"2xx": 80, "4xx": 40, "5xx": 40}
    assert 0 < (summary.latency(0.5) or 0) <= (summary.latency(0.99) or 0) < 1
    assert seen == sorted(seen)
    assert 5 <= len(seen) <= 15
    assert summary.lines()[0].startswith("sent 160 requests in 2.0 s")


def test_slow_answers_do_not_slow_the_pace(base: str) -> None:
    summary = simulate(base, forever("/slow"), rate=20, duration=1.5)
    assert (summary.sent, summary.statuses) == (30, {"2xx": 30})
    assert (summary.latency(0.5) or 0) >= 0.5


def test_what_would_exceed_the_bound_is_skipped_and_said(base: str) -> None:
    summary = simulate(base, forever("/slow"), rate=40, duration=1, in_flight=4)
    assert summary.sent <= 12
    assert summary.sent + summary.skipped == 40
    assert f"skipped {summary.skipped}: the service did not keep up" in summary.lines()


def test_count_and_the_end_of_the_requests_are_ends(base: str) -> None:
    assert simulate(base, forever("/"), rate=200, duration=60, count=7).sent == 7
    assert simulate(base, iter([Request("/")] * 5), rate=200, duration=60).sent == 5


def test_no_server_is_one_clear_error() -> None:
    with pytest.raises(StackError, match=r"nothing listens at http://127.0.0.1:.*start it with `mlspec up`"):
        simulate(f"http://127.0.0.1:{free_port()}", forever("/"), rate=50, duration=30)


def test_no_server_is_an_error_for_a_single_request_too() -> None:
    with pytest.raises(StackError, match="nothing listens"):
        simulate(f"http://127.0.0.1:{free_port()}", iter([Request("/")]), rate=50, duration=1)


def test_traffic_that_raises_is_an_error_that_says_so(base: str) -> None:
    def broken() -> Iterator[Request]:
        yield Request("/")
        raise KeyError("alcohol")

    with pytest.raises(StackError, match="the sample traffic raised KeyError: 'alcohol'"):
        simulate(base, broken(), rate=50, duration=1)


def test_body_that_is_no_json_is_an_error_that_says_so(base: str) -> None:
    with pytest.raises(StackError, match="the sample request POST / can't be sent"):
        simulate(base, iter([Request("/", "POST", {1, 2})]), rate=50, duration=1)


@pytest.mark.parametrize(("rate", "duration"), [(0, 1), (-1, 1), (float("nan"), 1), (1, float("inf"))])
def test_rate_and_duration_must_make_sense(rate: float, duration: float) -> None:
    with pytest.raises(StackError, match="above zero"):
        simulate("http://127.0.0.1:1", forever("/"), rate=rate, duration=duration)


def test_ctrl_c_ends_it_with_a_summary(base: str) -> None:
    code = f"""
import itertools
from types import SimpleNamespace
from mlspec.stack.simulate import simulate
requests = itertools.repeat(SimpleNamespace(method="GET", path="/", json=None, headers=None))
summary = simulate({base!r}, requests, rate=50, duration=600, progress=lambda s: print(s.sent, flush=True))
print("interrupted", summary.interrupted, summary.sent > 0)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 20:
        pass
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert output.splitlines()[-1] == "interrupted True True"


def test_a_summary_of_nothing_has_no_latency() -> None:
    assert Summary().latency(0.5) is None
    assert Summary().lines() == ["sent 0 requests in 0.0 s (0.0/s)", "no answers"]
