"""Selectors: which series of a metric are asked for, as PromQL text."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

from mlspec import names
from mlspec.spec.document import Spec
from mlspec.spec.metric import Metric
from mlspec.spec.units import duration

# Labels that every series has from being scraped.
SCRAPED: Final = ("job", "instance")


@dataclass(frozen=True, slots=True)
class View:
    """Who asks: a rule, or a panel with Grafana's variables."""

    spec: Spec
    env: str
    panel: bool

    @property
    def keep(self) -> tuple[str, ...]:
        """The labels that survive every aggregation."""
        return () if self.panel else ("job",)

    def job_matchers(self, job: str) -> list[str]:
        """What picks a job's series of this project and environment."""
        own = [f"{names.PROJECT}={quoted(self.spec.project)}", f"{names.ENV}={quoted(self.env)}"]
        if self.panel and job == self.spec.job:
            return ['job=~"$job"', 'instance=~"$instance"', *own]
        return [f"job={quoted(job)}", *own]

    def window(self, over: int, fixed: bool) -> str:
        """The range of a rate: the signal's own, or in a panel the one that fits its resolution."""
        return "$__rate_interval" if self.panel and not fixed else duration(over)

    def span(self, over: int, fixed: bool) -> str:
        """The range of a total: the signal's own, or in a panel all that is looked at."""
        return "$__range" if self.panel and not fixed else duration(over)


@cache
def quoted(text: str) -> str:
    """A PromQL string literal that Grafana does not interpolate either."""
    return shielded(lexable(json.dumps(text, ensure_ascii=False)))


def lexable(literal: str) -> str:
    """A quoted string literal without U+FFFD, which Prometheus takes for a fault of the encoding."""
    return literal.replace("\ufffd", r"\ufffd")


def shielded(literal: str) -> str:
    """A quoted string literal, written so that Grafana finds no variable in it."""
    return re.sub(r"\[(?=\[)", r"\\x5b", literal.replace("$", r"\x24"))


def matcher(label: str, values: tuple[str, ...]) -> str:
    """A label's matcher: equality for one plain value, else a regular expression; `*` stands for any text."""
    if len(values) == 1 and "*" not in values[0]:
        return f"{label}={quoted(values[0])}"
    return f"{label}=~{quoted('|'.join(_pattern(value) for value in values))}"


def _pattern(value: str) -> str:
    return ".*".join(re.sub(r"[\\.+?()|\[\]{}^$]", r"\\\g<0>", part) for part in value.split("*"))


def selector(view: View, name: str, where: Mapping[str, tuple[str, ...]], *more: str, suffix: str = "") -> str:
    """`name{matchers}` of a declared metric; a `where` on a label that the metric lacks is left out."""
    found = view.spec.find_metric(name)
    job, metric = found or (view.spec.job, None)
    own = [matcher(label, values) for label, values in where.items() if has_label(metric, label)]
    return f"{name}{suffix}{{{','.join([*view.job_matchers(job), *own, *more])}}}"


def has_label(metric: Metric | None, label: str) -> bool:
    """Whether a metric's series have a label."""
    return label in SCRAPED or (metric is not None and label in metric.labels)


def series_suffix(metric: Metric | None) -> str:
    """The suffix of the series that counts a metric's events: `_count` of a histogram, none of a counter."""
    return "_count" if metric is not None and metric.type == "histogram" else ""


def le(edge: Decimal) -> str:
    """The matcher of a bucket: Prometheus 3 writes `1.0` where 2 writes what the client wrote."""
    text = go_float(float(edge))
    if text.endswith(".0"):
        return f"le=~{quoted(re.escape(text[:-2]) + '([.]0)?')}"
    return f"le={quoted(text)}"


def go_float(number: float) -> str:
    """A float as Prometheus clients write it: exponents from 1e+06 on."""
    if number == float("inf"):
        return "+Inf"
    text = repr(number)
    point = text.find(".")
    if number > 0 and point > 6 and "e" not in text:
        digits = f"{text[0]}.{text[1:point]}{text[point + 1 :]}".rstrip("0.")
        return f"{digits}e+{point - 1:02d}"
    return text


def aggregate(by: tuple[str, ...], inner: str, operation: str = "sum") -> str:
    """`sum by (a, b) (inner)`, or `sum(inner)` where nothing is kept."""
    return f"{operation} by ({', '.join(by)}) ({inner})" if by else f"{operation}({inner})"
