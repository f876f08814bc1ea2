"""Drives ASGI applications without a server and reads /metrics with Prometheus' own parser."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from mlspec.runtime import Closed, CounterFamily, GaugeFamily, HistogramFamily, Http, Monitor, Open

METHODS = ("GET", "POST", "HEAD", "OPTIONS", "other")


@dataclass
class Answer:
    """What an application sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    raised: BaseException | None = None


def scope(method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    raw = [(name.encode(), value.encode()) for name, value in {"host": "test", **(headers or {})}.items()]
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": raw, "client": ("127.0.0.1", 1), "server": ("test", 80), "state": {}, **more,
    }  # fmt: skip


async def call(app: Any, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
    """One request; what the application raises is in the answer. The client stays connected."""
    answer = Answer()
    body = more.pop("body", b"")
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.sleep(60)
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {key.decode().lower(): value.decode() for key, value in message["headers"]}
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    try:
        await app(scope(method, path, headers, **more), receive, send)
    except Exception as error:
        answer.raised = error
    return answer


def get(app: Any, *paths: str, method: str = "GET", **more: Any) -> Answer:
    """The answer to the last of these requests, made one after another in one event loop."""

    async def all_of_them() -> Answer:
        answers = [await call(app, method, path, **more) for path in paths]
        return answers[-1]

    return asyncio.run(all_of_them())


async def lifespan(app: Any, during: Callable[[], Any]) -> None:
    """Start the application, await what `during` returns, and end it."""
    asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    said: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan", "asgi": {}, "state": {}}, asked.get, said.put))
    for event, work in (("startup", during), ("shutdown", None)):
        await asked.put({"type": f"lifespan.{event}"})
        assert (await said.get())["type"] == f"lifespan.{event}.complete"
        if work is not None:
            await work()
    await task


def samples(text: str | bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of an exposition, by name and labels."""
    text = text.decode() if isinstance(text, bytes) else text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(monitor: Monitor, name: str, **labels: str) -> float | None:
    """A sample of what /metrics shows; None if there is no such series."""
    return samples(monitor.render()).get((name, frozenset(labels.items())))


def series(monitor: Monitor, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one name, by their label values in the order of the label names."""
    return {
        tuple(text for _, text in sorted(labels)): number
        for (found, labels), number in samples(monitor.render()).items()
        if found == name
    }


def http_of(monitor: Monitor, routes: int = 100, *, progress: bool = False) -> Http:
    """The HTTP metrics of a generated module."""
    method, route = Closed("method", *METHODS), Open("route", routes)
    return Http(
        requests=CounterFamily(monitor, "requests_total", "Requests.", method, route, Open("status", 60)),
        duration=HistogramFamily(monitor, "seconds", "Time.", method, route, buckets=(0.05, 0.1, 1.0)),
        errors=CounterFamily(monitor, "errors_total", "Errors.", method, route, Open("error_type", 20)),
        in_progress=GaugeFamily(monitor, "in_progress", "Now.", method, mode="livesum") if progress else None,
    )


def instrumented(app: Any, **options: Any) -> Monitor:
    """A monitor that measures `app`."""
    monitor = Monitor(project="test")
    monitor.instrument(app, http=http_of(monitor, **options))
    return monitor


def requests(monitor: Monitor) -> dict[tuple[str, ...], float]:
    """The requests that were counted, by (method, route, status)."""
    return {labels: number for labels, number in series(monitor, "requests_total").items() if number}


def errors(monitor: Monitor) -> dict[tuple[str, ...], float]:
    """The errors that were counted, by (error_type, method, route)."""
    return {labels: number for labels, number in series(monitor, "errors_total").items() if number}
