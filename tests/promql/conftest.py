"""Real Prometheus servers over the series of every case, one for each generation."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cases import CASES
from .lab import Server, openmetrics, prometheus, series, tool

VERSIONS = {"distro": None, "v3": "3"}


@pytest.fixture(scope="session", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str | None:
    """The generation, as `locate` takes it: Debian stable's 2.42, and 3.x."""
    return VERSIONS[request.param]


@pytest.fixture(scope="session")
def promtool(version: str | None) -> Path:
    return tool("promtool", version)


@pytest.fixture(scope="session")
def server(version: str | None, promtool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prometheus that holds the series of every case, each under its own project."""
    folder = tmp_path_factory.mktemp("prometheus")
    text = openmetrics(one for case in CASES for one in series(case.series, case.project))
    (folder / "series.txt").write_text(text)
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", folder / "series.txt", folder / "data"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    with prometheus(tool("prometheus", version), folder, {}) as running:
        yield running
