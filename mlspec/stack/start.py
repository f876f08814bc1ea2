"""`mlspec up`: start a stack, or bring a running one up to a new plan."""

import json
import os
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, suppress
from typing import Final

from mlspec.stack import config, ports, state
from mlspec.stack.child import tail
from mlspec.stack.plan import Launch, Limits, Plan
from mlspec.stack.prepare import with_tools
from mlspec.stack.processes import mark
from mlspec.stack.report import Reporter, StackError, table
from mlspec.stack.rundir import RunDir, write_atomic
from mlspec.stack.stop import sweep
from mlspec.stack.supervisor import FAILED, Supervisor

POLL: Final = 0.1
LOCK_SECONDS: Final = 900.0


class SupervisorEndedError(Exception):
    """The running supervisor ended before it took in a new plan: there is nothing to update, but to start."""


def up(plan: Plan, *, detach: bool, report: Reporter, limits: Limits | None = None) -> int:
    """Start the stack of `plan`, or bring a running one up to it. Returns the exit code.

    In the foreground it returns when the stack was stopped (0); detached when all is ready (0). 2: it did not become
    ready, or a reload was refused, and `report` has heard why; a stack that did not become ready is stopped.
    """
    run = RunDir.of(plan.root, plan.project, plan.env)
    try:
        run.create()
        with ExitStack() as lock:
            waiting = "waiting for another `mlspec up` or `down` of this stack"
            lock.enter_context(run.lock(lambda: report.progress(waiting), LOCK_SECONDS))
            launch = with_tools(plan, limits or Limits(), report)
            if _running(run, report):
                _give_secrets(run, plan, report)
                with suppress(SupervisorEndedError):
                    return _update(run, launch, report)
            _prepare(run, launch)
            _give_secrets(run, plan, report)
            return _detached(run, launch, report) if detach else _foreground(run, launch, report, lock)
    except StackError as error:
        report.progress("")
        report.error(str(error))
        return FAILED


def _running(run: RunDir, report: Reporter) -> bool:
    """Whether a supervisor can take a new plan. One that is ending is waited for."""
    known = state.read(run)
    if known is None or not known.running():
        return False
    if known.phase in ("starting", "ready"):
        return True
    report.progress("waiting for the last run to end")
    if not known.supervisor.wait(60):
        raise StackError(f"the supervisor (pid {known.supervisor.pid}) does not end; run `mlspec down`")
    return False


def _prepare(run: RunDir, launch: Launch) -> None:
    """Everything that can fail before a process is started."""
    sweep(run, state.read(run))
    programs = launch.programs()
    if held := ports.busy(program.port for program in programs):
        raise StackError("\n".join([*held, "nothing was started"]))
    for program in programs:
        config.check(launch, program, run)
    for program in programs:
        config.activate(launch, program, run)
        (run.path / "data" / program.name).mkdir(parents=True, exist_ok=True)
    write_atomic(run.launch, launch.to_json(), 0o600)


def _give_secrets(run: RunDir, plan: Plan, report: Reporter) -> None:
    for secret in config.write_secrets(plan.secrets, os.environ, run):
        report.warn(f"{secret} is not set, so what it belongs to can't be notified; set it and run this again")


def _foreground(run: RunDir, launch: Launch, report: Reporter, lock: ExitStack) -> int:
    def ready() -> None:
        report.progress("")
        _show(launch, report)
        report.line("Ctrl-C stops it.")
        lock.close()

    def failed(why: str) -> None:
        report.progress("")
        report.error(why)

    supervisor = Supervisor(launch, run, on_progress=report.progress, on_ready=ready, on_failed=failed)
    code = supervisor.serve()
    run.state.unlink(missing_ok=True)
    config.remove_secrets(run)
    report.progress("")
    if code == 0:
        report.line("stopped")
    return code


def _detached(run: RunDir, launch: Launch, report: Reporter) -> int:
    with run.supervisor_log.open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-P", "-m", "mlspec.stack.supervisor", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **mark(run.id, "supervisor")},
            start_new_session=True,
        )
    try:
        _wait_until_ready(run, supervisor, launch.limits, report)
    except BaseException:
        supervisor.terminate()
        with suppress(subprocess.TimeoutExpired):
            supervisor.wait(launch.limits.grace * len(launch.programs()) + 10)
        sweep(run, state.read(run))
        raise
    report.progress("")
    _show(launch, report)
    return 0


def _wait_until_ready(run: RunDir, supervisor: "subprocess.Popen[bytes]", limits: Limits, report: Reporter) -> None:
    deadline = time.monotonic() + limits.ready + 30
    while time.monotonic() < deadline:
        ended = supervisor.poll() is not None
        known = state.read(run)
        if known and known.phase == "failed":
            raise StackError(known.message)
        if known and known.phase == "ready":
            return
        if ended:
            lines = "\n".join(tail(run.supervisor_log, 10))
            raise StackError(f"the supervisor ended; the last lines of {run.supervisor_log}:\n{lines}")
        if known and (late := [program.name for program in known.programs if program.phase != "ready"]):
            report.progress(f"waiting for {', '.join(late)}")
        time.sleep(POLL)
    raise StackError(f"the supervisor said nothing in {limits.ready + 30:g} s; see {run.supervisor_log}")


def _update(run: RunDir, launch: Launch, report: Reporter) -> int:
    """Hand the new plan to the running supervisor, and tell what it did."""
    report.progress("bringing the running stack up to date")
    question = uuid.uuid4().hex
    run.answer.unlink(missing_ok=True)
    request = {"id": question, "launch": launch.to_json()}
    write_atomic(run.request, json.dumps(request), 0o600)
    known = state.read(run)
    # Each changed program may take its time to end and to be ready.
    seconds = (launch.limits.ready + launch.limits.grace + 20) * (1 + len(launch.programs()))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if run.answer.exists():
            answer = json.loads(run.answer.read_text())
            if answer["id"] == question:
                return _show_answer(answer, launch, report)
        if known is None or not known.running():
            raise SupervisorEndedError
        time.sleep(POLL)
    run.request.unlink(missing_ok=True)
    raise StackError("the supervisor does not answer; run `mlspec down`, then this again")


def _show_answer(answer: dict[str, object], launch: Launch, report: Reporter) -> int:
    report.progress("")
    lines = answer["lines"]
    assert isinstance(lines, list)
    for line in lines:
        report.line(str(line))
    if answer["error"]:
        report.error(str(answer["error"]))
        return FAILED
    _show(launch, report)
    return 0


def _show(launch: Launch, report: Reporter) -> None:
    for row in table((program.title, program.url) for program in launch.programs()):
        report.line(row)
