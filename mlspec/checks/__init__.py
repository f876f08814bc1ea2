"""What a spec that is well-formed may still get wrong. Each module of this folder is a family of checks.

A module has `check(environment)`, a generator of findings for one environment; it is found by being here.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from mlspec.diagnostic import Finding
from mlspec.resolve import Project


def check_project(project: Project) -> Iterator[Finding]:
    """Every finding of every family, in every environment."""
    for info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        for environment in project.environments:
            yield from module.check(environment)
