"""PromQL of the user's own: parsed, and given the matchers of the job that exposes each of its metrics."""

import re
from collections.abc import Iterator
from typing import Any, Final

from mlspec.promql.select import View, lexable, quoted, shielded
from mlspec.spec.document import Spec
from mlspec.spec.metric import Metric

# What Prometheus itself writes for every target and alert.
BUILT_IN: Final = frozenset(
    {
        "up",
        "scrape_duration_seconds",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
        "ALERTS",
        "ALERTS_FOR_STATE",
    }
)
_SUFFIXES: Final = ("_bucket", "_count", "_sum")
_TOKEN: Final = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)|(?P<comment>\#[^\n]*)"""
    r"""|(?P<number>(?:\d[\w.]*))|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<space>\s+)|(?P<other>.)""",
    re.DOTALL,
)
_LABEL_LISTS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})


# Expressions that Prometheus can neither compare with a bound nor record.
_NO_VALUE: Final = {
    "StringLiteral": "a text",
    "MatrixSelector": "the samples of a range",
    "SubqueryExpr": "the samples of a range",
}


class ExprError(ValueError):
    """An expression that is no PromQL."""


def metric_behind(spec: Spec, series: str) -> str | None:
    """The declared metric behind a series name, `_bucket`, `_count` and `_sum` of a histogram included."""
    if spec.find_metric(series):
        return series
    for suffix in _SUFFIXES:
        name = series.removesuffix(suffix)
        found = spec.find_metric(name) if name != series else None
        if found and found[1].type == "histogram":
            return name
    return None


def find_series(spec: Spec, series: str) -> tuple[str, Metric] | None:
    """The job and metric behind a series name."""
    name = metric_behind(spec, series)
    return spec.find_metric(name) if name else None


def parse(expr: str) -> Any:
    """The expression's tree; raises ExprError."""
    import promql_parser

    if len(expr) > 20_000:
        raise ExprError("it is longer than 20,000 characters")
    try:
        tree = promql_parser.parse("".join(text for _, text in _tokens(expr)))
    except (ValueError, RecursionError) as error:
        raise ExprError(str(error)) from error
    bare: Any = tree
    while type(bare).__name__ == "ParenExpr":
        bare = bare.expr
    if what := _NO_VALUE.get(type(bare).__name__):
        raise ExprError(f"it gives {what}, and no value that could be compared or drawn")
    return tree


def series_names(tree: Any) -> list[str]:
    """The series that an expression asks for, in its order; raises ExprError for one without a name."""
    return [_name(node) for node in _nodes(tree) if type(node).__name__ == "VectorSelector"]


def _name(node: Any) -> str:
    if not node.name:
        raise ExprError("a selector names no metric")
    return str(node.name)


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for attribute in ("lhs", "rhs", "expr", "param", "vector_selector"):
        child = getattr(node, attribute, None)
        if child is not None:
            yield from _nodes(child)
    for child in getattr(node, "args", None) or ():
        yield from _nodes(child)


def with_matchers(expr: str, view: View) -> str:
    """The expression with its job's matchers in every selector; raises ExprError."""
    metrics = set(series_names(parse(expr)))
    tokens = _tokens(expr)
    out: list[str] = []
    depth_of_labels = 0
    last_name = ""
    pending = ""
    for index, (group, text) in enumerate(tokens):
        shown = text
        if depth_of_labels:
            depth_of_labels = 0 if text == ")" else depth_of_labels
        elif text == "(" and last_name in _LABEL_LISTS:
            depth_of_labels = 1
        elif text == "{":
            shown = "{" + _opening(pending, tokens[index + 1 :])
            pending = ""
        elif group == "name" and text in metrics and not _in_braces(tokens[:index]) and _next(tokens, index) != "(":
            matchers = ",".join(_matchers(text, view))
            if _next(tokens, index) == "{":
                pending = matchers
            else:
                shown = f"{text}{{{matchers}}}"
        if group == "string":
            shown = shielded(lexable(shown)) if view.panel else lexable(shown)
        if group in ("name", "other"):
            last_name = text if group == "name" else ""
        if group != "comment":
            out.append(shown)
    return " ".join("".join(out).split("\n")).strip()


def _tokens(expr: str) -> list[tuple[str, str]]:
    """The kind and text of each token; raw strings as quoted ones, since promql-parser unescapes them."""
    found = [(match.lastgroup or "other", match[0]) for match in _TOKEN.finditer(expr)]
    return [(g, quoted(text[1:-1]) if g == "string" and text[0] == "`" else text) for g, text in found]


def _opening(matchers: str, rest: list[tuple[str, str]]) -> str:
    follows = next((text for group, text in rest if group != "space"), "}")
    return matchers if follows == "}" or not matchers else f"{matchers},"


def _in_braces(before: list[tuple[str, str]]) -> bool:
    texts = [text for group, text in before if group == "other"]
    return texts.count("{") > texts.count("}")


def _next(tokens: list[tuple[str, str]], index: int) -> str:
    return next((text for group, text in tokens[index + 1 :] if group not in ("space", "comment")), "")


def _matchers(series: str, view: View) -> list[str]:
    found = find_series(view.spec, series)
    if found:
        return view.job_matchers(found[0])
    return view.job_matchers("")[-2:]
