"""The keeper of one program: no matter how the supervisor ends, the program and all that it started end too.

The supervisor runs this file as a script of its own session, with one end of a socket pair. The guard starts the
program in a process group of its own, writes its output to a capped log, and waits for one of three things: the program
ends; a signal; the end of the socket, which the kernel reports even after `kill -9` of the supervisor. Then it ends
what is left of the program's processes and exits with the program's exit code (128 + n when a signal n ended it).

Should the guard itself be killed, Linux kills the program (PR_SET_PDEATHSIG); elsewhere the supervisor does. On Linux
it also adopts daemonised descendants (PR_SET_CHILD_SUBREAPER), so that it finds them. Only the standard library is
used, since every supervised program costs one guard; psutil is imported when there is something to clean up.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
# What a program's own descendants get to end by themselves, once the program is gone.
LEFTOVER_GRACE: Final = 1.0
CANNOT_START: Final = 127


class CappedLog:
    """A log of at most `most` bytes, with one older file of the same size beside it ("….1")."""

    def __init__(self, path: Path, most: int) -> None:
        self.path = path
        self.most = most
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, data: bytes) -> None:
        """Append `data`. A full disk or a removed folder loses log lines, and nothing else."""
        with contextlib.suppress(OSError):
            if self._size and self._size + len(data) > self.most:
                self._rotate()
            self._size += self._file.write(data)

    def _rotate(self) -> None:
        self._file.close()
        self.path.replace(self.path.with_name(self.path.name + ".1"))
        self._file = self.path.open("ab", buffering=0)
        self._size = 0


def prctl(option: int, value: int) -> None:
    """Linux's prctl(2); elsewhere, or when it fails, nothing happens."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Guard:
    """Starts `argv`, and does not return before every process of it has ended."""

    def __init__(self, control: socket.socket, log: CappedLog, grace: float, argv: list[str]) -> None:
        self.control = control
        self.log = log
        self.grace = grace
        self.argv = argv
        self.stopping = False
        self.child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """The exit code to end with."""
        with selectors.DefaultSelector() as self.selector:
            self._watch_signals()
            self.selector.register(self.control, selectors.EVENT_READ, self._on_control)
            prctl(PR_SET_CHILD_SUBREAPER, 1)
            try:
                self.child = self._start()
            except OSError as error:
                self.log.write(f"mlspec: cannot start {self.argv[0]}: {error.strerror}\n".encode())
                return CANNOT_START
            self._tell(self.child.pid)
            self._wait(None)
            if self.child.returncode is None:
                self._terminate()
            self._end_leftovers()
            self._drain()
        code = self.child.returncode
        return code if code >= 0 else 128 - code

    def _watch_signals(self) -> None:
        ours, kernels = socket.socketpair()
        ours.setblocking(False)
        kernels.setblocking(False)
        signal.set_wakeup_fd(kernels.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._on_stop)
        self._wakeups = (ours, kernels)
        self.selector.register(ours, selectors.EVENT_READ, self._on_wakeup)

    def _start(self) -> "subprocess.Popen[bytes]":
        prctl(0, 0)  # loads ctypes before the fork
        child = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        self.selector.register(child.stdout, selectors.EVENT_READ, self._on_output)
        return child

    def _tell(self, pid: int) -> None:
        try:
            self.control.sendall(f"{pid}\n".encode())
        except OSError:
            self.stopping = True

    def _on_stop(self, _signum: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _on_wakeup(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakeups[0].recv(4096)
        self._reap()

    def _on_control(self) -> None:
        try:
            ended = not self.control.recv(4096)
        except OSError:
            ended = True
        if ended:
            self.stopping = True
            self.selector.unregister(self.control)

    def _on_output(self) -> None:
        assert self.child is not None
        assert self.child.stdout is not None
        try:
            data = os.read(self.child.stdout.fileno(), 65536)
        except BlockingIOError:
            return
        if data:
            self.log.write(data)
        else:
            self.selector.unregister(self.child.stdout)

    def _reap(self) -> None:
        assert self.child is not None
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.child.pid:
                    self.child.returncode = os.waitstatus_to_exitcode(status)

    def _wait(self, seconds: float | None) -> None:
        """Serve events until the program ends, or `seconds` are over; None: until a stop is asked for."""
        assert self.child is not None
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.child.returncode is None:
            left = None if deadline is None else deadline - time.monotonic()
            if (left is None and self.stopping) or (left is not None and left <= 0):
                return
            self._serve(left)

    def _serve(self, seconds: float | None) -> None:
        for key, _events in self.selector.select(seconds):
            callback: Callable[[], Any] = key.data
            callback()

    def _terminate(self) -> None:
        """Ask the program itself to end, as it knows best how to end its workers; then insist."""
        assert self.child is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child.pid, signal.SIGTERM)
        self._wait(self.grace)
        if self.child.returncode is None:
            self.log.write(f"mlspec: no end after {self.grace:g} s, killed\n".encode())
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)
            self._wait(5.0)
        if self.child.returncode is None:
            self.child.returncode = -signal.SIGKILL

    def _end_leftovers(self) -> None:
        """End the program's group and, wherever they went, all other descendants."""
        assert self.child is not None
        for signum in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + LEFTOVER_GRACE
            asked = False
            while self._signal_leftovers(None if asked else signum) and time.monotonic() < deadline:
                asked = signum != signal.SIGKILL
                self._serve(0.05)
                self._reap()

    def _signal_leftovers(self, signum: signal.Signals | None) -> bool:
        """Send `signum` (None: nothing) to what is left; whether there was something."""
        assert self.child is not None
        found = False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signum or 0)
            found = True
        for pid in _descendants():
            found = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signum or 0)
        return found

    def _drain(self) -> None:
        for _ in range(1000):
            if not self.selector.select(0):
                return
            self._serve(0)


def _descendants() -> list[int]:
    """The process ids of all living descendants; none when psutil can't be had."""
    try:
        import psutil
    except ImportError:
        return []
    with contextlib.suppress(psutil.Error):
        children = psutil.Process().children(recursive=True)
        return [child.pid for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    return []


def main(arguments: list[str]) -> int:
    """`guard.py FD LOG LOG_BYTES GRACE PROGRAM ARG…`, with FD the guard's end of the socket pair."""
    fd, path, most, grace, *argv = arguments
    return Guard(socket.socket(fileno=int(fd)), CappedLog(Path(path), int(most)), float(grace), argv).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
