"""Asking what is down, slow, or somebody else's: an answer in bounded time, and never an exception."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlspec.live import ask
from mlspec.live.evidence import Answer, Silence
from mlspec.live.exposition import parse
from mlspec.live.prometheus import Prometheus, read_alertmanager, read_answer
from mlspec.live.questions import questions
from mlspec.live.web import Web
from tests.live.lab import free_ports
from tests.live.support import METRICS, SPEC, project

Reply = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(reply: Reply, port: int = 0) -> Iterator[str]:
    """A server on loopback that gives every request the same treatment."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            with suppress(BrokenPipeError, ConnectionResetError):
                reply(self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}"
        finally:
            http.shutdown()


def body(text: str, status: int = 200) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return reply


def dribble(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.1)


def why(answer: object) -> str:
    assert isinstance(answer, Silence), answer
    return answer.why


def test_a_body_is_read() -> None:
    with server(body("hello")) as url, Web() as web:
        assert web.ok_text(url) == "hello"


def test_nothing_listens() -> None:
    with Web() as web:
        assert why(web.text(f"http://127.0.0.1:{free_ports(1)[0]}/")) == "nothing listens there"


def test_an_error_is_no_answer() -> None:
    with server(body("starting up", 503)) as url, Web() as web:
        assert why(web.ok_text(url)) == "it answers 503: starting up"


def test_a_server_that_says_nothing_is_left_after_the_time_out() -> None:
    with server(lambda _: time.sleep(3)) as url, Web(patience=0.3) as web:
        start = time.monotonic()
        assert why(web.text(url)) == "no answer within 0.3 s"
        assert time.monotonic() - start < 1.5


def test_a_server_that_dribbles_is_left_after_the_time_out() -> None:
    with server(dribble) as url, Web(patience=0.5) as web:
        start = time.monotonic()
        assert "not complete after 0.5 s" in why(web.text(url))
        assert time.monotonic() - start < 2


def test_an_endless_answer_is_cut() -> None:
    with server(body("x" * 200_000)) as url, Web(largest=100_000) as web:
        assert "larger than" in why(web.text(url))


def test_a_spent_budget_asks_no_more() -> None:
    with server(body("hello")) as url, Web(budget=0) as web:
        assert "no time was left" in why(web.text(url))


def test_a_prometheus_that_fell_silent_is_asked_no_further() -> None:
    asked = []

    def reply(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        time.sleep(1)

    with server(reply) as url, Web(patience=0.2) as web:
        prometheus = Prometheus(web, url)
        assert why(prometheus.targets()) == "no answer within 0.2 s"
        assert why(prometheus.rules()) == "no answer within 0.2 s"
        assert why(prometheus.answers(["up", "down"])) == "no answer within 0.2 s"
    assert len(asked) == 1


@pytest.mark.parametrize(
    "text",
    ["<html>", "", "[]", "null", '{"status": "success"}', '{"status": "success", "data": []}', "[" * 100_000],
)
def test_somebody_else_in_prometheus_place(text: str) -> None:
    with server(body(text)) as url, Web() as web:
        prometheus = Prometheus(web, url)
        told = [prometheus.targets(), prometheus.rules(), prometheus.managers(), prometheus.answers(["up"])]
        assert all(isinstance(one, Silence) for one in told)
        assert isinstance(read_alertmanager(web.json(url), url), Silence)


def test_an_error_in_a_query_is_an_answer() -> None:
    assert read_answer({"status": "error", "error": "parse error"}, "") == Answer(error="parse error")


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({"resultType": "scalar", "result": [1, "2.5"]}, (2.5,)),
        (
            {"resultType": "vector", "result": [{"metric": {}, "value": [1, "0"]}, {"metric": {}, "value": [1, "3"]}]},
            (0, 3),
        ),
        ({"resultType": "vector", "result": []}, ()),
    ],
)
def test_values_of_a_query(data: object, values: tuple[float, ...]) -> None:
    answer = read_answer({"status": "success", "data": data}, "")
    assert isinstance(answer, Answer)
    assert answer.values == values


@pytest.mark.parametrize("config", ["", "- a", "a: [", "a: &a [*a]\nb: !!python/object:os.system x"])
def test_an_alertmanager_without_a_configuration(config: str) -> None:
    assert isinstance(read_alertmanager({"config": {"original": config}}, "url"), Silence)


@pytest.mark.parametrize("text", ["", "<html>\n", "x one\n", '{"json": 1}', "a" * 100_000])
def test_what_is_no_exposition(text: str) -> None:
    assert isinstance(parse(text), Silence)


def test_exposition_by_declared_names() -> None:
    found = parse(METRICS + "# TYPE bare counter\nbare 1\n# TYPE odd_total counter\n")
    assert not isinstance(found, Silence)
    assert {"shop_orders_total", "shop_refusals_total", "bare", "odd_total"} <= set(found)
    assert "shop_orders_created" not in found
    assert found["shop_refusals_total"].samples == ()
    assert found["shop_price_seconds"].type == "histogram"
    (one,) = found["shop_price_seconds"].series()
    assert list(found["shop_price_seconds"].buckets(one[1])) == [0.1, 0.5, 1.0, float("inf")]


def test_panels_are_asked_as_grafana_would() -> None:
    asked = {question.subject: question for question in questions(project().environments[0])}
    assert "$" not in "".join(question.expr for question in asked.values())
    assert 'job=~"api",instance=~".+"' in asked["main: stat orders"].expr
    assert asked["main: timeseries pricing p50"].expr != asked["main: timeseries pricing p90"].expr
    assert asked["drop"].history
    assert not asked["orders"].history
    assert set(project().environments[0].spec.signals) <= set(asked)


def test_nothing_runs() -> None:
    whole = project(SPEC.replace("port: 8000", f"port: {free_ports(1)[0]}") + _stack(free_ports(2)))
    start = time.monotonic()
    report = ask(whole, whole.environments[0], require_data=False)
    assert time.monotonic() - start < 5
    assert report.unreachable
    assert report.failed
    assert "nothing listens there" in report.as_text()
    assert json.dumps(report.as_data())


@pytest.mark.parametrize("text", ["<html>", '{"status": "success", "data": {}}', METRICS])
def test_somebody_else_everywhere(text: str) -> None:
    ports = free_ports(3)
    whole = project(SPEC.replace("port: 8000", f"port: {ports[0]}") + _stack(ports[1:]))
    with server(body(text), ports[0]), server(body(text), ports[1]), server(body(text), ports[2]):
        report = ask(whole, whole.environments[0], require_data=False)
    codes = {result.code for result in report.results if result.status == "failed"}
    assert {"prometheus-unreachable", "alertmanager-unreachable"} <= codes
    assert report.unreachable == (text != METRICS)
    assert report.as_text()


def _stack(ports: list[int]) -> str:
    return f"stack: {{prometheus: {{port: {ports[0]}}}, alertmanager: {{port: {ports[1]}}}}}\n"
