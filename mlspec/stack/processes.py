"""Which processes belong to a stack, and how they are ended without ever hitting somebody else's."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlspec import names

if TYPE_CHECKING:
    import psutil

# Two readings of one process's creation differ by the rounding of the kernel's ticks, and by small clock corrections.
SAME_BIRTH_SECONDS: Final = 1.0


@dataclass(frozen=True)
class ProcessId:
    """A process that can't be mistaken for a later one with the same number: its creation time goes with it."""

    pid: int
    created: float

    @staticmethod
    def of(pid: int) -> "ProcessId | None":
        """The identity of a living process, None when there is none."""
        import psutil

        try:
            return ProcessId(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < SAME_BIRTH_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def signal(self, signum: signal.Signals) -> None:
        """Send `signum` if this very process still runs."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signum)

    def wait(self, seconds: float, each: Callable[[], None] | None = None) -> bool:
        """Whether it ended within `seconds`; `each` is called between the looks."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            if each:
                each()
            time.sleep(0.05)
        return True


def mark(stack: str, program: str) -> dict[str, str]:
    """The environment that marks a process, and by inheritance its descendants, as a stack's."""
    return {names.STACK_ID: f"{stack}/{program}"}


def marked_as(environment: dict[str, str]) -> tuple[str, str] | None:
    """(stack, program) of a marked environment, None when it has no mark."""
    stack, slash, program = environment.get(names.STACK_ID, "").rpartition("/")
    return (stack, program) if slash else None


def members(stack: str, program: str | None = None) -> list["psutil.Process"]:
    """All living processes that carry the mark of `stack` (and of `program`), except this one and its ancestors."""
    import psutil

    found = []
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in _ours():
        if process.pid in spared:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            marker = marked_as(process.environ())
            if marker and marker[0] == stack and program in (None, marker[1]):
                found.append(process)
    return found


def end_members(stack: str, known: Iterable[ProcessId], grace: float, program: str | None = None) -> int:
    """End every process of `stack` that is marked or in `known`, politely, then by force. Returns how many there were.

    The search is repeated until it finds nothing, since a process may have forked meanwhile.
    """
    seen: set[int] = set()
    deadline = time.monotonic() + grace
    known = list(known)
    asked: set[int] = set()
    while living := _living(stack, known, program):
        seen.update(process.pid for process in living)
        overdue = time.monotonic() > deadline
        if time.monotonic() > deadline + 10:
            break
        for process in living:
            if overdue:
                process.signal(signal.SIGKILL)
            elif process.pid not in asked:
                process.signal(signal.SIGTERM)
                asked.add(process.pid)
        time.sleep(0.1)
    return len(seen)


def _living(stack: str, known: list[ProcessId], program: str | None) -> list[ProcessId]:
    found = {process.pid: process for process in known if process.alive()}
    for process in members(stack, program):
        if identity := ProcessId.of(process.pid):
            found[process.pid] = identity
    return [process for process in found.values() if process.alive()]


def _ours() -> Iterator["psutil.Process"]:
    """The processes whose environment this user may read."""
    import psutil

    user = os.getuid()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if user == 0 or process.uids().real == user:
                yield process
