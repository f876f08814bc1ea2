"""Whether Prometheus scrapes every job of the spec, and gets an answer."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from mlspec.live.evidence import Evidence, Target
from mlspec.live.result import Said

AREA: Final = "target"
NEEDS: Final = "targets"


def target_missing(seen: Evidence) -> Iterator[Said]:
    """Prometheus does not scrape a job of the spec.

    Why: It has no data of the job, and no alert on it can fire.
    Instead: Run `mlspec up`, which reloads Prometheus; check that this Prometheus is the one of this project.
    """
    known = len(seen.targets) if isinstance(seen.targets, tuple) else 0
    for job in seen.scraped:
        if not seen.targets_of(job):
            yield Said(
                job, f"none of Prometheus' {known} targets is this job of this project and environment", _at(seen, job)
            )


def target_down(seen: Evidence) -> Iterator[Said]:
    """A target does not answer its scrapes.

    Why: Nothing is known of it: its alerts are blind.
    Instead: Look at its log with `mlspec logs`, and start it again with `mlspec up`.
    """
    for job, target in _targets(seen):
        if target.health == "down":
            yield Said(job, f"{target.url} is down: {target.error or 'Prometheus says no more'}", _at(seen, job))


def target_not_scraped_yet(seen: Evidence) -> Iterator[Said]:
    """A target was not scraped yet.

    Why: Prometheus has just learned of it, so there is no data.
    Instead: Wait for one scrape interval and ask again.
    """
    for job, target in _targets(seen):
        if target.health not in ("up", "down"):
            yield Said(job, f"{target.url} was not scraped yet", _at(seen, job), "waiting")


def target_elsewhere(seen: Evidence) -> Iterator[Said]:
    """Prometheus scrapes a job at another address than the spec's.

    Why: It measures another process than the one that serves.
    Instead: Run `mlspec up`, which renders the targets afresh and reloads Prometheus.
    """
    for job, target in _targets(seen):
        address = urlsplit(target.url).netloc
        if address not in seen.scraped[job]:
            local = seen.scraped[job][0]
            yield Said(job, f"Prometheus scrapes {address}, the spec says {local}", _at(seen, job))


def _targets(seen: Evidence) -> Iterator[tuple[str, Target]]:
    for job in seen.scraped:
        for target in seen.targets_of(job):
            yield job, target


def _at(seen: Evidence, job: str) -> tuple[str, ...]:
    return ("service", "port") if job == seen.environment.spec.job else ("targets", job)
