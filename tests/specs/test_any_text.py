"""Whatever a file holds, the analysis gives a project or findings with place, reason and way out; no traceback."""

import copy
import re
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlspec import pipeline
from mlspec.diagnostic import as_json, as_text, source_lines

ROOT = Path(__file__).parents[2]
WINE = (ROOT / "projects" / "wine.yaml").read_text("utf-8")
LINES = WINE.splitlines(keepends=True)
TOKEN = re.compile(r"[A-Za-z_][\w./-]*|\d[\w.%]*|[^\w\s]|\s+")
TOKENS = TOKEN.findall(WINE)
PACK = (ROOT / "mlspec" / "packs" / "http.yaml").read_text("utf-8")

# What people type, and what breaks programs that read it.
STRANGE = st.sampled_from(
    [
        *("null", "~", "{}", "[]", "''", "true", "NO", "-1", "0", "1e999", "-.inf", "nan", "50ms", "5%", "1e400ms"),
        *("\t", "\r\n", "\n", "- ", ": ", "{", "}", "[", "]", "&a ", "*a", "!!x ", "|", ">", "%", "---\n", "#", "<<"),
        *("\u2028", "\x85", "\ufeff", "😀", "\u202e", "é", "'", '"', "`", "\\", "$x", "{{", "x" * 300, "٣"),
        *("self", "http", "metrics", "signals", "above", "of", "by", "rate", "expr", "linear", "wine_predicted_total"),
    ]
)
OTHER: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", "5", "5ms", "a_total", [], {}, [[]], ["x"], [{"a": "b"}], {"x": {"y": []}}]
)
ANY = st.one_of(STRANGE, st.text(max_size=6), st.sampled_from(TOKENS))
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def mutated_lines(draw: st.DrawFn) -> str:
    """wine.yaml with a few of its lines removed, doubled, moved, replaced or indented."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["remove", "double", "move", "replace", "indent", "cut"])):
            case "remove":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "replace":
                indentation = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
                lines[at] = f"{indentation}{draw(ANY)}: {draw(ANY)}\n"
            case "indent":
                lines[at] = draw(st.sampled_from(["  ", " ", "\t", "    "])) + lines[at]
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return "".join(lines)


def mutated_tokens(text: str) -> st.SearchStrategy[str]:
    """A text with one to four of its tokens removed, doubled or replaced."""
    tokens = TOKEN.findall(text)
    words = [i for i, token in enumerate(tokens) if not token.isspace()]

    @st.composite
    def mutate(draw: st.DrawFn) -> str:
        out = list(tokens)
        for _ in range(draw(st.integers(1, 4))):
            at = draw(st.sampled_from(words))
            out[at] = draw(st.one_of(ANY, st.just(""), st.just(out[at] * 2)))
        return "".join(out)

    return mutate()


@st.composite
def mutated_values(draw: st.DrawFn, text: str) -> str:
    """A document of which one to three values are something else: a word, a list, a mapping, nothing."""
    data = yaml.load(text, Loader=yaml.BaseLoader)
    for _ in range(draw(st.integers(1, 3))):
        node, depth = data, draw(st.integers(0, 6))
        for level in range(depth + 1):
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if level == depth or not isinstance(node[key], (dict, list)):
                node[key] = copy.deepcopy(draw(OTHER))
                break
            node = node[key]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def check(spec: Path, content: bytes) -> None:
    """Read a spec; every finding is one that a person can act on, and both printers can print it."""
    spec.write_bytes(content)
    outcome = pipeline.analyse(spec)
    assert outcome.project is not None or outcome.findings
    for finding in outcome.findings:
        at = finding.position
        lines = len(source_lines(outcome.sources.get(at.file, "")))
        assert 1 <= at.line <= lines + 1, finding
        assert at.column >= 1, finding
        assert at.length >= 1, finding
        assert finding.code, finding
        assert finding.message.strip(), finding
        assert finding.why.strip(), finding
        assert finding.instead.strip(), finding
    shown = as_text(outcome.findings, outcome.sources)
    assert all(c.isprintable() or c == "\n" for c in shown)
    as_json(outcome.findings).encode("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("any")
    (made / "ours.yaml").write_text(PACK, "utf-8")
    return made


@QUICK
@given(content=st.binary(max_size=300))
def test_any_bytes(folder: Path, content: bytes) -> None:
    check(folder / "spec.yaml", content)


@QUICK
@given(content=st.one_of(st.text(max_size=300), st.text(string.printable, max_size=300)))
def test_any_text(folder: Path, content: str) -> None:
    check(folder / "spec.yaml", content.encode("utf-8", "surrogatepass"))


@QUICK
@given(parts=st.lists(ANY, max_size=40))
def test_any_tokens(folder: Path, parts: list[str]) -> None:
    check(folder / "spec.yaml", "".join(parts).encode("utf-8", "surrogatepass"))


@QUICK
@given(content=mutated_lines())
def test_any_mutation_of_lines(folder: Path, content: str) -> None:
    check(folder / "spec.yaml", content.encode("utf-8", "surrogatepass"))


@QUICK
@given(content=mutated_tokens(WINE))
def test_any_mutation_of_tokens(folder: Path, content: str) -> None:
    check(folder / "spec.yaml", content.encode("utf-8", "surrogatepass"))


@QUICK
@given(content=mutated_values(WINE))
def test_any_mutation_of_values(folder: Path, content: str) -> None:
    check(folder / "spec.yaml", content.encode())


@QUICK
@given(content=st.one_of(mutated_tokens(PACK), mutated_values(PACK)))
def test_any_mutation_of_a_pack(folder: Path, content: str) -> None:
    (folder / "ours.yaml").write_bytes(content.encode("utf-8", "surrogatepass"))
    check(folder / "spec.yaml", WINE.replace("  http: {rename:", "  ours.yaml: {rename:").encode())


@pytest.mark.slow
@LONG
@given(content=st.one_of(mutated_lines(), mutated_tokens(WINE), mutated_values(WINE)))
def test_many_mutations(folder: Path, content: str) -> None:
    check(folder / "spec.yaml", content.encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@LONG
@given(content=st.one_of(mutated_tokens(PACK), mutated_values(PACK)))
def test_many_mutations_of_a_pack(folder: Path, content: str) -> None:
    (folder / "ours.yaml").write_bytes(content.encode("utf-8", "surrogatepass"))
    check(folder / "spec.yaml", WINE.replace("  http: {rename:", "  ours.yaml: {rename:").encode())
