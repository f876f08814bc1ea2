"""Whether the queries of signals and panels answer with data, and if not, what is missing."""

import math
import re
from collections.abc import Iterator
from typing import Final

from mlspec.live.evidence import Answer, Evidence, Question
from mlspec.live.result import Said, Status
from mlspec.promql import ExprError, find_series, parse, series_names
from mlspec.spec.metric import Metric
from mlspec.spec.signal import Change, Expr, SignalBase, Up
from mlspec.spec.units import duration

AREA: Final = "signal"
NEEDS: Final = "answers"
# A comparison or a set operation, which may rightly leave nothing over.
_FILTERS: Final = re.compile(r"[=!]=|[<>]|\b(?:and|unless|absent|absent_over_time)\b")
_QUOTED: Final = re.compile(r'\{[^{}]*\}|"(?:[^"\\]|\\.)*"')


def query_fails(seen: Evidence) -> Iterator[Said]:
    """Prometheus refuses a query, or fails to answer it.

    Why: The alert, or the panel, shows nothing.
    Instead: Read Prometheus' words. For an `expr`, correct it; otherwise it is a fault of mlspec: please report it.
    """
    for question, answer in _answered(seen):
        if answer.error:
            yield _said(question, f"{answer.error} ({question.expr})")


def answer_not_a_number(seen: Evidence) -> Iterator[Said]:
    """A query answers NaN or infinity.

    Why: A comparison with NaN is never true, so no alert fires; a panel shows a gap.
    Instead: See which of its metrics is NaN. In an `expr`, divide by `(… > 0)`, so that 0/0 cannot be.
    """
    for question, answer in _answered(seen):
        bad = [value for value in answer.values if not math.isfinite(value)]
        if bad:
            yield _said(question, f"{len(bad)} of its {len(answer.values)} values are {bad[0]}")


def no_answer(seen: Evidence) -> Iterator[Said]:
    """A query answers nothing.

    Why: Its alerts are blind and its panels empty, until there is data.
    Instead: Send traffic, as with `mlspec simulate`, and ask again. If it stays empty, no code records the metric.
    """
    for question, answer in _answered(seen):
        if not answer.error and not answer.values:
            status, why = _reason(seen, question)
            yield _said(question, why, status)


def _answered(seen: Evidence) -> Iterator[tuple[Question, Answer]]:
    for question in seen.questions:
        if answer := seen.answer_to(question):
            yield question, answer


def _said(question: Question, message: str, status: Status = "failed") -> Said:
    return Said(question.subject, message, question.at, status, area=question.area)


def _reason(seen: Evidence, question: Question) -> tuple[Status, str]:
    """Why a query has no data, and whether that may be."""
    spec = seen.environment.spec
    followed = spec.signals[question.signal.change] if isinstance(question.signal, Change) else question.signal
    asked = _asked(seen, followed)
    for job in dict.fromkeys(job for job, _, _ in asked) or ([followed.up] if isinstance(followed, Up) else []):
        if spec.addresses(job) is None:
            return "skipped", f"{job} does not run in this environment"
        if not any(target.health == "up" for target in seen.targets_of(job)):
            return "skipped", f"{job} is not up: see its target"
    unseen = [(name, metric) for job, name, metric in asked if not seen.has_series(job, _counted(name, metric))]
    if unseen and all(_of_errors(metric) for _, metric in unseen):
        return "ok", "nothing failed yet"
    if unseen:
        return "waiting", f"Prometheus has no series of {', '.join(name for name, _ in unseen)} yet"
    if isinstance(question.signal, Change):
        return _of_change(seen, question, question.signal)
    if isinstance(followed, Expr):
        return _of_expr(followed)
    if all(metric.type == "gauge" for _, _, metric in asked):
        return "waiting", "its gauges have series, and give no number" + _where(followed)
    return "waiting", f"nothing happened in the last {duration(followed.over)}" + _where(followed)


def _asked(seen: Evidence, signal: SignalBase) -> list[tuple[str, str, Metric]]:
    """The declared metrics behind a signal: job, name and metric."""
    spec = seen.environment.spec
    names = signal.metrics()
    if isinstance(signal, Expr):
        try:
            names = tuple(series_names(parse(signal.expr)))
        except ExprError:
            return []
        return [(f[0], _base(name, f[1]), f[1]) for name in names if (f := find_series(spec, name))]
    return [(found[0], name, found[1]) for name in names if (found := spec.find_metric(name))]


def _base(series: str, metric: Metric) -> str:
    return re.sub(r"_(bucket|count|sum)$", "", series) if metric.type == "histogram" else series


def _counted(name: str, metric: Metric) -> str:
    return f"{name}_count" if metric.type == "histogram" else name


def _of_errors(metric: Metric) -> bool:
    return metric.source is not None and metric.source.event.endswith(".errors")


def _of_change(seen: Evidence, question: Question, signal: Change) -> tuple[Status, str]:
    """No failure in a young stack, under `--require-data` either: no traffic could make it older."""
    answers = seen.answers if isinstance(seen.answers, dict) else {}
    past = answers.get(question.history)
    ago = duration(signal.against)
    if past is not None and not past.values:
        return "skipped", f"Prometheus does not look back {ago} yet"
    return "waiting", f"{signal.change} has no data now, or had none {ago} ago"


def _of_expr(signal: Expr) -> tuple[Status, str]:
    outside = _QUOTED.sub("", signal.expr)
    if _FILTERS.search(outside):
        return "ok", "nothing now: its comparison leaves nothing over"
    return "waiting", "its series are there, and yet it gives nothing: two sides may never match"


def _where(signal: SignalBase) -> str:
    where = ", ".join(f"{label}={'|'.join(values)}" for label, values in signal.where.items())
    return f" where {where}" if where else ""
