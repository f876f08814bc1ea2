"""A spec that uses every construct of the language is clean, but for what says itself that it is not made yet."""

from pathlib import Path

from mlspec.pipeline import analyse
from mlspec.render import render_project


def test_every_construct_is_read_and_rendered() -> None:
    outcome = analyse(Path(__file__).parent / "whole_language.yaml")
    assert {finding.code for finding in outcome.findings} == {"not-rendered-yet"}
    assert not outcome.failed
    assert outcome.project is not None
    files = render_project(outcome.project)
    rules = files["generated/wine/dev/prometheus/rules/wine.yml"]
    assert "> 0.1000000001" in rules
    assert "> 0.5000000005" in files["generated/wine/prod/prometheus/rules/wine.yml"]
    assert '"v{{model_version}}"' in files["generated/wine/dev/grafana/dashboards/model.json"]
