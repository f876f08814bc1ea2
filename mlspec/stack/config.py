"""The active configuration: checked copies of what was rendered, where Prometheus and Alertmanager read them.

A program never reads the rendered tree, so a render in progress or one that is wrong can't reach it. Files are replaced
one by one, and the folders stay: a process's working directory and Prometheus' watches of target files would go on
seeing a folder that was renamed away.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mlspec.stack import adapt
from mlspec.stack.plan import Launch, Program, config_files
from mlspec.stack.report import StackError
from mlspec.stack.rundir import RunDir, write_atomic

# Beside the copies; not rendered, so not removed with what is no longer rendered.
KEPT: Final = ("alertmanager/secrets", f"alertmanager/{adapt.SHARE_LINK}")
# program's tool: (the tool that checks, its arguments, the file)
CHECKERS: Final[Mapping[str, tuple[str, tuple[str, ...], str]]] = {
    "prometheus": ("promtool", ("check", "config"), "prometheus/prometheus.yml"),
    "alertmanager": ("amtool", ("check-config",), "alertmanager/alertmanager.yml"),
}
CHECK_SECONDS: Final = 60


def is_copied(program: Program) -> bool:
    """Whether `program` reads copies; one that is restarted instead of reloaded reads what was rendered in place."""
    return program.reload is not None


def check(launch: Launch, program: Program, run: RunDir) -> None:
    """Let the program's own tool judge what was rendered for it, from a copy in its place-to-be.

    Raises StackError with the tool's message. Without the tool nothing is checked here, and the program itself judges.
    """
    if not is_copied(program) or program.tool is None or program.tool not in CHECKERS:
        return
    checker, arguments, relative = CHECKERS[program.tool]
    binary = launch.tools.get(checker)
    if binary is None:
        return
    staged = run.path / "staged"
    with _fresh(staged):
        replace_tree(launch.plan.rendered, staged, program.config)
        file = staged / relative
        if not file.is_file():
            raise StackError(f"{launch.plan.rendered / relative} is missing; run `mlspec render` first")
        adapt.link_share(Path(binary), file.parent)
        _run_checker([binary, *arguments, file.name], file.parent, program.name)


def activate(launch: Launch, program: Program, run: RunDir) -> None:
    """Copy what was rendered for `program` into the run directory."""
    if is_copied(program):
        replace_tree(launch.plan.rendered, run.path, program.config)


@contextmanager
def backup(program: Program, run: RunDir) -> Iterator[Path]:
    """A copy of the program's active configuration, as long as the context lasts."""
    kept = run.path / "previous"
    with _fresh(kept):
        replace_tree(run.path, kept, program.config)
        yield kept


def replace_tree(source: Path, target: Path, entries: tuple[str, ...]) -> None:
    """Make the files below `entries` in `target` those of `source`, each in one step; remove what is not there."""
    wanted = {relative: path for relative, path in config_files(source, entries) if not _kept(relative)}
    for relative, path in wanted.items():
        file = target / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        if not file.is_file() or file.read_bytes() != content:
            write_atomic(file, content)
    for relative, path in config_files(target, entries):
        if relative not in wanted and not _kept(relative):
            path.unlink()


def write_secrets(names: tuple[str, ...], environment: Mapping[str, str], run: RunDir) -> list[str]:
    """Write each secret that the environment has to its 0600 file. Returns the names of those in neither place."""
    run.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(run.secrets, 0o700)  # noqa: PTH101
    missing = []
    for name in names:
        if value := environment.get(name):
            write_atomic(run.secrets / name, value, 0o600)
        elif not (run.secrets / name).exists():
            missing.append(name)
    return missing


def remove_secrets(run: RunDir) -> None:
    """Leave no secret behind when the stack is down."""
    shutil.rmtree(run.secrets, ignore_errors=True)


def _kept(relative: str) -> bool:
    return any(relative == kept or relative.startswith(f"{kept}/") for kept in KEPT)


@contextmanager
def _fresh(folder: Path) -> Iterator[None]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_checker(command: list[str], directory: Path, name: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=CHECK_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"{name}: the check of its configuration could not run: {error}") from None
    if done.returncode != 0:
        said = "\n".join(part for part in (done.stdout.strip(), done.stderr.strip()) if part)
        tool = Path(command[0]).name
        raise StackError(f"{name}: its configuration is not valid, {tool} says:\n{said}")
