"""Every dashboard follows Grafana's model strictly; and the checker that says so fails what is broken."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlspec import pipeline
from mlspec.render import render_project
from tests.render.strict import problems

ROOT = Path(__file__).parents[2]
RIGHT = ROOT / "tests" / "specs" / "right"
SPECS = [*sorted((ROOT / "projects").glob("*.yaml")), RIGHT / "every_kind_and_picture.yaml", RIGHT / "every_unit.yaml"]

Dashboard = dict[str, Any]


def dashboards(spec: Path) -> dict[str, Dashboard]:
    """The dashboards of a spec, in every environment, by path."""
    project = pipeline.analyse(spec).project
    assert project is not None
    files = render_project(project)
    return {path: json.loads(text) for path, text in files.items() if "/dashboards/" in path and path.endswith("json")}


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_rendered_dashboards_follow_the_model(spec: Path) -> None:
    assert {path: found for path, board in dashboards(spec).items() if (found := problems(board))} == {}


def put(*path: str | int, value: Any) -> Callable[[Dashboard], None]:
    """A change of one value."""

    def change(board: Any) -> None:
        for part in path[:-1]:
            board = board[part]
        board[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[Dashboard], None]:
    """The removal of one value."""

    def change(board: Any) -> None:
        for part in path[:-1]:
            board = board[part]
        del board[path[-1]]

    return change


STEPS = ("panels", 1, "fieldConfig", "defaults", "thresholds", "steps")
BROKEN = [
    ("an unknown key of the dashboard", put("colour", value="red"), "dashboard: unknown key colour"),
    ("an unknown key of a panel", put("panels", 1, "kind", value="stat"), "unknown key kind"),
    ("an unknown option", put("panels", 1, "options", "reducer", value="last"), "unknown key reducer"),
    ("an unknown key of a query", put("panels", 1, "targets", 0, "query", value="up"), "unknown key query"),
    ("an unknown key of a field", put("panels", 1, "fieldConfig", "defaults", "units", value="s"), "unknown key units"),
    ("a title that is a number", put("title", value=5), "dashboard.title: 5 is no str"),
    ("a width that is no whole number", put("panels", 1, "gridPos", "w", value=2.5), "gridPos.w: 2.5 is no int"),
    ("panels that are a mapping", put("links", value={}), "dashboard.links: no list"),
    ("a truth that is a number", put("panels", 0, "collapsed", value=0), "collapsed: 0 is no bool"),
    ("an unknown colour mode", put("panels", 1, "fieldConfig", "defaults", "color", "mode", value="x"), "color.mode"),
    ("an id", put("id", value=7), "id is not None"),
    ("no id", drop("id"), "id is not None"),
    ("a version", put("version", value=3), "version is set"),
    ("another schema", put("schemaVersion", value=39), "schemaVersion is not 41"),
    ("an editable dashboard", put("editable", value=True), "editable is not False"),
    ("a long uid", put("uid", value="x" * 41), "uid 'x"),
    ("a uid with a space", put("uid", value="my board"), "uid 'my board'"),
    ("a panel id twice", put("panels", 2, "id", value=2), "panel ids are not unique"),
    ("no title", put("panels", 1, "title", value=" "), "panel 2 has no title"),
    ("no description", drop("panels", 1, "description"), "panel 2 has no description"),
    ("no unit", drop("panels", 1, "fieldConfig", "defaults", "unit"), "panel 2 has no unit"),
    ("no calcs", put("panels", 1, "options", "reduceOptions", "calcs", value=[]), "panel 2 has no calcs"),
    ("no query", put("panels", 1, "targets", value=[]), "panel 2 asks nothing"),
    ("an empty query", put("panels", 1, "targets", 0, "expr", value=""), "panel 2 has an empty query"),
    ("a fixed datasource", put("panels", 1, "datasource", "uid", value="prometheus"), "panel 2: datasource"),
    ("a first step with a value", put(*STEPS, 0, "value", value=0), "panel 2: threshold steps"),
    ("steps that fall", put(*STEPS, 1, "value", value=1000), "panel 2: threshold steps"),
    ("a panel beyond the grid", put("panels", 1, "gridPos", "x", value=22), "outside of the grid"),
    ("panels that overlap", put("panels", 2, "gridPos", "x", value=0), "panels 2 and 3 overlap"),
    (
        "an undefined variable",
        put("panels", 1, "targets", 0, "expr", value="up{a='$zone'}"),
        "$zone is not defined",
    ),
    ("a variable that is lost", drop("templating", "list", 2), "$instance is not defined"),
]


@pytest.mark.parametrize(("what", "change", "told"), BROKEN, ids=[what for what, _, _ in BROKEN])
def test_checker_finds(what: str, change: Callable[[Dashboard], None], told: str) -> None:
    board = copy.deepcopy(next(iter(dashboards(ROOT / "projects" / "wine.yaml").values())))
    assert problems(board) == []
    change(board)
    assert any(told in problem for problem in problems(board)), problems(board)


def test_refids_are_unique() -> None:
    board = next(iter(dashboards(RIGHT / "every_kind_and_picture.yaml").values()))
    panel = next(panel for panel in board["panels"] if len(panel.get("targets", ())) > 1)
    panel["targets"][1]["refId"] = panel["targets"][0]["refId"]
    assert any("refIds are not unique" in problem for problem in problems(board))
