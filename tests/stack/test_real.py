"""The real Prometheus, Alertmanager and node exporter under the local engine, of both generations."""

import json
import os
import re
import signal
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlspec.stack import local, prepare, tools, web
from mlspec.stack.plan import Port, Program
from mlspec.stack.processes import members
from mlspec.stack.reload import reload
from mlspec.stack.report import StackError

from .conftest import QUICK, Heard, Stack, free_port, get, is_alive, server, until

pytestmark = pytest.mark.e2e

LIMITS = replace(QUICK, ready=60, grace=8)
PROMETHEUS = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]
rule_files: [rules/*.yml]
scrape_configs:
  - job_name: node
    file_sd_configs: [{{files: [targets/*.json]}}]
"""
RULES = """\
groups:
  - name: {name}
    rules:
      - {{record: demo:up:count, expr: count(up)}}
      - {{alert: Always, expr: vector(1)}}
"""
ALERTMANAGER = """\
route: {{receiver: hook, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, group_by: [alertname]}}
receivers:
  - name: hook
    slack_configs:
      - {{api_url_file: secrets/DEMO_SLACK, channel: "{channel}"}}
"""


def real(stack: Stack, name: str, tool: str, *argv: str, ready: str, config: tuple[str, ...] = ()) -> Program:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    return Program(
        name=name,
        tool=tool,
        argv=(*argv, f"--web.listen-address=127.0.0.1:{port}"),
        env={},
        cwd="{run}/alertmanager" if tool == "alertmanager" else "{run}",
        port=Port(port, "127.0.0.1", f"stack.{name}.port"),
        url=url,
        ready=url + ready,
        title=name.title(),
        required=True,
        reload=f"{url}/-/reload" if config else None,
        config=config,
    )


def trio(stack: Stack) -> tuple[Program, Program, Program]:
    prometheus = real(
        stack,
        "prometheus",
        "prometheus",
        "--config.file={run}/prometheus/prometheus.yml",
        "--storage.tsdb.path={run}/data/prometheus",
        "--web.enable-lifecycle",
        # An alert that fires before Alertmanager is discovered is otherwise sent again after a minute.
        "--rules.alert.resend-delay=1s",
        ready="/-/ready",
        config=("prometheus",),
    )
    alertmanager = real(
        stack,
        "alertmanager",
        "alertmanager",
        "--config.file={run}/alertmanager/alertmanager.yml",
        "--storage.path={run}/data/alertmanager",
        "--cluster.listen-address=",
        ready="/-/ready",
        config=("alertmanager",),
    )
    return real(stack, "node-exporter", "node_exporter", ready="/metrics"), alertmanager, prometheus


def render(stack: Stack, node: Program, alertmanager: Program, *, group: str = "first", channel: str = "#one") -> None:
    write(stack, "prometheus/prometheus.yml", PROMETHEUS.format(alertmanager=alertmanager.port.number))
    write(stack, "prometheus/rules/demo.yml", RULES.format(name=group))
    write(stack, "prometheus/targets/node.json", json.dumps([{"targets": [f"127.0.0.1:{node.port.number}"]}]))
    write(stack, "prometheus/targets/docker/node.json", json.dumps([{"targets": ["node-exporter:9100"]}]))
    write(stack, "alertmanager/alertmanager.yml", ALERTMANAGER.format(channel=channel))


def write(stack: Stack, relative: str, text: str) -> None:
    path = stack.rendered / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def groups(prometheus: Program) -> list[str]:
    answer = json.loads(get(f"{prometheus.url}/api/v1/rules"))
    return [group["name"] for group in answer["data"]["groups"]]


def value(prometheus: Program, query: str) -> list[str]:
    answer = json.loads(get(f"{prometheus.url}/api/v1/query?query={query}"))
    return [result["value"][1] for result in answer["data"]["result"]]


@pytest.fixture(params=["system", "3"])
def generation(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with the tools of this system, and with Prometheus 3 and Alertmanager 0.3x on PATH."""
    version = None if request.param == "system" else str(request.param)
    for name in ("prometheus", "promtool", "alertmanager", "amtool", "node_exporter"):
        path = tools.locate(name, version=version)
        if isinstance(path, tools.Missing):
            pytest.skip(f"{path.name} can't be had here: {path.why}")
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(path)
    if version:
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return str(request.param)


def test_whole_stack_scrapes_evaluates_notifies_and_ends(
    stack: Stack, generation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[dict[str, Any]] = []

    class Slack(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    slack = HTTPServer(("127.0.0.1", 0), Slack)
    threading.Thread(target=slack.serve_forever, daemon=True).start()
    monkeypatch.setenv("DEMO_SLACK", f"http://127.0.0.1:{slack.server_port}/hook")
    node, alertmanager, prometheus = trio(stack)
    render(stack, node, alertmanager)
    code, heard = stack.up(node, alertmanager, prometheus, secrets=("DEMO_SLACK",), limits=LIMITS)
    assert (code, heard.errors, heard.warnings) == (0, [], [])
    secret = stack.run.secrets / "DEMO_SLACK"
    assert secret.stat().st_mode & 0o777 == 0o600
    until(lambda: value(prometheus, "demo:up:count") == ["1"])
    until(lambda: value(prometheus, "up") == ["1"], 30)
    # Both the secret's file and the default templates were found: the text is made by them.
    until(lambda: any("Always" in json.dumps(message) for message in received), 30)
    assert received[0]["channel"] == "#one"
    for process in members(stack.run.id):
        if "alertmanager" in process.name() or process.name() == "prometheus":
            assert "DEMO_SLACK" not in process.environ()
    assert stack.down()[0] == 0
    assert not secret.exists()
    slack.shutdown()
    slack.server_close()


def test_edit_is_reloaded_without_a_restart(stack: Stack, generation: str) -> None:
    node, alertmanager, prometheus = trio(stack)
    render(stack, node, alertmanager)
    assert stack.up(node, alertmanager, prometheus, secrets=("DEMO_SLACK",), limits=LIMITS)[0] == 0
    before = {program.name: program.process for program in stack.known().programs}
    render(stack, node, alertmanager, group="second", channel="#two")
    write(stack, "prometheus/rules/more.yml", RULES.format(name="more"))
    code, heard = stack.up(node, alertmanager, prometheus, secrets=("DEMO_SLACK",), limits=LIMITS)
    assert (code, heard.errors) == (0, [])
    assert heard.lines[:2] == ["alertmanager: reloaded", "prometheus: reloaded"]
    assert groups(prometheus) == ["second", "more"]
    assert "#two" in get(f"{alertmanager.url}/api/v2/status")
    assert {program.name: program.process for program in stack.known().programs} == before
    (stack.rendered / "prometheus/rules/more.yml").unlink()
    assert stack.up(node, alertmanager, prometheus, limits=LIMITS)[1].lines[0] == "prometheus: reloaded"
    assert groups(prometheus) == ["second"]
    assert not (stack.run.path / "prometheus/targets/docker").exists()


def test_broken_edit_is_refused_by_the_check_and_changes_nothing(stack: Stack, generation: str) -> None:
    node, alertmanager, prometheus = trio(stack)
    render(stack, node, alertmanager)
    assert stack.up(node, alertmanager, prometheus, limits=LIMITS)[0] == 0
    write(stack, "prometheus/rules/demo.yml", RULES.format(name="broken").replace("count(up)", "count(up"))
    code, heard = stack.up(node, alertmanager, prometheus, limits=LIMITS)
    assert code == 2
    assert "promtool says" in heard.errors[0]
    assert "could not parse expression" in heard.errors[0]
    assert groups(prometheus) == ["first"]
    render(stack, node, alertmanager, group="second")
    write(stack, "alertmanager/alertmanager.yml", "route: {receiver: nobody}\n")
    code, heard = stack.up(node, alertmanager, prometheus, limits=LIMITS)
    assert code == 2
    assert "amtool says" in heard.errors[0]
    assert groups(prometheus) == ["first"]


@pytest.mark.parametrize("broken", ["prometheus", "alertmanager"])
def test_refused_reload_is_rolled_back(stack: Stack, generation: str, broken: str) -> None:
    """Without the check before it, as when there is no promtool or it is of another version."""
    node, alertmanager, prometheus = trio(stack)
    render(stack, node, alertmanager)
    assert stack.up(node, alertmanager, prometheus, limits=LIMITS)[0] == 0
    program = {"prometheus": prometheus, "alertmanager": alertmanager}[broken]
    write(stack, f"{broken}/{broken}.yml", "nonsense: true\n")
    launch = prepare.with_tools(stack.plan(node, alertmanager, prometheus), LIMITS, Heard())
    with pytest.raises(StackError) as refused:
        reload(launch, program, stack.run)
    assert "nonsense not found" in str(refused.value)
    assert str(refused.value).endswith("The previous configuration was put back and is active.")
    assert "nonsense" not in (stack.run.path / broken / f"{broken}.yml").read_text()
    exposition = web.ask("GET", f"{program.url}/metrics", 5)[1]
    assert web.sample(exposition, f"{broken}_config_last_reload_successful") == 1
    assert groups(prometheus) == ["first"]
    render(stack, node, alertmanager, group="second", channel="#two")
    assert stack.up(node, alertmanager, prometheus, limits=LIMITS)[0] == 0
    assert groups(prometheus) == ["second"]


def test_broken_configuration_starts_nothing(stack: Stack) -> None:
    node, alertmanager, prometheus = trio(stack)
    render(stack, node, alertmanager)
    write(stack, "prometheus/prometheus.yml", "nonsense: true\n")
    code, heard = stack.up(node, alertmanager, prometheus, limits=LIMITS)
    assert code == 2
    assert "field nonsense not found" in heard.errors[0]
    assert stack.gone()


def test_configuration_that_was_not_rendered_is_named(stack: Stack) -> None:
    node, alertmanager, prometheus = trio(stack)
    code, heard = stack.up(node, alertmanager, prometheus, limits=LIMITS)
    assert code == 2
    assert "alertmanager.yml is missing; run `mlspec render` first" in heard.errors[0]


def test_missing_secret_is_named_and_the_rest_starts(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEMO_SLACK", raising=False)
    node, alertmanager, prometheus = trio(stack)
    render(stack, node, alertmanager)
    code, heard = stack.up(node, alertmanager, prometheus, secrets=("DEMO_SLACK",), limits=LIMITS)
    assert code == 0
    assert heard.warnings[0].startswith("DEMO_SLACK is not set")
    assert not (stack.run.secrets / "DEMO_SLACK").exists()


def test_kill_9_of_the_supervisor_ends_real_programs_and_frees_their_ports(stack: Stack) -> None:
    node, alertmanager, prometheus = trio(stack)
    render(stack, node, alertmanager)
    api = server("api", stack.root, "worker", "daemon")
    assert stack.up(node, alertmanager, prometheus, api, limits=LIMITS)[0] == 0
    grandchildren = [int(pid) for pid in get(f"{api.url}pids").split()]
    os.kill(stack.known().supervisor.pid, signal.SIGKILL)
    until(stack.gone, 20)
    assert not any(is_alive(pid) for pid in grandchildren)
    for program in (node, alertmanager, prometheus, api):
        with socket.create_server(("127.0.0.1", program.port.number)):
            pass
    code, heard = stack.up(node, alertmanager, prometheus, api, limits=LIMITS)
    assert (code, heard.errors) == (0, [])


def test_pages_of_an_unpacked_prometheus_are_served(stack: Stack) -> None:
    node, alertmanager, prometheus = trio(stack)
    render(stack, node, alertmanager)
    assert stack.up(node, alertmanager, prometheus, limits=LIMITS)[0] == 0
    if "mlspec" in str(tools.locate("prometheus")):
        status, page = web.ask("GET", f"{prometheus.url}/classic/graph", 5)
        assert status == 200
        parts = re.findall(r'(?:src|href)="(/classic/static/[^"]+)"', page)
        assert any("jquery" in part for part in parts)
        assert [part for part in parts if web.ask("GET", prometheus.url + part, 5)[0] != 200] == []
    assert web.ask("GET", f"{alertmanager.url}/", 5)[0] == 200
    assert [found.phase for found in local.status(stack.root, "demo", "dev")] == ["ready"] * 3


def test_staging_leaves_nothing_behind(stack: Stack) -> None:
    node, alertmanager, prometheus = trio(stack)
    render(stack, node, alertmanager)
    stack.up(node, alertmanager, prometheus, limits=LIMITS)
    render(stack, node, alertmanager, group="second")
    stack.up(node, alertmanager, prometheus, limits=LIMITS)
    assert {path.name for path in stack.run.path.iterdir()}.isdisjoint({"staged", "previous", "request.json"})
    assert not list(Path(stack.run.path).rglob(".*.yml.*"))
