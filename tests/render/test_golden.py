"""The same spec gives the same bytes: as committed, with any hash seed, locale and time zone, and from the wheel."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from mlspec import pipeline
from mlspec.render import render_project
from mlspec.write import manifest_of, manifest_path
from tests.render.spec_texts import on_disk

ROOT = Path(__file__).parents[2]
PROJECTS = sorted((ROOT / "projects").glob("*.yaml"))
RIGHT = sorted((ROOT / "tests" / "specs" / "right").glob("*.yaml"))
RENDER = "from mlspec.cli import main; main()"
AROUND = [
    {"PYTHONHASHSEED": "0", "LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Pacific/Auckland"},
    {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "America/St_Johns"},
    {"PYTHONHASHSEED": "random", "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LANG": ""},
    {"PYTHONHASHSEED": "4294967295", "LC_ALL": "tr_TR.UTF-8", "TZ": "UTC", "PYTHONOPTIMIZE": "2"},
]


def rendered(spec: Path) -> dict[str, bytes]:
    """What a spec renders in this process, its manifest included."""
    project = pipeline.analyse(spec).project
    assert project is not None
    files = render_project(project)
    files[manifest_path(project.name)] = manifest_of(project.inputs, files).text()
    return {path: text.encode() for path, text in sorted(files.items())}


def committed(name: str) -> dict[str, bytes]:
    """What is in the checkout of a project."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in sorted((ROOT / "generated" / name).rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("spec", PROJECTS, ids=lambda path: path.stem)
def test_committed_tree_is_what_the_spec_renders(spec: Path) -> None:
    fresh = rendered(spec)
    outside = [path for path in fresh if not path.startswith("generated/")]
    found = committed(spec.stem) | {path: (ROOT / path).read_bytes() for path in outside}
    differing = [path for path in sorted({*fresh, *found}) if fresh.get(path) != found.get(path)]
    assert differing == [], "run `mlspec render projects/*.yaml` and read the difference"


@pytest.mark.parametrize("spec", [*PROJECTS, *RIGHT], ids=lambda path: path.stem)
def test_two_renders_are_the_same(spec: Path) -> None:
    assert rendered(spec) == rendered(spec)


def rendered_by(python: Path, spec: Path, into: Path, around: dict[str, str]) -> dict[str, bytes]:
    """What a spec renders in a process of its own, from another working directory."""
    into.mkdir(parents=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))} | around
    command: list[str | Path] = [python, "-c", RENDER, "render", spec, "--output", into / "out"]
    done = subprocess.run(command, cwd=into, env=environment, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    return on_disk(into / "out")


@pytest.mark.parametrize("around", AROUND, ids=lambda around: around["LC_ALL"])
def test_surroundings_change_nothing(tmp_path: Path, around: dict[str, str]) -> None:
    for spec in PROJECTS:
        assert rendered_by(Path(sys.executable), spec, tmp_path / spec.stem, around) == rendered(spec)


@pytest.fixture(scope="module")
def wheel_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; its dependencies are those of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python: Path = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "pip", "-q", "--python", python, "install", "--no-deps", "--no-index", wheel)
    (packages,) = (folder / "venv" / "lib").glob("python3.*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python


def run(*command: str | Path) -> str:
    """A command that must succeed; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_wheel_renders_the_same(wheel_python: Path, tmp_path: Path) -> None:
    where = run(wheel_python, "-c", "import mlspec; print(mlspec.__file__)")
    assert Path(where.strip()).is_relative_to(wheel_python.parents[1]), "the wheel is what is tested, not the checkout"
    for spec in PROJECTS:
        assert rendered_by(wheel_python, spec, tmp_path / spec.stem, AROUND[0]) == rendered(spec)


@pytest.mark.slow
def test_wheel_has_every_file_of_the_package(wheel_python: Path) -> None:
    where = run(wheel_python, "-c", "import mlspec; print(mlspec.__file__)")
    installed = Path(where.strip()).parent
    ignored = ("__pycache__", ".pyc")
    for source, there in ((ROOT / "mlspec", installed), (ROOT / "templates", installed / "templates")):
        files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
        assert [
            path for path in files if not any(i in str(path) for i in ignored) and not (there / path).exists()
        ] == []
