"""PromQL of the user's own."""

from collections.abc import Iterator
from contextlib import suppress

from mlspec.diagnostic import Problem, closest
from mlspec.promql import BUILT_IN, ExprError, find_series, parse, series_names
from mlspec.resolve import Environment
from mlspec.spec.document import Spec
from mlspec.spec.signal import Expr


def invalid_expression(environment: Environment) -> Iterator[Problem]:
    """An `expr` is no PromQL.

    Why: Prometheus would refuse the whole file of rules.
    Instead: Correct the expression.
    """
    for name, signal in environment.spec.signals.items():
        if isinstance(signal, Expr):
            try:
                series_names(parse(signal.expr))
            except ExprError as error:
                yield Problem(("signals", name, "expr"), f"signal `{name}`: {error}")


def unknown_series(environment: Environment) -> Iterator[Problem]:
    """An `expr` asks for a series that nothing exposes.

    Why: The query would never have data.
    Instead: Declare the metric, under `metrics` or under the target that exposes it.
    """
    spec = environment.spec
    known = [name for metrics in spec.job_metrics().values() for name in metrics]
    for name, series in _asked(spec):
        if series not in BUILT_IN and find_series(spec, series) is None:
            message = f"signal `{name}` asks for `{series}`, which nothing declares"
            yield Problem(("signals", name, "expr"), message, closest(series, known))


def histogram_base_name(environment: Environment) -> Iterator[Problem]:
    """An `expr` uses a histogram's base name as a series.

    Why: A histogram is exposed as `_bucket`, `_count` and `_sum`; its base name is no series.
    Instead: Use a `quantile`, `mean` or `within` signal, or one of the three series.
    """
    spec = environment.spec
    for name, series in _asked(spec):
        found = spec.find_metric(series)
        if found and found[1].type == "histogram":
            yield Problem(("signals", name, "expr"), f"`{series}` is a histogram, and no series has that name")


def _asked(spec: Spec) -> Iterator[tuple[str, str]]:
    """Each series that an expression asks for, with its signal; what is no PromQL has a finding of its own."""
    for name, signal in spec.signals.items():
        if isinstance(signal, Expr):
            with suppress(ExprError):
                yield from ((name, series) for series in series_names(parse(signal.expr)))
