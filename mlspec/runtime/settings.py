"""What differs between environments, read from runtime.json: the environment's name and the probes' timing."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlspec import names

log = logging.getLogger("mlspec.runtime")
FORMAT = 1
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Timing:
    """How often a probe is asked and how long it may take, in seconds. None: as in the generated module."""

    every: float | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment's name ("unknown" without a file) and the timing of probes by metric name."""

    env: str = UNKNOWN
    probes: Mapping[str, Timing] = field(default_factory=dict)


def load(project: str) -> Settings:
    """The settings of `project` from the file that MLSPEC_RUNTIME names.

    Without the variable: the defaults. With a file that is absent, broken or another project's: the defaults and one
    warning. Never raises.
    """
    path = os.environ.get(names.RUNTIME_FILE)
    if not path:
        return Settings()
    try:
        return _parse(json.loads(Path(path).read_text(encoding="utf-8")), project)
    except Exception as error:
        log.warning("%s=%s is not usable, defaults are used: %s", names.RUNTIME_FILE, path, error)
        return Settings()


def _parse(data: object, project: str) -> Settings:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"format {FORMAT} expected")
    if data.get("project") != project:
        raise ValueError(f"it belongs to project {data.get('project')!r}, not {project!r}")
    probes = {str(metric): _timing(value) for metric, value in data.get("probes", {}).items()}
    return Settings(env=str(data.get("env", UNKNOWN)), probes=probes)


def _timing(value: Mapping[str, object]) -> Timing:
    return Timing(every=_seconds(value.get("every")), timeout=_seconds(value.get("timeout")))


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"{value!r} is not a time in seconds")
    return float(value)
