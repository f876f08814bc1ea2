"""What an environment may change: where and how strictly a service runs, not what its code emits."""

from typing import Final

from mlspec.diagnostic import Finding, closest
from mlspec.load import At
from mlspec.resolve.merge import Layer
from mlspec.spec.signal import KINDS

# Path patterns that an environment may set; `*` is any one name, the rest of a longer path is free.
_ALLOWED: Final[tuple[tuple[str, ...], ...]] = (
    ("service", "host"),
    ("service", "port"),
    ("service", "workers"),
    ("service", "health"),
    ("service", "install"),
    ("service", "python"),
    ("signals", "*", "above"),
    ("signals", "*", "below"),
    ("signals", "*", "equal"),
    ("signals", "*", "over"),
    ("signals", "*", "against"),
    ("signals", "*", "min_events"),
    ("alerts", "*", "for"),
    ("alerts", "*", "keep_firing_for"),
    ("alerts", "*", "severity"),
    ("alerts", "*", "level"),
    ("alerts", "*", "above"),
    ("alerts", "*", "below"),
    ("alerts", "*", "equal"),
    ("alerts", "*", "absent"),
    ("alerts", "*", "labels"),
    ("alerts", "*", "runbook"),
    ("targets", "*", "address"),
    ("notify",),
    ("stack",),
    ("drift",),
    ("model",),
)
# Names below these must exist already: an environment changes, it does not add.
_DECLARED_BELOW: Final = ("signals", "alerts", "targets")


def environment_findings(env: str, over: Layer, base: Layer) -> list[Finding]:
    """What an environment sets and may not, or sets on something that is not there."""
    findings: list[Finding] = []
    for at in sorted(over.origins, key=lambda path: (len(path), str(path))):
        declared = base.data.get(str(at[0]), {}) if len(at) == 2 and at[0] in _DECLARED_BELOW else None
        if isinstance(declared, dict) and at[1] not in declared:
            findings.append(_of_nothing(env, at, over, base))
    reported: set[At] = {(*at,) for at in over.origins if _is_reported(at, findings, over)}
    for at in sorted(over.origins, key=len):
        if any(at[: len(r)] == r for r in reported) or not _is_leaf_or_forbidden(at, over):
            continue
        if not _allowed(at):
            reported.add(at)
            findings.append(_forbidden(env, at, over))
    return findings


def _is_reported(at: At, findings: list[Finding], over: Layer) -> bool:
    return any(over.origins[at].place.key == finding.position for finding in findings)


def _is_leaf_or_forbidden(at: At, over: Layer) -> bool:
    """Skip what only leads on: a mapping that is a beginning of an allowed path."""
    return bool(at) and not any(len(at) < len(p) and _fits(at, p[: len(at)]) for p in _ALLOWED)


def _allowed(at: At) -> bool:
    if len(at) == 2 and at[0] == "alerts":
        return True
    return any(_fits(at[: len(pattern)], pattern) for pattern in _ALLOWED)


def _fits(at: At, pattern: tuple[str, ...]) -> bool:
    return len(at) == len(pattern) and all(p in ("*", a) for a, p in zip(at, pattern, strict=True))


def _of_nothing(env: str, at: At, over: Layer, base: Layer) -> Finding:
    noun = str(at[0]).removesuffix("s")
    return Finding(
        "override-of-nothing",
        f"environment `{env}` changes {noun} `{at[1]}`, which the document does not declare",
        over.position(*at, key=True),
        "An environment changes what is there; a name that is not there is misspelt, or would exist in one place only.",
        closest(str(at[1]), base.data.get(str(at[0]), {}), f"declare the {noun} in the document first"),
    )


def _forbidden(env: str, at: At, over: Layer) -> Finding:
    what = ".".join(map(str, at))
    if at[0] == "signals" and len(at) == 3 and at[2] in KINDS:
        message = f"environment `{env}` changes what signal `{at[1]}` asks (`{at[2]}`)"
    else:
        message = f"environment `{env}` changes `{what}`"
    return Finding(
        "environment-changes-meaning",
        message,
        over.position(*at, key=True),
        "The code is the same everywhere, so its metrics and the questions about them are too.",
        _near(at)
        or "An environment may change ports, hosts, workers, bounds, `for`, windows, severities, notify and stack; "
        "move this to the document.",
    )


def _near(at: At) -> str:
    """A "did you mean" for a misspelt key."""
    from difflib import get_close_matches  # only when something is wrong

    depth = len(at) - 1
    names = {pattern[depth] for pattern in _ALLOWED if len(pattern) > depth and _fits(at[:depth], pattern[:depth])}
    near = get_close_matches(str(at[-1]), names, n=1, cutoff=0.7)
    return f"did you mean `{near[0]}`?" if near else ""
