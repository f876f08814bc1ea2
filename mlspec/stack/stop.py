"""`mlspec down`: no process and no port of a stack is left, however its supervisor ended."""

import signal
import time
from pathlib import Path
from typing import Final

from mlspec.stack import config, ports, state
from mlspec.stack.plan import Limits
from mlspec.stack.processes import end_members
from mlspec.stack.report import Reporter, StackError
from mlspec.stack.rundir import RunDir

POLL: Final = 0.1
UPS_START_SECONDS: Final = 15.0
PORT_SECONDS: Final = 5.0


def down(root: Path, project: str, env: str, report: Reporter) -> int:
    """End the stack, whatever is left of it. Returns 0, or 1 when a port of it is still held by somebody."""
    run = RunDir.of(root, project, env)
    if not run.path.exists():
        report.line(f"{project} ({env}) is not running")
        return 0
    known = state.read(run)
    ended = _stop_supervisor(known, report)
    try:
        with run.lock(lambda: report.progress("waiting for `mlspec up`"), UPS_START_SECONDS):
            # An `up` may have got here first, and its stack is to end too.
            known = state.read(run) or known
            ended = _stop_supervisor(known, report) or ended
            swept = sweep(run, known)
            held = _wait_for_ports(known)
    except StackError as error:
        report.error(str(error))
        return 1
    report.progress("")
    for sentence in held:
        report.error(sentence)
    report.line(f"{project} ({env}) is down" if ended or swept else f"{project} ({env}) is not running")
    return 1 if held else 0


def sweep(run: RunDir, known: state.StackState | None) -> int:
    """End what a supervisor that was killed has left, and forget the run. Returns how many processes there were."""
    swept = end_members(run.id, known.processes() if known else [], grace=Limits().grace)
    for leftover in (run.state, run.request, run.answer, run.launch):
        leftover.unlink(missing_ok=True)
    config.remove_secrets(run)
    return swept


def _stop_supervisor(known: state.StackState | None, report: Reporter) -> bool:
    """Let the supervisor stop its programs in order; kill it if it doesn't. Whether there was one."""
    if known is None or not known.running():
        return False
    report.progress("stopping " + ", ".join(program.name for program in reversed(known.programs)))
    known.supervisor.signal(signal.SIGTERM)
    if not known.supervisor.wait(20 + 20 * len(known.programs)):
        known.supervisor.signal(signal.SIGKILL)
        known.supervisor.wait(5)
    return True


def _wait_for_ports(known: state.StackState | None) -> list[str]:
    """Sentences about the stack's ports that don't become free."""
    used = [program.port for program in known.programs] if known else []
    deadline = time.monotonic() + PORT_SECONDS
    while held := [port for port in used if not ports.is_free(port)]:
        if time.monotonic() > deadline:
            return [f"port {port.number} is now held by {ports.holder(port.number)}" for port in held]
        time.sleep(POLL)
    return []
