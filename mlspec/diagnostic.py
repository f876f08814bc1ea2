"""Findings: what is wrong, where, why it matters and what to write instead; and their two printers."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning"]

# YAML 1.1 counts these as line breaks, so the printed line must be cut at the same places.
_LINE_BREAKS = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; line and column count from 1, length in characters."""

    file: str
    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend, with a stable code."""

    code: str
    message: str
    position: Position
    why: str
    instead: str
    severity: Severity = "error"


class SpecError(Exception):
    """A step cannot go on: carries the findings that say why."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding forbids rendering."""
    return any(finding.severity == "error" for finding in findings)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By place, each once: two environments often tell the same thing."""
    return sorted(dict.fromkeys(findings), key=lambda f: (f.position, f.code, f.message))


def closest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A "did you mean" for `word`, else a list of what is known, else `otherwise`."""
    from difflib import get_close_matches  # only when something is wrong

    names = sorted(set(known))
    if near := get_close_matches(word, names, n=1, cutoff=0.6):
        return f"did you mean `{near[0]}`?"
    if names and len(names) <= 24:
        return "one of " + ", ".join(f"`{name}`" for name in names)
    return otherwise or "a declared name"


def source_lines(text: str) -> list[str]:
    """The lines of a YAML text as its parser counts them."""
    return _LINE_BREAKS.split(text)


def as_text(findings: Iterable[Finding], sources: Mapping[str, str]) -> str:
    """Findings for a person: the line, a caret under the place, why and what instead.

    `sources` maps the file names of positions to their text; a file that is not in it is shown without its line.
    """
    return "\n".join(_one(finding, sources.get(finding.position.file, "")) for finding in findings)


def as_json(findings: Iterable[Finding]) -> str:
    """Findings for a program: a JSON list, keys as in `Finding`."""
    return json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False)


def _one(finding: Finding, text: str) -> str:
    at = finding.position
    out = [
        f"{finding.severity}[{finding.code}]: {printable(finding.message)}",
        f"  --> {at.file}:{at.line}:{at.column}",
    ]
    lines = source_lines(text)
    if text and at.line <= len(lines):
        out += _excerpt(lines[at.line - 1], at)
    out += [f"   = why: {printable(finding.why)}", f"   = instead: {printable(finding.instead)}", ""]
    return "\n".join(out)


def _excerpt(line: str, at: Position) -> list[str]:
    start = max(0, at.column - 80)
    shown = printable(line[start : start + 150].replace("\t", " "))
    number = str(at.line)
    gutter = " " * len(number)
    caret = " " * (at.column - 1 - start) + "^" * max(1, min(at.length, len(shown) - (at.column - 1 - start)))
    return [f"{gutter} |", f"{number} | {shown}", f"{gutter} | {caret}"]


def printable(text: str) -> str:
    """Text that cannot move the cursor, change its colour or its direction."""
    return "".join(c if c.isprintable() else "�" for c in text)


@dataclass(frozen=True, slots=True)
class Problem:
    """What a check yields: the path of what is wrong, the message, and what to write instead where the check knows."""

    at: tuple[str | int, ...]
    message: str
    instead: str = ""
    on_key: bool = False
