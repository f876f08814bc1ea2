"""prometheus/rules/<project>.yml: recorded signals with the alerts on them, and what tells of silence."""

from typing import Any

from mlspec import names
from mlspec.promql import Alerting, View, companions, condition, recording, rule_labels
from mlspec.resolve import Environment, Project
from mlspec.spec.alert import Alert
from mlspec.spec.document import Spec
from mlspec.spec.meaning import Threshold, alert_threshold, unit_of
from mlspec.spec.signal import SignalBase, Up
from mlspec.spec.units import Unit, duration, plain
from mlspec.templating import yaml_text

_HUMANIZE = {
    "share": "humanizePercentage",
    "time": "humanizeDuration",
    "timestamp": "humanizeTimestamp",
    "bytes": "humanize1024",
}
_WORDS = {"above": "above", "below": "below", "equal": "equal to"}


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """One group a signal that is alerted on: what is recorded stands with those who read it."""
    view = View(environment.spec, environment.name, panel=False)
    prefix = f"{environment.spec.project}-{environment.name}"
    groups = [
        {"name": f"{prefix}-{signal}", "rules": _signal_rules(view, signal, alerts)}
        for signal, alerts in _by_signal(environment.spec).items()
    ]
    if silence := [_alert(rule) for rule in companions(view)]:
        groups.append({"name": f"{prefix}-silence", "rules": silence})
    return {f"prometheus/rules/{environment.spec.project}.yml": yaml_text({"groups": groups}, project.path)}


def _by_signal(spec: Spec) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {name: [] for name in spec.signals}
    for name, alert in spec.alerts.items():
        grouped[alert.signal].append(name)
    return {signal: alerts for signal, alerts in grouped.items() if alerts}


def _signal_rules(view: View, signal: str, alerts: list[str]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    if recorded := recording(view, signal):
        rules.append({"record": recorded.record, "expr": recorded.expr, "labels": recorded.labels})
    return rules + [_alert(_alerting(view, name, view.spec.alerts[name])) for name in alerts]


def _alerting(view: View, name: str, alert: Alert) -> Alerting:
    spec = view.spec
    signal = spec.signals[alert.signal]
    own = {key: _escaped(value, alert.template) for key, value in alert.labels.items()}
    labels = {**own, **rule_labels(view), names.SIGNAL: alert.signal, names.SEVERITY: alert.severity}
    if spec.owner:
        labels[names.OWNER] = _escaped(spec.owner, False)
    if isinstance(signal, Up):
        labels |= {names.KIND: names.KIND_DOWN}
    return Alerting(
        name, condition(view, name, alert), alert.hold, alert.keep_firing_for, labels, _annotations(spec, alert, signal)
    )


def _annotations(spec: Spec, alert: Alert, signal: SignalBase) -> dict[str, str]:
    texts = {
        "summary": alert.summary,
        "description": alert.description,
        "impact": alert.impact,
        "action": alert.action,
        "runbook_url": alert.runbook,
    }
    annotations = {key: _escaped(text, alert.template) for key, text in texts.items() if text}
    unit = unit_of(spec, signal)
    threshold = None if isinstance(signal, Up) else alert_threshold(spec, alert)
    if threshold:
        annotations["value"] = _value(unit)
        annotations["bound"] = _bound(threshold, unit)
    return annotations


def _value(unit: Unit) -> str:
    if unit.dimension in ("share", "time") and unit.size != 1:
        return f"{{{{ $value | humanize }}}} {unit.name}"
    return f"{{{{ $value | {_HUMANIZE.get(unit.dimension, 'humanize')} }}}}" + ("B" if unit.name == "bytes" else "")


def _bound(threshold: Threshold, unit: Unit) -> str:
    number = f"{plain(threshold.value * 100)}%" if unit.name == "fraction" else plain(threshold.value)
    shown = number if unit.name in ("fraction", "number") else f"{number} {unit.name.replace('_', ' ')}"
    return f"{_WORDS[threshold.direction]} {shown}"


def _escaped(text: str, template: bool) -> str:
    """A text that Prometheus' templates leave as it is."""
    return text if template else text.replace("{{", '{{"{{"}}')


def _alert(rule: Alerting) -> dict[str, Any]:
    out: dict[str, Any] = {"alert": rule.alert, "expr": rule.expr}
    if rule.hold:
        out["for"] = duration(rule.hold)
    if rule.keep_firing_for:
        out["keep_firing_for"] = duration(rule.keep_firing_for)
    return {**out, "labels": rule.labels, "annotations": rule.annotations}
