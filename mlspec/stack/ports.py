"""Ports: whether they are free, who holds them, and which key of the spec to change."""

import contextlib
import errno
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlspec.stack.plan import Port
from mlspec.stack.processes import marked_as

if TYPE_CHECKING:
    import psutil


def is_free(port: Port) -> bool:
    """Whether a program could listen on `port` now. A connection lingering after its close does not count."""
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    # Where a wildcard listener does not stop a bind to one address (macOS), it would still answer.
    with socket.socket(family) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((_reachable(port.host), port.number)) != 0


def busy(ports: Iterable[Port]) -> list[str]:
    """A sentence for every port that can't be used: held by somebody, or wanted twice."""
    sentences = []
    wanted: dict[int, Port] = {}
    for port in ports:
        if other := wanted.get(port.number):
            sentences.append(f"port {port.number} is wanted by both {other.key} and {port.key}; change one in the spec")
            continue
        wanted[port.number] = port
        try:
            free = is_free(port)
        except OSError as error:
            reason = error.strerror or str(error)
            sentences.append(f"port {port.number} on {port.host} can't be used: {reason}; see {port.key} in the spec")
            continue
        if not free:
            advice = f"change {port.key} in the spec, or stop it"
            sentences.append(f"port {port.number} is held by {holder(port.number)}; {advice}")
    return sentences


def holder(number: int) -> str:
    """Who listens on a port, as far as this user may know: "grafana (pid 123)", or "another process"."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="inet"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == number and connection.pid:
                return _describe(psutil.Process(connection.pid))
    return "another process"


def _describe(process: "psutil.Process") -> str:
    import psutil

    name = f"{process.name()} (pid {process.pid})"
    with contextlib.suppress(psutil.Error, OSError):
        if marker := marked_as(process.environ()):
            return f"{name}, the {marker[1]} of the mlspec stack {marker[0]}"
    return name


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
