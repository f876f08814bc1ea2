"""The latch on a running Prometheus: it reads its own alert from ALERTS, which `promtool test rules` only imitates."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from .lab import Server, prometheus, rules, spec_text, tool, view_of

pytestmark = pytest.mark.e2e

TICK = "200ms"  # of scrapes and of evaluations
WINDOW = 2  # seconds
SIGNALS = {
    "model": "{value: loaded, equal: 0}",
    "failures": f'{{share: requests_total, having: {{status: "5*"}}, above: 5%, over: {WINDOW}s}}',
}
ALERTS = {
    "NotLoaded": "{signal: model, for: 400ms, summary: No model.}",
    "Ignored": "{signal: model, absent: ignore, summary: No model.}",
    "Absent": "{signal: model, absent: fire, summary: No model.}",
    "Failing": "{signal: failures, for: 400ms, summary: Failures.}",
}


class Exporter:
    """A target that can be made ill, killed and brought back on the same port."""

    def __init__(self) -> None:
        self.ill = False
        self.count = 0
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def start(self) -> None:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exporter.count += 10
                status = "500" if exporter.ill else "200"
                body = f'loaded {int(not exporter.ill)}\nrequests_total{{status="{status}"}} {exporter.count}\n'
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def running(folder: Path, version: str | None) -> Iterator[tuple[Server, Exporter]]:
    """A Prometheus that scrapes an exporter, with the rules of the alerts above."""
    view = view_of(spec_text("latch", SIGNALS, ALERTS))
    exporter = Exporter()
    exporter.start()
    target = {"targets": [f"127.0.0.1:{exporter.port}"], "labels": {"project": "latch", "env": "default"}}
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "all", "interval": TICK, "rules": rules(view)}]}))
    config = {
        "global": {"scrape_interval": TICK, "scrape_timeout": TICK, "evaluation_interval": TICK},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "api", "static_configs": [target]}],
    }
    try:
        with prometheus(tool("prometheus", version), folder, config) as server:
            yield server, exporter
    finally:
        exporter.stop()


def test_latch(version: str | None, tmp_path: Path) -> None:
    with running(tmp_path, version) as (server, exporter):
        _wait(lambda: _loaded(server) == 1, "the first scrape")
        exporter.ill = True
        _wait(lambda: _firing(server) == set(ALERTS), "every alert to fire")
        since = _active_since(server)

        exporter.stop()
        _wait(lambda: _firing(server) == set(ALERTS) - {"Ignored"}, "only what ignores silence to resolve")
        # The window of the share empties; not one evaluation may let go, or fail over two alerts of the same labels.
        end = time.monotonic() + WINDOW + 1
        while time.monotonic() < end:
            assert _firing(server) == {"NotLoaded", "Absent", "Failing"}
            time.sleep(0.05)
        assert {name: _active_since(server)[name] for name in ("NotLoaded", "Absent", "Failing")} == {
            name: since[name] for name in ("NotLoaded", "Absent", "Failing")
        }

        exporter.ill = False
        exporter.start()
        _wait(lambda: not _firing(server), "everything to resolve")
        _assert_healthy(server)


def _firing(server: Server) -> set[str]:
    return {alert["labels"]["alertname"] for alert in _alerts(server) if alert["state"] == "firing"} & set(ALERTS)


def _active_since(server: Server) -> dict[str, str]:
    return {alert["labels"]["alertname"]: alert["activeAt"] for alert in _alerts(server)}


def _alerts(server: Server) -> list[dict]:
    _assert_healthy(server)
    return server.get("alerts")["alerts"]


def _assert_healthy(server: Server) -> None:
    for group in server.get("rules")["groups"]:
        for rule in group["rules"]:
            assert rule["health"] in ("ok", "unknown"), f"{rule['query']}\n{rule.get('lastError')}"


def _loaded(server: Server) -> float | None:
    result = server.get("query", query="loaded")["result"]
    return float(result[0]["value"][1]) if result else None


def _wait(until: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not until():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
