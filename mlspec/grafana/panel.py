"""Panels: a signal's queries and the picture of them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from mlspec.grafana.field import field_defaults
from mlspec.grafana.text import legend, literal
from mlspec.promql import Query, View, compile_signal
from mlspec.spec.dashboard import Panel
from mlspec.spec.signal import Distribution, Quantile, SignalBase, Up
from mlspec.spec.units import plain

DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_TYPES: Final = {"pie": "piechart", "states": "state-timeline"}
_CALCULATIONS: Final = {"mean": "mean", "max": "max", "min": "min", "last": "lastNotNull", "sum": "sum"}
_INSTANT: Final = ("stat", "gauge", "bargauge", "pie", "table")
SMALL: Final = ("stat", "gauge", "bargauge", "states")


@dataclass(frozen=True, slots=True)
class Queries:
    """What a panel asks: each query with the name of its series, and whether it is asked at one time only."""

    items: tuple[tuple[Query, str], ...]
    instant: bool


def panel_queries(view: View, panel: Panel) -> Queries:
    """The queries of a panel that shows a signal."""
    assert panel.signal is not None
    signal = _resliced(view.spec.signals[panel.signal], panel)
    instant = panel.type in _INSTANT
    fixed = panel.over is not None or (panel.type in SMALL and bool(signal.bounds()) and signal.kind != "up")
    series = legend(panel.series) if panel.series is not None else None
    items = []
    for number in panel.quantile or (None,):
        sliced = signal.model_copy(update={"quantile": number}) if number is not None else signal
        query = compile_signal(view, sliced, fixed)
        name = f"p{plain(Decimal(repr(number)) * 100)}" if number is not None else None
        items.append((_over_time(query, panel, sliced, view), series or _series(query, signal, name)))
    return Queries(tuple(items), instant)


def _resliced(signal: SignalBase, panel: Panel) -> SignalBase:
    changes: dict[str, Any] = {"where": {**signal.where, **panel.where}}
    if panel.by is not None:
        changes["by"] = panel.by
    if panel.over is not None:
        changes["over"] = panel.over
    return signal.model_copy(update=changes)


def _over_time(query: Query, panel: Panel, signal: SignalBase, view: View) -> Query:
    """A range that spans the whole picture makes no line: over time, a total is asked window by window."""
    if not query.over_range or panel.type in _INSTANT:
        return query
    if isinstance(signal, Up):
        return Query(f"min by (instance) ({compile_signal(_as_rule(view), signal).expr})", ("instance",))
    return Query(query.expr.replace("[$__range]", "[$__rate_interval]"), query.labels)


def _as_rule(view: View) -> View:
    return View(view.spec, view.env, panel=False)


def _series(query: Query, signal: SignalBase, name: str | None) -> str:
    if isinstance(signal, Distribution) and query.labels == ("band",):
        return "{{band}}"
    labels = [label for label in query.labels or () if label != "job"]
    shown = " ".join(f"{{{{{label}}}}}" for label in labels)
    return " ".join(part for part in (name, shown) if part) or literal(signal.title or "value")


def panel_json(view: View, panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    """A panel in Grafana's classic schema."""
    if panel.type == "text":
        return {
            "id": number,
            "type": "text",
            "title": literal(panel.title or ""),
            "description": literal(panel.description or panel.title or "Text."),
            "gridPos": place,
            "options": {"mode": "markdown", "content": literal(panel.text or "")},
        }
    assert panel.signal is not None
    signal = view.spec.signals[panel.signal]
    queries = panel_queries(view, panel)
    defaults = field_defaults(view.spec, signal)
    if panel.type in ("timeseries", "pie"):
        defaults["color"] = {"mode": "palette-classic"}
    if panel.type == "timeseries":
        defaults["custom"] = _lines(bool(signal.bounds()))
    return {
        "id": number,
        "type": _TYPES.get(panel.type, panel.type),
        "title": literal(title_of(panel, panel.signal, signal)),
        "description": literal(_description(view, panel, panel.signal, signal)),
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": [
            _target(query, series, chr(ord("A") + i), queries.instant, panel.type)
            for i, (query, series) in enumerate(queries.items)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
    }


def title_of(panel: Panel, name: str, signal: SignalBase) -> str:
    """A panel's title: its own, its signal's, else the signal's name in words."""
    return panel.title or signal.title or name.replace("_", " ").capitalize()


def _description(view: View, panel: Panel, name: str, signal: SignalBase) -> str:
    if panel.description or signal.description:
        return panel.description or signal.description or ""
    helps = [found[1].help for metric in signal.metrics() if (found := view.spec.find_metric(metric))]
    asked = (
        f"the {plain(Decimal(repr(signal.quantile)) * 100)}th percentile"
        if isinstance(signal, Quantile)
        else signal.kind
    )
    return f"Signal `{name}`: {asked}. {' '.join(helps)}".strip()


def _target(query: Query, series: str, ref: str, instant: bool, kind: str) -> dict[str, Any]:
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": series,
        "instant": instant,
        "range": not instant,
        "format": "table" if kind == "table" else "heatmap" if kind == "heatmap" else "time_series",
    }


def _lines(bounded: bool) -> dict[str, Any]:
    return {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 10,
        "showPoints": "never",
        "spanNulls": False,
        "thresholdsStyle": {"mode": "dashed" if bounded else "off"},
    }


def _reduce() -> dict[str, Any]:
    return {"calcs": ["lastNotNull"], "fields": "", "values": False}


def _legend(panel: Panel) -> dict[str, Any]:
    calculations = [_CALCULATIONS[c] for c in panel.legend]
    mode = "table" if calculations else "list"
    return {"displayMode": mode, "placement": "bottom", "showLegend": True, "calcs": calculations}


def _options(panel: Panel) -> dict[str, Any]:
    match panel.type:
        case "stat":
            return {
                "reduceOptions": _reduce(),
                "colorMode": "value",
                "graphMode": "none",
                "textMode": "auto",
                "justifyMode": "auto",
                "orientation": "auto",
            }
        case "gauge":
            return {
                "reduceOptions": _reduce(),
                "orientation": "auto",
                "showThresholdLabels": False,
                "showThresholdMarkers": True,
            }
        case "bargauge":
            return {"reduceOptions": _reduce(), "displayMode": "gradient", "orientation": "horizontal"}
        case "pie":
            legend_options = {
                "displayMode": "table",
                "placement": "right",
                "showLegend": True,
                "values": ["percent", "value"],
            }
            return {
                "reduceOptions": _reduce(),
                "pieType": "pie",
                "displayLabels": ["percent"],
                "legend": legend_options,
                "tooltip": {"mode": "single", "sort": "none"},
            }
        case "timeseries":
            return {"legend": _legend(panel), "tooltip": {"mode": "multi", "sort": "desc"}}
        case "states":
            return {
                "showValue": "auto",
                "rowHeight": 0.9,
                "mergeValues": True,
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
                "tooltip": {"mode": "single", "sort": "none"},
            }
        case "table":
            return {"showHeader": True, "cellHeight": "sm"}
    return {"calculate": False, "color": {"mode": "scheme", "scheme": "Oranges"}, "yAxis": {"unit": "short"}}
