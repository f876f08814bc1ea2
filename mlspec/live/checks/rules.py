"""Whether Prometheus runs the rules that are rendered from the spec, and nothing else in their place."""

from collections.abc import Iterator
from typing import Final

from mlspec import names
from mlspec.live.evidence import Evidence, LoadedRule
from mlspec.live.result import Said
from mlspec.live.rulebook import Key, differences, expected_rules, identity, path_of, title

AREA: Final = "rule"
NEEDS: Final = "rules"


def rule_missing(seen: Evidence) -> Iterator[Said]:
    """A rendered rule is not loaded.

    Why: Its alert cannot fire, or what it records has no data.
    Instead: Run `mlspec up`, which reloads Prometheus. If it refuses, its log says why.
    """
    loaded = _loaded(seen)
    for rule in expected_rules(seen):
        if identity(rule) not in loaded:
            yield Said(title(rule), "Prometheus has no such rule", path_of(seen, rule))


def rule_differs(seen: Evidence) -> Iterator[Said]:
    """Prometheus runs another version of a rule than the rendered one.

    Why: It fires at another value or time, or says something else than the spec.
    Instead: Run `mlspec up`, which renders the rules and reloads Prometheus.
    """
    loaded = _loaded(seen)
    for rule in expected_rules(seen):
        found = loaded.get(identity(rule))
        if found and (said := differences(rule, found)):
            yield Said(title(rule), said, path_of(seen, rule))


def rule_fails(seen: Evidence) -> Iterator[Said]:
    """Prometheus cannot evaluate a rule.

    Why: Its alert cannot fire, or what it records has no data.
    Instead: Read Prometheus' words; series that collide often come from two services under one job.
    """
    for rule in _ours(seen):
        if rule.health == "err":
            yield Said(title(rule), rule.error or "Prometheus says no more", path_of(seen, rule))


def rule_not_evaluated_yet(seen: Evidence) -> Iterator[Said]:
    """A rule was not evaluated since it was loaded.

    Why: Prometheus has just started or reloaded, so nothing is known of the rule.
    Instead: Wait for one evaluation interval and ask again.
    """
    for rule in _ours(seen):
        if rule.health not in ("ok", "err"):
            yield Said(title(rule), "it was not evaluated yet", path_of(seen, rule), "waiting")


def rule_left_over(seen: Evidence) -> Iterator[Said]:
    """Prometheus runs a rule of this project and environment that is not rendered any more.

    Why: People are called for what the spec no longer says.
    Instead: Run `mlspec up`, which reloads Prometheus; remove rule files that are not generated.
    """
    expected = {identity(rule) for rule in expected_rules(seen)}
    for rule in _ours(seen):
        if identity(rule) not in expected:
            yield Said(title(rule), f"it is in group {rule.group}, and not rendered", ("alerts",))


def alert_fires(seen: Evidence) -> Iterator[Said]:
    """An alert fires at this moment.

    Why: The monitoring works; the service may not.
    Instead: Do what the alert's `action` says.
    """
    for rule in _ours(seen):
        if rule.firing and rule.labels.get(names.SEVERITY) != "none":
            instead = rule.annotations.get("action", "")
            summary = rule.annotations.get("summary", "")
            yield Said(title(rule), f"it fires: {summary}", path_of(seen, rule), "noted", instead)


def _ours(seen: Evidence) -> list[LoadedRule]:
    """What is loaded for this project and environment."""
    own = {names.PROJECT: seen.environment.spec.project, names.ENV: seen.environment.name}.items()
    rules = seen.rules if isinstance(seen.rules, tuple) else ()
    return [rule for rule in rules if own <= dict(rule.labels).items()]


def _loaded(seen: Evidence) -> dict[Key, LoadedRule]:
    return {identity(rule): rule for rule in _ours(seen)}
