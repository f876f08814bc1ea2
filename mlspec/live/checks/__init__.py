"""What may be wrong with a running stack. Each module of this folder is a family of checks.

Each public function of a module is a check, found by being there: it takes the evidence and yields what it has to say.
Its name is the code of its results, and its docstring the documentation: what it finds, `Why:` and `Instead:`. A
module's `AREA` is where its results belong, and `NEEDS` names the evidence without which it is not asked at all.
"""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from mlspec.live.evidence import Evidence
from mlspec.live.result import Said

Check = Callable[[Evidence], Iterator[Said]]


def families() -> list[ModuleType]:
    """Every family, in the order of their names."""
    return [import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]


def checks_of(family: ModuleType) -> list[Check]:
    """The checks of a family, in the order in which they are written."""
    functions: list[Any] = [item for name, item in vars(family).items() if not name.startswith("_")]
    return [f for f in functions if inspect.isfunction(f) and f.__module__ == family.__name__]
