"""The project's own sample traffic: found by its import string, and sent to the service that runs."""

import importlib
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlspec.spec.document import Spec
from mlspec.stack.report import StackError
from mlspec.stack.simulate import RequestLike, Summary, simulate


def send_sample_traffic(
    spec: Spec,
    root: Path,
    mix: object,
    *,
    rate: float,
    duration: float,
    seed: int,
    progress: Callable[[Summary], None],
) -> Summary:
    """Send what `service.traffic` makes, `rate` a second for `duration` seconds; `mix` is handed to it.

    Raises StackError when the spec names no traffic, when it cannot be imported, and when the service does not answer.
    """
    requests = _requests(spec, root)
    return simulate(
        _base_url(spec), requests(random.Random(seed), mix), rate=rate, duration=duration, progress=progress
    )


def _base_url(spec: Spec) -> str:
    host = "127.0.0.1" if spec.service.host == "0.0.0.0" else spec.service.host
    return f"http://{host}:{spec.service.port}"


def _requests(spec: Spec, root: Path) -> Callable[[random.Random, object], Iterator[RequestLike]]:
    if spec.service.traffic is None:
        raise StackError(f"{spec.project} has no sample traffic: name a function as `service.traffic`")
    module, _, attribute = spec.service.traffic.partition(":")
    sys.path.insert(0, str(root))
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise StackError(f"`service.traffic` ({spec.service.traffic}) cannot be imported: {error}") from error
    return found  # type: ignore[no-any-return]
