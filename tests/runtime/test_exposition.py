"""/metrics, runtime.json, and what importing the runtime costs."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client import exposition
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from mlspec.runtime import Monitor, settings
from mlspec.runtime.traffic import Mix, Request

from .support import call, get, http_of, instrumented, requests, samples


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/x")
    async def x() -> str:
        return "x"

    return app


def test_metrics_are_served_and_not_measured(app: FastAPI) -> None:
    monitor = instrumented(app)
    answer = get(app, "/x", "/metrics", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (
        samples(answer.body)["requests_total", frozenset({("method", "GET"), ("route", "/x"), ("status", "200")})] == 1
    )
    assert requests(monitor) == {("GET", "/x", "200"): 1}


def test_only_the_endpoint_itself_is_taken(app: FastAPI) -> None:
    monitor = instrumented(app)
    get(app, "/other/metrics", "/metricsx")
    assert requests(monitor) == {("GET", "none", "404"): 2}


def test_it_is_found_behind_a_root_path(app: FastAPI) -> None:
    instrumented(app)
    assert get(app, "/api/metrics", root_path="/api").body.startswith(b"#")
    assert get(app, "/metrics", root_path="/api").body.startswith(b"#")


def test_openmetrics_is_served_to_who_asks_for_it(app: FastAPI) -> None:
    instrumented(app)
    accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2"
    answer = get(app, "/x", "/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith(b"# EOF\n")
    assert {family.name for family in openmetrics(answer.body.decode())} >= {"requests", "seconds", "mlspec_build_info"}


@pytest.mark.skipif(not hasattr(exposition, "CONTENT_TYPE_PLAIN_1_0_0"), reason="prometheus_client before 0.22")
def test_text_1_0_0_with_escaping_is_served_to_prometheus_3(app: FastAPI) -> None:
    instrumented(app)
    answer = get(app, "/metrics", headers={"accept": "text/plain;version=1.0.0;escaping=allow-utf-8"})
    assert "version=1.0.0" in answer.headers["content-type"]


def test_it_is_zipped_only_where_that_is_accepted(app: FastAPI) -> None:
    instrumented(app)
    zipped = get(app, "/metrics", headers={"accept-encoding": "br, gzip;q=0.5"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body).startswith(b"# HELP")
    assert int(zipped.headers["content-length"]) == len(zipped.body)
    for refused in ("identity", "gzip;q=0, br", ""):
        assert "content-encoding" not in get(app, "/metrics", headers={"accept-encoding": refused}).headers


def test_head_has_the_headers_and_other_methods_are_refused(app: FastAPI) -> None:
    instrumented(app)
    head = get(app, "/metrics", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 100
    refused = get(app, "/metrics", method="POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_a_slow_scrape_does_not_stall_the_loop(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = instrumented(app)
    monitor._served.before.append(lambda: time.sleep(0.3))

    async def both() -> float:
        began = time.monotonic()
        scrape = asyncio.ensure_future(call(app, "GET", "/metrics"))
        await asyncio.sleep(0.02)
        await call(app, "GET", "/x")
        waited = time.monotonic() - began
        assert (await scrape).status == 200
        return waited

    assert asyncio.run(both()) < 0.2


def test_threads_take_shorter_turns_during_a_scrape_and_only_then(app: FastAPI) -> None:
    monitor, before, seen = instrumented(app), sys.getswitchinterval(), []
    monitor._served.before.append(lambda: seen.append(sys.getswitchinterval()))
    get(app, "/metrics")
    assert seen[0] < before
    assert sys.getswitchinterval() == before


def test_a_scrape_that_fails_is_a_500_and_the_next_one_works(app: FastAPI) -> None:
    monitor = instrumented(app)
    monitor._served.before.append(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    assert get(app, "/metrics").status == 500
    monitor._served.before.pop()
    assert get(app, "/metrics").status == 200


def test_process_platform_and_build_are_shown_once_each(app: FastAPI) -> None:
    monitor = instrumented(app)
    found = samples(monitor.render())
    build = [dict(labels) for (name, labels), number in found.items() if name == "mlspec_build_info" and number == 1]
    assert [(labels["project"], labels["env"]) for labels in build] == [("test", "unknown")]
    names = [name for name, _ in found]
    assert names.count("process_resident_memory_bytes") == names.count("python_info") == 1


def test_two_monitors_may_have_the_same_metrics() -> None:
    for _ in range(2):
        Monitor(project="test").counter("one_total", "One.").inc()


def runtime_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> settings.Settings:
    file = tmp_path / "runtime.json"
    file.write_text(text)
    monkeypatch.setenv("MLSPEC_RUNTIME", str(file))
    return settings.load("wine")


def test_the_environment_is_read_from_runtime_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"format": 1, "project": "wine", "env": "prod", "probes": {"loaded": {"every": 9}}})
    read = runtime_json(tmp_path, monkeypatch, text)
    assert read.env == "prod"
    assert read.probes["loaded"] == settings.Timing(every=9.0, timeout=None)
    assert b'env="prod"' in Monitor(project="wine").render()


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "[]",
        "{",
        '{"format": 2, "project": "wine"}',
        '{"format": 1, "project": "churn"}',
        '{"format": 1, "project": "wine", "probes": []}',
        '{"format": 1, "project": "wine", "probes": {"loaded": {"every": -1}}}',
        '{"format": 1, "project": "wine", "probes": {"loaded": 5}}',
        '{"format": 1, "project": "wine", "probes": {"loaded": {"every": "5s"}}}',
    ],
)
def test_a_broken_runtime_json_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    assert runtime_json(tmp_path, monkeypatch, broken) == settings.Settings()
    assert len(caplog.records) == 1


def test_an_absent_runtime_json_is_one_warning_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLSPEC_RUNTIME", "/nowhere/runtime.json")
    assert settings.load("wine") == settings.Settings()
    assert len(caplog.records) == 1
    monkeypatch.delenv("MLSPEC_RUNTIME")
    assert settings.load("wine") == settings.Settings()
    assert len(caplog.records) == 1


def test_importing_the_runtime_imports_nothing_heavy() -> None:
    heavy = ["yaml", "jinja2", "click", "evidently", "mlflow", "pydantic", "fastapi", "starlette", "psutil", "numpy"]
    code = f"import mlspec.runtime, mlspec.runtime.host, sys; print([m for m in {heavy} if m in sys.modules])"
    env = {key: text for key, text in os.environ.items() if key != "PROMETHEUS_MULTIPROC_DIR"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[]"


def test_traffic_is_plain_data() -> None:
    assert Request("GET", "/x") == Request("GET", "/x", None, {})
    assert Mix().errors == 0
    with pytest.raises(AttributeError):
        Mix().errors = 1  # type: ignore[misc]


def test_wrapped_applications_of_any_kind_are_measured() -> None:
    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    monitor = Monitor(project="test")
    app = monitor.wrap(plain, http=http_of(monitor))
    assert get(app, "/whatever/1", "/whatever/2").status == 204
    assert get(app, "/metrics").status == 200
    assert requests(monitor) == {("GET", "none", "204"): 2}
