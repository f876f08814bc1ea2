"""Probe functions for the host that the service runs on. They need psutil, which is imported when first asked."""

import threading
import time

_lock = threading.Lock()
_last: tuple[float, float] | None = None


def cpu_percent() -> float:
    """CPU in use on all cores, 0 to 100, over the time since the last call. The first call waits 0.1 s.

    Not psutil.cpu_percent, which keeps its last reading by thread: each probe call has a new one.
    """
    global _last
    with _lock:
        if _last is None:
            _last = _cpu_times()
            time.sleep(0.1)
        (busy_before, total_before), _last = _last, _cpu_times()
        busy, total = _last[0] - busy_before, _last[1] - total_before
    return max(0.0, min(100.0, 100.0 * busy / total)) if total > 0 else 0.0


def _cpu_times() -> tuple[float, float]:
    import psutil

    times = psutil.cpu_times()
    # Linux counts the time of guests in user and nice as well.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def memory_used_bytes() -> float:
    """Memory that can't be had without swapping: total minus available."""
    import psutil

    memory = psutil.virtual_memory()
    return float(memory.total - memory.available)


def memory_available_bytes() -> float:
    """Memory that can be had without swapping."""
    import psutil

    return float(psutil.virtual_memory().available)


def disk_used_bytes() -> float:
    """Bytes in use on the file system of `/`."""
    import psutil

    return float(psutil.disk_usage("/").used)


def disk_available_bytes() -> float:
    """Bytes free for ordinary users on the file system of `/`."""
    import psutil

    return float(psutil.disk_usage("/").free)
