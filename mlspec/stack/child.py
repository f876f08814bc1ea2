"""The supervisor's side of one program: its start through a guard, its readiness, its restarts, its end."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mlspec import names
from mlspec.stack import adapt, guard, web
from mlspec.stack.plan import Launch, Program, expand
from mlspec.stack.processes import ProcessId, end_members, mark
from mlspec.stack.report import StackError
from mlspec.stack.rundir import RunDir
from mlspec.stack.state import ProgramState

READY_POLL = 0.2
GUARD_START = 15.0


class Child:
    """A program that should run. Its phase is one of `starting`, `ready`, `waiting` (to be restarted), `stopped`."""

    def __init__(self, launch: Launch, program: Program, run: RunDir, note: Callable[[str], None]) -> None:
        self.launch = launch
        self.program = program
        self.run = run
        self.note = note
        self.inputs = launch.plan.inputs_hash(program)
        self.phase = "stopped"
        self.restarts = 0
        self.last_exit: int | None = None
        self.process: ProcessId | None = None
        self.guard: ProcessId | None = None
        self._failures = 0
        self._since = 0.0
        self._next = 0.0
        self._keeper: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def state(self) -> ProgramState:
        """What the state file says of it."""
        program = self.program
        return ProgramState(
            name=program.name,
            title=program.title,
            url=program.url,
            ready=program.ready,
            port=program.port,
            phase=self.phase,
            guard=self.guard,
            process=self.process,
            since=self._since or None,
            restarts=self.restarts,
            last_exit=self.last_exit,
        )

    def start(self) -> None:
        """Start the guard, and by it the program. That a program can't be run shows as its end, with code 127.

        Raises StackError when not even the guard can be started.
        """
        try:
            self._start()
        except OSError as error:
            raise StackError(f"{self.program.name}: can't be started in {self.program.cwd}: {error}") from None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        limits = self.launch.limits
        log = self.run.log(self.program.name)
        guarded = [str(theirs.fileno()), str(log), str(limits.log_bytes), str(limits.grace), *self._command()]
        # The guard's own complaints, which are its crashes, belong where the program's output is.
        with theirs, log.open("ab") as errors:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", guard.__file__, *guarded],
                env=self._environment(),
                cwd=self._directory(),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control = ours
        self.guard = ProcessId.of(self._keeper.pid)
        self.process = self._announced(ours)
        self.phase = "starting"
        self._since = time.time()
        self._next = 0.0
        self.note(f"{self.program.name}: started, pid {self.process.pid if self.process else '?'}")

    def poll(self) -> bool:
        """Look at it once, and restart it if it is time to. Whether its phase changed."""
        before = self.phase
        if self.phase == "waiting":
            if time.time() >= self._next:
                self._restart()
        elif self._keeper and self._keeper.poll() is not None:
            self._ended(self._keeper.returncode)
        elif self.phase == "starting" and time.time() >= self._next:
            if web.is_ready(self.program.ready, timeout=0.5):
                self.phase = "ready"
                self.note(f"{self.program.name}: ready after {time.time() - self._since:.1f} s")
            self._next = time.time() + READY_POLL
        elif self.phase == "ready" and time.time() - self._since > self.launch.limits.healthy_after:
            self._failures = 0
        return self.phase != before

    def stop(self, *, force: bool = False) -> None:
        """End it with all of its descendants, and wait until they are gone."""
        if self._keeper and self.phase in ("starting", "ready"):
            if force:
                self._kill_group()
                self._keeper.kill()
            self._close()
            try:
                self._keeper.wait(self.launch.limits.grace + 10)
            except subprocess.TimeoutExpired:
                self._keeper.kill()
                self._keeper.wait()
            self._sweep()
            self.note(f"{self.program.name}: stopped")
        self.phase = "stopped"
        self.guard = self.process = None
        self._since = 0.0

    def last_lines(self, count: int = 15) -> list[str]:
        """The end of its log."""
        return tail(self.run.log(self.program.name), count)

    def _restart(self) -> None:
        self.restarts += 1
        try:
            self.start()
        except StackError as error:
            self._back_off(str(error))

    def _ended(self, code: int) -> None:
        self.last_exit = code
        if code < 0:
            self._kill_group()
        self._back_off(f"{self.program.name}: ended with {describe_exit(code)} after {time.time() - self._since:.1f} s")

    def _back_off(self, why: str) -> None:
        self._close()
        self._sweep()
        self.guard = self.process = None
        self._since = 0.0
        limits = self.launch.limits
        delay = min(limits.backoff_most, limits.backoff_first * 2 ** min(self._failures, 20))
        self._failures += 1
        self._next = time.time() + delay
        self.phase = "waiting"
        self.note(f"{why}; next start in {delay:g} s")

    def _sweep(self) -> None:
        """End what got away from the guard, or was left by a guard that was killed."""
        end_members(self.run.id, [], grace=1.0, program=self.program.name)

    def _kill_group(self) -> None:
        if self.process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _close(self) -> None:
        if self._control:
            self._control.close()
            self._control = None

    def _announced(self, control: socket.socket) -> ProcessId | None:
        """The program's identity, as the guard tells it; None when the program could not be started."""
        control.settimeout(GUARD_START)
        try:
            told = control.recv(64)
        except TimeoutError:
            raise StackError(f"{self.program.name}: its guard did not start in {GUARD_START:g} s") from None
        return ProcessId.of(int(told)) if told.strip() else None

    def _command(self) -> list[str]:
        argv = [expand(argument, self.run.path) for argument in self.program.argv]
        if self.program.tool is None:
            return [sys.executable, *argv]
        binary = Path(self.launch.tools[self.program.tool])
        return [str(binary), *argv, *adapt.extra_arguments(self.program.tool, binary)]

    def _directory(self) -> Path:
        directory = Path(expand(self.program.cwd, self.run.path))
        if directory.is_relative_to(self.run.path):
            directory.mkdir(parents=True, exist_ok=True)
        if self.program.tool and self.program.tool in self.launch.tools:
            adapt.link_share(Path(self.launch.tools[self.program.tool]), directory)
        return directory

    def _environment(self) -> dict[str, str]:
        """Ours, without what only Alertmanager may know, and with what the plan gives."""
        inherited = dict(os.environ)
        if self.program.tool:
            for secret in self.launch.plan.secrets:
                inherited.pop(secret, None)
        given = {name: expand(value, self.run.path) for name, value in self.program.env.items()}
        # Files of the last run's workers would be counted as this one's.
        shared = Path(given.get(names.MULTIPROC_DIR, "/"))
        if shared.is_relative_to(self.run.path):
            shutil.rmtree(shared, ignore_errors=True)
            shared.mkdir(parents=True)
        return {**inherited, **given, **mark(self.run.id, self.program.name)}


def describe_exit(code: int) -> str:
    """An exit code in words: "code 1", "signal 9"."""
    if code < 0:
        return f"signal {-code}"
    return f"signal {code - 128}" if code > 128 else f"code {code}"


def tail(path: Path, count: int) -> list[str]:
    """The last `count` lines of a log, from its older half too if the newer is short; [] if there is none."""
    lines: list[str] = []
    for part in (path, path.with_name(path.name + ".1")):
        if len(lines) < count and part.exists():
            with part.open("rb") as file:
                file.seek(max(0, part.stat().st_size - 400 * max(count, 100)))
                lines = file.read().decode(errors="replace").splitlines() + lines
    return lines[-count:] if count else []
