"""Label budgets, births, and metrics that never raise."""

import logging
import math
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlspec.runtime import Closed, CounterFamily, GaugeFamily, HistogramFamily, Monitor, Open
from mlspec.runtime.ledger import FILE, Ledger

from .support import series, value


def test_all_series_of_closed_labels_exist_from_construction() -> None:
    monitor = Monitor(project="test")
    CounterFamily(monitor, "jobs_total", "Jobs.", Closed("kind", "a", "b"), Closed("outcome", "ok", "error"))
    GaugeFamily(monitor, "depth", "Depth.", Closed("queue", "in", "out"))
    HistogramFamily(monitor, "size", "Size.", Closed("kind", "a", "b"), buckets=(1, 2))
    assert series(monitor, "jobs_total") == dict.fromkeys([("a", "ok"), ("a", "error"), ("b", "ok"), ("b", "error")], 0)
    assert series(monitor, "depth") == {("in",): 0, ("out",): 0}
    assert series(monitor, "size_count") == {("a",): 0, ("b",): 0}


def test_a_value_outside_a_closed_label_is_other_where_there_is_one_and_else_a_counted_error() -> None:
    monitor = Monitor(project="test")
    with_other = CounterFamily(monitor, "one_total", "One.", Closed("kind", "a", "other"))
    without = CounterFamily(monitor, "two_total", "Two.", Closed("kind", "a"))
    with_other.child("z").inc()
    without.child("z").inc()
    without.child("a").inc()
    assert series(monitor, "one_total") == {("a",): 0, ("other",): 1}
    assert series(monitor, "two_total") == {("a",): 1}
    assert value(monitor, "mlspec_recording_errors_total", metric="two_total") == 1
    assert value(monitor, "mlspec_recording_errors_total", metric="one_total") == 0


def test_an_open_label_keeps_its_first_values_for_good() -> None:
    monitor = Monitor(project="test")
    family = CounterFamily(monitor, "one_total", "One.", Open("version", 2))
    for version in ("a", "b", "c", "d", "a", "c", "b"):
        family.child(version).inc()
    assert series(monitor, "one_total") == {("a",): 2, ("b",): 2, ("other",): 3}
    assert value(monitor, "mlspec_label_overflow_total", metric="one_total", label="version") == 3


def test_a_flood_of_values_costs_no_memory() -> None:
    monitor = Monitor(project="test")
    family = CounterFamily(monitor, "one_total", "One.", Open("version", 3))
    for number in range(5000):
        family.child(f"v{number}").inc()
    assert len(family._children) == 4
    assert sum(series(monitor, "one_total").values()) == 5000


def test_values_are_text_of_bounded_length_that_utf8_can_write() -> None:
    monitor = Monitor(project="test")
    family = CounterFamily(monitor, "one_total", "One.", Open("version", 9))
    broken: Any = ["a\ud800b", "x" * 5000, 7, None, 'quote"\n\\']
    for version in broken:
        family.child(version).inc()
    assert set(series(monitor, "one_total")) == {("a?b",), ("x" * 200,), ("7",), ("None",), ('quote"\n\\',)}


def test_labels_that_cant_be_text_are_a_counted_error() -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError

    monitor = Monitor(project="test")
    family = CounterFamily(monitor, "one_total", "One.", Open("version", 9))
    rude: Any = Rude()
    family.child(rude).inc()
    family.child("too", "many").inc()
    assert value(monitor, "mlspec_recording_errors_total", metric="one_total") == 2
    assert series(monitor, "one_total") == {}


def test_threads_share_one_budget_and_lose_nothing() -> None:
    monitor = Monitor(project="test")
    family = CounterFamily(monitor, "one_total", "One.", Open("version", 5))
    threads = [
        threading.Thread(target=lambda: [family.child(f"v{number % 20}").inc() for number in range(1000)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = series(monitor, "one_total")
    assert len(counted) == 6
    assert sum(counted.values()) == 8000


@pytest.mark.parametrize("wrong", [math.nan, math.inf, "text", None, [1], -1])
def test_no_metric_raises_or_is_spoilt_by_a_wrong_amount(wrong: Any) -> None:
    monitor = Monitor(project="test")
    counter, gauge = monitor.counter("one_total", "One."), monitor.gauge("two", "Two.")
    histogram = monitor.histogram("three", "Three.", buckets=(1, 2))
    counter.inc(2)
    counter.inc(wrong)
    gauge.inc(wrong if wrong != -1 else None)  # type: ignore[arg-type]
    histogram.observe(1.5)
    histogram.observe(wrong if wrong != -1 else None)  # type: ignore[arg-type]
    assert value(monitor, "one_total") == 2
    assert value(monitor, "two") == 0
    assert value(monitor, "three_sum") == 1.5
    for name in ("one_total", "two", "three"):
        assert value(monitor, "mlspec_recording_errors_total", metric=name) == 1


def test_numpys_numbers_are_numbers() -> None:
    monitor = Monitor(project="test")
    histogram = monitor.histogram("three", "Three.", buckets=(1, 2))
    histogram.observe(np.float32(0.5))  # type: ignore[arg-type]
    histogram.observe(np.int64(2))  # type: ignore[arg-type]
    assert value(monitor, "three_sum") == 2.5
    assert value(monitor, "mlspec_recording_errors_total", metric="three") == 0


def test_a_gauge_may_be_unknown() -> None:
    monitor = Monitor(project="test")
    monitor.gauge("two", "Two.").set(math.nan)
    assert math.isnan(value(monitor, "two") or 0)


def test_a_fault_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    counter = Monitor(project="test").counter("one_total", "One.")
    with caplog.at_level(logging.WARNING, "mlspec.runtime"):
        counter.inc(-1)
        counter.inc(-1)
    assert caplog.text.count("could not be recorded") == 1


def test_bulk_observation_equals_one_by_one() -> None:
    monitor = Monitor(project="test")
    amounts = [0.0, 0.1, 0.1, 0.15, 0.2, 0.3, 7.0]
    bulk, single = (monitor.histogram(name, "H.", buckets=(0.1, 0.2)) for name in ("bulk", "single"))
    assert bulk.raw is not None
    bulk.raw.observe_all(amounts)
    for amount in amounts:
        single.observe(amount)
    for suffix in ("bucket", "sum", "count"):
        assert series(monitor, f"bulk_{suffix}") == series(monitor, f"single_{suffix}")


def test_counted_series_carry_no_created_series() -> None:
    monitor = Monitor(project="test")
    monitor.counter("one_total", "One.").inc()
    assert b"_created" not in monitor.render()
    assert b"_created" not in monitor.render("application/openmetrics-text; version=1.0.0")
    families = list(text_string_to_metric_families(monitor.render().decode()))
    assert {family.name: family.type for family in families}["one"] == "counter"


def test_workers_share_a_budget_through_the_ledger(tmp_path: Path) -> None:
    faults: list[str] = []
    one, two = (Ledger(str(tmp_path), lambda metric, error: faults.append(metric)) for _ in range(2))
    key = ("requests_total", "route")
    assert one.admit(key, "/a", 2) == {"/a"}
    assert two.admit(key, "/b", 2) == {"/a", "/b"}
    assert one.admit(key, "/c", 2) == {"/a", "/b"}
    assert two.admit(("requests_total", "status"), "/c", 2) == {"/c"}
    assert faults == []


def test_the_ledger_survives_torn_lines(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), lambda metric, error: None)
    ledger.admit(("m", "l"), "a", 9)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'["m", "l", "tor')
    assert ledger.admit(("m", "l"), "b", 9) == {"a", "b"}
    assert ledger.admit(("m", "l"), "c", 9) == {"a", "b", "c"}


def test_a_stopped_worker_that_holds_the_lock_stops_no_one(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    ledger = Ledger(str(tmp_path), lambda metric, error: None)
    ledger.admit(("m", "l"), "a", 9)
    with (tmp_path / FILE).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert ledger.admit(("m", "l"), "b", 9) == {"a"}
    assert ledger.admit(("m", "l"), "b", 9) == {"a", "b"}


def test_without_a_usable_ledger_a_worker_has_a_budget_of_its_own(tmp_path: Path) -> None:
    from mlspec.runtime.labels import Budget

    faults: list[str] = []
    ledger = Ledger(str(tmp_path / "gone"), lambda metric, error: faults.append(metric))
    budget = Budget("m", Open("l", 2), ledger)
    assert [budget.admit(text) for text in "abca"] == [True, True, False, True]
    assert faults == ["m", "m"]


def test_buckets_are_cumulative() -> None:
    monitor = Monitor(project="test")
    histogram = monitor.histogram("three", "Three.", buckets=(1, 2, 3))
    for amount in (0.5, 1, 1.5, 2.5, 9):
        histogram.observe(amount)
    buckets = [value(monitor, "three_bucket", le=le) or 0 for le in ("1.0", "2.0", "3.0", "+Inf")]
    assert buckets == [2, 3, 4, 5]
    assert all(low <= high for low, high in pairwise(buckets))
