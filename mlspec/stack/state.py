"""What a supervisor writes down of its stack, so that any other process can show it, talk to it or end it."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from mlspec.stack.plan import Port
from mlspec.stack.processes import ProcessId
from mlspec.stack.rundir import RunDir, write_atomic


@dataclass(frozen=True)
class ProgramState:
    """One program: `phase` is starting, ready, waiting (for its restart) or stopped; times are Unix seconds."""

    name: str
    title: str
    url: str
    ready: str
    port: Port
    phase: str
    guard: ProcessId | None = None
    process: ProcessId | None = None
    since: float | None = None
    restarts: int = 0
    last_exit: int | None = None


@dataclass(frozen=True)
class StackState:
    """A stack: `phase` is starting, ready, stopping or failed (then `message` says why); `missing` as in Launch."""

    supervisor: ProcessId
    project: str
    env: str
    phase: str
    message: str
    programs: tuple[ProgramState, ...]
    missing: dict[str, str]

    def processes(self) -> list[ProcessId]:
        """The guards and programs."""
        found = [process for program in self.programs for process in (program.guard, program.process)]
        return [process for process in found if process]

    def running(self) -> bool:
        """Whether its supervisor lives."""
        return self.supervisor.alive()


def write(run: RunDir, state: StackState) -> None:
    """Replace the run directory's state in one step."""
    write_atomic(run.state, json.dumps(asdict(state), indent=1) + "\n", 0o600)


def read(run: RunDir) -> StackState | None:
    """The state as last written, None when nothing was started, or a file of another version is in its place."""
    try:
        data = json.loads(run.state.read_bytes())
        programs = tuple(_program(program) for program in data.pop("programs"))
        return StackState(supervisor=ProcessId(**data.pop("supervisor")), programs=programs, **data)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None


def _program(data: dict[str, Any]) -> ProgramState:
    for key in ("guard", "process"):
        data[key] = ProcessId(**data[key]) if data[key] else None
    return ProgramState(**{**data, "port": Port(**data["port"])})
