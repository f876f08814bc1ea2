"""The program as one page: text → spec → findings → files → disk."""

from dataclasses import dataclass
from pathlib import Path

from mlspec.checks import check_project
from mlspec.diagnostic import Finding, Position, SpecError, closest, has_errors, in_order
from mlspec.load import read_document
from mlspec.render import render_project
from mlspec.resolve import Project, resolve
from mlspec.resolve.packs import pack_path
from mlspec.write import hand_edits, manifest_of, stale, write_files


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a spec: its project where it could be read, the findings, and the paths that were written."""

    project: Project | None
    findings: tuple[Finding, ...]
    sources: dict[str, str]
    written: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether an error stands in the way."""
        return has_errors(self.findings)


def root_of(path: Path) -> Path:
    """The project's root, where `generated/` goes and the service's code is imported from.

    The folder around `projects/`, else the working directory if the spec is below it, else the spec's folder.
    """
    folder = path.resolve().parent
    if folder.name == "projects":
        return folder.parent
    return Path.cwd() if folder.is_relative_to(Path.cwd()) else folder


def analyse(path: Path, env: str | None = None) -> Outcome:
    """Read a spec and say what is wrong with it; never raises for what is in the file."""
    shown = path.as_posix()
    text = ""
    try:
        document = read_document(path)
        text = document.text
        project = resolve(document, path.parent, path.resolve().relative_to(root_of(path)).as_posix())
        _require(project, env)
    except SpecError as error:
        files = {f.position.file: pack_path(f.position.file, path.parent) for f in error.findings} | {shown: path}
        sources = {file: text if file == shown and text else _readable(where) for file, where in files.items()}
        return Outcome(None, tuple(in_order(error.findings)), sources)
    findings = in_order([*project.findings, *check_project(project)])
    return Outcome(project, tuple(findings), dict(project.sources))


def render(path: Path, root: Path, env: str | None = None, overwrite: bool = False) -> Outcome:
    """Write what a spec renders below `root`; nothing is written if there is an error. Raises OSError."""
    outcome = analyse(path, env)
    if outcome.project is None or outcome.failed:
        return outcome
    files, whole = _files(outcome.project, env)
    edits = [] if overwrite else hand_edits(root, outcome.project.name, files, whole)
    if edits:
        return Outcome(outcome.project, (*outcome.findings, *edits), outcome.sources)
    manifest = manifest_of(outcome.project.inputs, files)
    written = write_files(root, outcome.project.name, files, manifest, whole)
    return Outcome(outcome.project, outcome.findings, outcome.sources, tuple(written))


def validate(path: Path, root: Path, env: str | None = None) -> Outcome:
    """Analyse a spec, and compare what is on disk with what it renders."""
    outcome = analyse(path, env)
    if outcome.project is None or outcome.failed:
        return outcome
    files, whole = _files(outcome.project, env)
    findings = stale(root, outcome.project.name, files, manifest_of(outcome.project.inputs, files), whole)
    return Outcome(outcome.project, (*outcome.findings, *findings), outcome.sources)


def _files(project: Project, env: str | None) -> tuple[dict[str, str], bool]:
    return render_project(project, env), env is None or len(project.environments) == 1


def _require(project: Project, env: str | None) -> None:
    known = [environment.name for environment in project.environments]
    if env is not None and env not in known:
        raise SpecError(
            Finding(
                "unknown-environment",
                f"there is no environment `{env}`",
                Position(project.path, 1, 1),
                "Only a declared environment can be rendered or run.",
                closest(env, known),
            )
        )


def _readable(path: Path) -> str:
    try:
        return path.read_bytes()[:1_000_000].decode("utf-8", "replace")
    except OSError:
        return ""
