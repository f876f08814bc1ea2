"""Logs: capped, readable through a rotation, followed."""

import itertools
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mlspec.stack import local
from mlspec.stack.child import tail
from mlspec.stack.follow import follow_files
from mlspec.stack.guard import CappedLog

from .conftest import QUICK, Stack, server, until

pytestmark = pytest.mark.slow  # real processes, and their time-outs


def test_log_keeps_two_files_of_the_cap(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "a.log", 1000)
    for number in range(500):
        log.write(f"line {number}\n".encode())
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.log", "a.log.1"]
    assert max(sizes) <= 1000
    assert tail(tmp_path / "a.log", 100) == [f"line {number}" for number in range(400, 500)]


def test_chatty_program_does_not_fill_the_disk(stack: Stack) -> None:
    api = server("api", stack.root, "chatty")
    assert stack.up(api, limits=replace(QUICK, log_bytes=200_000))[0] == 0
    log = stack.run.log("api")
    until(lambda: log.with_name("api.log.1").exists())
    until(lambda: log.stat().st_size > 100_000)
    assert log.stat().st_size + log.with_name("api.log.1").stat().st_size <= 400_000


def test_lines_of_several_programs_carry_their_names(stack: Stack) -> None:
    assert stack.up(server("api", stack.root), server("web", stack.root))[0] == 0
    lines = list(local.logs(stack.root, "demo", "dev", lines=1))
    assert lines[:2] == ["api        | started with []", "web        | started with []"]
    assert lines[2].startswith("supervisor | ")
    assert list(local.logs(stack.root, "demo", "dev", "api")) == ["started with []"]


def test_unknown_log_is_an_error_that_names_those_there_are(stack: Stack) -> None:
    stack.up(server("api", stack.root))
    with pytest.raises(local.StackError, match="no log of grafana; there is api, supervisor"):
        list(local.logs(stack.root, "demo", "dev", "grafana"))


def test_following_goes_on_after_a_rotation(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "a.log", 60)
    log.write(b"before\n")
    follower = follow_files({"a": tmp_path / "a.log"})
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.extend(itertools.islice(follower, 20)), daemon=True)
    reader.start()
    threading.Event().wait(0.3)
    for number in range(20):
        log.write(f"line {number:02}\n".encode())
        threading.Event().wait(0.25)
    reader.join(5)
    assert found == [f"line {number:02}" for number in range(20)]
