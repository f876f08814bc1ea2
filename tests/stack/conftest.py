"""Real processes on free loopback ports, each stack ended and looked for at the end of its test."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mlspec.stack import local, state, web
from mlspec.stack.plan import Launch, Limits, Plan, Port, Program
from mlspec.stack.processes import members
from mlspec.stack.rundir import RunDir

HERE = Path(__file__).parent
SERVER = HERE / "server.py"
QUICK = Limits(ready=20, grace=3, backoff_first=0.2, backoff_most=1.0, healthy_after=60, log_bytes=1_000_000)


@dataclass
class Heard:
    """A reporter that keeps what it hears."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def error(self, text: str) -> None:
        self.errors.append(text)

    def progress(self, text: str) -> None:
        self.waits.append(text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for `condition`, and fail when it doesn't come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.05)


def server(name: str, root: Path, *options: str, **changes: object) -> Program:
    """A program that is a small HTTP server of ours; see server.py."""
    port = free_port()
    program = Program(
        name=name,
        tool=None,
        argv=(str(SERVER), str(port), *options),
        env={},
        cwd=str(root),
        port=Port(port, "127.0.0.1", f"stack.{name}.port"),
        url=f"http://127.0.0.1:{port}/",
        ready=f"http://127.0.0.1:{port}/ready",
        title=name.upper(),
        required=True,
        reload=None,
        config=(),
    )
    return replace(program, **changes)  # type: ignore[arg-type]


class Stack:
    """One project's stack in a temporary root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rendered = root / "generated" / "demo" / "dev"
        self.rendered.mkdir(parents=True)
        self.run = RunDir.of(root, "demo", "dev")

    def plan(self, *programs: Program, secrets: tuple[str, ...] = ()) -> Plan:
        return Plan("demo", "dev", self.root, self.rendered, programs, secrets)

    def up(self, *programs: Program, secrets: tuple[str, ...] = (), limits: Limits = QUICK) -> tuple[int, Heard]:
        heard = Heard()
        return local.up(self.plan(*programs, secrets=secrets), detach=True, report=heard, limits=limits), heard

    def foreground(self, *programs: Program, limits: Limits = QUICK) -> "subprocess.Popen[str]":
        """`up` in the foreground of another process."""
        launch = self.root / "launch.json"
        launch.write_text(Launch(self.plan(*programs), limits=limits).to_json())
        command = [sys.executable, str(HERE / "foreground.py"), str(launch)]
        # Not our group: a signal to it is the test's to send.
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def down(self) -> tuple[int, Heard]:
        heard = Heard()
        return local.down(self.root, "demo", "dev", heard), heard

    def known(self) -> state.StackState:
        known = state.read(self.run)
        assert known is not None
        return known

    def program(self, name: str) -> state.ProgramState:
        return next(program for program in self.known().programs if program.name == name)

    def gone(self) -> bool:
        return not members(self.run.id)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("MLSPEC_STATE", str(tmp_path / "state"))
    root = tmp_path / "root"
    root.mkdir()
    made = Stack(root)
    yield made
    made.down()
    assert made.gone()


def get(url: str) -> str:
    status, body = web.ask("GET", url, 5)
    assert status == 200, (url, status, body)
    return body


def is_alive(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


__all__ = ["QUICK", "Heard", "Stack", "free_port", "get", "is_alive", "os", "server", "until"]
