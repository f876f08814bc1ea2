"""Where the binaries of the local engine are: on PATH, in our cache, or fetched into it without root.

`python -m mlspec.stack.tools prometheus promtool` prints their paths, one a line; `--version 3` takes the newer
generation, Prometheus 3.x and Alertmanager 0.3x, from a later Debian release.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from mlspec.stack import adapt
from mlspec.stack.apt import Apt
from mlspec.stack.report import StackError
from mlspec.stack.rundir import take_lock

LATER_RELEASE: Final = "forky"
FETCH_LOCK_SECONDS: Final = 600.0
DOWNLOADS: Final = "https://prometheus.io/download/"


@dataclass(frozen=True)
class Tool:
    """A tool: the names that its binary goes by, the Debian packages that may hold it, and Homebrew's formula.

    `plugins` are folders beside PATH to look in. `works` is the argument that makes it say its version, and `major` the
    start of an acceptable answer's last word, if any version will not do.
    """

    binaries: tuple[str, ...]
    packages: tuple[str, ...]
    formula: str
    service: str | None = None
    plugins: tuple[str, ...] = ()
    works: str = "--version"
    major: str = ""
    release: str | None = None


TOOLS: Final = {
    "prometheus": Tool(("prometheus",), ("prometheus",), "prometheus", service="prometheus"),
    "promtool": Tool(("promtool",), ("promtool", "prometheus"), "prometheus", service="prometheus"),
    "alertmanager": Tool(
        ("alertmanager", "prometheus-alertmanager"),
        ("prometheus-alertmanager",),
        "alertmanager",
        service="prometheus-alertmanager",
    ),
    "amtool": Tool(("amtool",), ("prometheus-alertmanager",), "alertmanager", service="prometheus-alertmanager"),
    "node_exporter": Tool(
        ("node_exporter", "prometheus-node-exporter"),
        ("prometheus-node-exporter",),
        "node_exporter",
        service="prometheus-node-exporter",
    ),
    "docker-compose": Tool(
        ("docker-compose",),
        ("docker-compose",),
        "docker-compose",
        plugins=("/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", "/usr/local/lib/docker/cli-plugins"),
        works="version",
        major="2.",
        release=LATER_RELEASE,
    ),
}


@dataclass(frozen=True)
class Missing:
    """A tool that could not be had: the one command that installs it, and why it was not fetched."""

    name: str
    command: str
    why: str


def cache_home() -> Path:
    """`$XDG_CACHE_HOME/mlspec/tools`, else `~/.cache/mlspec/tools`."""
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache") / "mlspec" / "tools"


def locate(
    name: str, *, version: str | None = None, fetch: bool = True, say: Callable[[str], None] = lambda _text: None
) -> Path | Missing:
    """The path of a tool's binary; `say` hears when it takes a download.

    `version="3"` means the newer generation, which is taken from our cache or a later Debian release only. Raises
    KeyError for an unknown tool.
    """
    tool = TOOLS[name]
    release = LATER_RELEASE if version == "3" else tool.release
    found = None if version == "3" else _installed(tool)
    found = found or _cached(tool, release)
    if found or not fetch:
        return found or _missing(name, "it is neither on PATH nor in the cache")
    try:
        return _fetch(name, tool, release, say)
    except (StackError, OSError) as error:
        return _missing(name, str(error))


def locate_beside(name: str, binary: Path) -> Path | Missing:
    """A tool's binary, preferably the one that came with `binary`, so that a check speaks for what will run."""
    for candidate in TOOLS[name].binaries:
        if _runnable(beside := binary.parent / candidate):
            return beside
    return locate(name, version="3" if LATER_RELEASE in binary.parts else None)


def install_command(names: Iterable[str]) -> str:
    """The one command that installs the tools `names` on this system.

    Debian's packages start services which would hold the very ports that the stack wants, so it stops them.
    """
    tools = [TOOLS[name] for name in names]
    if sys.platform == "darwin":
        return "brew install " + " ".join(dict.fromkeys(tool.formula for tool in tools))
    if not shutil.which("apt-get"):
        return f"put {' '.join(names)} on PATH; binaries are at {DOWNLOADS}"
    packages = " ".join(dict.fromkeys(tool.packages[-1] for tool in tools))
    services = " ".join(dict.fromkeys(tool.service for tool in tools if tool.service))
    stop = f" && sudo systemctl disable --now {services}" if services else ""
    return f"sudo apt-get install -y {packages}{stop}"


def _missing(name: str, why: str) -> Missing:
    return Missing(name, install_command([name]), why)


def _installed(tool: Tool) -> Path | None:
    """The binary on PATH, or where its package manager puts what is not on PATH."""
    found = [Path(path) for binary in tool.binaries if (path := shutil.which(binary))]
    beside = [*tool.plugins, str(Path.home() / ".docker/cli-plugins")] if tool.plugins else []
    if sys.platform == "darwin":
        beside += ["/opt/homebrew/bin", "/usr/local/bin", f"/opt/homebrew/opt/{tool.formula}/bin"]
    found += [Path(folder) / binary for folder in beside for binary in tool.binaries]
    return next((path for path in found if _runnable(path) and (not tool.major or _answers(path, tool))), None)


def _cached(tool: Tool, release: str | None) -> Path | None:
    """The binary of the package that was fetched last."""
    trees = [tree for package in tool.packages for tree in (cache_home() / _folder(release)).glob(f"{package}_*")]
    for tree in sorted(trees, key=lambda tree: tree.stat().st_mtime, reverse=True):
        if binary := _binary(tool, tree):
            return binary
    return None


def _fetch(name: str, tool: Tool, release: str | None, say: Callable[[str], None]) -> Path:
    if not Apt.available():
        raise StackError("it can be fetched without root on Debian and Ubuntu only")
    home = cache_home()
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("a") as lock:
        waiting = f"{name}: waiting for another fetch"
        take_lock(lock.fileno(), lambda: say(waiting), FETCH_LOCK_SECONDS, f"another fetch holds {home}/.lock")
        if cached := _cached(tool, release):
            return cached
        say(f"{name}: fetching it into {home}, without installing it")
        apt = Apt(home / f".apt-{_folder(release)}", release)
        return _from_packages(apt, name, tool, home / _folder(release))


def _from_packages(apt: Apt, name: str, tool: Tool, into: Path) -> Path:
    def accept(tree: Path) -> None:
        binary = _binary(tool, tree)
        if binary is None:
            raise StackError(f"the package has no {name}")
        (tree / adapt.MARKER).touch()
        _relocate(tree)
        if not _answers(binary, tool):
            raise StackError(f"{binary.name} of the package does not run here")

    problems = []
    for package in tool.packages:
        try:
            found = _binary(tool, apt.unpack(package, into, accept))
        except StackError as error:
            problems.append(f"{package}: {error}")
        else:
            assert found is not None
            return found
    raise StackError("; ".join(problems))


def _relocate(tree: Path) -> None:
    for binary in (tree / "usr/bin").glob("*"):
        if binary.name in ("prometheus-alertmanager", "amtool"):
            adapt.relocate(binary)


def _binary(tool: Tool, tree: Path) -> Path | None:
    folders = (tree / "usr/bin", tree / "usr/libexec/docker/cli-plugins")
    found = [folder / binary for folder in folders for binary in tool.binaries]
    return next((path for path in found if _runnable(path)), None)


def _folder(release: str | None) -> str:
    """The part of the cache for a release: "forky", or "system" for the packages of this system."""
    return release or "system"


def _runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _answers(path: Path, tool: Tool) -> bool:
    """Whether the binary runs and says an acceptable version."""
    try:
        done = subprocess.run([path, tool.works], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return False
    words = (done.stdout + done.stderr).split()
    return done.returncode == 0 and bool(words) and words[-1].lstrip("v").startswith(tool.major)


def main(arguments: list[str]) -> int:
    """Print the path of each tool named; 1 when one is missing, whose command goes to stderr."""
    version = None
    if arguments[:1] == ["--version"] and len(arguments) > 1:
        version, arguments = arguments[1], arguments[2:]
    if not arguments or any(name not in TOOLS for name in arguments) or version not in (None, "3"):
        _usage()
    for name in arguments:
        found = locate(name, version=version, say=_tell)
        if isinstance(found, Missing):
            _tell(f"{name} is missing ({found.why}); run: {found.command}")
            return 1
        sys.stdout.write(f"{found}\n")
    return 0


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _usage() -> NoReturn:
    sys.exit(f"usage: python -m mlspec.stack.tools [--version 3] TOOL…, of: {' '.join(TOOLS)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
