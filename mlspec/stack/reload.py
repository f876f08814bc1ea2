"""A reload that can't leave a program without a working configuration: check, reload, verify, roll back."""

import time
from typing import Final
from urllib.parse import urljoin

from mlspec.stack import config, web
from mlspec.stack.plan import Launch, Program
from mlspec.stack.report import StackError
from mlspec.stack.rundir import RunDir

# Prometheus and Alertmanager both say of their last reload whether it worked, and when one last did.
SUCCESSFUL: Final = "{tool}_config_last_reload_successful"
SUCCEEDED_AT: Final = "{tool}_config_last_reload_success_timestamp_seconds"
REQUEST_SECONDS: Final = 60.0
VERIFY_SECONDS: Final = 10.0


def reload(launch: Launch, program: Program, run: RunDir) -> None:
    """Bring what was rendered into the running `program`. Call `config.check` first.

    Raises StackError when the program refuses it; it then runs with the configuration that it had.
    """
    with config.backup(program, run) as previous:
        config.activate(launch, program, run)
        try:
            _reload_and_verify(program)
        except StackError as refused:
            config.replace_tree(previous, run.path, program.config)
            raise StackError(f"{refused}\n{_restored(program)}") from None


def _restored(program: Program) -> str:
    try:
        _reload_and_verify(program)
    except StackError as error:
        return f"The previous configuration was put back, but its reload failed too: {error}"
    return "The previous configuration was put back and is active."


def _reload_and_verify(program: Program) -> None:
    assert program.reload is not None
    before = _last_success(program)
    status, body = web.ask("POST", program.reload, REQUEST_SECONDS)
    if status != 200:
        raise StackError(f"{program.name} refused the reload ({status or 'no answer'}): {body.strip()}")
    if before is None:
        return
    deadline = time.monotonic() + VERIFY_SECONDS
    while (_last_success(program) or 0.0) <= before:
        if time.monotonic() > deadline:
            raise StackError(f"{program.name} accepted the reload, but did not report its success")
        time.sleep(0.1)


def _last_success(program: Program) -> float | None:
    """When the last reload succeeded, 0 if the last one failed, None for a program that says neither."""
    status, exposition = web.ask("GET", urljoin(program.ready, "/metrics"), 5.0)
    successful = web.sample(exposition, SUCCESSFUL.format(tool=program.tool))
    if status != 200 or successful is None:
        return None
    return (web.sample(exposition, SUCCEEDED_AT.format(tool=program.tool)) or 0.0) if successful else 0.0
