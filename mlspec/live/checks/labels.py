"""Whether the series have the labels that are declared, with the values that these may have."""

from collections.abc import Iterator
from typing import Final

from mlspec import names
from mlspec.live.evidence import Evidence, Family
from mlspec.live.result import Said
from mlspec.spec.metric import Label

AREA: Final = "metric"
NEEDS: Final = "exposed"
_FREE: Final = frozenset({names.OTHER, names.NO_ROUTE})  # cost no budget


def labels_differ(seen: Evidence) -> Iterator[Said]:
    """A series lacks a declared label, or has one that is not declared.

    Why: A query that groups or filters by the label finds nothing; one that is not declared has no budget.
    Instead: Run `mlspec render` and restart the service, or declare the label.
    """
    for name, metric, family in seen.both:
        declared = set(metric.labels)
        for labels, _ in family.series():
            missing, more = declared - set(labels), set(labels) - declared
            if missing or more:
                parts = [_named("lacks", missing), _named("has the undeclared", more)]
                yield Said(name, f"a series {' and '.join(p for p in parts if p)}", ("metrics", name, "labels"))
                break


def _named(how: str, labels: set[str]) -> str:
    shown = ", ".join(f"`{label}`" for label in sorted(labels))
    return f"{how} label{'s' if len(labels) > 1 else ''} {shown}" if labels else ""


def value_not_declared(seen: Evidence) -> Iterator[Said]:
    """A closed label has a value that is not declared.

    Why: A share or a distribution over the label leaves these events out, or shows a slice that nobody expects.
    Instead: Add the value to the label, or correct the code that sets it.
    """
    for name, label, shape, family in _labels(seen):
        unknown = _values(family, label) - set(shape.values or ())
        if shape.values is not None and unknown:
            shown = ", ".join(f"`{value}`" for value in sorted(unknown)[:5])
            at = ("metrics", name, "labels", label)
            yield Said(name, f"{label} is {shown}, and only {', '.join(shape.values)} are declared", at)


def budget_exceeded(seen: Evidence) -> Iterator[Said]:
    """An open label has more values than its budget.

    Why: Each value is a series in the service's and in Prometheus' memory, without end.
    Instead: Use the generated module, which keeps the budget, or raise `max`.
    """
    for name, label, shape, family in _labels(seen):
        count = len(_values(family, label) - _FREE)
        if shape.max is not None and count > shape.max:
            at = ("metrics", name, "labels", label, "max")
            yield Said(name, f"{label} has {count} values, and its budget is {shape.max}", at)


def budget_spent(seen: Evidence) -> Iterator[Said]:
    """An open label's budget is spent: new values are recorded as `other`.

    Why: What is counted under `other` cannot be told apart any more.
    Instead: Raise `max` if the values are legitimate; else look for what makes them up, such as ids in a path.
    """
    for name, label, shape, family in _labels(seen):
        if shape.max is not None and names.OTHER in _values(family, label):
            at = ("metrics", name, "labels", label, "max")
            yield Said(name, f"{label} has used up its budget of {shape.max}: the rest is `other`", at, "noted")


def _labels(seen: Evidence) -> Iterator[tuple[str, str, Label, Family]]:
    for name, metric, family in seen.both:
        for label, shape in metric.labels.items():
            yield name, label, shape, family


def _values(family: Family, label: str) -> set[str]:
    return {sample.labels[label] for sample in family.samples if label in sample.labels}
