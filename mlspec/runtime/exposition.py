"""The /metrics endpoint: what Prometheus scrapes.

It is rendered in a thread of its own, one scrape at a time, so that the event loop never waits for it.
"""

import asyncio
import gzip
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import prometheus_client as client
from prometheus_client.exposition import choose_encoder

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = logging.getLogger("mlspec.runtime")
PATH = "/metrics"
TEXT = "text/plain; charset=utf-8"
SLICE = 0.0005  # seconds
_slices = threading.Lock()
_rendering: list[float] = []  # the switch interval that each rendering thread found


class Exposition:
    """Answers GET and HEAD with the metrics of a registry in the format that the client asks for."""

    def __init__(self, registry: client.CollectorRegistry) -> None:
        self._registry = registry
        self._threads: ThreadPoolExecutor | None = None
        self._pid = os.getpid()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A failure to render is a 500 and a log line, no exception."""
        if scope["method"] not in ("GET", "HEAD"):
            return await _answer(send, 405, b"GET or HEAD\n", TEXT, {"allow": "GET, HEAD"})
        accept, zipped = _header(scope, b"accept"), _takes_gzip(_header(scope, b"accept-encoding"))
        try:
            loop = asyncio.get_running_loop()
            body, kind = await loop.run_in_executor(self._executor(), self.render, accept, zipped)
        except Exception:
            log.exception("%s could not be rendered", PATH)
            return await _answer(send, 500, b"the metrics could not be rendered: see the log\n", TEXT, {})
        headers = {"vary": "accept, accept-encoding", **({"content-encoding": "gzip"} if zipped else {})}
        return await _answer(send, 200, body, kind, headers, head=scope["method"] == "HEAD")

    def render(self, accept: str, zipped: bool) -> tuple[bytes, str]:
        """The metrics and their content type, as an Accept header asks. Gzip at level 1: size matters less than CPU."""
        encode, kind = choose_encoder(accept)
        with _gently():
            body = encode(self._registry)
        return (gzip.compress(body, compresslevel=1) if zipped else body), kind

    def _executor(self) -> ThreadPoolExecutor:
        if self._threads is None or self._pid != os.getpid():  # threads don't survive a fork
            self._threads, self._pid = ThreadPoolExecutor(1, thread_name_prefix="mlspec-metrics"), os.getpid()
        return self._threads


@contextmanager
def _gently() -> Iterator[None]:
    """While a scrape is rendered, let other threads have the interpreter after 0.5 ms instead of 5.

    Otherwise every request beside a scrape of 10,000 series waits 5 ms each time that it comes back from the network.
    """
    with _slices:
        _rendering.append(sys.getswitchinterval())
        sys.setswitchinterval(min(SLICE, _rendering[0]))
    try:
        yield
    finally:
        with _slices:
            found = _rendering.pop()
            if not _rendering:
                sys.setswitchinterval(found)


async def _answer(
    send: Send, status: int, body: bytes, kind: str, headers: dict[str, str], *, head: bool = False
) -> None:
    lines = {"content-type": kind, "content-length": str(len(body)), **headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if head else body})


def _header(scope: Scope, name: bytes) -> str:
    """All values of a header, as one."""
    return ",".join(value.decode("latin-1") for key, value in scope.get("headers", ()) if key.lower() == name)


def _takes_gzip(accept_encoding: str) -> bool:
    for choice in accept_encoding.lower().split(","):
        name, _, quality = choice.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
