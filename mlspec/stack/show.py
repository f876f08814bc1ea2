"""`mlspec status` and `mlspec logs`: a stack as it is now, and what its programs said."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlspec.stack import state, web
from mlspec.stack.child import describe_exit
from mlspec.stack.follow import follow_files, merged_tail
from mlspec.stack.report import StackError
from mlspec.stack.rundir import RunDir


@dataclass(frozen=True)
class ProgramStatus:
    """One program as it is now. `phase`: ready, starting, not answering, waiting (to be restarted), stopped, left out.

    `uptime` is in seconds; `last_exit` says how it last ended, such as "signal 9"; `note` why it was left out.
    """

    name: str
    title: str
    url: str
    phase: str
    pid: int | None
    uptime: float | None
    restarts: int
    last_exit: str | None
    note: str


def status(root: Path, project: str, env: str) -> list[ProgramStatus]:
    """The programs of a stack as they are now, asked one by one; [] when nothing was started."""
    known = state.read(RunDir.of(root, project, env))
    if known is None:
        return []
    found = [_status(program) for program in known.programs]
    left_out = [
        ProgramStatus(name, name, "", "left out", None, None, 0, None, why) for name, why in known.missing.items()
    ]
    return found + left_out


def logs(
    root: Path, project: str, env: str, name: str | None = None, *, follow: bool = False, lines: int = 50
) -> Iterator[str]:
    """The last `lines` lines of each program's log, or of `name`'s ("supervisor" has one too); then what is added.

    Lines of several programs begin with their program's name. Raises StackError when there is no such log.
    """
    run = RunDir.of(root, project, env)
    files = {path.stem: path for path in sorted((run.path / "logs").glob("*.log"))}
    if run.supervisor_log.exists():
        files["supervisor"] = run.supervisor_log
    if name is not None:
        if name not in files:
            known = ", ".join(files) or "none: it was never started"
            raise StackError(f"{project} ({env}) has no log of {name}; there is {known}")
        files = {name: files[name]}
    yield from merged_tail(files, lines)
    if follow:
        yield from follow_files(files)


def _status(program: state.ProgramState) -> ProgramStatus:
    alive = program.process is not None and program.process.alive()
    phase = program.phase
    if not alive and phase in ("starting", "ready"):
        phase = "stopped"
    elif phase == "ready" and not web.is_ready(program.ready):
        phase = "not answering"
    return ProgramStatus(
        name=program.name,
        title=program.title,
        url=program.url,
        phase=phase,
        pid=program.process.pid if alive and program.process else None,
        uptime=time.time() - program.since if alive and program.since else None,
        restarts=program.restarts,
        last_exit=None if program.last_exit is None else describe_exit(program.last_exit),
        note="",
    )
