"""The wine project in a folder of its own, on free ports, driven by the command line as a person would."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent.parent
SCRAPE, EVALUATE = 1.0, 1.0
GROUP_WAIT, GROUP_INTERVAL = 1.0, 5.0


@dataclass
class Wine:
    """A copy of the project: `root` holds projects/ and examples/; `ports` by the key of the spec."""

    root: Path
    ports: dict[str, int]

    @property
    def spec(self) -> Path:
        return self.root / "projects" / "wine.yaml"

    def mlspec(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command of mlspec on the spec, from the project's root."""
        command, *rest = arguments
        return subprocess.run(
            [sys.executable, "-m", "mlspec", command, "projects/wine.yaml", *rest],
            cwd=self.root,
            env={**os.environ, "MLSPEC_STATE": str(self.root / "state")},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def ok(self, *arguments: str, timeout: float = 120) -> str:
        """Run a command that must succeed."""
        done = self.mlspec(*arguments, timeout=timeout)
        assert done.returncode == 0, f"mlspec {arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, dict[str, Any]]:
        """What `mlspec status` tells of each program."""
        return {p["name"]: p for p in json.loads(self.mlspec("status", "--format", "json").stdout)}

    def prometheus(self, path: str, **query: str) -> Any:
        """Prometheus' answer to an API call."""
        url = f"http://127.0.0.1:{self.ports['stack.prometheus.port']}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {a["labels"]["alertname"] for a in self.prometheus("alerts")["alerts"] if a["state"] == "firing"}


def copy_of_wine(root: Path, webhook: int, replace: dict[str, str] | None = None) -> Wine:
    """The project below `root` on free ports, with short intervals and a webhook receiver."""
    shutil.copytree(REPOSITORY / "examples", root / "examples", ignore=shutil.ignore_patterns("data", "__pycache__"))
    (root / "projects").mkdir()
    keys = ["service.port", "stack.prometheus.port", "stack.alertmanager.port", "stack.node_exporter.port"]
    ports = dict(zip(keys, free_ports(len(keys)), strict=True))
    text = (REPOSITORY / "projects" / "wine.yaml").read_text()
    for old, new in {
        r"  port: 8000\n": f"  port: {ports['service.port']}\n",
        r"  prometheus: \{port: 9090[^\n]*\}\n": (
            f"  prometheus: {{port: {ports['stack.prometheus.port']}, scrape_interval: {SCRAPE:g}s}}\n"
            f"  node_exporter: {{port: {ports['stack.node_exporter.port']}}}\n"
        ),
        r"  alertmanager: \{port: 9093\}\n": (
            f"  alertmanager: {{port: {ports['stack.alertmanager.port']}, "
            f"group_wait: {GROUP_WAIT:g}s, group_interval: {GROUP_INTERVAL:g}s}}\n"
        ),
        r"  dev:[\s\S]*?\n  prod:": '  dev:\n    notify:\n      team: {slack: null, webhook: {url: "http://127.0.0.1:'
        + str(webhook)
        + '/"}}\n  prod:',
        **(replace or {}),
    }.items():
        text, count = re.subn(old, new, text, count=1)
        assert count == 1, f"wine.yaml no longer has {old}"
    (root / "projects" / "wine.yaml").write_text(text)
    return Wine(root, ports)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [int(s.getsockname()[1]) for s in sockets]
    finally:
        for s in sockets:
            s.close()


@dataclass
class Told:
    """What a webhook receiver was told: (time, status, alert's name)."""

    port: int = 0
    items: list[tuple[float, str, str]] = field(default_factory=list)

    def of(self, alert: str, status: str, since: float = 0.0) -> float | None:
        """When an alert was first told to have a status, after `since`."""
        return next((at for at, s, name in self.items if name == alert and s == status and at >= since), None)


@contextmanager
def webhook() -> Iterator[Told]:
    """A receiver of Alertmanager's webhook."""
    told = Told()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.items += [(time.time(), alert["status"], alert["labels"]["alertname"]) for alert in body["alerts"]]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def wait_for(what: str, condition: Callable[[], object], seconds: float) -> None:
    """Wait until a condition holds, for a bounded time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:g} s: {what}")
