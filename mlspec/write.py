"""Files to disk: each is replaced at once, the manifest last; only what a manifest lists is ever removed.

A crash at any moment leaves whole files, old or new, and the next run completes them. A file that was edited by hand
since it was generated is not overwritten: the person is told.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlspec.diagnostic import Finding, Position

FORMAT: Final = 1
_TEMPORARY: Final = ".mlspec-new"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was generated: the hash of each input and output, line ends normalised."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def text(self) -> str:
        """The manifest as JSON: no dates and no versions, so that the same spec gives the same bytes."""
        value = {
            "format": FORMAT,
            "inputs": dict(sorted(self.inputs.items())),
            "outputs": dict(sorted(self.outputs.items())),
        }
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def manifest_path(project: str) -> str:
    """Where a project's manifest lies below the output root."""
    return f"generated/{project}/manifest.json"


def manifest_of(inputs: Mapping[str, str], files: Mapping[str, str]) -> Manifest:
    """The manifest of files that are rendered."""
    hashed = {path: digest(text) for path, text in files.items()}
    return Manifest({path: digest(text) for path, text in inputs.items()}, hashed)


def digest(text: str) -> str:
    """SHA-256 of a text with its line ends normalised."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode("utf-8", "surrogateescape")).hexdigest()


def _pending_path(project: str) -> str:
    """Where a run says what it is about to write: there only while it writes, or after it was killed."""
    return f"generated/{project}/manifest.pending.json"


def read_manifest(root: Path, project: str) -> Manifest:
    """The manifest on disk; an empty one where there is none that can be read."""
    return _read(root / manifest_path(project))


def _read(path: Path) -> Manifest:
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError, LookupError):
        data: Any = json.loads(path.read_text("utf-8"))
        inputs, outputs = ({str(k): str(v) for k, v in data[part].items()} for part in ("inputs", "outputs"))
        if data["format"] == FORMAT:
            return Manifest(inputs, {path: h for path, h in outputs.items() if _inside(path)})
    return Manifest({}, {})


def _inside(path: str) -> bool:
    parts = path.split("/")
    return not path.startswith("/") and "\\" not in path and not any(part in ("", ".", "..") for part in parts)


def stale(root: Path, project: str, files: Mapping[str, str], manifest: Manifest, whole: bool) -> list[Finding]:
    """How the disk differs from what would be rendered; nothing is written. `whole`: every environment was rendered."""
    findings = []
    for path, text in files.items():
        found = _on_disk(root / path)
        if found is None:
            findings.append(_not_fresh(path, "is missing"))
        elif digest(found) != digest(text):
            findings.append(_not_fresh(path, "is not what the spec renders"))
    known = read_manifest(root, project)
    if whole:
        findings += [
            _not_fresh(path, "is left over from an earlier render")
            for path in known.outputs
            if path not in files and (root / path).exists()
        ]
        if not findings and known != manifest:
            findings.append(_not_fresh(manifest_path(project), "does not match the spec"))
    return findings


def _not_fresh(path: str, what: str) -> Finding:
    why = "What runs would not be what the spec says."
    return Finding(
        "not-fresh", f"{path} {what}", Position(path, 1, 1), why, "Run `mlspec render` and commit the result."
    )


def hand_edits(root: Path, project: str, files: Mapping[str, str], whole: bool) -> list[Finding]:
    """Files that would be overwritten or removed, though somebody else wrote or changed them."""
    known = read_manifest(root, project).outputs
    pending = _read(root / _pending_path(project)).outputs
    findings = []
    for path in dict.fromkeys([*files, *(known if whole else ()), *pending]):
        found = _on_disk(root / path)
        ours = {known.get(path), *pending.get(path, "").split(), *([digest(files[path])] if path in files else ())}
        if found is not None and digest(found) not in ours:
            findings.append(_edited(path, path in known))
    return findings


def _edited(path: str, known: bool) -> Finding:
    what = "was edited since it was generated" if known else "is there already, and mlspec did not write it"
    return Finding(
        "hand-edit",
        f"{path} {what}",
        Position(path, 1, 1),
        "Rendering would lose that work.",
        "Move the change into the spec; then delete the file, or render with `--overwrite`.",
    )


def write_files(root: Path, project: str, files: Mapping[str, str], manifest: Manifest, whole: bool) -> list[str]:
    """Write what differs, remove what is left over, the manifest last; the paths that changed. Raises OSError.

    Where not every environment was rendered, the manifest keeps what it knew of the others.
    """
    with _alone(root / manifest_path(project)):
        return _write_all(root, project, files, manifest, whole)


@contextlib.contextmanager
def _alone(manifest: Path) -> Iterator[None]:
    """One run at a time: a lock on the project's folder, which ends with the process and leaves no file."""
    manifest.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(manifest.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write_all(root: Path, project: str, files: Mapping[str, str], manifest: Manifest, whole: bool) -> list[str]:
    before, cut_off = read_manifest(root, project), _read(root / _pending_path(project))
    owned = {**before.outputs, **cut_off.outputs}
    kept = {} if whole else {path: h for path, h in before.outputs.items() if path not in manifest.outputs}
    after = Manifest(manifest.inputs, {**kept, **manifest.outputs})
    leftover = [path for path in owned if path not in after.outputs]
    if not leftover and after == before and not _differing(root, files):
        return []
    # Of a file that an earlier run was to write, too: that run may have been killed after it did.
    said = {path: cut_off.outputs.get(path, "").split() for path in manifest.outputs}
    pending = {path: " ".join(dict.fromkeys([*said[path], h])) for path, h in manifest.outputs.items()}
    _write(root / _pending_path(project), Manifest(manifest.inputs, {**owned, **pending}).text())
    replaced = set(_replace_all({root / path: text for path, text in files.items()}))
    changed = [path for path in files if root / path in replaced]
    changed += [path for path in leftover if _remove(root, path)]
    if _write(root / manifest_path(project), after.text()):
        changed.append(manifest_path(project))
    (root / _pending_path(project)).unlink()
    return changed


def _differing(root: Path, files: Mapping[str, str]) -> list[str]:
    return [path for path, text in files.items() if _on_disk(root / path) != text]


def _on_disk(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return None


def _write(path: Path, text: str) -> bool:
    return bool(_replace_all({path: text}))


def _replace_all(texts: Mapping[Path, str]) -> list[Path]:
    """Replace the files that differ, each at once: all are written beside their places first, and lie on disk."""
    staged = {path: _stage(path, text.encode()) for path, text in texts.items() if _bytes(path) != text.encode()}
    for temporary in staged.values():
        file = os.open(temporary, os.O_RDONLY)
        os.fsync(file)
        os.close(file)
    for path, temporary in staged.items():
        temporary.replace(path)
    return list(staged)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _stage(path: Path, data: bytes) -> Path:
    temporary = path.with_name(path.name + _TEMPORARY)  # one name: what a killed run leaves, the next one replaces
    try:
        temporary.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
    return temporary


def _remove(root: Path, path: str) -> bool:
    target = root / path
    if not target.is_file():
        return False
    target.unlink()
    for folder in _parents(root, target):
        with contextlib.suppress(OSError):
            folder.rmdir()
    return True


def _parents(root: Path, path: Path) -> Iterator[Path]:
    folder = path.parent
    while folder != root and root in folder.parents:
        yield folder
        folder = folder.parent
