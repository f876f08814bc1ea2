"""What is looked at in each area: whatever no check has anything to say of is ok."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from mlspec.live.evidence import Evidence, Question
from mlspec.live.result import Area, Subject
from mlspec.live.rulebook import expected_rules, path_of, title
from mlspec.spec.meaning import unit_of


def _service(seen: Evidence) -> Iterator[Subject]:
    yield Subject("the service", ("service", "port"), f"{len(seen.families)} metrics exposed")


def _metrics(seen: Evidence) -> Iterator[Subject]:
    for name in seen.metrics:
        count = sum(1 for _ in seen.families[name].series()) if name in seen.families else 0
        yield Subject(name, ("metrics", name), f"{count} series")


def _prometheus(seen: Evidence) -> Iterator[Subject]:
    yield Subject("Prometheus", ("stack", "prometheus", "port"), "answers, and sends alerts to Alertmanager")


def _targets(seen: Evidence) -> Iterator[Subject]:
    for job in seen.scraped:
        own = job == seen.environment.spec.job
        yield Subject(job, ("service", "port") if own else ("targets", job), "up")


def _rules(seen: Evidence) -> Iterator[Subject]:
    for rule in expected_rules(seen):
        yield Subject(title(rule), path_of(seen, rule), "loaded as rendered, healthy")


def _signals(seen: Evidence) -> Iterator[Subject]:
    yield from _questions(seen, "signal")


def _panels(seen: Evidence) -> Iterator[Subject]:
    yield from _questions(seen, "panel")


def _questions(seen: Evidence, area: Area) -> Iterator[Subject]:
    for question in seen.questions:
        if question.area == area:
            yield Subject(question.subject, question.at, _shown(seen, question))


def _shown(seen: Evidence, question: Question) -> str:
    answer = seen.answer_to(question)
    if answer is None or not answer.values:
        return ""
    values = answer.values
    unit = unit_of(seen.environment.spec, question.signal).name.replace("_", " ")
    more = f" (the first of {len(values)} series)" if len(values) > 1 else ""
    return f"{values[0]:.4g}{'' if unit == 'number' else ' ' + unit}{more}"


def _alertmanager(seen: Evidence) -> Iterator[Subject]:
    yield Subject("routing", ("notify",), "as rendered")
    for name in seen.environment.spec.notify:
        yield Subject(name, ("notify", name), "known")


SUBJECTS: Final[Mapping[Area, Callable[[Evidence], Iterator[Subject]]]] = {
    "service": _service,
    "metric": _metrics,
    "prometheus": _prometheus,
    "target": _targets,
    "rule": _rules,
    "signal": _signals,
    "panel": _panels,
    "alertmanager": _alertmanager,
}
