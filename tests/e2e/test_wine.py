"""The first user story, whole, with the real parts: up, traffic, proof, trouble, recovery, down."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e.wine import (
    EVALUATE,
    GROUP_INTERVAL,
    GROUP_WAIT,
    SCRAPE,
    Told,
    Wine,
    copy_of_wine,
    wait_for,
    webhook,
)

pytestmark = pytest.mark.e2e

HOLD = 3.0
# Memory is always above 0.1%: an alert that fires from the beginning, on a gauge of the service.
ALWAYS = {
    r"  memory_usage: \{above: [^\n]*\n": "  memory_usage: {above: {critical: 0.1%}}\n",
    r"(  HighMemoryUsage:\n    signal: memory_usage\n)    for: 5m\n": r"\1    for: 1s\n",
    r"(  ApiDown:\n    signal: api_up\n)    for: 1m\n": rf"\1    for: {HOLD:g}s\n",
}


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    with webhook() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory, told: Told) -> Iterator[Wine]:
    project = copy_of_wine(tmp_path_factory.mktemp("wine"), told.port, ALWAYS)
    try:
        project.ok("up", "--detach")
        yield project
    finally:
        project.mlspec("down")


def test_everything_runs_and_the_live_check_is_clean(wine: Wine) -> None:
    wine.ok("simulate", "--duration", "25s", "--rate", "20", "--errors", "5%")
    assert {p["phase"] for p in wine.status().values()} == {"ready"}
    targets = wine.prometheus("targets")["activeTargets"]
    assert {t["labels"]["job"]: t["health"] for t in targets} == dict.fromkeys(
        ["api", "prometheus", "alertmanager", "node"], "up"
    )
    rules = [rule for group in wine.prometheus("rules")["groups"] for rule in group["rules"]]
    assert rules
    assert {rule["health"] for rule in rules} == {"ok"}
    wine.ok("validate", "--live", "--require-data")


@contextmanager
def hung(wine: Wine) -> Iterator[None]:
    """The service takes connections and never answers."""
    api = psutil.Process(wine.status()["api"]["pid"])
    family = [*api.children(recursive=True), api]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(family):
            process.resume()


@contextmanager
def stopped(wine: Wine) -> Iterator[None]:
    """The service is stopped on purpose, and started again."""
    wine.ok("up", "--detach", "--without", "api")
    try:
        yield
    finally:
        wine.ok("up", "--detach")


@pytest.mark.parametrize("without_service", [hung, stopped])
def test_a_dead_service_is_told_and_its_firing_gauge_alert_stays(
    wine: Wine, told: Told, without_service: Callable[[Wine], AbstractContextManager[None]]
) -> None:
    wait_for("the gauge's alert fires", lambda: "HighMemoryUsage" in wine.firing(), 30)
    began = time.time()
    with without_service(wine):
        bound = SCRAPE + SCRAPE + HOLD + 2 * EVALUATE + GROUP_WAIT + 5
        wait_for("ApiDown reaches the webhook", lambda: told.of("ApiDown", "firing", began), bound)
        time.sleep(GROUP_INTERVAL)
        alerts = {a["labels"]["alertname"]: a for a in wine.prometheus("alerts")["alerts"] if a["state"] == "firing"}
        assert {"ApiDown", "HighMemoryUsage"} <= set(alerts)
        assert alerts["HighMemoryUsage"]["annotations"]["value"] == "NaN%", "no measurement is known"
        assert told.of("HighMemoryUsage", "resolved", began) is None
        ended = time.time()
    bound = GROUP_INTERVAL + SCRAPE + 2 * EVALUATE + 2
    wait_for("ApiDown is told to be resolved", lambda: told.of("ApiDown", "resolved", ended), bound)
    assert "HighMemoryUsage" in wine.firing()


def test_up_again_after_an_edit_reloads_and_keeps_the_service(wine: Wine) -> None:
    before = wine.status()
    text = wine.spec.read_text()
    wine.spec.write_text(text.replace("cpu_usage: {above: {warning: 80%, critical: 95%}}", "cpu_usage: {above: 96%}"))
    wine.ok("up", "--detach")
    queries = [
        r["query"] for g in wine.prometheus("rules")["groups"] for r in g["rules"] if r["name"] == "HighCpuUsage"
    ]
    assert "> 96" in queries[0]
    after = wine.status()
    assert {name: p["pid"] for name, p in after.items()} == {name: p["pid"] for name, p in before.items()}
    assert {p["restarts"] for p in after.values()} == {0}


def test_a_spec_with_an_error_leaves_what_runs_alone(wine: Wine) -> None:
    good = wine.spec.read_text()
    wine.spec.write_text(good.replace("signal: cpu_usage", "signal: cpu_usages"))
    try:
        refused = wine.mlspec("up", "--detach")
        assert refused.returncode == 1
        assert "unknown-signal" in refused.stderr
        assert "did you mean `cpu_usage`?" in refused.stderr
    finally:
        wine.spec.write_text(good)
    assert {p["phase"] for p in wine.status().values()} == {"ready"}


def test_down_leaves_nothing_behind(wine: Wine) -> None:
    pids = [p["pid"] for p in wine.status().values()]
    wine.ok("down")
    assert not [pid for pid in pids if alive(pid)]
    assert not listening(wine)
    assert "does not run" in wine.mlspec("status").stdout


def test_nothing_is_left_after_the_supervisor_is_killed(wine: Wine) -> None:
    wine.ok("up", "--detach")
    pids = [p["pid"] for p in wine.status().values()]
    supervisors = {
        ancestor.pid for pid in pids for ancestor in psutil.Process(pid).parents() if ours(ancestor, wine.root)
    }
    assert supervisors  # and the guards: the worst case
    for pid in supervisors:
        os.kill(pid, signal.SIGKILL)
    wine.ok("down")
    assert not [pid for pid in pids if alive(pid)]
    assert not listening(wine)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ours(process: psutil.Process, root: Path) -> bool:
    try:
        return process.pid not in (os.getpid(), 1) and process.environ().get("MLSPEC_STATE") == str(root / "state")
    except psutil.Error:
        return False


def listening(wine: Wine) -> list[int]:
    held = {c.laddr.port for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    return [port for port in wine.ports.values() if port in held]
