"""What is on disk is whole, ours, and never lost: hand edits, leftovers, checks, parts, and folders that refuse."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlspec import pipeline
from mlspec.cli import cli
from tests.render.spec_texts import MANIFEST, MODULE, PLAIN, RULES, on_disk


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root with a spec, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(PLAIN)
    return tmp_path


def mlspec(*arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner().invoke(cli, [*arguments], standalone_mode=False)


def render(*options: str) -> Result:
    return mlspec("render", "spec.yaml", *options)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_second_render_changes_nothing(root: Path) -> None:
    assert render().return_value == 0
    before = {path: (root / path).stat().st_mtime_ns for path in on_disk(root)}
    again = render()
    assert "nothing changed" in again.stdout
    assert {path: (root / path).stat().st_mtime_ns for path in on_disk(root)} == before


def test_manifest_lists_what_is_there_and_no_more(root: Path) -> None:
    render()
    manifest = json.loads((root / MANIFEST).read_text())
    assert set(manifest["outputs"]) == set(on_disk(root)) - {MANIFEST}
    assert {*manifest} == {"format", "inputs", "outputs"}


def test_hand_edit_is_a_finding_and_nothing_is_written(root: Path) -> None:
    render()
    edit(root / RULES, "Orders fail.", "Orders fail!")
    edit(root / "spec.yaml", "The shop", "A shop")
    before = on_disk(root)
    refused = render()
    assert refused.return_value == 1
    assert f"error[hand-edit]: {RULES} was edited since it was generated" in refused.stderr
    assert on_disk(root) == before


def test_hand_edit_is_replaced_where_that_is_asked(root: Path) -> None:
    render()
    clean = on_disk(root)
    edit(root / RULES, "Orders fail.", "Orders fail!")
    assert render("--overwrite").return_value == 0
    assert on_disk(root) == clean


def test_line_ends_of_windows_are_no_edit(root: Path) -> None:
    render()
    clean = on_disk(root)
    (root / RULES).write_bytes(clean[RULES].replace(b"\n", b"\r\n"))
    assert mlspec("validate", "spec.yaml").return_value == 0
    assert render().return_value == 0
    assert on_disk(root) == clean


@pytest.mark.parametrize("content", [b"mine\n", b"\xff\xfe\x00", b""], ids=["text", "bytes", "empty"])
def test_file_of_others_is_refused(root: Path, content: bytes) -> None:
    (root / "shop").mkdir()
    (root / MODULE).write_bytes(content)
    refused = render()
    assert refused.return_value == 1
    assert f"{MODULE} is there already, and mlspec did not write it" in refused.stderr
    assert on_disk(root) == {MODULE: content}


def test_only_files_of_the_manifest_are_removed(root: Path) -> None:
    render()
    notes = root / "generated/shop/prod/prometheus/rules/notes.yml"
    notes.write_text("groups: []\n")
    edit(root / "spec.yaml", "{dev: {}, prod: {}}", "{dev: {}}")
    assert render().return_value == 0
    assert [path for path in on_disk(root) if "/prod/" in path] == [notes.relative_to(root).as_posix()]


def test_leftover_that_was_edited_is_kept_and_told(root: Path) -> None:
    render()
    compose = "generated/shop/prod/compose.yaml"
    edit(root / compose, "restart: unless-stopped", "restart: always")
    edit(root / "spec.yaml", "{dev: {}, prod: {}}", "{dev: {}}")
    before = on_disk(root)
    refused = render()
    assert refused.return_value == 1
    assert f"{compose} was edited" in refused.stderr
    assert on_disk(root) == before


@pytest.mark.parametrize("outside", ["../outside.txt", "/etc/hostname", "a/../../outside.txt", "..\\outside.txt"])
def test_manifest_cannot_remove_what_is_outside(root: Path, tmp_path: Path, outside: str) -> None:
    render()
    victim = tmp_path.parent / "outside.txt"
    victim.write_text("keep me")
    manifest = json.loads((root / MANIFEST).read_text())
    manifest["outputs"][outside] = "0" * 64
    (root / MANIFEST).write_text(json.dumps(manifest))
    assert render().return_value == 0
    assert victim.read_text() == "keep me"


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", '{"format": 1}', '{"format": 99, "inputs": {}, "outputs": {}}', "null"]
)
def test_broken_manifest_loses_nothing(root: Path, broken: str) -> None:
    render()
    clean = on_disk(root)
    (root / MANIFEST).write_text(broken)
    assert render().return_value == 0
    assert on_disk(root) == clean
    (root / MANIFEST).write_text(broken)
    edit(root / RULES, "Orders fail.", "Orders fail!")
    assert render().return_value == 1


def test_check_writes_nothing(root: Path) -> None:
    asked = render("--check")
    assert asked.return_value == 1
    assert "is missing" in asked.stderr
    assert on_disk(root) == {}
    render()
    assert render("--check").return_value == 0
    edit(root / "spec.yaml", "above: 5%", "above: 6%")
    before = on_disk(root)
    stale = render("--check")
    assert stale.return_value == 1
    assert f"{RULES} is not what the spec renders" in stale.stderr
    assert on_disk(root) == before


def test_stale_files_are_told_by_validate(root: Path) -> None:
    render()
    edit(root / "spec.yaml", "{dev: {}, prod: {}}", "{dev: {}}")
    stale = mlspec("validate", "spec.yaml")
    assert stale.return_value == 1
    assert "generated/shop/prod/compose.yaml is left over from an earlier render" in stale.stderr


def test_comment_of_the_spec_is_part_of_the_manifest(root: Path) -> None:
    render()
    edit(root / "spec.yaml", "mlspec: 1\n", "mlspec: 1\n# a comment\n")
    stale = mlspec("validate", "spec.yaml")
    assert stale.return_value == 1
    assert f"{MANIFEST} does not match the spec" in stale.stderr


def test_one_environment_keeps_the_files_of_the_others(root: Path) -> None:
    render()
    before = on_disk(root)
    edit(root / "spec.yaml", "Orders fail.", "Orders are lost.")
    assert render("--env", "dev").return_value == 0
    after = on_disk(root)
    changed = {path for path in before if after[path] != before[path]}
    assert after.keys() == before.keys()
    assert RULES in changed
    assert not any("/prod/" in path for path in changed)
    assert render().return_value == 0, "what an environment alone did not write is no hand edit"


def test_unknown_environment_is_a_finding(root: Path) -> None:
    refused = render("--env", "prd")
    assert refused.return_value == 1
    assert "there is no environment `prd`" in refused.stderr
    assert "did you mean `prod`?" in refused.stderr
    assert on_disk(root) == {}


def test_error_in_the_spec_writes_nothing(root: Path) -> None:
    render()
    before = on_disk(root)
    edit(root / "spec.yaml", "above: 5%", "above: 50ms")
    assert render().return_value == 1
    assert on_disk(root) == before


class Killed(BaseException):
    """Stands for a signal that ends the process."""


def cut_off(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """A render that dies when it wants to write one more than `after` files."""
    written = iter(range(after))

    def fsync(_file: int) -> None:
        if next(written, None) is None:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("mlspec.write.os.fsync", fsync)
        with pytest.raises(Killed):
            pipeline.render(Path("spec.yaml"), Path())


@pytest.mark.parametrize("last", range(1, 6))
@pytest.mark.parametrize("first", range(1, 24, 4))
def test_render_that_was_cut_off_twice_is_completed(
    root: Path, monkeypatch: pytest.MonkeyPatch, first: int, last: int
) -> None:
    """Killed while it wrote B over A, then while it wrote C: what is left of B is no hand edit."""
    render()
    edit(root / "spec.yaml", "{dev: {}, prod: {}}", "{dev: {}, test: {}}")
    edit(root / "spec.yaml", "The shop", "B")
    cut_off(monkeypatch, first)
    edit(root / "spec.yaml", "title: B", "title: C")
    cut_off(monkeypatch, last)
    edit(root / "spec.yaml", "title: C", "title: D")
    done = render()
    assert done.return_value == 0, done.stderr
    left = on_disk(root)
    render("--output", "fresh")
    assert left == on_disk(root / "fresh")


# Root may write anywhere: it gives that up first.
LIKE_OTHERS = (
    ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
)


def rendered_as_a_command(folder: Path) -> "subprocess.CompletedProcess[str]":
    """`mlspec render` as a process that obeys the permissions of files."""
    command = [*LIKE_OTHERS, sys.executable, "-c", "from mlspec.cli import main; main()", "render", "spec.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_folder_that_refuses_ends_with_2(root: Path) -> None:
    root.chmod(0o555)
    done = rendered_as_a_command(root)
    root.chmod(0o755)
    assert (done.returncode, done.stderr) == (2, f"error: {root}/generated: Permission denied\n")
    assert on_disk(root) == {}


def test_folder_below_that_refuses_leaves_whole_files(root: Path) -> None:
    render()
    before = on_disk(root)
    edit(root / "spec.yaml", "Orders fail.", "Orders are lost.")
    render("--output", "wanted")
    wanted = on_disk(root / "wanted")
    shutil.rmtree(root / "wanted")
    (root / RULES).parent.chmod(0o555)
    done = rendered_as_a_command(root)
    (root / RULES).parent.chmod(0o755)
    assert (done.returncode, done.stderr) == (2, f"error: {root}/{RULES}.mlspec-new: Permission denied\n")
    assert all(content in (before[path], wanted[path]) for path, content in on_disk(root).items() if path in before)
    assert rendered_as_a_command(root).returncode == 0
    assert on_disk(root) == wanted
