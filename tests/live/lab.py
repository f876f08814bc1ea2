"""A real stack on free loopback ports: the wine service, Prometheus, Alertmanager and the node exporter."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from mlspec import names
from mlspec.load import read_document
from mlspec.render import render_project
from mlspec.resolve import Environment, Project, resolve
from mlspec.stack import adapt
from mlspec.stack.tools import Missing, locate

ROOT = Path(__file__).parents[2]
PARTS = ("api", "prometheus", "alertmanager", "node")


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def wine_spec(ports: dict[str, int]) -> str:
    """projects/wine.yaml with a `dev` on these ports, scraped each second, and somebody to tell by each means."""
    dev = f"""
environments:
  dev:
    service: {{port: {ports["api"]}}}
    stack:
      prometheus: {{port: {ports["prometheus"]}, scrape_interval: 1s, evaluation_interval: 1s}}
      alertmanager: {{port: {ports["alertmanager"]}}}
      node_exporter: {{port: {ports["node"]}}}
    notify:
      people: {{webhook: {{url: "http://127.0.0.1:9/alerts"}}, severity: critical}}
      post: {{email: {{to: a@example.org, from: b@example.org, smarthost: "127.0.0.1:9"}}, owner: ml-platform}}
      chat: {{slack: {{webhook: {{secret: LAB_HOOK}}, channel: "#ml"}}}}
      heart: {{webhook: {{url: "http://127.0.0.1:9/beat"}}, watchdog: true}}
"""
    text = (ROOT / "projects" / "wine.yaml").read_text(encoding="utf-8")
    before, found, _ = text.partition("\nenvironments:\n")
    assert found
    return before + dev


def resolved(text: str, folder: Path) -> Project:
    """A spec's text as a project, written to `folder` first, so that its positions name a file."""
    path = folder / "wine.yaml"
    path.write_text(text, encoding="utf-8")
    return resolve(read_document(path, "projects/wine.yaml"), folder, "projects/wine.yaml")


def tool(name: str, version: str | None = None) -> Path:
    """A binary of the local engine."""
    found = locate(name, version=version)
    assert not isinstance(found, Missing), f"{name} is missing ({found.why}); run: {found.command}"
    return found


class Lab:
    """The stack of the wine project; `start` and `stop` one of its parts."""

    def __init__(self, folder: Path, version: str | None = None) -> None:
        self.folder = folder
        self.ports = dict(zip(PARTS, free_ports(len(PARTS)), strict=True))
        self.project = resolved(wine_spec(self.ports), folder)
        self.rendered = folder / "generated" / "wine" / "dev"
        self._version = version
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.write()

    @property
    def environment(self) -> Environment:
        return self.project.environment("dev")

    def write(self) -> None:
        """Put what is rendered on disk."""
        for path, text in render_project(self.project, "dev").items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")

    def url(self, part: str) -> str:
        return f"http://127.0.0.1:{self.ports[part]}"

    def start(self, part: str) -> None:
        """Start a part and wait until it answers."""
        command, folder, ready = getattr(self, f"_{part}")()
        environment = {
            **os.environ,
            names.RUNTIME_FILE: str(self.rendered / "runtime.json"),
            names.DATA_DIR: str(self.folder / "data"),
        }
        with (self.folder / f"{part}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        self._running[part] = process
        url = f"{self.url(part)}{ready}"
        until(lambda: process.poll() is not None or answers(url), 60)
        assert process.poll() is None, (self.folder / f"{part}.log").read_text()

    def stop(self, part: str) -> None:
        """End a part."""
        process = self._running.pop(part)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def close(self) -> None:
        for part in list(self._running):
            self.stop(part)

    def _api(self) -> tuple[list[str], Path, str]:
        address = ["--host", "127.0.0.1", "--port", str(self.ports["api"])]
        command = [sys.executable, "-m", "uvicorn", "examples.wine.service:app", *address, "--no-access-log"]
        return command, ROOT, "/health"

    def _prometheus(self) -> tuple[list[str], Path, str]:
        command = [
            str(tool("prometheus", self._version)),
            f"--config.file={self.rendered / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}",
            "--web.enable-lifecycle",
        ]
        return command, self.folder, "/-/ready"

    def _alertmanager(self) -> tuple[list[str], Path, str]:
        binary = tool("alertmanager", self._version)
        adapt.link_share(binary, self.folder)
        folder = self.folder / "secrets"
        folder.mkdir(exist_ok=True)
        for secret in {name for receiver in self.environment.spec.notify.values() for name in receiver.secrets()}:
            (folder / secret).write_text("http://127.0.0.1:9/hook")
        command = [
            str(binary),
            f"--config.file={self.rendered / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'am'}",
            f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}",
            "--cluster.listen-address=",
        ]
        return command, self.folder, "/-/ready"

    def _node(self) -> tuple[list[str], Path, str]:
        command = [str(tool("node_exporter", self._version)), f"--web.listen-address=127.0.0.1:{self.ports['node']}"]
        return command, self.folder, "/metrics"


@contextmanager
def lab(folder: Path, version: str | None = None) -> Iterator[Lab]:
    """A stack that runs until the end of the block."""
    made = Lab(folder, version)
    try:
        for part in ("api", "alertmanager", "node", "prometheus"):
            made.start(part)
        yield made
    finally:
        made.close()
        shutil.rmtree(folder / "tsdb", ignore_errors=True)


def answers(url: str) -> bool:
    """Whether a URL answers 200."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for `condition`; fail when it doesn't come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)
