"""Wrong specs, a file each beside the exact finding that it gives; and right ones, which give none.

`MLSPEC_REWRITE=1 pytest tests/specs/test_corpus.py` writes the expectations anew. Read each as its user would.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec import pipeline
from mlspec.diagnostic import as_text

HERE = Path(__file__).parent
WRONG = sorted(path for path in (HERE / "wrong").iterdir() if path.suffix != ".expected")
RIGHT = sorted((HERE / "right").iterdir())
# Asked of the command as well: it prints the same and ends with 1.
THROUGH_THE_COMMAND = ("file_binary", "yaml_alias_bomb", "unknown_key_in_metric", "port_collision_in_an_environment")


def told(spec: Path) -> str:
    """What the command prints of a spec in the working directory, without its count."""
    outcome = pipeline.analyse(spec)
    return as_text(outcome.findings, outcome.sources)


def expectation(spec: Path) -> Path:
    return spec.with_suffix(".expected")


@pytest.mark.parametrize("spec", WRONG, ids=lambda path: path.stem)
def test_wrong_spec_is_told_exactly(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(spec.parent)
    found = told(Path(spec.name))
    if os.environ.get("MLSPEC_REWRITE"):
        expectation(spec).write_text(found, "utf-8")
    assert found == expectation(spec).read_text("utf-8")
    assert found


@pytest.mark.parametrize("spec", RIGHT, ids=lambda path: path.stem)
def test_right_spec_has_no_findings(spec: Path) -> None:
    assert told(spec) == ""
    assert pipeline.analyse(spec).project is not None


def test_every_expectation_has_its_spec() -> None:
    specs = {expectation(spec).name for spec in WRONG}
    assert {path.name for path in (HERE / "wrong").glob("*.expected")} == specs
    assert len(specs) == len(WRONG) > 200


@pytest.mark.parametrize("name", THROUGH_THE_COMMAND)
def test_command_tells_the_same_and_ends_with_1(name: str) -> None:
    spec = next(path for path in WRONG if path.stem == name)
    command = [sys.executable, "-c", "from mlspec.cli import main; main()", "validate", spec.name]
    done = subprocess.run(command, cwd=spec.parent, capture_output=True, encoding="utf-8", timeout=60)
    expected = expectation(spec).read_text("utf-8")
    errors = sum(line.startswith("error[") for line in expected.splitlines())
    assert done.stderr == f"{expected}\n{errors} error{'s' * (errors > 1)}, 0 warnings\n"
    assert (done.stdout, done.returncode) == ("", 1)


def test_texts_stay_texts() -> None:
    project = pipeline.analyse(HERE / "right" / "texts_stay_texts.yaml").project
    assert project is not None
    spec = project.environments[0].spec
    answer = spec.metrics["orders_total"].labels["answer"]
    assert (spec.title, spec.owner, spec.metrics["orders_total"].help) == ("NO", "1.10", "007")
    assert answer.values == (
        *("yes", "no", "on", "off", "NO", "1.10", "007", "0x1F", "1e3", "2026-01-01", "12:30"),
        *("~x", ".5", "1_000", "+1"),
    )
    assert list(spec.metrics["switch"].states.values()) == ["off", "on"]
