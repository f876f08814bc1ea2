"""The ASGI middleware that measures each HTTP request once.

A request is counted when its last body chunk is handed to the server, so that background tasks don't count as latency,
or when the application ends without one: status 500 if it raised (even after a 200 was sent: a stream that dies midway
is a failure), 499 if it was cancelled or left off because the client went away. /metrics is answered here and is the
only request that is not measured. WebSockets pass through.
"""

import asyncio
import os
import weakref
from collections.abc import Awaitable, Callable
from time import perf_counter as clock

from mlspec.runtime.exposition import PATH, Exposition, Message, Receive, Scope, Send
from mlspec.runtime.http import CLIENT_LEFT, FAILED, METHODS, Http
from mlspec.runtime.routes import Routes, routed
from mlspec.runtime.tallies import MOST_WAITING, Queue

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
BODY, START = "http.response.body", "http.response.start"
LAST = frozenset({"http.response.pathsend"})  # other messages that end an answer
MOST_KEPT = 10_000  # queues
WAITING, COUNTED = 0, -1  # in place of a status: before the answer began, and once the request was counted
_all: "weakref.WeakSet[Middleware]" = weakref.WeakSet()


class Middleware:
    """Measures `app`. `started` is called once the application has started, at the latest by the first request."""

    def __init__(
        self,
        app: Application,
        *,
        http: Http,
        exposition: Exposition,
        root: object,
        started: Callable[[], None],
        stopped: Callable[[], None],
    ) -> None:
        self.app = app if http.in_progress is None else _in_progress(app, http)
        self._http = http
        self._exposition = exposition
        self._routes = Routes(root)
        self._on_start = started
        self._on_stop = stopped
        self._started = False
        self._asked = False
        self._endpoints = frozenset({PATH})
        self._mounted_at: str | None = None
        _all.add(self)

    def forget(self) -> None:
        """After a fork, in the child: it has yet to start, and what waits is the parent's to count."""
        self._http.tallies.forget()
        self._started = self._asked = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection to the application and measure it if it is a request."""
        if scope["type"] != "http":
            await self._pass(scope, receive, send)
            return
        if not self._asked:
            self._first(scope)
        if scope["path"] in self._endpoints:
            await self._exposition(scope, receive, send)
            return
        status = WAITING
        queues = self._routes.table.kept
        began = clock()

        # Not a coroutine: it only looks, and hands on the server's own awaitable.
        def relay(message: Message) -> Awaitable[None]:
            nonlocal status
            kind = message["type"]
            if kind == BODY:
                if not message.get("more_body") and status != COUNTED:
                    seconds = clock() - began
                    # What `_record` and `routed` do, for the common case.
                    try:
                        thing = scope.get("route")
                        if "fastapi" in scope:
                            context = scope["fastapi"]["effective_route_context"]
                            thing = context if context.original_route is thing else thing
                        queue = queues.get((id(thing), scope["method"], status))
                    except Exception:
                        queue = None
                    if queue is None or len(queue) >= MOST_WAITING:
                        self._record(scope, status, seconds)
                    else:
                        queue.append(seconds)
                    status = COUNTED
            elif kind == START:
                status = message.get("status", WAITING)
            elif kind in LAST and status != COUNTED:
                self._record(scope, status, clock() - began)
                status = COUNTED
            return send(message)

        try:
            await self.app(scope, receive, relay)
        except BaseException as error:
            self._raised(scope, error, None if status == COUNTED else clock() - began)
            raise
        if status != COUNTED:
            self._record(scope, FAILED if status == WAITING else CLIENT_LEFT, clock() - began)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """WebSockets untouched; of the lifespan's answers, note the start and the end."""

        def relay(message: Message) -> Awaitable[None]:
            sent = send(message)
            if message["type"] == "lifespan.startup.complete":
                self._start()
            elif message["type"].startswith("lifespan.shutdown"):
                self._stop()
            return sent

        await self.app(scope, receive, relay if scope["type"] == "lifespan" else send)

    def _first(self, scope: Scope) -> None:
        """At the first request: start, if no lifespan event came, and learn where the application is mounted."""
        self._asked = True
        root = scope.get("root_path", "")
        self._endpoints = frozenset({PATH, root.rstrip("/") + PATH})
        self._mounted_at = root if "app_root_path" in scope else None
        self._start()

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        try:
            self._routes.read()
            self._http.birth(self._routes.table.ways)
            self._http.tallies.start()
            self._on_start()
        except Exception as error:
            self._http.swallow(error)

    def _stop(self) -> None:
        self._started = False
        self._http.tallies.stop()
        self._on_stop()

    def _raised(self, scope: Scope, error: BaseException, seconds: float | None) -> None:
        """Count what the application raised; `seconds` is None if the answer was complete by then."""
        left = isinstance(error, asyncio.CancelledError) or type(error).__name__ == "ClientDisconnect"
        if left and seconds is not None:
            self._record(scope, CLIENT_LEFT, seconds)
        if left:
            return
        try:
            route, _ = self._template(scope, FAILED)
            self._http.failed(scope["method"], route, type(error).__name__, seconds)
        except Exception as fault:
            self._http.swallow(fault)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request. Never raises."""
        try:
            queue = self._routes.table.kept.get((id(routed(scope)), scope["method"], status))
            if queue is None:
                queue = self._queue(scope, status)
            queue.append(seconds)
            if len(queue) > MOST_WAITING:
                queue.settle()
        except Exception as error:
            self._http.swallow(error)

    def _queue(self, scope: Scope, status: int) -> Queue:
        method = scope["method"]
        route, exact = self._template(scope, status)
        queue, lasting = self._http.queue(method, route, status)
        kept = self._routes.table.kept
        if exact and lasting and method in METHODS and len(kept) < MOST_KEPT:
            kept[id(routed(scope)), method, status] = queue
        return queue

    def _template(self, scope: Scope, status: int) -> tuple[str, bool]:
        """The route's template and whether its identity stands for it. Mounts have changed the root path by now."""
        at = self._mounted_at
        return self._routes.template(
            scope, scope.get("app_root_path", scope.get("root_path", "")) if at is None else at, status
        )


def _in_progress(app: Application, http: Http) -> Application:
    """`app` with its requests counted while it works on them, background tasks included."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        gauge = http.progress(scope["method"])
        gauge.inc()
        try:
            return await app(scope, receive, send)
        finally:
            gauge.dec()

    return counted


def _forget_all() -> None:
    for middleware in list(_all):
        middleware.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
