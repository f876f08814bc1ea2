"""A new plan for a running stack: what changed is reloaded or restarted, and nothing else is touched."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlspec.stack import config, ports
from mlspec.stack.child import Child
from mlspec.stack.plan import Launch, Program
from mlspec.stack.reload import reload
from mlspec.stack.report import StackError

if TYPE_CHECKING:
    from mlspec.stack.supervisor import Supervisor


def apply(supervisor: "Supervisor", new: Launch, say: Callable[[str], None]) -> None:
    """Bring the stack from its launch to `new`; `say` hears one line for each program that changed.

    Everything that can be judged beforehand is: the configuration by the programs' own tools, and the ports. Raises
    StackError; what was done until then stays done, and is in the lines.
    """
    running = {child.program.name: child for child in supervisor.children}
    wanted = {program.name: program for program in new.programs()}
    actions = {name: _action(running.get(name), program, new) for name, program in wanted.items()}
    for name, program in wanted.items():
        if actions[name] != "keep":
            config.check(new, program, supervisor.run)
    _check_ports(running, wanted)
    gone = [name for name in running if name not in wanted]
    for name in gone:
        _remove(supervisor, running[name])
        say(f"{name}: stopped, it is no longer part of the stack")
    supervisor.launch = new
    for name, action in actions.items():
        _perform(supervisor, name, action, say)
    # The order in which programs stop is the plan's.
    order = list(wanted)
    supervisor.children.sort(key=lambda child: order.index(child.program.name))
    if not gone and set(actions.values()) <= {"keep"}:
        say("nothing changed")


def _action(child: Child | None, program: Program, new: Launch) -> str:
    if child is None:
        return "start"
    tool = program.tool or ""
    same = program.same_command(child.program) and new.tools.get(tool) == child.launch.tools.get(tool)
    if not same or child.phase in ("waiting", "stopped"):
        return "restart"
    if new.plan.inputs_hash(program) == child.inputs:
        return "keep"
    return "reload" if program.reload and child.phase == "ready" else "restart"


def _check_ports(running: dict[str, Child], wanted: dict[str, Program]) -> None:
    ours = {child.program.port.number for child in running.values()}
    new = [program.port for program in wanted.values() if program.port.number not in ours]
    if held := ports.busy(new):
        raise StackError("\n".join([*held, "nothing was changed"]))


def _perform(supervisor: "Supervisor", name: str, action: str, say: Callable[[str], None]) -> None:
    launch = supervisor.launch
    current = next((child for child in supervisor.children if child.program.name == name), None)
    child = supervisor.new_child(launch, name)
    if current and action == "keep":
        current.launch, current.program = launch, child.program
    elif current and action == "reload":
        reload(launch, child.program, supervisor.run)
        current.launch, current.program, current.inputs = launch, child.program, child.inputs
        say(f"{name}: reloaded")
    else:
        if current:
            _remove(supervisor, current)
            child.restarts = current.restarts
        config.activate(launch, child.program, supervisor.run)
        supervisor.children.append(child)
        child.start()
        supervisor.wait_ready([child])
        say(f"{name}: {'restarted' if current else 'started'}")


def _remove(supervisor: "Supervisor", child: Child) -> None:
    child.stop()
    supervisor.children.remove(child)
    supervisor.save()
