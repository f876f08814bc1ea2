"""Text to data, with the position of every value.

Scalars stay text: `NO`, `1.10` and `007` mean what they say, and the shapes of the language type them. Data is built
from the parser's events, so that depth, size and aliases are bounded before anything is built.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from mlspec.diagnostic import Finding, Position, SpecError, source_lines

Data = str | None | dict[str, Any] | list[Any]
At = tuple[str | int, ...]

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 40
MAX_VALUES: Final = 50_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS: Final = frozenset({"null", "Null", "NULL", "~"})
_QUOTING: Final = (
    "Mind indentation, colons and brackets; quote a text that contains `: ` or ` #`, "
    "or begins with one of [ ] { } * & ! | > % @ or a backtick."
)
_ESCAPING: Final = "In double quotes a backslash begins an escape: write it twice, or use single quotes."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, and the key that leads to it (the same where there is none)."""

    key: Position
    value: Position


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its data, and the place of each value by its path from the root."""

    file: str
    text: str
    data: dict[str, Any]
    places: dict[At, Place]


def read_document(path: Path, shown: str | None = None) -> Document:
    """Read a YAML file; raises SpecError with what is wrong with it. `shown` is the name that findings give it."""
    file = shown or path.as_posix()
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise _refused(
            file, "unreadable-file", f"{file}: {reason}", "Give the path of a spec, as in `projects/wine.yaml`."
        ) from error
    return parse(raw, file)


def parse(raw: bytes, file: str) -> Document:
    """Read YAML from bytes; raises SpecError with the place of what is wrong."""
    text = _decoded(raw, file)
    builder = _Builder(file)
    try:
        data = builder.build(yaml.parse(text, Loader=_Loader))
    except yaml.reader.ReaderError as error:
        raise _control_character(text, file, error) from error
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file, text) from error
    if not isinstance(data, dict):
        found = "a list" if isinstance(data, list) else "a single value"
        raise _refused(file, "not-a-mapping", f"the document is {found}, not a mapping", "Begin with `mlspec: 1`.")
    if not data:
        raise _refused(
            file,
            "empty-file",
            "the file is empty",
            "`mlspec init NAME` writes a starter spec; it begins with `mlspec: 1`.",
        )
    return Document(file, text, data, builder.places)


def _decoded(raw: bytes, file: str) -> str:
    if len(raw) > MAX_BYTES:
        raise _refused(
            file, "file-too-large", f"the file has {len(raw):,} bytes; {MAX_BYTES:,} at most", "Split it into packs."
        )
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw:
        raise _refused(
            file, "binary-file", "this is no text in UTF-8 (a zero byte)", "Give a YAML file saved as UTF-8."
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise SpecError(
            Finding(
                "binary-file",
                f"byte {raw[error.start]:#04x} is no UTF-8",
                Position(file, line, column),
                "A spec is text in UTF-8.",
                "Save the file as UTF-8.",
            )
        ) from error


def _refused(file: str, code: str, message: str, instead: str) -> SpecError:
    why = "A spec is one YAML mapping in a file of bounded size."
    return SpecError(Finding(code, message, Position(file, 1, 1), why, instead))


def _control_character(text: str, file: str, error: yaml.reader.ReaderError) -> SpecError:
    index = next((i for i, c in enumerate(text) if not c.isprintable() and c not in "\t\n\r\x85\u2028\u2029\ufeff"), 0)
    if isinstance(error.position, int) and error.position < len(text) and text.isascii():
        index = error.position
    lines = source_lines(text[:index])
    character = text[index] if text else ""
    return SpecError(
        Finding(
            "control-character",
            f"a control character (U+{ord(character or ' '):04X}) stands in the text",
            Position(file, len(lines), len(lines[-1]) + 1),
            "YAML allows printable characters only.",
            'Remove it, or write it as an escape in double quotes ("\\u001b").',
        )
    )


def _syntax_error(error: yaml.MarkedYAMLError, file: str, text: str) -> SpecError:
    lines = source_lines(text)
    mark = error.problem_mark or error.context_mark
    if error.context_mark and mark and not "".join(lines[mark.line :]).strip():
        mark = error.context_mark  # the end of the file is no place to look at: show what was never closed
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    at = lines[line - 1] if line <= len(lines) else ""
    context = error.context
    if error.context_mark and mark and error.context_mark.line != mark.line:
        context = f"{context} that begins at line {error.context_mark.line + 1},"
    problem = " ".join(part for part in (context, error.problem) if part)
    if "\t" in at[: len(at) - len(at.lstrip())] or at[column - 1 : column] == "\t":
        column = at.index("\t") + 1
        return SpecError(
            Finding(
                "tab",
                "a tab is used for indentation",
                Position(file, line, column),
                "YAML indents by spaces only: a tab has no agreed width.",
                "Use two spaces.",
            )
        )
    return SpecError(
        Finding(
            "yaml-syntax",
            f"this is no valid YAML: {problem}",
            Position(file, line, column),
            "Nothing can be read from a file that the YAML parser refuses.",
            _ESCAPING if "escape" in problem else _QUOTING,
        )
    )


@dataclass
class _Open:
    """A mapping or list that is being built."""

    at: At
    start: Position
    items: dict[str, Any] | list[Any]
    anchor: str | None
    key: str | None = None
    key_position: Position | None = None
    seen: dict[str, Position] = field(default_factory=dict)


class _Builder:
    """Builds data from YAML events without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[At, Place] = {}
        self._stack: list[_Open] = []
        self._anchors: dict[str, Data | _Open] = {}
        self._count = 0
        self._documents = 0
        self._root: Data = {}

    def build(self, events: Iterator[Any]) -> Data:
        for event in events:
            name = type(event).__name__
            handle = getattr(self, f"_{name}", None)
            if handle:
                handle(event)
        return self._root

    def _DocumentStartEvent(self, event: Any) -> None:  # noqa: N802  (named after the parser's events)
        self._documents += 1
        if self._documents > 1:
            raise self._error(
                event, "second-document", "a second document begins here", "One spec a file: remove `---`."
            )

    def _ScalarEvent(self, event: Any) -> None:  # noqa: N802
        if self._expects_key():
            self._take_key(event)
            return
        self._check_tag(event)
        value: Data = event.value
        if event.style is None or event.style == "":
            value = {} if event.value == "" else None if event.value in _NULLS else event.value
        self._add(value, self._position(event), event)

    def _AliasEvent(self, event: Any) -> None:  # noqa: N802
        if self._expects_key():
            raise self._error(event, "complex-key", "an alias is used as a key", "Write the key out.")
        value = self._anchors.get(event.anchor)
        if event.anchor not in self._anchors:
            raise self._error(event, "unknown-alias", f"`*{event.anchor}` has no anchor", "Write the value out.")
        if isinstance(value, _Open):
            raise self._error(event, "alias-cycle", f"`*{event.anchor}` contains itself", "Write the value out.")
        self._add(value, self._position(event), event)
        self._repeat(value, self._last_at, self._position(event), event)

    def _MappingStartEvent(self, event: Any) -> None:  # noqa: N802
        self._open({}, event)

    def _SequenceStartEvent(self, event: Any) -> None:  # noqa: N802
        self._open([], event)

    def _MappingEndEvent(self, event: Any) -> None:  # noqa: N802
        self._close()

    _SequenceEndEvent = _MappingEndEvent

    def _expects_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].items, dict) and self._stack[-1].key is None

    def _take_key(self, event: Any) -> None:
        top, key, at = self._stack[-1], event.value, self._position(event)
        if key == "<<" and event.style in (None, ""):
            raise self._error(event, "merge-key", "merge keys (`<<`) are not read", "Use an environment or a pack.")
        if key in top.seen:
            raise self._error(
                event,
                "duplicate-key",
                f"`{key}` stands twice; first at line {top.seen[key].line}",
                "Keep one of the two.",
            )
        top.key, top.key_position = key, at
        top.seen[key] = at

    def _open(self, items: dict[str, Any] | list[Any], event: Any) -> None:
        if self._expects_key():
            raise self._error(event, "complex-key", "a key is a mapping or a list", "Keys are plain text; quote it.")
        if len(self._stack) >= MAX_DEPTH:
            raise self._error(event, "too-deep", f"more than {MAX_DEPTH} levels of nesting", "A spec needs about six.")
        self._check_tag(event)
        at = self._add(items, self._position(event), event)
        frame = _Open(at, self._position(event), items, event.anchor)
        self._stack.append(frame)
        if event.anchor:
            self._anchors[event.anchor] = frame

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.anchor:
            self._anchors[frame.anchor] = frame.items

    def _add(self, value: Data, position: Position, event: Any) -> At:
        self._count += 1
        if self._count > MAX_VALUES:
            raise self._error(
                event, "too-many-values", f"more than {MAX_VALUES:,} values, aliases counted", "Remove what repeats."
            )
        at: At = ()
        key = position
        if not self._stack:
            self._root = value
        else:
            top = self._stack[-1]
            if isinstance(top.items, dict):
                assert top.key is not None
                assert top.key_position is not None
                at, key = (*top.at, top.key), top.key_position
                top.items[top.key], top.key = value, None
            else:
                at = (*top.at, len(top.items))
                top.items.append(value)
        self.places[at] = Place(key, position)
        self._last_at = at
        if getattr(event, "anchor", None) and not isinstance(value, (dict, list)):
            self._anchors[event.anchor] = value
        return at

    def _repeat(self, value: Data, at: At, position: Position, event: Any) -> None:
        """Give the insides of an aliased value the place of the alias, and count them again."""
        todo: list[tuple[Data, At]] = [(value, at)]
        while todo:
            inside, path = todo.pop()
            items = (
                inside.items() if isinstance(inside, dict) else enumerate(inside) if isinstance(inside, list) else ()
            )
            for key, item in items:
                self._count += 1
                if self._count > MAX_VALUES or len(path) > MAX_DEPTH:
                    raise self._error(
                        event,
                        "alias-bomb",
                        f"the alias `*{event.anchor}` makes the document explode",
                        "Write out what is needed, or use a pack.",
                    )
                self.places[(*path, key)] = Place(position, position)
                todo.append((item, (*path, key)))

    def _check_tag(self, event: Any) -> None:
        if event.tag not in (None, "!"):
            raise self._error(
                event, "yaml-tag", f"the tag `{event.tag}` is not read", "Remove it: the key types its value."
            )

    def _position(self, event: Any) -> Position:
        start, end = event.start_mark, event.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return Position(self.file, start.line + 1, start.column + 1, max(1, length))

    def _error(self, event: Any, code: str, message: str, instead: str) -> SpecError:
        why = "A spec is plain YAML: a mapping of texts, each key once, small enough to be read by a person."
        return SpecError(Finding(code, message, self._position(event), why, instead))
