"""Packs: pieces of the language that a spec builds on, with the project's own names put in."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from mlspec.diagnostic import Finding, SpecError, closest
from mlspec.load import At, Data, Document, Place, read_document
from mlspec.resolve.merge import Layer
from mlspec.spec.pack import PackOptions

_FOLDER: Final = Path(__file__).parent.parent / "packs"
IMPLICIT: Final = ("self",)
PLANNED: Final = ("drift",)  # part of the language, not shipped yet

# Keys whose values are metric or label names.
_NAME_KEYS: Final = frozenset(
    {"rate", "share", "ratio", "of", "mean", "increase", "value", "age", "distribution", "by"}
)


def shipped() -> list[str]:
    """The names of the packs that come with mlspec."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def pack_path(shown: str, beside: Path) -> Path:
    """Where the file of a pack is, by the name that findings give it."""
    shipped_file = _FOLDER / Path(shown).name
    return shipped_file if shown == f"mlspec/packs/{shipped_file.name}" else beside / shown


def read_pack(name: str, beside: Path, layer: Layer) -> Document:
    """A pack by its name, or by its path from the spec's folder; raises SpecError."""
    if name in shipped():
        return read_document(_FOLDER / f"{name}.yaml", f"mlspec/packs/{name}.yaml")
    own_file = name.endswith((".yaml", ".yml"))
    if own_file and (beside / name).exists():
        return read_document(beside / name, name)
    raise SpecError(
        Finding(
            "unknown-pack",
            f"there is no file `{name}` beside the spec" if own_file else f"there is no pack `{name}`",
            layer.position("use", name, key=True),
            "A pack is shipped with mlspec, or is a YAML file of yours.",
            f"{closest(name, shipped())} (or a path from the spec's folder, as `packs/ours.yaml`)",
        )
    )


def pack_layer(name: str, pack: Document, options: PackOptions, spec: Layer) -> tuple[Layer, list[Finding]]:
    """The pack's content under the project's names; with findings on names that the pack does not have."""
    data = dict(pack.data)
    prefix = options.prefix or data.pop("prefix", None)
    data.pop("prefix", None)
    labels = _labels(data)
    own = set(labels).union(*labels.values())
    names = {metric: f"{prefix}_{metric}" for metric in labels} if prefix else {}
    names |= options.rename
    findings = [_renames_nothing(name, old, own, spec) for old in options.rename if old not in own]
    findings += _collisions(name, [set(labels), *labels.values()], names, options, spec)
    renamed, places = _renamed(data, pack.places, names)
    return Layer.of(f"pack {name}", renamed, places), findings


def _labels(data: Mapping[str, Any]) -> dict[str, set[str]]:
    """The pack's metrics with their labels; what is no mapping is left for the shapes to find."""
    metrics = data.get("metrics")
    named = {name: metric.get("labels") if isinstance(metric, dict) else None for name, metric in _items(metrics)}
    return {name: {label for label, _ in _items(labels)} for name, labels in named.items()}


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _collisions(
    pack: str, groups: list[set[str]], names: Mapping[str, str], options: PackOptions, spec: Layer
) -> list[Finding]:
    return [
        Finding(
            "rename-collides",
            f"pack `{pack}` would have two of the name `{new}`",
            spec.position("use", pack, "rename", old),
            "Two metrics, or two labels of a metric, cannot have one name.",
            "Choose another name.",
        )
        for old, new in options.rename.items()
        if any(old in group and new in {names.get(other, other) for other in group - {old}} for group in groups)
    ]


def _renames_nothing(pack: str, old: str, own: Iterable[str], spec: Layer) -> Finding:
    return Finding(
        "rename-of-nothing",
        f"pack `{pack}` has no metric or label `{old}` to rename",
        spec.position("use", pack, "rename", old, key=True),
        "The line has no effect: the pack's metric keeps its name.",
        closest(old, own),
    )


def _renamed(
    data: dict[str, Any], places: Mapping[At, Place], names: Mapping[str, str]
) -> tuple[dict[str, Any], dict[At, Place]]:
    out_places: dict[At, Place] = {}

    def walk(value: Data, at: At, now: At) -> Data:
        if at in places:
            out_places[now] = places[at]
        if isinstance(value, dict):
            keys = {key: names.get(key, key) if _holds_names(at) else key for key in value}
            return {keys[key]: walk(item, (*at, key), (*now, keys[key])) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*at, i), (*now, i)) for i, item in enumerate(value)]
        return _scalar(value, at, names) if isinstance(value, str) else value

    return walk(data, (), ()), out_places  # type: ignore[return-value]


def _holds_names(at: At) -> bool:
    """Whether the keys of the mapping at this path are metric or label names."""
    return (
        at == ("metrics",) or (at[:1] == ("metrics",) and at[2:] == ("labels",)) or at[-1:] in (("where",), ("having",))
    )


def _scalar(text: str, at: At, names: Mapping[str, str]) -> str:
    key = next((part for part in reversed(at) if isinstance(part, str)), "")
    if key in _NAME_KEYS or at[2:4] == ("source", "labels"):
        return names.get(text, text)
    if key in ("expr", "series"):
        pattern, replace = _tokens(names)
        return pattern.sub(replace, text)
    return text


def _tokens(names: Mapping[str, str]) -> tuple[re.Pattern[str], Callable[[re.Match[str]], str]]:
    return re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), lambda match: names.get(match[0], match[0])
