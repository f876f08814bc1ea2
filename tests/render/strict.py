"""What is wrong with a dashboard's JSON, by Grafana's own model and by the rules of this house.

Grafana loads almost anything and silently ignores what it does not know, so the model's type hints are walked by hand:
a key that the model lacks, or a value of another type, is a problem.
"""

import enum
import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus

_PLUGINS: Final = {
    **{kind: kind for kind in ("stat", "gauge", "bargauge", "timeseries", "piechart", "table", "heatmap", "text")},
    "state-timeline": "statetimeline",
}
# What Grafana's Prometheus datasource reads of an annotation, which the model leaves to the plugins.
_ANNOTATION_KEYS: Final = {"expr", "step", "titleFormat", "textFormat", "tagKeys", "useValueForTime"}
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_BUILT_IN: Final = {"__rate_interval", "__range", "__interval", "__from", "__to"}
_VARIABLE: Final = re.compile(r"\$(\w+)|\[\[(\w+?)(?::\w+)?\]\]|\$\{(\w+)(?:\.[^:^}]+)?(?::[^}]+)?\}")


def problems(dashboard: dict[str, Any]) -> list[str]:
    """Everything that is wrong, each with its path; empty for a dashboard that is right."""
    return list(_of(dashboard, model.Dashboard, "dashboard")) or [
        *_head(dashboard),
        *_panels(dashboard),
        *_grid(dashboard),
        *_variables(dashboard),
    ]


# The model


def _of(value: Any, hint: Any, path: str) -> Iterator[str]:
    """How a value differs from a type hint of the model."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (Any, object):
        return
    if origin in (typing.Union, types.UnionType):
        found = [list(_of(value, choice, path)) for choice in arguments]
        yield from min(found, key=len)
    elif hint is type(None):
        if value is not None:
            yield f"{path}: {value!r} is not null"
    elif origin is typing.Literal:
        if value not in arguments:
            yield f"{path}: {value!r} is none of {arguments}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{path}: no list"
            return
        for i, item in enumerate(value):
            yield from _of(item, arguments[0], f"{path}[{i}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{path}: no mapping"
            return
        for key, item in value.items():
            yield from _of(item, arguments[1], f"{path}.{key}")
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if isinstance(value, bool) or value not in [member.value for member in hint]:
            yield f"{path}: {value!r} is no {hint.__name__}"
    elif hint is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{path}: {value!r} is no number"
    elif hint in (str, int, bool):
        if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
            yield f"{path}: {value!r} is no {hint.__name__}"
    else:
        yield from _of_class(value, prometheus.Dataquery if hint is Dataquery else hint, path)


def _of_class(value: Any, cls: type, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: no mapping"
        return
    known = _fields(cls)
    extra = _ANNOTATION_KEYS if cls is model.AnnotationQuery else set()
    for key, item in value.items():
        if key in known:
            yield from _of(item, _plugin_hint(cls, key, value) or known[key], f"{path}.{key}")
        elif key not in extra:
            yield f"{path}: unknown key {key}"
    if cls is model.Panel:
        custom = value.get("fieldConfig", {}).get("defaults", {}).get("custom")
        if custom is not None:
            yield from _of_class(custom, _plugin(value).FieldConfig, f"{path}.fieldConfig.defaults.custom")


@cache
def _fields(cls: type) -> dict[str, Any]:
    """The JSON keys of a model's class with their type hints."""
    attributes = typing.get_type_hints(cls, vars(inspect.getmodule(cls)))
    source = inspect.getsource(cls.to_json)  # type: ignore[attr-defined]
    pairs = re.findall(r'"(\w+)"(?:\] =|:) self\.(\w+)', source)
    return {key: attributes[attribute] for key, attribute in pairs}


def _plugin(panel: dict[str, Any]) -> types.ModuleType:
    return importlib.import_module(f"grafana_foundation_sdk.models.{_PLUGINS[panel['type']]}")


def _plugin_hint(cls: type, key: str, value: dict[str, Any]) -> Any:
    """The plugin's own options, which the model of a panel leaves open."""
    return _plugin(value).Options if cls is model.Panel and key == "options" and value.get("type") in _PLUGINS else None


# The rules of this house


def _head(dashboard: dict[str, Any]) -> Iterator[str]:
    wanted = {"id": None, "schemaVersion": 41, "editable": False, "graphTooltip": 1}
    for key, value in wanted.items():
        if key not in dashboard or dashboard[key] != value:
            yield f"{key} is not {value}"
    if "version" in dashboard:
        yield "version is set"
    uid = dashboard.get("uid") or ""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid):
        yield f"uid {uid!r}"


def _panels(dashboard: dict[str, Any]) -> Iterator[str]:
    numbers = [panel["id"] for panel in dashboard["panels"]]
    if len(set(numbers)) < len(numbers):
        yield "panel ids are not unique"
    for panel in dashboard["panels"]:
        at = f"panel {panel['id']}"
        if not panel.get("title", "").strip() and panel["type"] != "text":
            yield f"{at} has no title"
        if panel["type"] == "row":
            continue
        if not panel.get("description", "").strip():
            yield f"{at} has no description"
        if panel["type"] != "text":
            yield from _picture(panel, at)


def _picture(panel: dict[str, Any], at: str) -> Iterator[str]:
    refs = [target["refId"] for target in panel["targets"]]
    if not refs:
        yield f"{at} asks nothing"
    if len(set(refs)) < len(refs):
        yield f"{at}: refIds are not unique"
    for asked in (panel, *panel["targets"]):
        if asked.get("datasource") != _DATASOURCE:
            yield f"{at}: datasource {asked.get('datasource')}"
    defaults = panel["fieldConfig"]["defaults"]
    if not defaults.get("unit"):
        yield f"{at} has no unit"
    steps = [step["value"] for step in defaults["thresholds"]["steps"]]
    if steps[:1] != [None] or None in steps[1:] or steps[1:] != sorted(set(steps[1:])):
        yield f"{at}: threshold steps {steps}"
    reduces = panel["type"] in ("stat", "gauge", "bargauge", "piechart")
    if reduces and not panel["options"].get("reduceOptions", {}).get("calcs"):
        yield f"{at} has no calcs"
    for target in panel["targets"]:
        if not target["expr"].strip():
            yield f"{at} has an empty query"
        if target["instant"] == target["range"]:
            yield f"{at} is instant and range, or neither"


def _grid(dashboard: dict[str, Any]) -> Iterator[str]:
    taken: dict[tuple[int, int], int] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if place["w"] < 1 or place["h"] < 1 or place["x"] < 0 or place["x"] + place["w"] > 24:
            yield f"panel {panel['id']} lies outside of the grid: {place}"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    yield f"panels {taken[x, y]} and {panel['id']} overlap"
                    return
                taken[x, y] = panel["id"]


def _variables(dashboard: dict[str, Any]) -> Iterator[str]:
    """Every variable that a query or a text would interpolate is one of the dashboard's, or Grafana's own."""
    defined = [variable["name"] for variable in dashboard["templating"]["list"]]
    if len(set(defined)) < len(defined):
        yield "variables are not unique"
    for name in defined:
        if name not in _used(dashboard):
            yield f"variable {name} is not used"
    for text in _queries(dashboard):
        for name in _names(text):
            if name not in {*defined, *_BUILT_IN}:
                yield f"${name} is not defined: {text}"


def _queries(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        yield variable["query"]["query"] if isinstance(variable["query"], dict) else variable["query"]


def _used(dashboard: dict[str, Any]) -> set[str]:
    sources = [panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel]
    return {name for text in (*_queries(dashboard), *sources) for name in _names(text)}


def _names(text: str) -> list[str]:
    return [match[1] or match[2] or match[3] for match in _VARIABLE.finditer(text)]


def interpolated(text: str) -> list[str]:
    """The variables that Grafana would replace in a text."""
    return [name for name in _names(text) if name in {"job", "instance", "datasource"} or name.startswith("__")]
