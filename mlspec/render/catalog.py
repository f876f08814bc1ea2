"""docs/catalog.md: every metric, signal, alert and panel, for the people who live with them."""

from typing import Any

from mlspec.promql import View, compile_signal, condition
from mlspec.resolve import Environment, Project
from mlspec.spec.document import Spec
from mlspec.spec.meaning import Threshold, alert_threshold, own_edges, thresholds, unit_of
from mlspec.spec.metric import Label, Metric
from mlspec.spec.signal import Distribution, SignalBase, Up
from mlspec.spec.units import Unit, duration, plain
from mlspec.templating import template_text


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """One page."""
    spec, layer = environment.spec, environment.layer
    # The project's own first: what the packs bring is the same everywhere.
    own_signals = sorted(spec.signals, key=lambda name: layer.origin(("signals", name)).is_pack)
    own_alerts = sorted(spec.alerts, key=lambda name: layer.origin(("alerts", name)).is_pack)
    view = View(spec, environment.name, panel=False)
    text = template_text(
        "docs/catalog.md.j2",
        source=project.path,
        spec=spec,
        env=environment.name,
        jobs=[(job, [_metric(name, m) for name, m in metrics.items()]) for job, metrics in spec.job_metrics().items()],
        signals=[_signal(view, name, spec.signals[name]) for name in own_signals],
        alerts=[_alert(view, name) for name in own_alerts],
        dashboards=[_dashboard(spec, name) for name in spec.dashboards],
    )
    return {"docs/catalog.md": text}


def _metric(name: str, metric: Metric) -> dict[str, Any]:
    edges = ", ".join(plain(edge) for edge in own_edges(name, metric) if edge is not None)
    return {
        "name": name,
        "type": metric.type,
        "unit": metric.unit_of(name).name,
        "help": metric.help,
        "labels": [f"{label}: {_values(shape)}" for label, shape in metric.labels.items()],
        "buckets": edges,
        "states": [f"{plain(value.number)} is {text}" for value, text in metric.states.items()],
    }


def _values(label: Label) -> str:
    return ", ".join(label.values) if label.values else f"at most {label.max} values"


def _signal(view: View, name: str, signal: SignalBase) -> dict[str, Any]:
    unit = unit_of(view.spec, signal)
    panel = isinstance(signal, Distribution)
    return {
        "name": name,
        "title": signal.title or "",
        "kind": signal.kind,
        "unit": unit.name,
        "bounds": "; ".join(f"{t.level} {_bound(t, unit)}" for t in thresholds(view.spec, signal)),
        "query": compile_signal(View(view.spec, view.env, panel) if panel else view, signal).expr,
        "alerts": [alert for alert, shape in view.spec.alerts.items() if shape.signal == name],
    }


def _bound(threshold: Threshold, unit: Unit) -> str:
    value = f"{plain(threshold.value * 100)}%" if unit.name == "fraction" else plain(threshold.value)
    return f"{threshold.direction} {value}" + ("" if unit.name in ("fraction", "number") else f" {unit.name}")


def _alert(view: View, name: str) -> dict[str, Any]:
    alert = view.spec.alerts[name]
    signal = view.spec.signals[alert.signal]
    threshold = None if isinstance(signal, Up) else alert_threshold(view.spec, alert)
    return {
        "name": name,
        "signal": alert.signal,
        "severity": alert.severity,
        "bound": _bound(threshold, unit_of(view.spec, signal)) if threshold else "",
        "hold": duration(alert.hold) if alert.hold else "",
        "absent": alert.absent or "a companion alert tells",
        "expr": condition(view, name, alert),
        "summary": alert.summary,
        "impact": alert.impact or "",
        "action": alert.action or "",
        "runbook": alert.runbook or "",
    }


def _dashboard(spec: Spec, name: str) -> dict[str, Any]:
    shape = spec.dashboards[name]
    rows = [
        (
            row.title,
            [
                (
                    p.title or (spec.signals[p.signal].title if p.signal else None) or p.signal or "Text",
                    p.type,
                    p.signal or "",
                )
                for p in row.panels
            ],
        )
        for row in shape.rows
    ]
    return {"title": shape.title, "uid": shape.uid or f"{spec.project}-{name}"[:40], "rows": rows}
