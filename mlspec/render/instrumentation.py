"""The instrumentation module: the declared metrics as typed Python objects. Independent of the environment."""

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mlspec.resolve import Project
from mlspec.spec.document import Spec
from mlspec.spec.meaning import own_edges
from mlspec.spec.metric import Label, Metric
from mlspec.spec.units import plain
from mlspec.templating import generated_from, python_text, template_text

_TYPES: Final = {"counter": "Counter", "gauge": "Gauge", "histogram": "Histogram"}
_HTTP: Final = ("requests", "duration", "errors", "in_progress")
_PREDICTIONS: Final = ("attempts", "duration", "confidence", "errors")
# Names that the module uses itself.
_TAKEN: Final = frozenset(
    {
        *(
            "Any",
            "Callable",
            "Final",
            "Literal",
            "Closed",
            "Open",
            "Http",
            "Monitor",
            "Prediction",
            "Predictions",
            "Probe",
        ),
        *("Counter", "CounterFamily", "Gauge", "GaugeFamily", "Histogram", "HistogramFamily"),
        *("monitor", "http", "predictions", "prediction", "live", "instrument", "app", "self", "str", "None", "object"),
        *("confidence", "float"),
    }
)


@dataclass(frozen=True, slots=True)
class _LabelView:
    """A label as the template writes it."""

    name: str
    argument: str
    annotation: str
    declaration: str


@dataclass(frozen=True, slots=True)
class _MetricView:
    """A metric as the template writes it."""

    name: str
    variable: str
    family: str
    type: str
    help: str
    labels: tuple[_LabelView, ...]
    buckets: str | None
    mode: str | None  # how the gauges of several workers become one; None: the least
    probe: str | None


class _Names:
    """Gives every object of the module a name of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set(_TAKEN)

    def free(self, wanted: str) -> str:
        while keyword.iskeyword(wanted) or wanted in self._taken or wanted.startswith("__"):
            wanted = f"m{wanted}" if wanted.startswith("__") else f"{wanted}_"
        self._taken.add(wanted)
        return wanted


def for_project(project: Project) -> dict[str, str]:
    """The module, at `service.instrumentation`."""
    spec = project.environments[0].spec
    free = _Names()
    variables = {name: free.free(name) for name in spec.metrics}
    metrics = [_metric_view(name, m, variables[name], free) for name, m in spec.metrics.items()]
    text = template_text(
        "instrumentation.py.j2",
        title=f"Metrics of {spec.name}.",
        generated=generated_from(project.path),
        imports=sorted(_imports(spec, metrics)),
        project=spec.project,
        metrics=metrics,
        http=_event_metrics(spec, variables, "http", _HTTP),
        predictions=_event_metrics(spec, variables, "predictions", _PREDICTIONS),
        prediction_labels=_prediction_labels(spec),
        literal=any(label.values for metric in spec.metrics.values() for label in metric.labels.values()),
    )
    return {spec.service.instrumentation: text}


def _metric_view(name: str, metric: Metric, variable: str, free: _Names) -> _MetricView:
    return _MetricView(
        name=name,
        variable=variable,
        family=free.free(_class_name(name)) if metric.labels else "",
        type=_TYPES[metric.type],
        help=metric.help,
        labels=_label_views(metric.labels),
        buckets=_buckets(name, metric),
        mode="livesum" if metric.source and metric.source.event == "http.in_progress" else None,
        probe=_probe(name, metric, variable),
    )


def _class_name(name: str) -> str:
    words = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return f"{words}Family"


def _label_views(labels: Mapping[str, Label]) -> tuple[_LabelView, ...]:
    free = _Names()
    return tuple(_label_view(name, label, free.free(name)) for name, label in labels.items())


def _label_view(name: str, label: Label, argument: str) -> _LabelView:
    values = ", ".join(map(python_text, label.values or ()))
    return _LabelView(
        name=name,
        argument=argument,
        annotation=f"Literal[{values}]" if label.values else "str",
        declaration=f"Closed({name!r}, {values})" if label.values else f"Open({name!r}, {label.max})",
    )


def _buckets(name: str, metric: Metric) -> str | None:
    if metric.type != "histogram":
        return None
    edges = [_float(edge) for edge in own_edges(name, metric) if edge is not None]
    return f"({', '.join(edges)},)"


def _float(number: Decimal) -> str:
    text = plain(number)
    return text if "." in text else f"{text}.0"


def _probe(name: str, metric: Metric, variable: str) -> str | None:
    probe = metric.probe
    if probe is None:
        return None
    failed = "None" if probe.failed is None else _float(probe.failed.to(metric.unit_of(name)))
    timing = f"every={probe.every / 1000}, timeout={probe.timeout / 1000}"
    return f"Probe({variable}, {probe.call!r}, {timing}, failed={failed})"


def _event_metrics(
    spec: Spec, variables: Mapping[str, str], source: str, parts: tuple[str, ...]
) -> dict[str, str] | None:
    """The arguments of `Http` or `Predictions`: the metric that each event sets, and which label plays which role."""
    found: dict[str, tuple[str, Metric]] = {m.source.event: (name, m) for name, m in spec.metrics.items() if m.source}
    chosen = {part: found.get(f"{source}.{part}") for part in parts}
    if not any(chosen.values()):
        return None
    roles: dict[str, str] = {}
    for item in chosen.values():
        if item and item[1].source:
            roles |= {r: label for r, label in item[1].source.role_labels().items() if label in item[1].labels}
    arguments = {part: variables[item[0]] if item else "None" for part, item in chosen.items()}
    return {**arguments, "labels": repr(dict(sorted(roles.items())))}


def _prediction_labels(spec: Spec) -> list[_LabelView]:
    """The labels of a prediction that the code must give: those that are no part of what the recorder sees."""
    given: dict[str, Label] = {}
    for metric in spec.metrics.values():
        if metric.source and metric.source.event.startswith("predictions."):
            played = set(metric.source.role_labels().values())
            for label, shape in metric.labels.items():
                if label not in played:
                    given.setdefault(label, shape)
    return list(_label_views(given))


def _imports(spec: Spec, metrics: list[_MetricView]) -> Iterator[str]:
    yield "Monitor"
    if any(metric.labels for metric in metrics):
        yield from {f"{metric.type}Family" for metric in metrics if metric.labels}
        yield from {metric.type for metric in metrics if metric.labels}
        declared = {label.declaration.split("(")[0] for metric in metrics for label in metric.labels}
        yield from declared
    events = {metric.source.event.split(".")[0] for metric in spec.metrics.values() if metric.source}
    if "http" in events:
        yield "Http"
    if "predictions" in events:
        yield "Prediction"
        yield "Predictions"
    if any(metric.probe for metric in metrics):
        yield "Probe"
