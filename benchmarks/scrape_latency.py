"""What a scrape costs the requests beside it: latency under steady load, with and without a scrape every second.

    python -m benchmarks.scrape_latency

A real uvicorn with one worker on 127.0.0.1; a client of its own process sends requests at a steady rate on kept
connections and measures each from the moment it wants to be sent, so that a stall counts for all whom it delays.
"""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SERIES = (500, 10_000)
RATE = 200  # requests a second
SECONDS = 12  # of each phase
PHASES = ("alone", "scraped", "alone", "scraped")  # in turns, against drift of the machine
CONNECTIONS = 8
ROOT = Path(__file__).parent.parent


def make_app() -> Any:
    """A FastAPI application, measured, with about as many series as the variable SERIES says."""
    from fastapi import FastAPI

    from mlspec.runtime import Closed, CounterFamily, HistogramFamily, Http, Monitor, Open

    wanted = int(os.environ["SERIES"])
    monitor = Monitor(project="bench")
    method = Closed("method", "GET", "other")
    http = Http(
        requests=CounterFamily(monitor, "http_requests_total", "R.", method, Open("route", 9), Open("status", 9)),
        duration=HistogramFamily(
            monitor, "http_request_duration_seconds", "S.", method, Open("route", 9), buckets=(0.01, 0.1, 1.0)
        ),
    )
    # A histogram of 17 series, as they are in practice: most of what a service exposes are buckets.
    sizes = HistogramFamily(
        monitor, "size", "S.", Open("kind", wanted), buckets=tuple(float(edge) for edge in range(1, 15))
    )
    for number in range(wanted // 17):
        sizes.child(f"kind{number}").observe(number % 20)
    app = FastAPI()

    @app.get("/x/{item}")
    async def x(item: int) -> int:
        return item

    monitor.instrument(app, http=http)
    return app


@contextmanager
def served(series: int) -> Iterator[int]:
    """The port of a server with so many series, ended at the end."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    env = {key: value for key, value in os.environ.items() if key.upper() != "PROMETHEUS_MULTIPROC_DIR"}
    command = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.scrape_latency:make_app"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "error"], cwd=ROOT, env={**env, "SERIES": str(series)}
    )
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int) -> None:
    """Until the server answers."""
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/x/1", timeout=1).read()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


async def load(port: int, seconds: float) -> list[float]:
    """Milliseconds from when each request wanted to be sent to its answer. No request waits for another's answer."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    free: asyncio.Queue[Any] = asyncio.Queue()
    for stream in streams:
        free.put_nowait(stream)
    latencies: list[float] = []

    async def one(wanted: float) -> None:
        reader, writer = await free.get()
        writer.write(b"GET /x/1 HTTP/1.1\r\nhost: bench\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n1")
        latencies.append((time.perf_counter() - wanted) * 1e3)
        free.put_nowait((reader, writer))

    tasks, began = [], time.perf_counter()
    for number in range(int(seconds * RATE)):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        tasks.append(asyncio.ensure_future(one(time.perf_counter())))
    await asyncio.gather(*tasks)
    for _, writer in streams:
        writer.close()
    return latencies


def scrape(port: int, seconds: float) -> subprocess.Popen[bytes]:
    """A process that scrapes once a second as Prometheus does, and prints each scrape's milliseconds."""
    code = (
        "import sys, time, urllib.request as u\n"
        f"end = time.monotonic() + {seconds}\n"
        "while time.monotonic() < end:\n"
        "    began = time.monotonic()\n"
        f"    r = u.Request('http://127.0.0.1:{port}/metrics', headers={{'accept-encoding': 'gzip',\n"
        "        'accept': 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2'})\n"
        "    u.urlopen(r).read(); print((time.monotonic() - began) * 1e3, flush=True)\n"
        "    time.sleep(max(0, 1 - (time.monotonic() - began)))\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


def percentiles(values: list[float]) -> tuple[float, float, float]:
    """The 50th, the 99th and the greatest."""
    cuts = statistics.quantiles(values, n=100)
    return cuts[49], cuts[98], max(values)


def main() -> None:
    """Print the table."""
    print(f"latency in ms at {RATE} requests/s, {len(PHASES) // 2 * SECONDS} s each; a scrape every second, or none")
    print(f"{'series':>7} {'scrapes':>8} {'p50':>7} {'p99':>7} {'max':>7} {'scrape takes':>13}")
    for series in SERIES:
        found: dict[str, list[float]] = {"alone": [], "scraped": []}
        scrapes: list[float] = []
        with served(series) as port:
            asyncio.run(load(port, 1))
            for phase in PHASES:
                scraper = scrape(port, SECONDS) if phase == "scraped" else None
                found[phase] += asyncio.run(load(port, SECONDS))
                if scraper is not None:
                    scrapes += [float(line) for line in scraper.communicate()[0].split()]
        rows = {phase: percentiles(values) for phase, values in found.items()}
        for phase, (p50, p99, most) in rows.items():
            takes = f"{statistics.median(scrapes):13.1f}" if phase == "scraped" else f"{'':>13}"
            print(f"{series:>7} {phase:>8} {p50:7.2f} {p99:7.2f} {most:7.2f} {takes}")
        ratios = " ".join(f"{b / a:7.2f}" for a, b in zip(rows["alone"], rows["scraped"], strict=True))
        print(f"{series:>7} {'ratio':>8} {ratios}", flush=True)


if __name__ == "__main__":
    main()
