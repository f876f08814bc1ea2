"""Several worker processes behind one port: prometheus_client's multi-process mode, kept honest.

The client chooses its mode when it is imported. A directory variable that is set later would be ignored in silence, and
a directory that does not exist would end the import of the service; both are said loudly here and survived.
"""

import json
import logging
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import multiprocess, values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from mlspec import names

log = logging.getLogger("mlspec.runtime")
_OWNER = re.compile(r"_(\d+)\.db$")


def shared() -> bool:
    """Whether prometheus_client was imported in multi-process mode."""
    return values.ValueClass is not values.MutexValue


def directory() -> str | None:
    """The multi-process directory, if it is in use."""
    return os.environ.get(names.MULTIPROC_DIR) if shared() else None


def late() -> bool:
    """Whether the directory variable is set, but was not yet when prometheus_client was imported."""
    return not shared() and bool(os.environ.get(names.MULTIPROC_DIR))


def prepare() -> None:
    """Make the mode and the directory agree before the first metric exists. Never raises."""
    if late():
        _warn(
            f"{names.MULTIPROC_DIR} was set after prometheus_client was imported: each worker shows its own numbers "
            "only. Set it in the environment of the server."
        )
    if not shared():
        return
    path = os.environ.get(names.MULTIPROC_DIR)
    try:
        Path(path or "").mkdir(parents=True, exist_ok=True)
        usable = bool(path) and os.access(str(path), os.W_OK)
    except OSError:
        usable = False
    if not usable:
        values.ValueClass = values.MutexValue
        _warn(f"{names.MULTIPROC_DIR}={path!r} can't be written to: each worker shows its own numbers only.")


def _warn(message: str) -> None:
    log.error(message)
    warnings.warn(message, RuntimeWarning, stacklevel=2)


def pids(path: str) -> Iterator[int]:
    """The processes that have files in the multi-process directory, dead or alive."""
    found = {int(match[1]) for file in Path(path).glob("*.db") if (match := _OWNER.search(file.name))}
    yield from sorted(found)


def alive(pid: int) -> bool:
    """Whether a process `pid` exists on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def sweep(path: str) -> None:
    """Forget the live gauges of workers that are gone: a killed worker has no one else to do it."""
    for pid in pids(path):
        if not alive(pid):
            multiprocess.mark_process_dead(pid, path)  # type: ignore[no-untyped-call]


def _readable(file: str) -> bool:
    try:
        for key, *_ in MmapedDict.read_all_values_from_file(file):  # type: ignore[no-untyped-call]
            json.loads(key)
    except Exception as error:
        log.warning("%s is not readable and is left out of this scrape: %s", file, error)
        return False
    return True


class Workers(Collector):
    """The merged metrics of all workers, and each living worker's process metrics under its pid.

    A sum of `process_*` over workers would fall when one ends, which a counter must not; hence one series each.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def collect(self) -> Iterator[Metric]:
        sweep(self._path)
        yield from self._merged()
        yield from self._processes()

    def _merged(self) -> list[Metric]:
        """All files as one. A file that a worker is making or has left half made is left out, not the whole scrape."""
        merge = multiprocess.MultiProcessCollector.merge
        files = [str(file) for file in Path(self._path).glob("*.db")]
        try:
            return list(merge(files))  # type: ignore[no-untyped-call]
        except Exception:
            return list(merge([file for file in files if _readable(file)]))  # type: ignore[no-untyped-call]

    def _processes(self) -> Iterator[Metric]:
        metrics: dict[str, Metric] = {}
        for pid in filter(alive, pids(self._path)):
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                whole = metrics.setdefault(metric.name, metric)
                whole.samples = [
                    *(whole.samples if whole is not metric else ()),
                    *(sample._replace(labels={**sample.labels, "pid": str(pid)}) for sample in metric.samples),
                ]
        yield from metrics.values()
