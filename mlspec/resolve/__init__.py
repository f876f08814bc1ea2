"""Packs, document and environment to one spec a environment, where every value remembers where it was written."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from mlspec.diagnostic import Finding, SpecError, has_errors, in_order
from mlspec.load import Document, Place
from mlspec.resolve.environments import environment_findings
from mlspec.resolve.merge import Layer, overlay
from mlspec.resolve.packs import IMPLICIT, PLANNED, pack_layer, read_pack
from mlspec.resolve.shapes import shaped
from mlspec.spec.document import Spec
from mlspec.spec.meaning import edges_in_unit, own_edges
from mlspec.spec.metric import Metric
from mlspec.spec.pack import PackOptions, Use
from mlspec.spec.units import Quantity, plain

DEFAULT_ENVIRONMENT: Final = "default"


@dataclass(frozen=True, slots=True)
class Environment:
    """A spec in one environment, with where each of its values was written."""

    name: str
    spec: Spec
    layer: Layer


@dataclass(frozen=True, slots=True)
class Project:
    """A spec in each of its environments, in the order in which they are declared."""

    path: str  # of the spec below the project's root: the same wherever and however mlspec is called
    environments: tuple[Environment, ...]
    sources: Mapping[str, str]  # file name as findings show it → text, packs included
    inputs: Mapping[str, str]  # the same by the names that the manifest has
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The project's name."""
        return self.environments[0].spec.project

    def environment(self, name: str | None) -> Environment:
        """An environment by name, the first for None; raises KeyError."""
        if name is None:
            return self.environments[0]
        return next(e for e in self.environments if e.name == name)


def resolve(document: Document, folder: Path, path: str | None = None) -> Project:
    """Every environment of a document. Raises SpecError.

    `folder` is where packs of its own are looked for, `path` the spec's path below the project's root.
    """
    path = path or document.file
    whole = Layer.of("document", document.data, document.places)
    own = _without(whole, "use", "environments")
    base, inputs, findings = _with_packs(whole, own, folder)
    merged, more = overlay(base, own)
    findings += more
    names = _environment_names(whole)
    layers = {}
    for name in names:
        layer, more = _in_environment(name, whole, merged)
        findings += more
        layers[name] = layer
    if has_errors(findings):
        raise SpecError(*in_order(findings))
    specs = _all_shaped({name: _pruned(layer) for name, layer in layers.items()})
    edges = _edges(specs)
    environments = tuple(Environment(n, _with_edges(specs[n], edges), layers[n]) for n in names)
    sources = {document.file: document.text, **inputs}
    return Project(path, environments, sources, {path: document.text, **inputs}, tuple(in_order(findings)))


def _without(layer: Layer, *keys: str) -> Layer:
    data = {key: value for key, value in layer.data.items() if key not in keys}
    origins = {at: origin for at, origin in layer.origins.items() if not at or at[0] not in keys}
    return Layer(layer.name, data, origins)


def _with_packs(whole: Layer, own: Layer, folder: Path) -> tuple[Layer, dict[str, str], list[Finding]]:
    wanted = whole.data.get("use", {})
    removed = {name for name, options in wanted.items() if options is None} if isinstance(wanted, dict) else set()
    kept = {name: o for name, o in wanted.items() if o is not None} if isinstance(wanted, dict) else wanted
    use = shaped(Use, {"use": kept}, whole).use
    implied = [name for name in IMPLICIT if name not in use and name not in removed]
    names = [*implied, *(name for name in use if name not in PLANNED)]
    base = Layer("packs", {}, {(): own.origins[()]})
    inputs: dict[str, str] = {}
    findings = [_planned(name, whole) for name in use if name in PLANNED]
    for name in names:
        pack = read_pack(name, folder, whole)
        inputs[pack.file] = pack.text
        options = use.get(name) or PackOptions()
        layer, more = pack_layer(name, pack, options, whole)
        base, more_still = overlay(base, layer)
        findings += more + more_still
    return base, inputs, findings


def _planned(name: str, whole: Layer) -> Finding:
    return Finding(
        "not-rendered-yet",
        f"pack `{name}` is accepted, and nothing is made from it yet",
        whole.position("use", name, key=True),
        "What is declared and not made should not be relied on.",
        "Leave it for a later version of mlspec, or remove it.",
        "warning",
    )


def _environment_names(whole: Layer) -> list[str]:
    environments = whole.data.get("environments", {})
    if not isinstance(environments, dict):
        raise SpecError(_environment_shape("environments", "a mapping of names", whole))
    for name, value in environments.items():
        if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()) or len(name) > 40:
            raise SpecError(
                _environment_shape(f"environments.{name}", "named in letters, digits, `-` and `_`", whole, name)
            )
        if not isinstance(value, dict):
            raise SpecError(_environment_shape(f"environments.{name}", "a mapping (`{}` changes nothing)", whole, name))
    return list(environments) or [DEFAULT_ENVIRONMENT]


def _environment_shape(what: str, expected: str, whole: Layer, name: str | None = None) -> Finding:
    position = whole.position("environments", *([name] if name else []), key=True)
    why = "Each environment is a folder of generated files and a set of changes to the document."
    return Finding(
        "wrong-value", f"`{what}` must be {expected}", position, why, "As in `environments: {dev: {}, prod: {}}`."
    )


def _in_environment(name: str, whole: Layer, merged: Layer) -> tuple[Layer, list[Finding]]:
    changes: dict[str, Any] = (whole.data.get("environments") or {}).get(name, {})
    root = ("environments", name)
    places: dict[Any, Place] = {at[2:]: origin.place for at, origin in whole.origins.items() if at[:2] == root} or {
        (): whole.origins[()].place
    }
    over = Layer.of(f"environment {name}", changes, places)
    findings = environment_findings(name, over, merged)
    layer, more = overlay(merged, over)
    reported = {finding.position for finding in findings}
    return layer, findings + [finding for finding in more if finding.position not in reported]


def _pruned(layer: Layer) -> Layer:
    """Without what a pack built on something that the user removed."""
    data = layer.data
    gone = {at for at in layer.removed if len(at) == 2}
    metrics, signals = ({at[1] for at in gone if at[0] == noun} for noun in ("metrics", "signals"))
    if not metrics and not signals:
        return layer
    kept = {}
    for name, signal in data.get("signals", {}).items():
        names = {v for v in _flat(signal) if isinstance(v, str)} if isinstance(signal, dict) else set()
        if layer.origin(("signals", name)).is_pack and names & (metrics | signals):
            signals.add(name)
        else:
            kept[name] = signal
    alerts = {
        name: alert
        for name, alert in data.get("alerts", {}).items()
        if not (layer.origin(("alerts", name)).is_pack and isinstance(alert, dict) and alert.get("signal") in signals)
    }
    return Layer(layer.name, {**data, "signals": kept, "alerts": alerts}, layer.origins, layer.removed)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _flat(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _flat(item)]
    return [value]


def _all_shaped(layers: Mapping[str, Layer]) -> dict[str, Spec]:
    specs: dict[str, Spec] = {}
    findings: list[Finding] = []
    for name, layer in layers.items():
        try:
            specs[name] = shaped(Spec, layer.data, layer)
        except SpecError as error:
            findings += error.findings
    if findings:
        raise SpecError(*in_order(findings))
    return specs


def _edges(specs: Mapping[str, Spec]) -> dict[str, set[Decimal]]:
    """Each histogram's edges: the union of what every environment's bounds need, since the code is the same."""
    edges: dict[str, set[Decimal]] = {}
    for spec in specs.values():
        for name, metric in spec.metrics.items():
            if metric.type == "histogram":
                edges.setdefault(name, set()).update(edges_in_unit(spec, name, metric))
    return edges


def _with_edges(spec: Spec, edges: Mapping[str, set[Decimal]]) -> Spec:
    def sized(name: str, metric: Metric) -> Metric:
        if name not in edges or not _rising(name, metric):
            return metric
        literals = tuple(Quantity(plain(edge), edge) for edge in sorted(edges[name]))
        return metric.model_copy(update={"buckets": literals})

    return spec.model_copy(update={"metrics": {name: sized(name, metric) for name, metric in spec.metrics.items()}})


def _rising(name: str, metric: Metric) -> bool:
    """Edges out of order, or of another dimension, stay as they are written, for the checks to find."""
    edges = own_edges(name, metric)
    return None not in edges and edges == sorted({edge for edge in edges if edge is not None})
