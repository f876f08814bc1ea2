"""Dashboards: rows of panels on Grafana's grid of 24 columns, with the variables that their queries use."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from mlspec.grafana.panel import DATASOURCE, SMALL, panel_json
from mlspec.grafana.text import literal
from mlspec.promql import View, quoted
from mlspec.spec.dashboard import Dashboard, Panel, Row
from mlspec.spec.units import duration

SCHEMA_VERSION: Final = 41
_COLUMNS: Final = 24
_SMALL_HEIGHT, _LARGE_HEIGHT = 5, 8
_SMALL_IN_LINE, _LARGE_IN_LINE = 6, 3


def dashboard(view: View, name: str, shape: Dashboard) -> dict[str, Any]:
    """A dashboard in Grafana's classic schema."""
    spec = view.spec
    return {
        "id": None,
        "uid": shape.uid or f"{spec.project}-{name}"[:40],
        "title": literal(shape.title),
        "description": literal(shape.description or f"{spec.name}, environment {view.env}."),
        "tags": ["mlspec", spec.project, view.env],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": duration(max(5_000, spec.stack.prometheus.scrape_interval)),
        "links": [_links(spec.project)],
        "annotations": {"list": [_alert_marks(view), _deployment_marks(view)]},
        "templating": {"list": _variables(view)},
        "panels": list(_panels(view, shape)),
    }


def _panels(view: View, shape: Dashboard) -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for row in shape.rows:
        yield {
            "id": number,
            "type": "row",
            "title": literal(row.title),
            "collapsed": False,
            "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": y},
            "panels": [],
        }
        number, y = number + 1, y + 1
        for line in _lines(row):
            x, height = 0, max(_height(panel) for panel in line)
            for panel, width in zip(line, _widths(line), strict=True):
                yield panel_json(view, panel, number, {"h": height, "w": width, "x": x, "y": y})
                number, x = number + 1, x + width
            y += height


def _is_small(panel: Panel) -> bool:
    return panel.type in SMALL


def _height(panel: Panel) -> int:
    return panel.height or (_SMALL_HEIGHT if _is_small(panel) else _LARGE_HEIGHT)


def _lines(row: Row) -> Iterator[list[Panel]]:
    """Panels of a like height stand in one line, as many as fit."""
    for small, panels in groupby(row.panels, key=_is_small):
        line: list[Panel] = []
        for panel in panels:
            taken = sum(p.width or 1 for p in line) + (panel.width or 1)
            if line and (len(line) == (_SMALL_IN_LINE if small else _LARGE_IN_LINE) or taken > _COLUMNS):
                yield line
                line = []
            line.append(panel)
        yield line


def _widths(line: list[Panel]) -> list[int]:
    """Panels without a width share what the others leave."""
    free = [i for i, panel in enumerate(line) if panel.width is None]
    left = _COLUMNS - sum(panel.width or 0 for panel in line)
    shares = {i: left // len(free) + (rank < left % len(free)) for rank, i in enumerate(free)}
    return [panel.width or shares[i] for i, panel in enumerate(line)]


def _links(project: str) -> dict[str, Any]:
    return {
        "title": "Dashboards",
        "type": "dashboards",
        "tags": ["mlspec", project],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _own(view: View) -> str:
    return ",".join(view.job_matchers("")[-2:])


def _alert_marks(view: View) -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": f'ALERTS{{alertstate="firing",alertname!="Watchdog",{_own(view)}}}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{job}} {{instance}}",
    }


def _deployment_marks(view: View) -> dict[str, Any]:
    return {
        "name": "Deployments",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "expr": f"process_start_time_seconds{{job={quoted(view.spec.job)},{_own(view)}}} * 1000",
        "useValueForTime": True,
        "titleFormat": "Service started",
        "textFormat": "{{instance}}",
    }


def _variables(view: View) -> list[dict[str, Any]]:
    series = f"up{{job={quoted(view.spec.job)},{_own(view)}}}"
    chosen = f'up{{job=~"$job",{_own(view)}}}'
    source = {
        "name": "datasource",
        "label": "Datasource",
        "type": "datasource",
        "query": "prometheus",
        "current": {"selected": False, "text": "Prometheus", "value": "prometheus"},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }
    return [source, _query_variable("job", series), _query_variable("instance", chosen)]


def _query_variable(label: str, series: str) -> dict[str, Any]:
    query = f"label_values({series}, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{label}"},
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "includeAll": True,
        "multi": True,
        "options": [],
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }
