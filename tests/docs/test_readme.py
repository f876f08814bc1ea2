"""What the README shows is what happens."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlspec.cli import cli

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def block(language: str, start: str) -> str:
    """The README's block in a language that begins with a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(b for b in blocks if b.startswith(start))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects" / "churn.yaml").write_text(block("yaml", "mlspec: 1"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_spec_renders_the_tree_that_is_shown(home: Path) -> None:
    done = CliRunner().invoke(cli, ["render", "projects/churn.yaml"], standalone_mode=False)
    shown = block("console", "$ mlspec render").split("\n", 1)[1]
    assert done.output.replace(str(home), "/home/you/churn") == shown
    assert all((home / line.strip()).is_file() for line in shown.splitlines()[1:])


def test_the_finding_is_the_one_that_is_shown(home: Path) -> None:
    spec = home / "projects" / "churn.yaml"
    spec.write_text(spec.read_text().replace("100ms", "20s"))
    done = CliRunner().invoke(cli, ["validate", "projects/churn.yaml"], standalone_mode=False)
    assert done.return_value == 1
    assert done.output == block("console", "$ mlspec validate").split("\n", 1)[1]
