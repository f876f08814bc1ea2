"""From a plan to a launch: where its tools are, and what has to do without."""

from pathlib import Path

from mlspec.stack import config, tools
from mlspec.stack.plan import Launch, Limits, Plan
from mlspec.stack.report import Reporter, StackError


def with_tools(plan: Plan, limits: Limits, report: Reporter) -> Launch:
    """Locate every program's tool, fetching what is missing, and the tools that check configurations.

    What can't be had is left out, with a warning that has the one command to run. Raises StackError when something
    that is required can't be had.
    """
    found: dict[str, str] = {}
    missing: dict[str, tools.Missing] = {}
    for program in plan.programs:
        if program.tool is None:
            continue
        located = tools.locate(program.tool, say=report.progress)
        if isinstance(located, Path):
            found[program.tool] = str(located)
        else:
            missing[program.name] = located
    report.progress("")
    if missing:
        _complain(plan, missing, report)
    found |= _checkers(found)
    return Launch(plan, found, {name: tool.why for name, tool in missing.items()}, limits)


def _complain(plan: Plan, missing: dict[str, tools.Missing], report: Reporter) -> None:
    reasons = "; ".join(f"{name}: {tool.why}" for name, tool in missing.items())
    command = tools.install_command(tool.name for tool in missing.values())
    required = [program.name for program in plan.programs if program.required and program.name in missing]
    if required:
        raise StackError(f"{' and '.join(required)} can't be had ({reasons}); nothing was started. Run:\n  {command}")
    report.warn(f"started without {', '.join(missing)} ({reasons}). To have it, run:\n  {command}")


def _checkers(found: dict[str, str]) -> dict[str, str]:
    """The checkers that belong to the tools found; a checker that can't be had leaves the judgement to its program."""
    checkers = {}
    for tool, (checker, _arguments, _file) in config.CHECKERS.items():
        if tool in found:
            located = tools.locate_beside(checker, Path(found[tool]))
            if isinstance(located, Path):
                checkers[checker] = str(located)
    return checkers
