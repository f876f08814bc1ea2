"""What people and programs are shown, and when it counts as a failure."""

import json

from mlspec.live.judge import judged
from mlspec.live.report import Report
from tests.live.support import answering, exposing, healthy
from tests.live.test_checks import NOTHING


def report(seen: object = None, **changes: bool) -> Report:
    return Report("shop.yaml", "dev", tuple(judged(seen or healthy())), **changes)  # type: ignore[arg-type]


def test_a_clean_stack_is_a_few_lines() -> None:
    clean = report(require_data=True)
    assert not clean.failed
    assert clean.as_text().splitlines()[:2] == ["service       1 ok", "metric        6 ok"]
    assert clean.as_text().splitlines()[-1].startswith("live: ")
    assert clean.as_text().splitlines()[-1].endswith(" ok, 0 failed")


def test_waiting_is_a_failure_only_where_data_is_required() -> None:
    seen = answering("orders", NOTHING)
    assert not report(seen).failed
    assert report(seen, require_data=True).failed
    assert "instead:" not in report(seen).as_text()
    assert "instead: Send traffic" in report(seen, require_data=True).as_text()
    assert report(seen, require_data=True).as_text().endswith("(--require-data)")


def test_skipped_and_noted_are_no_failure_even_then() -> None:
    seen = exposing(('reason="error"} 0', 'reason="error"} 4'))
    assert not report(seen, require_data=True).failed
    assert "note" in report(seen).as_text()
    assert not report(answering("node_load", NOTHING), require_data=True).failed


def test_a_failure_is_told_with_its_place() -> None:
    broken = report(exposing(("shop_open 1.0", "shop_open 3")))
    assert broken.failed
    (line,) = [line for line in broken.as_text().splitlines() if "FAILED" in line]
    assert "shop_open  shop_open is 3, declared are 0, 1  [unknown-state]  shop.yaml:" in line


def test_nothing_that_runs_is_one_answer() -> None:
    none = report(unreachable=True)
    assert none.failed
    assert none.as_text().startswith(
        "live: nothing of shop.yaml (dev) runs; start it with `mlspec up shop.yaml --env dev`"
    )


def test_data_is_json_and_complete() -> None:
    data = report(exposing(("shop_open 1.0", "shop_open 3"))).as_data()
    assert json.loads(json.dumps(data)) == data
    assert data["failed"] is True
    assert data["summary"]["failed"] == 1
    assert sum(data["summary"].values()) == len(data["results"])
    (one,) = [result for result in data["results"] if result["status"] == "failed"]
    assert one["position"]["file"] == "shop.yaml"
    assert one["code"] == "unknown-state"


def test_foreign_text_cannot_move_the_cursor_or_fill_the_screen() -> None:
    from dataclasses import replace

    (first, *rest) = judged(healthy())
    nasty = replace(first, status="failed", message="\x1b[2J\nx" * 1000)
    text = Report("shop.yaml", "dev", (nasty, *rest)).as_text()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 600
