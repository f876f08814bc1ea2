"""Whether the values of the service's metrics can be true."""

import math
from collections.abc import Iterator
from typing import Final

from mlspec.live.evidence import Evidence, Sample
from mlspec.live.result import Said
from mlspec.spec.metric import Metric

AREA: Final = "metric"
NEEDS: Final = "exposed"
_ENOUGH: Final = 100  # observations from which on their spread says something
_NEARLY_ALL: Final = 0.95


def not_a_number(seen: Evidence) -> Iterator[Said]:
    """A metric's value is NaN.

    Why: Comparisons with NaN are never true, so no alert fires; and it poisons every sum and mean it enters.
    Instead: Let the code set a number, or the probe answer. For a probe, `failed:` says which value stands for silence.
    """
    for name, metric, family in seen.both:
        if bad := [sample for sample in family.samples if math.isnan(sample.value)]:
            probed = ": its probe gives no answer" if metric.probe else ""
            yield Said(name, f"{_named(bad[0])} is NaN{probed}", ("metrics", name))


def outside_range(seen: Evidence) -> Iterator[Said]:
    """A value lies outside of the declared range.

    Why: The range says which values make sense: this one is in another unit, or wrong.
    Instead: Correct the code that sets it, its unit, or the declared `range`.
    """
    for name, metric, family in seen.both:
        if metric.range is None:
            continue
        unit, at = metric.unit_of(name), ("metrics", name, "range")
        low, high = (float(amount.to(unit)) for amount in metric.range)
        if metric.type == "gauge":
            for sample in family.samples:
                if sample.value < low or sample.value > high:
                    said = f"{_named(sample)} is {sample.value:g}, outside of {low:g} to {high:g}"
                    yield Said(name, said, at)
                    break
        elif metric.type == "histogram":
            for _, samples in family.series():
                buckets = family.buckets(samples)
                above = buckets.get(math.inf, 0) - buckets.get(high, math.inf)
                if above > 0:
                    yield Said(name, f"{above:g} observations are above {high:g}, the end of its range", at)
                    break


def unknown_state(seen: Evidence) -> Iterator[Said]:
    """A gauge of states has a value that is no declared state.

    Why: Panels show no name for it, and alerts on a state do not see it.
    Instead: Declare the state, or correct the code or probe that sets it.
    """
    for name, metric, family in seen.both:
        states = {float(amount.number) for amount in metric.states}
        for sample in family.samples:
            if states and not math.isnan(sample.value) and sample.value not in states:
                known = ", ".join(f"{state:g}" for state in sorted(states))
                yield Said(name, f"{_named(sample)} is {sample.value:g}, declared are {known}", _states(name, metric))
                break


def _states(name: str, metric: Metric) -> tuple[str, ...]:
    return ("metrics", name, "states") if metric.states else ("metrics", name)


def beyond_buckets(seen: Evidence) -> Iterator[Said]:
    """Nearly all observations of a histogram lie above its last edge.

    Why: Quantiles cannot rise above the last edge, so a bound near it can never be crossed.
    Instead: Declare higher `buckets`, then render and deploy.
    """
    for name, metric, family in seen.both:
        if metric.type != "histogram":
            continue
        total = beyond = 0.0
        for _, samples in family.series():
            counts = list(family.buckets(samples).values())
            if len(counts) > 1:
                total, beyond = total + counts[-1], beyond + counts[-1] - counts[-2]
        if total >= _ENOUGH and beyond >= _NEARLY_ALL * total:
            said = f"{beyond / total:.0%} of its {total:g} observations lie above the last edge"
            yield Said(name, said, ("metrics", name, "buckets"), "noted")


def never_counted(seen: Evidence) -> Iterator[Said]:
    """A counter or histogram has series, and all of them are 0.

    Why: Either nothing of the kind happened since the service started, or no code records it.
    Instead: Send traffic that should move it; if it stays 0, record it with the generated module, or remove it.
    """
    for name, metric, family in seen.both:
        counted = [s.value for s in family.samples if s.name in (name, f"{name}_count")]
        failures = metric.source is not None and metric.source.event.endswith(".errors")
        if metric.type != "gauge" and counted and not any(counted) and not failures:
            yield Said(name, "it was never counted: all of its series are 0", ("metrics", name), "noted")


def _named(sample: Sample) -> str:
    labels = ",".join(f'{key}="{value}"' for key, value in sample.labels.items())
    return f"{sample.name}{{{labels}}}" if labels else sample.name
