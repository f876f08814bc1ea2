"""What a spec that is well-formed may still get wrong. Each module of this folder is a family of checks.

Each public function of a module is a check, found by being there: it takes an environment and yields problems. Its name
is the finding's code, and its docstring the documentation: what it finds, `Why:`, `Instead:`, and `Severity: warning`
for what does not stand in the way of rendering.
"""

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.resolve import Environment, Project

Check = Callable[[Environment], Iterator[Problem]]


def all_checks() -> list[Check]:
    """Every check of every family."""
    modules = [import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return [check for module in modules for check in _checks_of(module)]


def check_project(project: Project) -> Iterator[Finding]:
    """Every finding of every check, in every environment."""
    for check in all_checks():
        for environment in project.environments:
            for problem in check(environment):
                yield _finding(check, environment, problem)


def documentation(check: Check) -> dict[str, str]:
    """The parts of a check's docstring: `what`, `why`, `instead`, `severity`."""
    text = inspect.getdoc(check) or ""
    parts = {"what": text.split("\n\n")[0].strip()}
    for part in ("Why", "Instead", "Severity"):
        found = re.search(rf"^{part}: (.+?)(?=^\w+: |\Z)", text, re.MULTILINE | re.DOTALL)
        parts[part.lower()] = " ".join(found[1].split()) if found else ""
    return parts


def code_of(check: Check) -> str:
    """The stable code of a check's findings."""
    return check.__name__.replace("_", "-")


def _checks_of(module: ModuleType) -> list[Check]:
    functions: list[Any] = [item for name, item in vars(module).items() if not name.startswith("_")]
    return [f for f in functions if inspect.isfunction(f) and f.__module__ == module.__name__]


def _finding(check: Check, environment: Environment, problem: Problem) -> Finding:
    said = documentation(check)
    return Finding(
        code_of(check),
        problem.message,
        environment.layer.position(*problem.at, key=problem.on_key),
        said["why"],
        problem.instead or said["instead"],
        "warning" if said["severity"] == "warning" else "error",
    )
