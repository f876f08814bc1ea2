"""A spec to files: each module of this folder makes one output and is found by being here.

A module has `for_environment(project, environment)`, which returns the texts of files below
`generated/<project>/<environment>/`, or `for_project(project)`, whose paths count from the root.
"""

import pkgutil
from importlib import import_module

from mlspec.resolve import Project


def render_project(project: Project, only: str | None = None) -> dict[str, str]:
    """Every file of a project, by its path; of one environment and what all share, where `only` names one."""
    files: dict[str, str] = {}
    for module in (import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)):
        if hasattr(module, "for_project"):
            files |= module.for_project(project)
        if hasattr(module, "for_environment"):
            for environment in project.environments:
                if only in (None, environment.name):
                    root = f"generated/{project.name}/{environment.name}"
                    made = module.for_environment(project, environment)
                    files |= {f"{root}/{path}": text for path, text in made.items()}
    return dict(sorted(files.items()))
