"""Both generations of Prometheus accept every query that the shipped specs compile to."""

import itertools
import json
import subprocess
from pathlib import Path

import pytest

from mlspec.grafana import dashboard
from mlspec.load import read_document
from mlspec.promql import View, compile_signal, parse
from mlspec.resolve import resolve

from .cases import CASES
from .lab import Server, grafana, rules, spec_text, view_of

pytestmark = pytest.mark.e2e

ALERT = {"Told": "{signal: asked, above: 1, summary: It is so.}"}
PROJECTS = sorted((Path(__file__).parents[2] / "projects").glob("*.yaml"))


def _check_rules(promtool: Path, folder: Path) -> None:
    command = [promtool, "check", "rules", "--lint=all", "--lint-fatal", *sorted(folder.glob("*.yml"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, "\n".join(line for line in done.stderr.splitlines() if "SUCCESS" not in line)


def _views(path: Path, panel: bool) -> list[View]:
    project = resolve(read_document(path), path.parent)
    return [View(environment.spec, environment.name, panel) for environment in project.environments]


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.stem)
def test_rules(path: Path, promtool: Path, tmp_path: Path) -> None:
    for view in _views(path, panel=False):
        file = tmp_path / f"{view.env}.yml"
        file.write_text(json.dumps({"groups": [{"name": view.env, "rules": rules(view)}]}))
    _check_rules(promtool, tmp_path)


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.stem)
def test_panels(path: Path, server: Server) -> None:
    for view in _views(path, panel=True):
        forms = itertools.product(view.spec.signals.values(), (False, True))
        queries = [compile_signal(view, signal, fixed).expr for signal, fixed in forms]
        for name, shape in view.spec.dashboards.items():
            panels = dashboard(view, name, shape)["panels"]
            queries += [target["expr"] for panel in panels for target in panel.get("targets", ())]
        for query in queries:
            server.get("format_query", query=grafana(query))


def test_rules_of_cases(promtool: Path, tmp_path: Path) -> None:
    for case in CASES:
        alerts = {} if case.signal.startswith("{distribution") else ALERT
        view = view_of(spec_text(case.project, {"asked": case.signal, **(case.beside or {})}, alerts))
        groups = {"groups": [{"name": "all", "rules": rules(view)}]}
        (tmp_path / f"{case.name}.yml").write_text(json.dumps(groups, ensure_ascii=False))
    _check_rules(promtool, tmp_path)


def test_own_parser_reads_what_is_compiled() -> None:
    """The checks parse compiled queries: what Prometheus accepts, promql-parser must not refuse."""
    for case in CASES:
        for panel in (False, True):
            view = view_of(spec_text(case.project, {"asked": case.signal, **(case.beside or {})}), panel)
            parse(grafana(compile_signal(view, view.spec.signals["asked"]).expr))
