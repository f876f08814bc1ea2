"""PromQL of the user's own: parsed, and given the matchers of the job that exposes each of its metrics."""

import re
from collections.abc import Iterator
from typing import Any, Final

from mlspec.promql.select import View
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


class ExprError(ValueError):
    """An expression that is no PromQL."""


def find_series(spec: Spec, series: str) -> tuple[str, Metric] | None:
    """The job and metric behind a series name, `_bucket`, `_count` and `_sum` of a histogram included."""
    if found := spec.find_metric(series):
        return found
    for suffix in _SUFFIXES:
        found = spec.find_metric(series.removesuffix(suffix)) if series.endswith(suffix) else None
        if found and found[1].type == "histogram":
            return found
    return None


def parse(expr: str) -> Any:
    """The expression's tree; raises ExprError."""
    import promql_parser

    if len(expr) > 20_000:
        raise ExprError("it is longer than 20,000 characters")
    try:
        return promql_parser.parse(expr)
    except (ValueError, RecursionError) as error:
        raise ExprError(str(error)) from error


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
    tokens = [(match.lastgroup or "other", match[0]) for match in _TOKEN.finditer(expr)]
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
        if group == "string" and view.panel and not text.startswith("`"):
            shown = shown.replace("$", r"\x24")
        if group in ("name", "other"):
            last_name = text if group == "name" else ""
        if group != "comment":
            out.append(shown)
    return " ".join("".join(out).split("\n")).strip()


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
