"""Every query that a spec makes of Prometheus: one a signal, as rules ask it, and those of each panel."""

import re
from collections.abc import Iterator
from typing import Final

from mlspec.grafana import panel_queries
from mlspec.live.evidence import Question
from mlspec.promql import View, compile_signal
from mlspec.resolve import Environment
from mlspec.spec.dashboard import Panel
from mlspec.spec.document import Spec
from mlspec.spec.signal import DEFAULT_WINDOW, Change, SignalBase
from mlspec.spec.units import duration

# What a dashboard that was just opened looks at.
RANGE: Final = "1h"
_VARIABLE: Final = re.compile(r"\$(job|instance|__rate_interval|__range)\b")


def questions(environment: Environment) -> tuple[Question, ...]:
    """All of them, signals first."""
    return (*_of_signals(environment), *_of_panels(environment))


def _of_signals(environment: Environment) -> Iterator[Question]:
    spec = environment.spec
    view = View(spec, environment.name, panel=False)
    for name, signal in spec.signals.items():
        expr = compile_signal(view, signal).expr
        yield Question("signal", name, ("signals", name), expr, signal, _history(view, signal))


def _of_panels(environment: Environment) -> Iterator[Question]:
    spec = environment.spec
    view = View(spec, environment.name, panel=True)
    for dashboard, shape in spec.dashboards.items():
        for r, row in enumerate(shape.rows):
            for p, panel in enumerate(row.panels):
                at = ("dashboards", dashboard, "rows", r, "panels", p)
                yield from _of_panel(view, dashboard, panel, at)


def _of_panel(view: View, dashboard: str, panel: Panel, at: tuple[str | int, ...]) -> Iterator[Question]:
    if panel.signal is None:
        return
    signal = view.spec.signals[panel.signal]
    items = panel_queries(view, panel).items
    for query, series in items:
        sliced = f" by {', '.join(panel.by)}" if panel.by else ""
        one_of = f" {series.split(' ')[0]}" if len(items) > 1 else ""
        subject = f"{dashboard}: {panel.title or f'{panel.type} {panel.signal}{sliced}'}{one_of}"
        history = _history(View(view.spec, view.env, panel=False), signal)
        yield Question("panel", subject, at, as_sent(query.expr, view.spec), signal, history)


def as_sent(expr: str, spec: Spec) -> str:
    """A panel's query as Grafana sends it for the service's job.

    Grafana's interval of a rate grows with the span that is looked at, from four scrapes on; here it is the rules'
    default window, so that a panel and its signal agree on whether there is data.
    """
    interval = max(DEFAULT_WINDOW, 4 * spec.stack.prometheus.scrape_interval)
    values = {"job": spec.job, "instance": ".+", "__rate_interval": duration(interval), "__range": RANGE}
    return _VARIABLE.sub(lambda match: values[match[1]], expr)


def _history(view: View, signal: SignalBase) -> str:
    """PromQL that answers once Prometheus has watched for as long as a `change` looks back."""
    if not isinstance(signal, Change):
        return ""
    inner = view.spec.signals[signal.change].metrics()
    found = view.spec.find_metric(inner[0]) if inner else None
    job = found[0] if found else view.spec.job
    return f"up{{{','.join(view.job_matchers(job))}}} offset {duration(signal.against)}"
