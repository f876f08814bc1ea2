"""Whether the probes answer, and what the runtime says of its own troubles."""

import math
from collections.abc import Iterator
from typing import Final

from mlspec import names
from mlspec.live.evidence import Evidence, Sample
from mlspec.live.result import Said
from mlspec.spec.units import duration

AREA: Final = "metric"
NEEDS: Final = "exposed"


def probe_silent(seen: Evidence) -> Iterator[Said]:
    """A probe has not answered for three of its turns.

    Why: The gauge shows an old value or the one for `failed`: nobody knows the real one.
    Instead: Look at the service's log for the probe's error or time-out; see that its function returns soon.
    """
    answers = {sample.labels.get("metric", ""): sample.value for sample in _samples(seen, names.PROBE_LAST_ANSWER)}
    for name, metric, family in seen.both:
        if metric.probe is None or any(math.isnan(sample.value) for sample in family.samples):
            continue  # NaN is told as such
        at = ("metrics", name, "probe")
        patience = (3 * metric.probe.every + metric.probe.timeout) / 1000
        if name not in answers:
            yield Said(name, "its probe was never started", at)
        elif not (age := seen.now - answers[name]) <= patience:
            every = duration(metric.probe.every)
            yield Said(name, f"its probe last answered {age:.0f} s ago, and is asked every {every}", at)


def probe_failed_before(seen: Evidence) -> Iterator[Said]:
    """A probe raised or took too long at some time since the service started.

    Why: Meanwhile the gauge did not show the real value.
    Instead: Look at the service's log; give a slow probe a longer `timeout`.
    """
    for sample in _samples(seen, names.PROBE_FAILURES):
        name = sample.labels.get("metric", "")
        if sample.value > 0 and name in seen.metrics:
            reason = sample.labels.get("reason", "")
            yield Said(name, f"its probe failed {sample.value:g} times ({reason})", ("metrics", name, "probe"), "noted")


def recording_errors(seen: Evidence) -> Iterator[Said]:
    """Recording a metric failed; the service went on.

    Why: These events are missing from the metric.
    Instead: Look at the service's log: a label or a value is not what the generated module takes.
    """
    for sample in _samples(seen, names.RECORDING_ERRORS):
        name = sample.labels.get("metric", "")
        if sample.value > 0:
            at = ("metrics", name) if name in seen.metrics else ("metrics",)
            yield Said(name, f"recording it failed {sample.value:g} times", at, "noted")


def label_overflow(seen: Evidence) -> Iterator[Said]:
    """Events were recorded as `other` because a label's budget was spent.

    Why: They cannot be told apart any more.
    Instead: Raise `max` if the values are legitimate; else look for what makes them up, such as ids in a path.
    """
    for sample in _samples(seen, names.LABEL_OVERFLOW):
        name, label = sample.labels.get("metric", ""), sample.labels.get("label", "")
        if sample.value > 0 and name in seen.metrics:
            at = ("metrics", name, "labels", label)
            yield Said(name, f"{sample.value:g} events went to {label}=`{names.OTHER}`", at, "noted")


def _samples(seen: Evidence, name: str) -> tuple[Sample, ...]:
    family = seen.families.get(name)
    return tuple(sample for sample in family.samples if sample.name == name) if family else ()
