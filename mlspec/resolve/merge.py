"""Layers of data put over each other, where every value remembers where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlspec.diagnostic import Finding, Position
from mlspec.load import At, Data, Place
from mlspec.spec.signal import DIRECTIONS, kind_of


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: its place, and the layer (`pack http`, `document`, `environment prod`)."""

    place: Place
    layer: str

    @property
    def is_pack(self) -> bool:
        """Whether a pack wrote it, and not the user."""
        return self.layer.startswith("pack ")


@dataclass(frozen=True, slots=True)
class Layer:
    """Data with the origin of each value by its path."""

    name: str
    data: dict[str, Any]
    origins: dict[At, Origin]
    removed: dict[At, Origin] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, data: Mapping[str, Any], places: Mapping[At, Place]) -> "Layer":
        """A layer of parsed data, its shorthand written out."""
        origins = {at: Origin(place, name) for at, place in places.items()}
        return cls(name, _written_out(data, (), origins), origins)

    def origin(self, at: At) -> Origin:
        """The origin of a value, or of the nearest value around it that has one."""
        while at and at not in self.origins:
            at = at[:-1]
        return self.origins.get(at) or next(iter(self.origins.values()))

    def position(self, *at: str | int, key: bool = False) -> Position:
        """The place of a value, or of its key; of what is around it where it was not written."""
        place = self.origin(at).place
        lone = bool(at) and at[-1] == 0 and at[:-1] in self.origins  # a single value where a list may stand
        return place.key if key or (at not in self.origins and not lone) else place.value


def overlay(base: Layer, over: Layer) -> tuple[Layer, list[Finding]]:
    """Put one layer over another: mappings merge, the rest replaces, `null` removes; with what removes nothing."""
    merged = Layer(over.name, {}, dict(base.origins), dict(base.removed))
    findings: list[Finding] = []
    data = _merge(base.data, over.data, (), over, merged, findings)
    return Layer(merged.name, data, merged.origins, merged.removed), findings


def _merge(
    base: Mapping[str, Any], over: Mapping[str, Any], at: At, layer: Layer, merged: Layer, findings: list[Finding]
) -> dict[str, Any]:
    out = dict(base)
    if at in layer.origins:
        merged.origins.setdefault(at, layer.origins[at])
    for key, value in over.items():
        here = (*at, key)
        if value is None and not _null_is_a_value(here):
            if key not in out:
                findings.append(_removes_nothing(key, layer.origins[here]))
            out.pop(key, None)
            _forget(merged.origins, here)
            merged.removed[here] = layer.origins[here]
        elif isinstance(value, dict) and isinstance(out.get(key), dict) and not _replaces(here, out[key], value):
            out[key] = _merge(out[key], value, here, layer, merged, findings)
        else:
            _forget(merged.origins, here)
            merged.removed.pop(here, None)
            out[key] = _without_nulls(value, here)
            _adopt(merged.origins, layer, here)
    return out


def _null_is_a_value(at: At) -> bool:
    return at[:2] == ("drift", "features")  # a feature that is left out


def _without_nulls(value: Data, at: At) -> Data:
    if isinstance(value, dict):
        return {
            key: _without_nulls(item, (*at, key))
            for key, item in value.items()
            if item is not None or _null_is_a_value((*at, key))
        }
    return value


def _replaces(at: At, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
    """Whether a mapping replaces the other whole: a signal of another kind, a label, a bucket rule."""
    if len(at) == 2 and at[0] == "signals":
        return kind_of(over) is not None and kind_of(over) != kind_of(base)
    return at[0] == "metrics" and ((len(at) == 4 and at[2] == "labels") or at[2:] == ("buckets",))


def _forget(origins: dict[At, Origin], at: At) -> None:
    if at in origins:  # what is within has an origin only if this has one
        for path in [path for path in origins if path[: len(at)] == at]:
            del origins[path]


def _adopt(origins: dict[At, Origin], layer: Layer, at: At) -> None:
    origins.update({path: origin for path, origin in layer.origins.items() if path[: len(at)] == at})


def _removes_nothing(key: str, origin: Origin) -> Finding:
    return Finding(
        "override-of-nothing",
        f"`null` removes `{key}`, which nothing below declares",
        origin.place.key,
        "What is removed must be there: else the name is misspelt, or the line is dead.",
        "Check the name; write a value, or remove the line. For an empty mapping write `{}`.",
    )


def _written_out(data: Any, at: At, origins: dict[At, Origin]) -> Any:
    """Bounds in their long form, so that a layer can change one level of a bound."""
    if not isinstance(data, dict):
        return data
    out = {}
    for key, value in data.items():
        here = (*at, key)
        if len(here) == 3 and here[0] in ("signals", "alerts") and key in DIRECTIONS and isinstance(value, str):
            origins[(*here, "critical")] = origins[here]
            value = {"critical": value}
        out[key] = _written_out(value, here, origins) if len(here) < 3 else value
    return out
