"""Evidence to results: runs every check, and adds code, place and reason to what it says."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from mlspec.checks import code_of, documentation
from mlspec.live.checks import Check, checks_of, families
from mlspec.live.evidence import Evidence, Silence
from mlspec.live.result import AREAS, Area, Result, Said
from mlspec.live.subjects import SUBJECTS

# Who is silent when a piece of evidence is missing: the area that tells of it, and what to do.
_ASKED: Final[dict[str, tuple[Area, str, tuple[str, ...]]]] = {
    "exposed": ("service", "the service", ("service", "port")),
    "targets": ("prometheus", "Prometheus", ("stack", "prometheus", "port")),
    "rules": ("prometheus", "Prometheus", ("stack", "prometheus", "port")),
    "managers": ("prometheus", "Prometheus", ("stack", "prometheus", "port")),
    "series": ("prometheus", "Prometheus", ("stack", "prometheus", "port")),
    "answers": ("prometheus", "Prometheus", ("stack", "prometheus", "port")),
    "alertmanager": ("alertmanager", "Alertmanager", ("stack", "alertmanager", "port")),
}
_WHAT: Final[dict[str, tuple[Area, ...]]] = {
    "exposed": ("service", "metric"),
    "targets": ("prometheus", "target"),
    "rules": ("rule",),
    "managers": ("prometheus",),
    "series": (),
    "answers": ("signal", "panel"),
    "alertmanager": ("alertmanager",),
}


def judged(seen: Evidence) -> list[Result]:
    """Every result, area by area: what was said, and what was looked at without anything to say."""
    silent = {need: found for need in _ASKED if isinstance(found := getattr(seen, need), Silence)}
    said = list(_silences(seen, silent))
    for family in families():
        if family.NEEDS not in silent:
            said += _said(seen, family)
    quiet = {area for need in silent for area in _WHAT[need]}
    said += _well(seen, said, quiet)
    return sorted(said, key=lambda result: AREAS.index(result.area))


def _silences(seen: Evidence, silent: dict[str, Silence]) -> Iterator[Result]:
    told: set[str] = set()
    for need, silence in silent.items():
        area, who, at = _ASKED[need]
        if who not in told:
            told.add(who)
            yield _silent(seen, area, who, at, silence)
        for hidden in _WHAT[need]:
            if hidden != area and (count := len(list(SUBJECTS[hidden](seen)))):
                message, position = f"not looked at, since {who} did not answer", seen.environment.layer.position(*at)
                yield Result(hidden, f"{count} {hidden}s", "skipped", "not-asked", message, position)


def _silent(seen: Evidence, area: Area, who: str, at: tuple[str, ...], silence: Silence) -> Result:
    return Result(
        area,
        who,
        "failed",
        f"{area}-unreachable",
        f"{silence.url}: {silence.why}",
        seen.environment.layer.position(*at),
        "Nothing that it knows can be compared with the spec.",
        "Start it with `mlspec up`; `mlspec status` tells what runs, `mlspec logs` why something does not.",
    )


def _said(seen: Evidence, family: ModuleType) -> Iterator[Result]:
    for check in checks_of(family):
        for said in check(seen):
            yield _result(seen, family.AREA, check, said)


def _result(seen: Evidence, area: Area, check: Check, said: Said) -> Result:
    described: Any = check  # documented as the static checks are, though it takes something else
    words = documentation(described)
    fine = said.status == "ok"
    return Result(
        said.area or area,
        said.subject,
        said.status,
        "ok" if fine else code_of(described),
        said.message,
        seen.environment.layer.position(*said.at),
        "" if fine else words["why"],
        "" if fine else said.instead or words["instead"],
    )


def _well(seen: Evidence, said: list[Result], quiet: set[Area]) -> Iterator[Result]:
    judged_already = {(result.area, result.subject) for result in said if result.status != "noted"}
    for area, subjects in SUBJECTS.items():
        if area in quiet:
            continue
        for subject in subjects(seen):
            if (area, subject.name) not in judged_already:
                position = seen.environment.layer.position(*subject.at)
                yield Result(area, subject.name, "ok", "ok", subject.detail, position)
