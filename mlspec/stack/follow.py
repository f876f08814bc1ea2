"""Reading the logs of several programs as one text, through their rotations."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from mlspec.stack.child import tail

POLL: Final = 0.2


def merged_tail(files: Mapping[str, Path], lines: int) -> Iterator[str]:
    """The last `lines` lines of each file, file after file."""
    prefix = _prefixes(files)
    for name, path in files.items():
        for line in tail(path, lines):
            yield prefix[name] + line


def follow_files(files: Mapping[str, Path]) -> Iterator[str]:
    """What is added to the files from now on, line by line; endless."""
    prefix = _prefixes(files)
    followers = {name: _Follower(path) for name, path in files.items()}
    while True:
        idle = True
        for name, follower in followers.items():
            for line in follower.lines():
                idle = False
                yield prefix[name] + line
        if idle:
            time.sleep(POLL)


def _prefixes(files: Mapping[str, Path]) -> dict[str, str]:
    width = max(map(len, files), default=0)
    return {name: f"{name.ljust(width)} | " if len(files) > 1 else "" for name in files}


class _Follower:
    """The end of a file that may be replaced by a new one of its name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = path.open("rb") if path.exists() else None
        if self._file:
            self._file.seek(0, 2)
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """The complete lines added since the last call."""
        data = self._file.read() if self._file else b""
        if not data and self._replaced():
            if self._file:
                self._file.close()
            self._file = self.path.open("rb")
            data = self._file.read()
        *complete, self._rest = (self._rest + data).split(b"\n")
        for line in complete:
            yield line.decode(errors="replace")

    def _replaced(self) -> bool:
        if not self.path.exists():
            return False
        if self._file is None:
            return True
        return os.fstat(self._file.fileno()).st_ino != self.path.stat().st_ino
