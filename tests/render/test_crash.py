"""kill -9 at any moment of a render leaves whole files of either version, and the next completes it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mlspec import pipeline
from mlspec.stack.tools import Missing, locate
from tests.render.spec_texts import MANIFEST, PLAIN, on_disk

HERE = Path(__file__).parent
CHECKED = 20  # states that promtool looks at as well

VERSION_A = PLAIN
VERSION_B = (
    PLAIN.replace("The shop", "The new shop")
    .replace("above: 5%", "above: 7%")
    .replace("Orders fail.", "Orders are lost.")
    .replace("{outcome: [ok, error]}", "{outcome: [ok, error], store: {max: 5}}")
    .replace("{dev: {}, prod: {}}", "{dev: {}, test: {}}")
    .replace("  main: {", "  second: {title: Second, rows: [{title: Orders, panels: [{gauge: failed}]}]}\n  main: {")
)
TEMPORARY = ".mlspec-new"
PENDING = "generated/shop/manifest.pending.json"


class Renderer:
    """The driver: renders in children that can be killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, root: Path) -> int:
        """Begin to render a folder; the child's process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{root}\n")
        self._process.stdin.flush()
        return int(self.line())

    def line(self) -> str:
        """What the driver says next."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> int:
        """What the child returned."""
        said = self.line()
        return int(self.line() if said == "writing" else said)

    def render(self, root: Path) -> int:
        """Render a folder, undisturbed."""
        self.start(root)
        return self.end()

    def timed(self, root: Path) -> tuple[float, float]:
        """How many seconds a render takes until it begins to write, and until its end from there."""
        begun = time.monotonic()
        self.start(root)
        assert self.line() == "writing"
        writing = time.monotonic()
        assert self.end() == 0
        return writing - begun, time.monotonic() - writing

    def killed(self, root: Path, after: float, once_writing: bool) -> int:
        """Render a folder and kill that some seconds after its start, or after it began to write."""
        child = self.start(root)
        if once_writing:
            assert self.line() == "writing"
        time.sleep(after)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        return self.end()


@contextmanager
def renderer(warm: Path) -> Iterator[Renderer]:
    """A running driver."""
    command = [sys.executable, str(HERE / "crash_driver.py"), str(warm)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Renderer(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


def version(folder: Path, text: str) -> dict[str, bytes]:
    """A folder with a spec, rendered; its files."""
    folder.mkdir()
    (folder / "spec.yaml").write_text(text)
    assert not pipeline.render(folder / "spec.yaml", folder).failed
    return on_disk(folder)


def torn(found: dict[str, bytes], before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """Files that are neither of the one version nor of the other, or that should be there and are not."""
    kept = [path for path in found if not path.endswith(TEMPORARY) and path != PENDING]
    wrong = [path for path in kept if found[path] not in (before.get(path), after.get(path))]
    return wrong + [path for path in before if path in after and path not in found]


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_render_survives_kills_at_any_moment(tmp_path: Path, kills: int) -> None:
    before = version(tmp_path / "a", VERSION_A)
    after = version(tmp_path / "b", VERSION_B)
    root = tmp_path / "root"
    promtool = locate("promtool")
    assert not isinstance(promtool, Missing), promtool
    chosen = random.Random(1)
    states, in_between = set(), 0
    with renderer(tmp_path / "b") as driver:
        reading, writing = undisturbed(driver, tmp_path / "a", root)
        for kill in range(kills):
            reset(tmp_path / "a", root)
            dense = kill % 4 != 0  # most of them where files are written
            returned = driver.killed(root, chosen.uniform(0, writing if dense else reading + writing), dense)
            found = on_disk(root)
            assert returned in (0, -signal.SIGKILL)
            assert torn(found, before, after) == []
            in_between += PENDING in found
            # What lies beside its place counts too: files are all staged before the first is replaced.
            states.add(frozenset((path, data) for path, data in found.items() if data != before.get(path)))
            if kill % max(1, kills // CHECKED) == 0:
                check_config(promtool, root)
            assert driver.render(root) == 0
            assert on_disk(root) == after
    assert in_between >= kills // 4, f"only {in_between} of the kills came while files were written"
    assert len(states) >= min(10, kills // 4), f"only {len(states)} different states"


def undisturbed(driver: Renderer, source: Path, root: Path) -> tuple[float, float]:
    """The shortest times of a few renders that nobody kills."""
    times = []
    for _ in range(5):
        reset(source, root)
        times.append(driver.timed(root))
    return min(read for read, _ in times), min(write for _, write in times)


def reset(source: Path, root: Path) -> None:
    """The root as version A was rendered, with the spec of version B."""
    if root.exists():
        shutil.rmtree(root)
    shutil.copytree(source, root)
    (root / "spec.yaml").write_text(VERSION_B)


def check_config(promtool: Path, root: Path) -> None:
    """Prometheus would load what is there, and no leftover among it."""
    for config in sorted(root.glob("generated/shop/*/prometheus/prometheus.yml")):
        done = subprocess.run([promtool, "check", "config", config], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        rules = list(config.parent.glob("rules/*.yml"))  # none yet where an environment is only being made
        assert done.stdout.count("Checking ") == 1 + len(rules), done.stdout


def test_torn_files_would_be_found() -> None:
    """The check above can fail."""
    whole = {"a": b"1", "b": b"2", MANIFEST: b"m"}
    assert torn({**whole, PENDING: b"", "a.mlspec-new": b""}, whole, {**whole, "a": b"3"}) == []
    assert torn({**whole, "a": b"torn"}, whole, {**whole, "a": b"3"}) == ["a"]
    assert torn({"a": b"1", MANIFEST: b"m"}, whole, whole) == ["b"]
