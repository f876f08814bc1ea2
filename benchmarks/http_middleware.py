"""CPU that measuring a request adds to a bare FastAPI application: mlspec and the two common instrumentations.

    python -m benchmarks.http_middleware

Each application is driven in-process through ASGI, without a network, by CPU time of the process. Every configuration
runs in a process of its own, in which the applications take turns; the number is the median, over the rounds, of what
an application needs above the bare one in the same round. Targets: at most 1/10 of the leanest peer with one worker, at
most 1/5 in multi-process mode, and the same with 200 routes as with 5.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUNDS = 41
REQUESTS = 250  # in a round, for each application
ROUTES = (5, 200)
PREFIX = "/api"  # of the router, where routes are included by one
TARGETS = {"single": 0.10, "multi": 0.20}
OURS, PEERS = "mlspec", ("prometheus-fastapi-instrumentator", "starlette-exporter")
FLAT = 0.02  # of what many routes add to the leanest peer: what they may add to us (a difference swings by 1 us)


def bare(routes: int, included: bool = False) -> Any:
    """A FastAPI application with so many routes of one path parameter, its own or `included` by a router."""
    from fastapi import APIRouter, FastAPI

    app = FastAPI(openapi_url=None)
    router = APIRouter(prefix=PREFIX)

    async def answer(item: str) -> dict[str, str]:
        return {"item": item}

    for number in range(routes):
        (router if included else app).get(f"/route{number}/{{item}}")(answer)
    if included:
        app.include_router(router)
    return app


def with_mlspec(app: Any) -> None:
    """Count and time, labelled as mlspec's http pack does."""
    from mlspec.runtime import Closed, CounterFamily, HistogramFamily, Http, Monitor, Open

    monitor = Monitor(project="bench")
    method = Closed("method", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other")
    buckets = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    http = Http(
        requests=CounterFamily(
            monitor, "http_requests_total", "Requests.", method, Open("route", 300), Open("status", 60)
        ),
        duration=HistogramFamily(
            monitor, "http_request_duration_seconds", "Time.", method, Open("route", 300), buckets=buckets
        ),
        errors=CounterFamily(
            monitor, "http_errors_total", "Errors.", method, Open("route", 300), Open("error_type", 50)
        ),
    )
    monitor.instrument(app, http=http)


def with_instrumentator(app: Any) -> None:
    """prometheus-fastapi-instrumentator as its README shows it."""
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator().instrument(app).expose(app)


def with_exporter(app: Any) -> None:
    """starlette-exporter as its README shows it."""
    from starlette_exporter import PrometheusMiddleware, handle_metrics

    app.add_middleware(PrometheusMiddleware)
    app.add_route("/metrics", handle_metrics)


INSTRUMENT: dict[str, Callable[[Any], None]] = {
    "bare": lambda app: None,
    OURS: with_mlspec,
    PEERS[0]: with_instrumentator,
    PEERS[1]: with_exporter,
}


async def drive(app: Any, path: str, requests: int) -> float:
    """CPU seconds of this process for so many requests."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 200))

    statuses: list[int] = []
    headers = [(b"host", b"localhost"), (b"accept", b"*/*"), (b"user-agent", b"bench")]
    began = time.process_time()
    for _ in range(requests):
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "state": {},
        }  # fmt: skip
        await app(scope, receive, send)
    spent = time.process_time() - began
    if set(statuses) != {200}:
        raise RuntimeError(f"the application answered {set(statuses)}")
    return spent


async def measure(routes: int, included: bool = False) -> dict[str, float]:
    """Microseconds a request: of the bare application, and what each instrumentation adds to it."""
    apps = {name: bare(routes, included) for name in INSTRUMENT}
    for name, app in apps.items():
        INSTRUMENT[name](app)
    path = f"{PREFIX if included else ''}/route{routes - 1}/1"
    rounds: dict[str, list[float]] = {name: [] for name in apps}
    for number in range(ROUNDS + 2):
        order = list(apps)[number % len(apps) :] + list(apps)[: number % len(apps)]
        for name in order:
            spent = await drive(apps[name], path, REQUESTS)
            if number >= 2:  # the first rounds fill caches
                rounds[name].append(spent / REQUESTS * 1e6)
    base = rounds.pop("bare")
    added = {name: statistics.median(a - b for a, b in zip(spent, base, strict=True)) for name, spent in rounds.items()}
    return {"bare": statistics.median(base), **added}


def in_process(mode: str, routes: int, included: bool = False) -> dict[str, float]:
    """`measure` in a new process, in multi-process mode or not."""
    with tempfile.TemporaryDirectory() as directory:
        env = {key: value for key, value in os.environ.items() if key.upper() != "PROMETHEUS_MULTIPROC_DIR"}
        if mode == "multi":
            env["PROMETHEUS_MULTIPROC_DIR"] = directory
        command = [sys.executable, "-m", "benchmarks.http_middleware", "--routes", str(routes)]
        command += ["--included"] if included else []
        done = subprocess.run(command, env=env, cwd=Path(__file__).parent.parent, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> int:
    """Print the table; 1 if a target is missed."""
    columns = ("mode", "routes", "bare", OURS, *PEERS, "ratio", "target", "")
    print("CPU per request in microseconds: the bare application, and what each adds to it")
    print("  ".join(f"{column:>{max(8, len(column))}}" for column in columns))
    passed, ours, peers = True, {}, {}
    for mode, target in TARGETS.items():
        for routes, included in [*((routes, False) for routes in ROUTES), (ROUTES[0], True)]:
            result = in_process(mode, routes, included)
            if not included:
                ours[mode, routes], peers[mode, routes] = result[OURS], min(result[peer] for peer in PEERS)
            ratio = result[OURS] / min(result[peer] for peer in PEERS)
            passed &= ratio <= target
            cells = [mode, f"{routes} incl." if included else str(routes)]
            cells += [f"{result[name]:.1f}" for name in columns[2:6]]
            cells += [f"{ratio:.3f}", f"{target:.2f}", "PASS" if ratio <= target else "FAIL"]
            shown = (f"{cell:>{max(8, len(name))}}" for cell, name in zip(cells, columns, strict=True))
            print("  ".join(shown), flush=True)
    for mode in TARGETS:
        grown, theirs = (added[mode, ROUTES[1]] - added[mode, ROUTES[0]] for added in (ours, peers))
        flat = grown <= FLAT * theirs
        passed &= flat
        told = f"{grown:+.1f} us, to the leanest peer {theirs:+.1f}"
        print(f"{mode}: {ROUTES[1]} routes instead of {ROUTES[0]} add {told}: {'PASS' if flat else 'FAIL'}")
    return 0 if passed else 1


if __name__ == "__main__":
    if "--routes" in sys.argv:
        routes = int(sys.argv[sys.argv.index("--routes") + 1])
        print(json.dumps(asyncio.run(measure(routes, "--included" in sys.argv))))
    else:
        sys.exit(main())
