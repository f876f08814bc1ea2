"""The wine service under a real Prometheus and Alertmanager, of both generations: clean at first, then broken."""

import random
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from examples.wine.traffic import requests
from mlspec.live import Report, ask
from mlspec.runtime.traffic import Mix
from tests.live.lab import Lab, lab, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def asked(stack: Lab, require_data: bool = True) -> Report:
    return ask(stack.project, stack.environment, require_data=require_data)


def codes(report: Report, status: str = "failed") -> set[str]:
    return {result.code for result in report.results if result.status == status}


def subjects(report: Report, code: str) -> set[str]:
    return {result.subject for result in report.results if result.code == code}


def send_traffic(stack: Lab, count: int) -> None:
    traffic = requests(random.Random(42), Mix())
    with httpx.Client(base_url=stack.url("api"), trust_env=False, timeout=10) as client:
        for _, one in zip(range(count), traffic, strict=False):
            assert client.request(one.method, one.path, json=one.json).status_code == 200


def becomes(stack: Lab, condition: Callable[[Report], bool]) -> Report:
    """The first report for which something holds; fails with the last one when none does."""
    seen: list[Report] = []

    def holds() -> bool:
        seen.append(asked(stack))
        return condition(seen[-1])

    try:
        until(holds, 40)
    except AssertionError:
        raise AssertionError(seen[-1].as_text()) from None
    return seen[-1]


def rewritten(stack: Lab, path: str, *changes: tuple[str, str]) -> None:
    """Change a rendered file and let its reader reload it."""
    file = stack.rendered / path
    text = file.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text)
    reload(stack, path.partition("/")[0])


def reload(stack: Lab, part: str) -> None:
    httpx.post(f"{stack.url(part)}/-/reload", trust_env=False, timeout=20).raise_for_status()


@pytest.mark.parametrize("version", [None, "3"])
def test_a_real_stack(tmp_path: Path, version: str | None) -> None:
    with lab(tmp_path, version) as stack:
        without_traffic(stack)
        clean_under_traffic(stack)
        another_rule_file(stack)
        another_alertmanager_configuration(stack)
        a_dead_exporter(stack)
        a_dead_service(stack)
        nothing_left(stack)


def without_traffic(stack: Lab) -> None:
    """Healthy, and waiting for traffic: no failure, unless data is required."""
    idle = becomes(stack, lambda report: not codes(report) and "target-not-scraped-yet" not in codes(report, "waiting"))
    assert {"mean_confidence", "prediction_latency"} <= subjects(idle, "no-answer")
    assert idle.failed
    assert not asked(stack, require_data=False).failed


def clean_under_traffic(stack: Lab) -> None:
    send_traffic(stack, 60)
    until(lambda: not asked(stack).failed)
    report = asked(stack)
    assert not report.failed, report.as_text()
    assert {result.status for result in report.results} <= {"ok", "noted"}
    counted = {area: sum(r.area == area for r in report.results) for area in ("metric", "rule", "signal", "panel")}
    spec = stack.environment.spec
    assert counted["metric"] >= len(spec.metrics)
    assert counted["signal"] >= len(spec.signals)
    assert counted["rule"] > len(spec.alerts)
    assert counted["panel"] >= sum(len(row.panels) for shape in spec.dashboards.values() for row in shape.rows)


def another_rule_file(stack: Lab) -> None:
    """An alert renamed by hand is one that is missing and one too many; a bound moved by hand is seen."""
    changes = (("alert: ModelNotLoaded", "alert: ModelMissing"), ("> 95 or", "> 96 or"))
    rewritten(stack, "prometheus/rules/wine.yml", *changes)
    report = becomes(stack, lambda report: "rule-missing" in codes(report))
    assert codes(report) == {"rule-missing", "rule-left-over", "rule-differs"}
    assert subjects(report, "rule-missing") == {"ModelNotLoaded"}
    assert subjects(report, "rule-left-over") == {"ModelMissing"}
    assert subjects(report, "rule-differs") == {"HighCpuUsage"}
    (stack.rendered / "prometheus/rules/wine.yml").write_text("groups: []\n")
    reload(stack, "prometheus")
    report = becomes(stack, lambda report: len(subjects(report, "rule-missing")) > 20)
    assert codes(report) == {"rule-missing"}
    stack.write()
    reload(stack, "prometheus")
    becomes(stack, lambda report: not report.failed)


def another_alertmanager_configuration(stack: Lab) -> None:
    rewritten(
        stack, "alertmanager/alertmanager.yml", ("receiver: people", "receiver: post"), ("name: people", "name: x")
    )
    report = asked(stack)
    assert codes(report) == {"receiver-missing", "routing-differs"}
    assert subjects(report, "receiver-missing") == {"people"}
    stack.write()
    reload(stack, "alertmanager")
    assert not asked(stack).failed


def a_dead_exporter(stack: Lab) -> None:
    stack.stop("node")
    # Not `report.failed`: between two of its questions the series may go while the target is still up, which waits.
    report = becomes(stack, lambda report: bool(codes(report)))
    assert codes(report) == {"target-down"}, report.as_text()
    assert subjects(report, "target-down") == {"node"}


def a_dead_service(stack: Lab) -> None:
    stack.stop("api")
    report = becomes(stack, lambda report: "api" in subjects(report, "target-down"))
    assert {"service-unreachable", "target-down"} <= codes(report)
    assert not report.unreachable
    assert "metric" in {result.area for result in report.results if result.status == "skipped"}


def nothing_left(stack: Lab) -> None:
    stack.stop("prometheus")
    report = asked(stack)
    assert report.unreachable
    assert report.failed
    assert "mlspec up" in report.as_text()
