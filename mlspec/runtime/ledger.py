"""The values of open labels that all workers of one host have admitted together.

One file in the multi-process directory, one JSON line for each admission, appended under a lock. Without it, N workers
with a budget of M would give Prometheus up to N x M values.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

FILE = "mlspec-labels.jsonl"
PATIENCE = 0.01  # seconds to wait for the lock: a stopped worker must not stop the others
Key = tuple[str, str]  # metric, label


class Ledger:
    """Reads and appends admissions. `report` is told of every OSError; callers never see one.

    The file is opened anew for each question, which makes it safe across threads and forks; a question is asked only
    for a value that this worker has not seen, and never again once the budget is full.
    """

    def __init__(self, directory: str, report: Callable[[str, Exception], None]) -> None:
        self._path = Path(directory) / FILE
        self._report = report

    def admit(self, key: Key, value: str, limit: int) -> set[str] | None:
        """All values of `key`, with `value` among them if fewer than `limit` were there before.

        A lock that can't be had in time admits nothing new, but still knows what others admitted. None if the file
        can't be used at all.
        """
        try:
            with self._path.open("a+b") as file:
                held = _lock(file)
                values = _values(file, key)
                if held and value not in values and len(values) < limit:
                    file.write(b"\n" + json.dumps([*key, value]).encode() + b"\n")
                    values.add(value)
                return values
        except OSError as error:
            self._report(key[0], error)
            return None


def _values(file: IO[bytes], key: Key) -> set[str]:
    file.seek(0)
    wanted = list(key)
    found: set[str] = set()
    for line in file:
        try:
            *owner, value = json.loads(line)
        except (ValueError, TypeError):
            continue  # empty, or torn by a worker that died while it wrote
        if owner == wanted:
            found.add(value)
    return found


def _lock(file: IO[bytes]) -> bool:
    """Whether the exclusive lock was had within `PATIENCE` seconds. It ends when the file closes."""
    try:
        import fcntl
    except ImportError:  # Windows has no several workers on one port
        return True
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.0005)
        else:
            return True
