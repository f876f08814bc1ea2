"""Debian packages without root and without an installation: a private apt directory, `apt-get download`, `dpkg -x`.

An installation would start system services that listen on every interface. apt verifies the signatures of what it
downloads, with the system's keys.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from mlspec.stack.report import StackError

LISTS_ARE_FRESH_SECONDS: Final = 24 * 3600
COMMAND_SECONDS: Final = 240
PAGE_PARTS: Final = ("libjs-", "fonts-")
# 212 MB of the time zones of past years, which no page asks for.
NEEDLESS: Final = "usr/share/javascript/moment-timezone/data"
NEEDED: Final = ("apt-get", "dpkg")

# `#clear`: the system's hooks act on the system's directories.
CONFIGURATION: Final = """\
Dir::State "{home}/state";
Dir::Cache "{home}/cache";
Dir::State::status "/var/lib/dpkg/status";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Sandbox::User "{user}";
"""
OTHER_RELEASE: Final = """\
Dir::Etc::sourcelist "{home}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
"""


class Apt:
    """A private apt directory at `home`, for the system's own sources or those of another Debian `release`."""

    def __init__(self, home: Path, release: str | None = None) -> None:
        self.home = home
        self.release = release
        self._config = home / "apt.conf"

    @staticmethod
    def available() -> bool:
        """Whether this system has what it takes."""
        return all(shutil.which(program) for program in NEEDED)

    def unpack(self, package: str, into: Path, accept: Callable[[Path], None]) -> Path:
        """Download `package`, and unpack it to a folder in `into` named like the package's file.

        `accept` judges the unpacked tree, and may raise StackError, before it moves to its place in one step.
        Raises StackError with apt's words when the package can't be had.
        """
        self._prepare()
        with tempfile.TemporaryDirectory(dir=self.home, prefix="fetch-") as temporary:
            folder = Path(temporary)
            self._download(package, folder)
            deb = next(folder.glob("*.deb"), None)
            if deb is None:
                raise StackError(f"apt-get downloaded no {package}")
            tree = folder / "tree"
            self._run(["dpkg", "-x", str(deb), str(tree)], folder)
            self._add_pages(deb, tree, folder / "pages")
            accept(tree)
            target = into / deb.stem
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            tree.rename(target)
        return target

    def _add_pages(self, deb: Path, tree: Path, folder: Path) -> None:
        """Unpack beside `deb` what its web pages are made with; its links to them are relative.

        Only the pages need it, so they do without what can't be had.
        """
        folder.mkdir()
        known: set[str] = set()
        fresh = [deb]
        while fresh:
            wanted = {name for file in fresh for name in self._page_parts(file)} - known
            known |= wanted
            before = set(folder.glob("*.deb"))
            if wanted:
                with suppress(StackError):
                    self._get("download", *sorted(wanted), folder=folder)
            fresh = sorted(set(folder.glob("*.deb")) - before)
            for part in fresh:
                self._run(["dpkg", "-x", str(part), str(tree)], folder)
        shutil.rmtree(tree / NEEDLESS, ignore_errors=True)

    def _page_parts(self, deb: Path) -> list[str]:
        """The scripts and fonts that a package depends on."""
        depends = self._run(["dpkg-deb", "-f", str(deb), "Depends"], deb.parent)
        names = [part.split()[0] for part in depends.replace("|", ",").split(",") if part.split()]
        return [name.partition(":")[0] for name in names if name.startswith(PAGE_PARTS)]

    def _download(self, package: str, folder: Path) -> None:
        if not self._lists_are_fresh():
            self._update()
            self._get("download", package, folder=folder)
            return
        try:
            self._get("download", package, folder=folder)
        except StackError:
            # The mirror may have moved on since.
            self._update()
            self._get("download", package, folder=folder)

    def _prepare(self) -> None:
        for part in ("state/lists/partial", "cache/archives/partial"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        # Root's apt would otherwise drop to a user who can't read our cache.
        text = CONFIGURATION.format(home=self.home, user="root" if os.getuid() == 0 else "")
        if self.release:
            sources = f"deb {_mirror()} {self.release} main\n"
            (self.home / "sources.list").write_text(sources)
            text += OTHER_RELEASE.format(home=self.home)
        self._config.write_text(text)

    def _lists_are_fresh(self) -> bool:
        stamp = self.home / "updated"
        return stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_ARE_FRESH_SECONDS

    def _update(self) -> None:
        self._get("update", folder=self.home)
        (self.home / "updated").touch()

    def _get(self, *arguments: str, folder: Path) -> None:
        self._run(["apt-get", "-q", "-c", str(self._config), *arguments], folder)

    @staticmethod
    def _run(command: Sequence[str], folder: Path) -> str:
        """What a command printed; StackError with its complaints when it failed."""
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StackError(f"{command[0]}: {error}") from None
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg"))]
            raise StackError("; ".join(errors[-3:]) or f"{command[0]} ended with code {done.returncode}")
        return done.stdout


def _mirror() -> str:
    """The Debian mirror that this system uses, so that a closed network's own mirror is asked."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)", "Created-By: Packages"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"apt-get: {error}") from None
    told = [line.split()[0] for line in listed.splitlines() if line.endswith(" Debian") and "security" not in line]
    found = told or _written_mirrors()  # before the first `apt-get update`, apt tells nothing
    if not found:
        raise StackError("apt knows no Debian mirror on this system")
    return found[0]


def _written_mirrors() -> list[str]:
    """The addresses that end in `/debian` in the system's list of sources."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    texts = [path.read_text(errors="replace") for path in files if path.is_file() and os.access(path, os.R_OK)]
    return re.findall(r"https?://[^\s#]+/debian/?(?=\s)", "\n".join(texts))
