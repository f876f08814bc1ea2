"""Text is data with places: nothing is guessed, nothing is lost."""

import pytest

from mlspec.diagnostic import SpecError
from mlspec.load import parse


def test_scalars_stay_text() -> None:
    text = "a: NO\nb: 1.10\nc: 007\nd: 2024-01-31\ne: {0: off}\nf: 'null'\ng: true\nh: 1e3\n"
    assert parse(text.encode(), "f").data == {
        "a": "NO",
        "b": "1.10",
        "c": "007",
        "d": "2024-01-31",
        "e": {"0": "off"},
        "f": "null",
        "g": "true",
        "h": "1e3",
    }


def test_null_removes_and_nothing_is_an_empty_mapping() -> None:
    assert parse(b"a: null\nb: ~\nc:\nd: ''\n", "f").data == {"a": None, "b": None, "c": {}, "d": ""}


def test_every_value_has_its_place() -> None:
    document = parse(b"a:\n  b: [x, yy]\n", "f")
    assert (document.places["a", "b"].key.line, document.places["a", "b"].key.column) == (2, 3)
    second = document.places["a", "b", 1].value
    assert (second.line, second.column, second.length) == (2, 10, 2)


def test_an_alias_has_its_own_place() -> None:
    document = parse(b"a: &x {k: v}\nb: *x\n", "f")
    assert document.data["b"] == {"k": "v"}
    assert document.places["b", "k"].value.line == 2


def test_unicode_counts_characters() -> None:
    assert parse("é: [ü, x]\n".encode(), "f").places["é", 1].value.column == 8


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        (b"a: 1\nb: 2\na: 3\n", "duplicate-key", 3, 1),
        (b"a:\n\tb: 1\n", "tab", 2, 1),
        (b"a: *nowhere\n", "unknown-alias", 1, 4),
        (b"a: &a [*a]\n", "alias-cycle", 1, 8),
        (b"- a\n", "not-a-mapping", 1, 1),
        (b"", "empty-file", 1, 1),
        (b"a: 1\n--- \nb: 2\n", "second-document", 2, 1),
        (b"a: !!python/object:os.system {}\n", "yaml-tag", 1, 4),
        (b"a: \x01\n", "control-character", 1, 4),
        (b"a: \xff\n", "binary-file", 1, 4),
        (b"a: 'open\nb: 1\n", "yaml-syntax", 1, 4),
        (b"[" * 50, "too-deep", 1, 41),
    ],
)
def test_what_is_wrong_has_a_place(text: bytes, code: str, line: int, column: int) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text, "f")
    finding = caught.value.findings[0]
    assert (finding.code, finding.position.line, finding.position.column) == (code, line, column)


def test_an_alias_bomb_is_defused() -> None:
    levels = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"]
    levels += [b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 9)]
    with pytest.raises(SpecError) as caught:
        parse(b"".join(levels), "f")
    assert caught.value.findings[0].code == "alias-bomb"
