"""The run directory: everything that a running stack keeps, outside of the project's tree."""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlspec.stack.report import StackError


def state_home() -> Path:
    """`$MLSPEC_STATE`, else `$XDG_STATE_HOME/mlspec`, else `~/.local/state/mlspec`."""
    if own := os.environ.get("MLSPEC_STATE"):
        return Path(own).absolute()
    xdg = os.environ.get("XDG_STATE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".local" / "state") / "mlspec"


class RunDir:
    """The places in the run directory of one project, environment and root.

    `id` also marks the stack's processes, through their environment.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.state = path / "state.json"
        self.launch = path / "launch.json"
        self.request = path / "request.json"
        self.answer = path / "answer.json"
        self.supervisor_log = path / "supervisor.log"
        self.secrets = path / "alertmanager" / "secrets"

    @staticmethod
    def of(root: Path, project: str, env: str) -> "RunDir":
        """The run directory of a project's environment; two checkouts of one project don't share it."""
        digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
        return RunDir(state_home() / f"{project}-{env}-{digest}")

    def create(self) -> None:
        """Make the directory, readable by its owner only: it holds secrets and logs."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("logs", "data"):
            (self.path / name).mkdir(exist_ok=True)

    def log(self, program: str) -> Path:
        """The log of a program; the older half is beside it, with ".1" added."""
        return self.path / "logs" / f"{program}.log"

    @contextmanager
    def lock(self, waiting: Callable[[], None], timeout: float) -> Iterator[None]:
        """Hold the lock that serialises `up` and `down`. `waiting` is called once if another command holds it.

        The kernel releases it when its holder dies. Raises StackError after `timeout` seconds.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.path / "up.lock").open("a") as file:
            take_lock(file.fileno(), waiting, timeout, f"another `mlspec up` or `down` holds {self.path}/up.lock")
            yield


def take_lock(fd: int, waiting: Callable[[], None], timeout: float, busy: str) -> None:
    """Take an exclusive flock on `fd` within `timeout` seconds; it lasts until the file is closed.

    Raises StackError(`busy`) when the time is over.
    """
    deadline = time.monotonic() + timeout
    said = False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StackError(busy) from None
            if not said:
                waiting()
                said = True
            time.sleep(0.1)


def write_atomic(path: Path, data: str | bytes, mode: int = 0o644) -> None:
    """Replace `path` by `data` in one step: a reader sees the old content or the new, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        os.chmod(name, mode)  # noqa: PTH101
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
