"""The rules that are rendered for an environment, in the shape in which Prometheus shows those that it runs."""

from typing import Any, Final

import yaml

from mlspec import names
from mlspec.live.evidence import Evidence, LoadedRule
from mlspec.spec.units import milliseconds

Key = tuple[str, str, tuple[tuple[str, str], ...]]
_FOLDER: Final = "prometheus/rules/"


def expected_rules(seen: Evidence) -> list[LoadedRule]:
    """Every rendered rule."""
    files = [text for path, text in seen.rendered.items() if path.startswith(_FOLDER)]
    groups = [group for text in files for group in yaml.safe_load(text)["groups"]]
    return [_rule(group["name"], rule) for group in groups for rule in group["rules"]]


def _rule(group: str, rule: Any) -> LoadedRule:
    return LoadedRule(
        group=group,
        kind="alerting" if "alert" in rule else "recording",
        name=rule.get("alert") or rule["record"],
        expr=rule["expr"],
        labels=rule.get("labels", {}),
        hold=milliseconds(rule.get("for", "0s")) / 1000,
        keep=milliseconds(rule.get("keep_firing_for", "0s")) / 1000,
        annotations=rule.get("annotations", {}),
    )


def identity(rule: LoadedRule) -> Key:
    """What makes a rule the same one in two versions: two rules may differ in their labels only."""
    telling = (names.PROJECT, names.ENV, names.SIGNAL, "job", "metric")
    return rule.kind, rule.name, tuple((label, rule.labels[label]) for label in telling if label in rule.labels)


def title(rule: LoadedRule) -> str:
    """A rule's name for people."""
    telling = [rule.labels[label] for label in ("job", "metric") if label in rule.labels]
    if rule.kind == "recording":
        telling = [rule.labels[names.SIGNAL]] if names.SIGNAL in rule.labels else []
    return f"{rule.name} ({', '.join(telling)})" if telling else rule.name


def path_of(seen: Evidence, rule: LoadedRule) -> tuple[str, ...]:
    """Where the spec says what the rule is made of."""
    spec = seen.environment.spec
    if rule.kind == "alerting" and rule.name in spec.alerts:
        return ("alerts", rule.name)
    for noun, label in (("signals", names.SIGNAL), ("metrics", "metric"), ("targets", "job")):
        if rule.labels.get(label) in getattr(spec, noun):
            return (noun, rule.labels[label])
    return ("service",) if rule.labels.get("job") == spec.job else ("alerts",)


def differences(rendered: LoadedRule, loaded: LoadedRule) -> str:
    """In what a loaded rule is not the rendered one; empty if in nothing."""
    if normal(rendered.expr) != normal(loaded.expr):
        return f"it is loaded with another expression: {loaded.expr}"
    for what, ours, theirs in (
        ("`for`", rendered.hold, loaded.hold),
        ("`keep_firing_for`", rendered.keep, rendered.keep if loaded.keep is None else loaded.keep),
    ):
        if ours != theirs:
            return f"it is loaded with {what} {theirs:g} s instead of {ours:g} s"
    for what, mine, others in (
        ("label", rendered.labels, loaded.labels),
        ("annotation", rendered.annotations, loaded.annotations),
    ):
        changed = sorted(key for key in {*mine, *others} if mine.get(key) != others.get(key))
        if changed:
            return f"it is loaded with another {what} `{changed[0]}`: {others.get(changed[0], 'none')}"
    return ""


def normal(expr: str) -> str:
    """An expression in one way of writing it: Prometheus shows its own, with matchers sorted."""
    import promql_parser

    try:
        return str(promql_parser.parse(expr).prettify())
    except (ValueError, RecursionError):
        return "".join(expr.split())
