"""Start, crash, restart and end of a stack: nothing is left, however it ends."""

import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlspec.stack import local
from mlspec.stack.processes import members
from mlspec.stack.rundir import RunDir

from .conftest import QUICK, Stack, free_port, get, is_alive, server, until

pytestmark = pytest.mark.slow  # real processes, and their time-outs


def pids(url: str) -> list[int]:
    return [int(pid) for pid in get(url + "pids").split()]


def test_detached_stack_is_ready_when_the_command_returns_and_gone_after_down(stack: Stack) -> None:
    api, web = server("api", stack.root), server("web", stack.root, env={"GREETING": "from {run}"})
    code, heard = stack.up(api, web)
    assert (code, heard.errors) == (0, [])
    assert heard.lines == [f"API  {api.url}", f"WEB  {web.url}"]
    assert get(web.url) == f"from {stack.run.path}"
    found = local.status(stack.root, "demo", "dev")
    assert [(program.name, program.phase, program.restarts) for program in found] == [
        ("api", "ready", 0),
        ("web", "ready", 0),
    ]
    supervisor = stack.known().supervisor
    code, heard = stack.down()
    assert (code, heard.lines) == (0, ["demo (dev) is down"])
    assert not supervisor.alive()
    assert stack.gone()
    with socket.create_server(("127.0.0.1", api.port.number)):
        pass


def test_down_of_what_is_not_running_says_so_and_succeeds(stack: Stack) -> None:
    assert stack.down()[0] == 0
    stack.up(server("api", stack.root))
    stack.down()
    code, heard = stack.down()
    assert (code, heard.lines) == (0, ["demo (dev) is not running"])


@pytest.mark.parametrize("options", [(), ("worker", "daemon"), ("stubborn", "worker")])
def test_kill_9_of_the_supervisor_leaves_no_process(stack: Stack, options: tuple[str, ...]) -> None:
    api = server("api", stack.root, *options)
    assert stack.up(api)[0] == 0
    started = pids(api.url)
    os.kill(stack.known().supervisor.pid, signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in started))
    until(stack.gone)
    code, heard = stack.down()
    assert (code, heard.errors) == (0, [])
    assert not stack.run.state.exists()


def test_kill_9_of_supervisor_and_guard_leaves_no_process_after_down(stack: Stack) -> None:
    api = server("api", stack.root, "worker", "daemon")
    assert stack.up(api)[0] == 0
    started = pids(api.url)
    guard = stack.program("api").guard
    assert guard is not None
    os.kill(stack.known().supervisor.pid, signal.SIGKILL)
    os.kill(guard.pid, signal.SIGKILL)
    assert stack.down()[0] == 0
    assert not any(is_alive(pid) for pid in started)


def test_grandchildren_end_with_a_crashed_program(stack: Stack) -> None:
    api = server("api", stack.root, "worker", "daemon")
    assert stack.up(api)[0] == 0
    started = pids(api.url)
    os.kill(started[0], signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in started))
    until(lambda: stack.program("api").restarts == 1 and stack.program("api").phase == "ready")
    assert set(pids(api.url)).isdisjoint(started)
    assert local.status(stack.root, "demo", "dev")[0].last_exit == "signal 9"


def test_killed_guard_is_replaced_with_its_program(stack: Stack) -> None:
    api = server("api", stack.root, "worker")
    assert stack.up(api)[0] == 0
    started = pids(api.url)
    guard = stack.program("api").guard
    assert guard is not None
    os.kill(guard.pid, signal.SIGKILL)
    until(lambda: stack.program("api").restarts == 1 and stack.program("api").phase == "ready")
    assert not any(is_alive(pid) for pid in started)


def test_crashes_are_restarted_with_growing_pauses(stack: Stack) -> None:
    api = server("api", stack.root)
    assert stack.up(api)[0] == 0
    for crash in (1, 2, 3):
        subprocess.run(["curl", "-s", f"{api.url}crash"], check=False)
        until(lambda crash=crash: stack.program("api").restarts == crash and stack.program("api").phase == "ready")
    log = stack.run.supervisor_log.read_text()
    assert [line.rsplit("in ", 1)[1] for line in log.splitlines() if "next start" in line] == [
        "0.2 s",
        "0.4 s",
        "0.8 s",
    ]
    assert "api: ended with code 3" in log
    assert local.status(stack.root, "demo", "dev")[0].restarts == 3


def test_crash_before_readiness_stops_everything_and_shows_the_log(stack: Stack) -> None:
    web, api = server("web", stack.root), server("api", stack.root, "broken")
    code, heard = stack.up(web, api)
    assert code == 2
    assert "api ended before it was ready" in heard.errors[0]
    assert "ImportError: no module named wine" in heard.errors[0]
    assert stack.gone()
    assert local.status(stack.root, "demo", "dev") == []


def test_program_that_is_never_ready_is_reported_by_name(stack: Stack) -> None:
    api = server("api", stack.root)
    deaf = replace(api, ready=f"{api.url}status/503")
    code, heard = stack.up(deaf, limits=replace(QUICK, ready=1.5))
    assert code == 2
    assert "api was not ready after 1.5 s" in heard.errors[0]
    assert "waiting for api" in heard.waits


def test_optional_program_that_crashes_does_not_stop_the_rest(stack: Stack) -> None:
    code, _ = stack.up(server("api", stack.root), server("extra", stack.root, "broken", required=False))
    assert code == 0
    assert local.status(stack.root, "demo", "dev")[0].phase == "ready"


def test_folder_that_does_not_exist_is_an_error_and_no_traceback(stack: Stack) -> None:
    code, heard = stack.up(server("api", stack.root, cwd="/nonexistent"))
    assert code == 2
    assert "api: can't be started in /nonexistent" in heard.errors[0]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_foreground_stops_cleanly_on_a_signal(stack: Stack, signum: signal.Signals) -> None:
    api = server("api", stack.root, "worker")
    process = stack.foreground(api)
    until(lambda: stack.run.state.exists() and stack.known().phase == "ready")
    process.send_signal(signum)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"API  {api.url}" in output
    assert output.endswith("stopped\n")
    assert "\r" not in output
    assert stack.gone()


def test_second_signal_does_not_wait_for_a_stubborn_program(stack: Stack) -> None:
    process = stack.foreground(server("api", stack.root, "stubborn"), limits=replace(QUICK, grace=30))
    until(lambda: stack.run.state.exists() and stack.known().phase == "ready")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert time.monotonic() - began < 8
    assert stack.gone()


def test_down_ends_a_foreground_stack_from_outside(stack: Stack) -> None:
    process = stack.foreground(server("api", stack.root))
    until(lambda: stack.run.state.exists() and stack.known().phase == "ready")
    assert stack.down()[0] == 0
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_down_ends_a_stack_that_is_still_starting(stack: Stack) -> None:
    api = server("api", stack.root)
    process = stack.foreground(replace(api, ready=f"{api.url}status/503"))
    until(lambda: stack.run.state.exists() and bool(stack.known().programs))
    assert stack.down()[0] == 0
    process.communicate(timeout=10)
    assert stack.gone()


def test_up_after_kill_9_cleans_up_and_starts(stack: Stack) -> None:
    api = server("api", stack.root, "stubborn")
    assert stack.up(api)[0] == 0
    first = pids(api.url)
    os.kill(stack.known().supervisor.pid, signal.SIGKILL)
    code, heard = stack.up(api)
    assert (code, heard.errors) == (0, [])
    assert set(pids(api.url)).isdisjoint(first)


def test_busy_ports_are_all_named_with_holder_and_key_and_nothing_starts(stack: Stack) -> None:
    api, web, free = (server(name, stack.root) for name in ("api", "web", "free"))
    with socket.create_server(("127.0.0.1", api.port.number)), socket.create_server(("0.0.0.0", web.port.number)):
        code, heard = stack.up(api, web, free)
    assert code == 2
    first, second, last = heard.errors[0].splitlines()
    assert first.startswith(f"port {api.port.number} is held by py")
    assert first.endswith(f"(pid {os.getpid()}); change stack.api.port in the spec, or stop it")
    assert "stack.web.port" in second
    assert last == "nothing was started"
    assert not stack.run.state.exists()


def test_port_held_by_another_stack_names_the_stack(stack: Stack, tmp_path: Path) -> None:
    api = server("api", stack.root)
    assert stack.up(api)[0] == 0
    (tmp_path / "other").mkdir()
    other = Stack(tmp_path / "other")
    code, heard = other.up(server("web", other.root, port=api.port))
    assert code == 2
    assert f"the api of the mlspec stack {stack.run.id}" in heard.errors[0]


def test_one_port_wanted_twice_is_named_with_both_keys(stack: Stack) -> None:
    api = server("api", stack.root)
    code, heard = stack.up(api, server("web", stack.root, port=replace(api.port, key="stack.web.port")))
    assert code == 2
    assert f"port {api.port.number} is wanted by both stack.api.port and stack.web.port" in heard.errors[0]


def test_two_ups_at_once_make_one_stack(stack: Stack) -> None:
    api = server("api", stack.root)
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(stack.up(api)[0])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0, 0]
    supervisors = [process for process in members(stack.run.id) if "mlspec.stack.supervisor" in process.cmdline()]
    assert len(supervisors) == 1


def test_second_up_restarts_what_changed_and_nothing_else(stack: Stack) -> None:
    api, web = server("api", stack.root), server("web", stack.root)
    assert stack.up(api, web)[0] == 0
    before = pids(api.url), pids(web.url)
    code, heard = stack.up(api, web)
    assert (code, heard.lines[0]) == (0, "nothing changed")
    code, heard = stack.up(replace(api, fingerprint="edited"), web)
    assert (code, heard.lines[0]) == (0, "api: restarted")
    assert pids(api.url) != before[0]
    assert pids(web.url) == before[1]


def test_second_up_adds_and_removes_programs(stack: Stack) -> None:
    api, web, more = (server(name, stack.root) for name in ("api", "web", "more"))
    assert stack.up(api, web)[0] == 0
    code, heard = stack.up(api, more)
    assert code == 0
    assert heard.lines[:2] == ["web: stopped, it is no longer part of the stack", "more: started"]
    assert get(more.url) == "hello"
    assert [program.name for program in local.status(stack.root, "demo", "dev")] == ["api", "more"]


def test_restart_that_fails_is_told_and_the_next_up_repairs_it(stack: Stack) -> None:
    api = server("api", stack.root)
    assert stack.up(api)[0] == 0
    code, heard = stack.up(replace(api, argv=(*api.argv, "broken")))
    assert code == 2
    assert "ImportError: no module named wine" in heard.errors[0]
    code, heard = stack.up(api)
    assert (code, heard.lines[0]) == (0, "api: restarted")


def test_new_port_that_is_busy_changes_nothing(stack: Stack) -> None:
    api = server("api", stack.root)
    assert stack.up(api)[0] == 0
    before = pids(api.url)
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = replace(api.port, number=taken.getsockname()[1])
        code, heard = stack.up(replace(api, port=port))
    assert code == 2
    assert "nothing was changed" in heard.errors[0]
    assert pids(api.url) == before


def test_another_root_has_another_run_directory(tmp_path: Path) -> None:
    assert RunDir.of(tmp_path / "a", "demo", "dev").id != RunDir.of(tmp_path / "b", "demo", "dev").id
