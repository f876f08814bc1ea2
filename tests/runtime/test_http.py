"""What users of HTTP instrumentation trip over: each is one test."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from mlspec.runtime import CounterFamily, Http, Monitor, Open
from mlspec.runtime.routes import Routes
from mlspec.runtime.tallies import MOST_WAITING

from .support import call, errors, get, instrumented, lifespan, requests, scope, series, value


def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


def fastapi(*routers: APIRouter) -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        return item

    @app.post("/items")
    async def create(body: dict[str, int]) -> dict[str, int]:
        return body

    for router in routers:
        app.include_router(router, prefix="/api")
    return app


def test_the_route_is_the_template_never_the_path() -> None:
    app = fastapi()
    monitor = instrumented(app)
    get(app, "/items/1", "/items/2", "/items/3")
    assert requests(monitor) == {("GET", "/items/{item}", "200"): 3}


def test_included_routers_keep_their_prefixes_however_deep() -> None:
    inner, outer = APIRouter(prefix="/deep"), APIRouter(prefix="/v1")

    @inner.get("/things/{thing}")
    async def thing(thing: str) -> str:
        return thing

    outer.include_router(inner, prefix="/more")
    app = fastapi(outer)
    monitor = instrumented(app)
    get(app, "/api/v1/more/deep/things/a", "/api/v1/more/deep/things/b")
    assert requests(monitor) == {("GET", "/api/v1/more/deep/things/{thing}", "200"): 2}


def test_one_router_under_two_prefixes_is_two_routes() -> None:
    router = APIRouter()

    @router.get("/x")
    async def x() -> str:
        return "x"

    router.add_route("/plain", hello)
    app = FastAPI()
    app.include_router(router, prefix="/a")
    app.include_router(router, prefix="/b")
    monitor = instrumented(app)
    get(app, "/a/x", "/b/x", "/b/x", "/a/plain", "/b/plain", "/b/plain")
    assert requests(monitor) == {
        ("GET", "/a/x", "200"): 1,
        ("GET", "/b/x", "200"): 2,
        ("GET", "/a/plain", "200"): 1,
        ("GET", "/b/plain", "200"): 2,
    }


def test_plain_routes_on_fastapi_have_their_template() -> None:
    app = fastapi()
    app.add_route("/plain/{name}", hello)
    monitor = instrumented(app)
    get(app, "/plain/a", "/plain/b", "/docs")
    assert requests(monitor) == {("GET", "/plain/{name}", "200"): 2, ("GET", "/docs", "200"): 1}


@pytest.mark.parametrize("outer", [FastAPI, Starlette])
@pytest.mark.parametrize("inner", ["fastapi", "starlette"])
def test_mounted_applications_keep_the_mounts_prefix(outer: Any, inner: str) -> None:
    sub = fastapi() if inner == "fastapi" else Starlette(routes=[Route("/items/{item}", hello)])
    app = outer()
    app.mount("/sub/{tenant}", CORSMiddleware(sub))
    monitor = instrumented(app)
    get(app, "/sub/a/items/1", "/sub/b/items/2", "/sub/a/missing", "/sub/a/items/1/")
    assert requests(monitor) == {
        ("GET", "/sub/{tenant}/items/{item}", "200"): 2,
        ("GET", "none", "404"): 1,
        ("GET", "none", "307"): 1,
    }


def test_one_application_under_two_mounts_is_told_apart() -> None:
    sub = Starlette(routes=[Route("/x", hello)])
    app = Starlette(routes=[Mount("/a", sub), Mount("/b", sub)])
    monitor = instrumented(app)
    get(app, "/a/x", "/b/x", "/b/x")
    assert requests(monitor) == {("GET", "/a/x", "200"): 1, ("GET", "/b/x", "200"): 2}


def test_a_mounted_application_may_be_measured_by_itself() -> None:
    sub = fastapi()
    monitor = instrumented(sub)
    app = Starlette(routes=[Mount("/sub", sub)])
    get(app, "/sub/items/1", "/sub/nothing")
    assert requests(monitor) == {("GET", "/items/{item}", "200"): 1, ("GET", "none", "404"): 1}
    assert get(app, "/sub/metrics").status == 200


def test_in_a_mount_too_what_a_middleware_answers_belongs_to_the_route() -> None:
    async def refuse(request: Request, call_next: Any) -> Response:
        return PlainTextResponse("no", status_code=401)

    sub = fastapi()
    sub.add_middleware(BaseHTTPMiddleware, dispatch=refuse)
    monitor = instrumented(sub)
    get(Starlette(routes=[Mount("/sub", sub)]), "/sub/items/1")
    assert requests(monitor) == {("GET", "/items/{item}", "401"): 1}


def test_one_route_both_included_and_direct_is_two_templates() -> None:
    router = APIRouter()
    router.get("/x")(lambda: "x")
    app = FastAPI()
    app.include_router(router, prefix="/included")
    app.router.routes.extend(router.routes)
    monitor = instrumented(app)
    get(app, "/x", "/included/x", "/included/x")
    assert requests(monitor) == {("GET", "/x", "200"): 1, ("GET", "/included/x", "200"): 2}


def test_static_files_are_one_route(tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("a")
    for app in (FastAPI(), Starlette()):
        app.mount("/static", StaticFiles(directory=tmp_path))
        monitor = instrumented(app)
        get(app, "/static/a.txt", "/static/b.txt")
        assert requests(monitor) == {("GET", "/static/{path}", "200"): 1, ("GET", "/static/{path}", "404"): 1}


def test_hosts_are_looked_into() -> None:
    app = Starlette(routes=[Host("test", Starlette(routes=[Route("/x/{y}", hello)]))])
    monitor = instrumented(app)
    get(app, "/x/1")
    assert requests(monitor) == {("GET", "/x/{y}", "200"): 1}


def test_scanners_and_redirects_make_one_series_each() -> None:
    app = fastapi()
    monitor = instrumented(app)
    get(app, *(f"/wp-admin/{number}" for number in range(50)), "/items/1/")
    assert requests(monitor) == {("GET", "none", "404"): 50, ("GET", "none", "307"): 1}


def test_a_404_that_a_route_answers_is_the_routes() -> None:
    app = FastAPI()

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        raise HTTPException(404)

    monitor = instrumented(app)
    get(app, "/items/1")
    assert requests(monitor) == {("GET", "/items/{item}", "404"): 1}
    assert errors(monitor) == {("http_404", "GET", "/items/{item}"): 1}


def test_what_a_middleware_answers_still_belongs_to_the_route() -> None:
    async def refuse(request: Request, call_next: Any) -> Response:
        return PlainTextResponse("no", status_code=401)

    app = fastapi()
    app.add_middleware(BaseHTTPMiddleware, dispatch=refuse)
    monitor = instrumented(app)
    get(app, "/items/1")
    assert requests(monitor) == {("GET", "/items/{item}", "401"): 1}


def test_methods_that_no_one_knows_become_other() -> None:
    app = fastapi()
    monitor = instrumented(app)
    for method in ("BREW", "X" * 500, "get"):
        get(app, "/items/1", method=method)
    get(app, "/items/1", method="HEAD")
    get(app, "/items/1", method="DELETE")
    assert requests(monitor) == {("other", "/items/{item}", "405"): 4, ("HEAD", "/items/{item}", "405"): 1}


def test_head_and_options_are_measured() -> None:
    app = Starlette(
        routes=[Route("/x", hello)], middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"])]
    )
    monitor = instrumented(app)
    get(app, "/x", method="HEAD")
    get(app, "/x", method="OPTIONS", headers={"origin": "http://a", "access-control-request-method": "GET"})
    assert requests(monitor) == {("HEAD", "/x", "200"): 1, ("OPTIONS", "/x", "200"): 1}


def test_an_unhandled_exception_is_a_500_and_reaches_the_server() -> None:
    app = FastAPI()

    @app.get("/broken/{item}")
    async def broken(item: int) -> int:
        raise ZeroDivisionError(item)

    monitor = instrumented(app)
    answer = get(app, "/broken/1")
    assert answer.status == 500
    assert isinstance(answer.raised, ZeroDivisionError)
    assert requests(monitor) == {("GET", "/broken/{item}", "500"): 1}
    assert errors(monitor) == {("ZeroDivisionError", "GET", "/broken/{item}"): 1}


def test_a_stream_that_dies_midway_is_a_500_though_200_was_sent() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        raise OSError("disk gone")

    app = Starlette(routes=[Route("/stream", lambda request: StreamingResponse(chunks()))])
    monitor = instrumented(app)
    answer = get(app, "/stream")
    assert answer.status == 200
    assert answer.raised is not None
    assert requests(monitor) == {("GET", "/stream", "500"): 1}


def test_the_latency_ends_with_the_last_chunk_not_the_first_or_the_background_task() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0.12)
        yield b"two"

    app = FastAPI()

    @app.get("/slow")
    async def slow() -> Response:
        return StreamingResponse(chunks())

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> str:
        tasks.add_task(time.sleep, 0.2)
        return "now"

    monitor = instrumented(app)
    get(app, "/slow", "/later")
    assert value(monitor, "seconds_bucket", method="GET", route="/slow", le="0.1") == 0
    assert value(monitor, "seconds_bucket", method="GET", route="/slow", le="1.0") == 1
    assert value(monitor, "seconds_bucket", method="GET", route="/later", le="0.1") == 1


def test_a_request_counts_before_its_background_task_ends_and_once_if_that_fails() -> None:
    app = FastAPI()

    def fail() -> None:
        seen.append(requests(monitor))
        raise RuntimeError

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> str:
        tasks.add_task(fail)
        return "now"

    seen: list[Any] = []
    monitor = instrumented(app)
    assert isinstance(get(app, "/later").raised, RuntimeError)
    assert seen == [{("GET", "/later", "200"): 1}]
    assert requests(monitor) == {("GET", "/later", "200"): 1}
    assert errors(monitor) == {("RuntimeError", "GET", "/later"): 1}


def test_a_cancelled_request_is_a_499() -> None:
    app = FastAPI()

    @app.get("/wait")
    async def wait() -> None:
        await asyncio.sleep(60)

    monitor = instrumented(app)

    async def cancel() -> None:
        task = asyncio.ensure_future(call(app, "GET", "/wait"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert requests(monitor) == {("GET", "/wait", "499"): 1}
    assert errors(monitor) == {("http_499", "GET", "/wait"): 1}


def test_a_client_that_leaves_a_stream_is_a_499() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"more"
            await asyncio.sleep(0.01)

    app = Starlette(routes=[Route("/stream", lambda request: StreamingResponse(chunks()))])
    monitor = instrumented(app)

    async def leave() -> None:
        async def receive() -> dict[str, str]:
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pass

        await app(scope("GET", "/stream"), receive, send)

    asyncio.run(leave())
    assert requests(monitor) == {("GET", "/stream", "499"): 1}


def test_an_application_that_answers_nothing_is_a_500() -> None:
    async def mute(scope: Any, receive: Any, send: Any) -> None:
        pass

    app = Starlette(routes=[Mount("/mute", mute)])
    monitor = instrumented(app)
    get(app, "/mute/x")
    assert requests(monitor) == {("GET", "/mute/{path}", "500"): 1}


def test_websockets_pass_and_are_not_counted() -> None:
    async def socket(websocket: Any) -> None:
        await websocket.accept()
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/ws", socket)])
    monitor = instrumented(app)
    sent: list[str] = []

    async def talk() -> None:
        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await app({**scope("GET", "/ws"), "type": "websocket", "subprotocols": []}, receive, send)

    asyncio.run(talk())
    assert sent == ["websocket.accept", "websocket.close"]
    assert requests(monitor) == {}


def test_the_servers_receive_and_awaitables_are_handed_on_as_they_are() -> None:
    given: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        given.append(receive)
        given.append(send({"type": "http.response.start", "status": 200, "headers": []}))
        await given[-1]
        await send({"type": "http.response.body"})

    loop_made: list[Any] = []

    async def run() -> None:
        async def receive() -> dict[str, str]:
            return {}

        def send(message: Any) -> Any:
            loop_made.append(asyncio.sleep(0))
            return loop_made[-1]

        await monitor.wrap(inner)(scope("GET", "/x"), receive, send)
        assert given[0] is receive

    monitor = Monitor(project="test")
    asyncio.run(run())
    assert given[1] is loop_made[0]


def test_a_second_application_is_measured_too() -> None:
    first, second = fastapi(), fastapi()
    one, two = instrumented(first), instrumented(second)
    get(first, "/items/1")
    get(second, "/items/1", "/items/2")
    assert requests(one) == {("GET", "/items/{item}", "200"): 1}
    assert requests(two) == {("GET", "/items/{item}", "200"): 2}


def test_two_applications_may_share_a_monitor() -> None:
    first, second = fastapi(), Starlette(routes=[Route("/x", hello)])
    monitor = instrumented(first)
    http = next(middleware.kwargs["http"] for middleware in first.user_middleware)
    monitor.instrument(second, http=http)
    get(first, "/items/1")
    get(second, "/x")
    assert requests(monitor) == {("GET", "/items/{item}", "200"): 1, ("GET", "/x", "200"): 1}


def test_instrumenting_twice_counts_once() -> None:
    app = fastapi()
    monitor = instrumented(app)
    monitor.instrument(app, http=next(middleware.kwargs["http"] for middleware in app.user_middleware))
    get(app, "/items/1")
    assert requests(monitor) == {("GET", "/items/{item}", "200"): 1}


def test_an_application_that_has_started_can_still_be_instrumented() -> None:
    app = fastapi()
    get(app, "/items/1")
    monitor = instrumented(app)
    get(app, "/items/1")
    assert requests(monitor) == {("GET", "/items/{item}", "200"): 1}


def test_what_cant_be_instrumented_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    Monitor(project="test").instrument(object())
    assert "add_middleware" in caplog.text


def test_routes_added_later_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlspec.runtime.routes.REREAD_AFTER", 0.0)
    app = fastapi()
    monitor = instrumented(app)
    get(app, "/items/1")
    router = APIRouter(prefix="/late")
    router.get("/{item}")(lambda item: item)
    app.include_router(router)
    app.add_api_route("/very/late/{item}", lambda item: item)
    get(app, "/late/1", "/very/late/1")
    assert requests(monitor) == {
        ("GET", "/items/{item}", "200"): 1,
        ("GET", "/late/{item}", "200"): 1,
        ("GET", "/very/late/{item}", "200"): 1,
    }


def test_what_the_routes_are_likely_to_answer_exists_at_0_before_it_happens() -> None:
    app = fastapi()
    monitor = instrumented(app)

    async def nothing() -> None:
        born = series(monitor, "requests_total")
        assert born[("GET", "/items/{item}", "200")] == 0
        assert born[("GET", "/items/{item}", "500")] == 0
        assert born[("POST", "/items", "422")] == 0
        assert not any(method == "HEAD" for method, _, _ in born)  # which comes with each GET of a plain route
        assert series(monitor, "seconds_count")[("GET", "/items/{item}")] == 0
        assert series(monitor, "errors_total")[("http_500", "POST", "/items")] == 0

    asyncio.run(lifespan(app, nothing))


def test_births_leave_a_quarter_of_the_budget_to_what_really_comes() -> None:
    app = Starlette(routes=[Route(f"/r{number}", hello) for number in range(30)])
    monitor = instrumented(app, routes=8)
    get(app, "/r28", "/r29", "/r28", "/r27", "/r27")
    assert len({route for _, route, _ in series(monitor, "requests_total")} - {"other", "none"}) == 8
    assert requests(monitor) == {
        ("GET", "/r28", "200"): 2,
        ("GET", "/r29", "200"): 1,
        ("GET", "other", "200"): 2,
    }
    assert value(monitor, "mlspec_label_overflow_total", metric="requests_total", label="route") == 2


def test_requests_in_progress_come_back_to_0_even_after_an_exception() -> None:
    seen: list[float | None] = []

    async def look(request: Request) -> Response:
        seen.append(value(monitor, "in_progress", method="GET"))
        raise RuntimeError

    app = Starlette(routes=[Route("/x", look)])
    monitor = instrumented(app, progress=True)
    get(app, "/x")
    assert seen == [1.0]
    assert value(monitor, "in_progress", method="GET") == 0


def test_a_metric_with_a_label_that_no_role_gives_is_not_measured_and_counted_as_a_fault() -> None:
    monitor = Monitor(project="test")
    odd = CounterFamily(monitor, "odd_total", "Odd.", Open("route", 9), Open("tenant", 9))
    plain = monitor.counter("plain_total", "Plain.")
    app = fastapi()
    monitor.instrument(app, http=Http(requests=plain, errors=odd))
    get(app, "/items/x", "/items/1")
    assert value(monitor, "plain_total") == 2
    assert value(monitor, "mlspec_recording_errors_total", metric="odd_total") == 1


def test_counting_that_fails_never_reaches_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    app = fastapi()
    monitor = instrumented(app)
    monkeypatch.setattr("mlspec.runtime.routes.Routes.template", lambda *_: 1 / 0)
    assert get(app, "/items/1").status == 200
    assert value(monitor, "mlspec_recording_errors_total", metric="requests_total") == 1


def test_an_answer_that_ends_twice_counts_once() -> None:
    async def twice(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"end"})
        await send({"type": "http.response.body", "body": b"and again"})

    app = Starlette(routes=[Mount("/x", twice)])
    monitor = instrumented(app)
    get(app, "/x/1")
    assert requests(monitor) == {("GET", "/x/{path}", "200"): 1}


def test_without_any_scrape_memory_stays_bounded() -> None:
    app = fastapi()
    instrumented(app)
    get(app, *["/items/1"] * 1000)
    http = next(middleware.kwargs["http"] for middleware in app.user_middleware)
    waiting = [len(queue) for queue in http.tallies._queues.values()]
    assert 0 < max(waiting) <= MOST_WAITING


def test_what_was_kept_by_identity_goes_with_its_table() -> None:
    routes = Routes(fastapi())
    routes.read()
    kept = routes.table.kept
    kept["something"] = 1
    routes.read()
    assert kept == {}


def test_many_requests_at_a_time_are_all_counted() -> None:
    app = fastapi()
    monitor = instrumented(app)

    async def crowd() -> None:
        await asyncio.gather(*(call(app, "GET", f"/items/{number}") for number in range(1000)))

    asyncio.run(crowd())
    assert requests(monitor) == {("GET", "/items/{item}", "200"): 1000}
    assert value(monitor, "seconds_count", method="GET", route="/items/{item}") == 1000
