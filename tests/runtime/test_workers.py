"""Several workers: real uvicorn processes, and processes of their own, because the client's mode is set at import."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from .support import samples

SERVICE = """
import os, signal
from fastapi import FastAPI
from mlspec.runtime import Closed, CounterFamily, HistogramFamily, Http, Monitor, Open, Probe

monitor = Monitor(project="many")
ready = monitor.gauge("ready", "Ready.")
values = CounterFamily(monitor, "values_total", "V.", Open("value", 5))
http = Http(
    requests=CounterFamily(monitor, "requests_total", "R.", Closed("method", "GET", "other"), Open("route", 9),
                           Open("status", 9)),
    duration=HistogramFamily(monitor, "seconds", "S.", Closed("method", "GET", "other"), Open("route", 9),
                             buckets=(0.1, 1)),
)
app = FastAPI()
born = set()

@app.get("/who")
async def who() -> int:
    return os.getpid()

@app.get("/value/{value}")
async def value(value: str) -> str:
    values.child(value).inc()
    return value

@app.get("/set/{number}")
async def set_ready(number: float) -> int:
    ready.set(number)
    return os.getpid()

monitor.instrument(app, http=http)
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Server:
    """A uvicorn with two workers on a free port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        (folder / "service.py").write_text(SERVICE)
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [sys.executable, "-m", "uvicorn", "service:app", "--workers", "2", "--port", str(port)]
        env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics")}
        self.process = subprocess.Popen([*command, "--log-level", "error"], cwd=folder, env=env, start_new_session=True)

    def get(self, path: str) -> str:
        request = urllib.request.Request(self.url + path, headers={"connection": "close"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def pids(self) -> set[int]:
        """Both workers, once both answer."""
        found: set[int] = set()
        deadline = time.monotonic() + 15
        while len(found) < 2 and time.monotonic() < deadline:
            try:
                found.add(int(self.get("/who")))
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        return found

    def value(self, name: str, **labels: str) -> float | None:
        return samples(self.get("/metrics")).get((name, frozenset(labels.items())))

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.end()


def test_two_workers_answer_as_one_service(server: Server) -> None:
    pids = server.pids()
    assert len(pids) == 2
    before = server.value("requests_total", method="GET", route="/value/{value}", status="200") or 0
    for number in range(60):
        server.get(f"/value/v{number % 12}")
    time.sleep(0.3)  # the other worker's numbers may be 0.1 s old

    found = samples(server.get("/metrics"))
    route = frozenset({("method", "GET"), ("route", "/value/{value}")})
    assert found["requests_total", route | {("status", "200")}] - before == 60
    assert found["seconds_count", route] == found["seconds_bucket", route | {("le", "+Inf")}] == 60

    # One budget for both: five values and `other`, nothing lost.
    counted = {dict(labels)["value"]: number for (name, labels), number in found.items() if name == "values_total"}
    assert len(counted) == 6
    assert sum(counted.values()) == 60
    assert all(number == 5 for text, number in counted.items() if text != "other")

    # Each worker's process metrics under its pid, and what is the same for all once.
    memory = {dict(labels)["pid"] for name, labels in found if name == "process_resident_memory_bytes"}
    assert memory == {str(pid) for pid in pids}
    assert [name for name, _ in found].count("mlspec_build_info") == 1

    # The least state of the living workers counts: a killed one's is forgotten, its requests are not.
    while {int(server.get("/set/3")) for _ in range(4)} != pids:
        pass
    assert server.value("ready") == 3
    worst = int(server.get("/set/-5"))
    assert server.value("ready") == -5
    os.kill(worst, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while worst in (alive := server.pids()) or len(alive) < 2:
        assert time.monotonic() < deadline
    assert server.value("ready") == 0  # the new worker's
    assert server.value("requests_total", method="GET", route="/value/{value}", status="200") == 60 + before


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A new interpreter, because the client chooses its mode at import."""
    base = {key: text for key, text in os.environ.items() if key != "PROMETHEUS_MULTIPROC_DIR"}
    command = [sys.executable, "-W", "always", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env={**base, **env}, check=True, timeout=30)


def test_a_directory_that_is_set_too_late_is_said_loudly_and_counted(tmp_path: Path) -> None:
    done = run(
        "import prometheus_client, os\n"
        f"os.environ['PROMETHEUS_MULTIPROC_DIR'] = {str(tmp_path)!r}\n"
        "from mlspec.runtime import Monitor\n"
        "m = Monitor(project='x'); m.counter('one_total', 'One.').inc(); print(m.render().decode())"
    )
    assert "RuntimeWarning" in done.stderr
    assert "was set after" in done.stderr
    assert 'mlspec_recording_errors_total{metric="PROMETHEUS_MULTIPROC_DIR"} 1.0' in done.stdout
    assert "one_total 1.0" in done.stdout


@pytest.mark.parametrize("made", [True, False])
def test_a_directory_that_does_not_exist_is_made_or_done_without(tmp_path: Path, made: bool) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "a" / "b" if made else tmp_path / "file" / "b"
    done = run(
        "from mlspec.runtime import Monitor\n"
        "m = Monitor(project='x'); m.counter('one_total', 'One.').inc(); print(m.render().decode())",
        PROMETHEUS_MULTIPROC_DIR=str(path),
    )
    assert "one_total 1.0" in done.stdout
    assert path.is_dir() == made
    assert ("can't be written to" in done.stderr) != made


def test_the_dead_are_swept_and_broken_files_left_out(tmp_path: Path) -> None:
    first = run(
        "from mlspec.runtime import Monitor\n"
        "m = Monitor(project='x'); m.gauge('up', 'U.').set(0); m.counter('one_total', 'One.').inc(3)",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
    )
    assert first.returncode == 0
    (tmp_path / "counter_99999999.db").write_bytes(b"")
    (tmp_path / "histogram_99999998.db").write_bytes(b"\x00\x10\x00\x00" + b"\xff" * 60)
    done = run(
        "from mlspec.runtime import Monitor\n"
        "m = Monitor(project='x'); m.gauge('up', 'U.').set(1); m.counter('one_total', 'One.').inc(4)\n"
        "print(m.render().decode())",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
    )
    assert re.search(r"^up 1\.0$", done.stdout, re.M)
    assert re.search(r"^one_total 7\.0$", done.stdout, re.M)
    assert "left out of this scrape" in done.stderr


def test_a_forked_child_starts_anew_and_counts_nothing_twice(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r}.rsplit('/', 1)[0])\n"
        "from runtime.support import Http, get, http_of\n"
        "from mlspec.runtime import Monitor, Probe\n"
        "from starlette.applications import Starlette\n"
        "from starlette.responses import PlainTextResponse\n"
        "from starlette.routing import Route\n"
        "app = Starlette(routes=[Route('/x', lambda request: PlainTextResponse('x'))])\n"
        "m = Monitor(project='x'); calls = []\n"
        "m.instrument(app, http=http_of(m), probes=[Probe(m.gauge('up', 'U.'), lambda: calls.append(1) or 1)])\n"
        "get(app, '/x', '/x', '/x')\n"
        "if not (child := os.fork()):\n"
        "    del calls[:]\n"
        "    get(app, '/x'); time.sleep(0.2); assert calls, 'no probe in the child'\n"
        "    m.stop(); [s() for s in m._served.before]; os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(m.render().decode())\n"
    )
    done = run(code, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert re.search(r'requests_total\{method="GET",route="/x",status="200"\} 4\.0', done.stdout)
