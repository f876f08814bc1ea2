"""The process that owns a stack: starts the programs, keeps them up, takes in a new plan, and stops them in order."""

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from mlspec.stack import state, update
from mlspec.stack.child import Child
from mlspec.stack.guard import CappedLog
from mlspec.stack.plan import Launch
from mlspec.stack.processes import ProcessId
from mlspec.stack.report import StackError
from mlspec.stack.rundir import RunDir, write_atomic

TICK: Final = 0.1
FAILED: Final = 2


class Supervisor:
    """Runs the programs of `launch` until it is told to stop.

    `on_progress` hears what is waited for, `on_ready` is called once when all required programs are ready, `on_failed`
    with the reason when that did not come about.
    """

    def __init__(
        self,
        launch: Launch,
        run: RunDir,
        *,
        on_progress: Callable[[str], None],
        on_ready: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self.launch = launch
        self.run = run
        self.on_progress = on_progress
        self.on_ready = on_ready
        self.on_failed = on_failed
        self.phase = "starting"
        self.message = ""
        self.children: list[Child] = []
        self._stops = 0
        self._log = CappedLog(run.supervisor_log, launch.limits.log_bytes)
        self._identity = ProcessId.of(os.getpid()) or ProcessId(os.getpid(), 0.0)

    def serve(self) -> int:
        """Run until a signal says stop. Returns the exit code: 0, or 2 when the stack did not become ready."""
        handled = [signal.SIGINT, signal.SIGTERM]
        # The terminal's end is the end of a foreground stack, unless `nohup` says otherwise.
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            handled.append(signal.SIGHUP)
        handlers = {signum: signal.signal(signum, self._on_signal) for signum in handled}
        try:
            return self._serve()
        finally:
            for signum, handler in handlers.items():
                signal.signal(signum, handler)

    def save(self) -> None:
        """Write down the state for other processes."""
        plan = self.launch.plan
        programs = tuple(child.state() for child in self.children)
        missing = dict(self.launch.missing)
        known = state.StackState(self._identity, plan.project, plan.env, self.phase, self.message, programs, missing)
        state.write(self.run, known)

    def note(self, text: str) -> None:
        """A line in the supervisor's log."""
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode())

    def new_child(self, launch: Launch, name: str) -> Child:
        """A child, not yet started, for the program `name` of `launch`."""
        program = next(program for program in launch.programs() if program.name == name)
        return Child(launch, program, self.run, self.note)

    def wait_ready(self, children: list[Child]) -> None:
        """Wait until `children` are ready. An optional one that fails is left to its restarts.

        Raises StackError, with the last lines of its log, when a required one ends or takes too long. Returns early
        when a stop is asked for.
        """
        began = time.monotonic()
        while not self._stops:
            self._poll()
            waited = time.monotonic() - began
            for child in children:
                if child.program.required and child.phase == "waiting":
                    raise StackError(_why(child, "ended before it was ready"))
            late = [child for child in children if child.phase != "ready"]
            open_ones = [child for child in late if child.program.required or child.phase == "starting"]
            if not open_ones:
                return
            if waited > self.launch.limits.ready:
                if required := [child for child in open_ones if child.program.required]:
                    raise StackError(_why(required[0], f"was not ready after {self.launch.limits.ready:g} s"))
                return
            self.on_progress("waiting for " + ", ".join(child.program.name for child in open_ones))
            time.sleep(TICK)

    def _serve(self) -> int:
        try:
            self._start()
        except StackError as error:
            self._stop("failed", str(error))
            self.on_failed(str(error))
            return FAILED
        if not self._stops:
            self.phase = "ready"
            self.save()
            self.note("all ready")
            self.on_ready()
        while not self._stops:
            if self._poll():
                self.save()
            self._answer()
            time.sleep(TICK)
        self._stop("stopping", "")
        self.run.state.unlink(missing_ok=True)
        return 0

    def _start(self) -> None:
        self.save()
        for program in self.launch.programs():
            if self._stops:
                return
            child = self.new_child(self.launch, program.name)
            self.children.append(child)
            child.start()
            self.save()
        self.wait_ready(self.children)

    def _poll(self) -> bool:
        changes = [child.poll() for child in self.children]
        if any(changes):
            self.save()
        return any(changes)

    def _answer(self) -> None:
        """Take in a new plan, if another `mlspec up` has left one."""
        if not self.run.request.exists():
            return
        request = json.loads(self.run.request.read_text())
        self.run.request.unlink()
        lines: list[str] = []
        error = ""
        try:
            update.apply(self, Launch.from_json(request["launch"]), lines.append)
        except StackError as problem:
            error = str(problem)
        except Exception as problem:
            # What runs must go on running, whatever is wrong with a new plan.
            self.note(traceback.format_exc())
            error = f"unexpected {type(problem).__name__}: {problem}; see {self.run.supervisor_log}"
        self.save()
        for line in [*lines, *error.splitlines()]:
            self.note(line)
        answer = {"id": request["id"], "lines": lines, "error": error}
        write_atomic(self.run.answer, json.dumps(answer), 0o600)

    def _stop(self, phase: str, message: str) -> None:
        self.phase, self.message = phase, message
        self.note(f"{phase}: {message}" if message else phase)
        self.save()
        for child in reversed(self.children):
            child.stop(force=self._stops > 1)
        self.children = []
        self.save()

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        self._stops += 1
        if self._stops > 1:
            # The wait for a program that takes its time ends at once when its group is gone.
            for child in self.children:
                if child.process:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(child.process.pid, signal.SIGKILL)


def _why(child: Child, what: str) -> str:
    name = child.program.name
    lines = child.last_lines()
    shown = "\n".join(f"  {name} | {line}" for line in lines) or "  (it logged nothing)"
    return f"{name} {what}; the last lines of {child.run.log(name)}:\n{shown}"


def main(path: str) -> int:
    """The detached supervisor of the run directory `path`, whose `launch.json` says what to run."""
    run = RunDir(Path(path))
    launch = Launch.from_json(run.launch.read_text())
    silent = Supervisor(launch, run, on_progress=lambda _text: None, on_ready=lambda: None, on_failed=lambda _why: None)
    return silent.serve()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
