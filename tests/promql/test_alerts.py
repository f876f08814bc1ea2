"""When alerts fire, stay and resolve: their conditions under `promtool test rules`, one evaluation after the other."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlspec.promql import condition
from mlspec.spec.units import duration

from .lab import STEP, histogram, named, read_lines, rules, spec_text, view_of

pytestmark = pytest.mark.e2e

# Evaluations from the first to the last of a span, and the labels of what fires in it.
Span = tuple[int, int, Sequence[str]]
QUIET: Span = (2, 100, [])
# A counter's first two samples make its first rate.
FIRES: Span = (2, 100, [""])


@dataclass(frozen=True)
class Case:
    """Alerts on signals over series, and for each alert what fires when. Samples and evaluations are 15 s apart."""

    name: str
    signals: Mapping[str, str]
    alerts: Mapping[str, str]
    series: str
    fires: Mapping[str, Sequence[Span]] = field(default_factory=dict)


def one(name: str, signal: str, alert: str, lines: str, *spans: Span) -> Case:
    """A case of one alert on one signal."""
    return Case(
        name, {"asked": signal}, {"Told": f"{{signal: asked, summary: It is so.{alert}}}"}, lines, {"Told": spans}
    )


def shares(errors: int, ok: int) -> str:
    """Even traffic with this many errors and successes a step."""
    return f'requests_total{{status="500"}} 0+{errors}x100\nrequests_total{{status="200"}} 0+{ok}x100\nup 1x100'


TOLD = {"Told": "{signal: asked, summary: It is so.}"}
SHARE = '{share: requests_total, having: {status: "5*"}, above: 5%}'
LOADED = "{value: loaded, equal: 0}"
# Dead from 21 to 60; a scrape that fails writes `up 0` and marks every series of the target as stale.
DEAD = "_x39"
UP = "up 1x20 0x39 1x39"
# Bad from 8 on, dead from 21 to 60, then back and healthy.
UNLOADED = f"loaded 1x7 0x12 stale {DEAD} 1x39\n{UP}"
FAILING = (
    f'requests_total{{status="500"}} 0+10x20 stale {DEAD} 0x39\n'
    f'requests_total{{status="200"}} 0+10x20 stale {DEAD} 0+10x39\n{UP}'
)

BOUNDS = [
    one("share-at-bound", SHARE, "", shares(1, 19), QUIET),
    one("share-above-bound", SHARE, "", shares(51, 949), FIRES),
    one(
        "ratio-at-bound",
        "{ratio: used_bytes, of: [used_bytes, free_bytes], above: 90%}",
        "",
        "used_bytes 9x99\nfree_bytes 1x99",
        QUIET,
    ),
    one(
        "ratio-above-bound",
        "{ratio: used_bytes, of: [used_bytes, free_bytes], above: 90%}",
        "",
        "used_bytes 91x100\nfree_bytes 9x100",
        FIRES,
    ),
    # 0.07 in percent is 7.000000000000001.
    one("value-in-percent-at-bound", "{value: load_ratio, unit: percent, above: 7%}", "", "load_ratio 0.07x100", QUIET),
    one("value-at-bound", "{value: load_ratio, above: 7%}", "", "load_ratio 0.07x100", QUIET),
    one("value-above-bound", "{value: load_ratio, above: 7%}", "", "load_ratio 0.0701x100", (0, 100, ["instance=one"])),
    one(
        "quantile-at-bound",
        "{quantile: 0.5, of: latency_seconds, above: 100ms}",
        "",
        histogram("latency_seconds", "", {"0.05": 0, "0.1": 5, "0.5": 10, "+Inf": 10}, 1),
        QUIET,
    ),
    one(
        "quantile-above-bound",
        "{quantile: 0.51, of: latency_seconds, above: 100ms}",
        "",
        histogram("latency_seconds", "", {"0.05": 0, "0.1": 5, "0.5": 10, "+Inf": 10}, 1),
        FIRES,
    ),
    one(
        "mean-below-bound",
        "{mean: latency_seconds, below: 0.3}",
        "",
        histogram("latency_seconds", "", {"+Inf": 10}, 2.9),
        FIRES,
    ),
    Case(
        "change-below-bound",
        {"pace": "{rate: requests_total}", "asked": "{change: pace, against: 10m, below: -50%}"},
        TOLD,
        "requests_total 0+10x60 604+4x40",
        # Of 20 steps in a window (19 in Prometheus 3), 17 (16) must be of 4 for the mean to fall below half of 10.
        {"Told": [(5, 75, []), (77, 95, [""])]},
    ),
    Case(
        "share-at-every-percent",  # n of 100, at a bound of n%: neither above it nor below
        {
            f"at_{n}": f'{{share: requests_total, having: {{status: "5*"}}, where: {{route: r{n}}}}}'
            for n in range(1, 100)
        },
        {
            f"{side}{n}": f"{{signal: at_{n}, {side.lower()}: {n}%, summary: It is so.}}"
            for side in ("Above", "Below")
            for n in range(1, 100)
        },
        "\n".join(
            f'requests_total{{route="r{n}",status="{status}"}} 0+{step}x30'
            for n in range(1, 100)
            for status, step in (("500", n), ("200", 100 - n))
        ),
        {f"{side}{n}": [(2, 30, [])] for side in ("Above", "Below") for n in range(1, 100)},
    ),
]
ONE_A_STEP = 'requests_total{status="500"} 0+1x100'
EVENTS = [
    # One error a step makes 20 in five minutes, once there is data for as long.
    one("events-enough", SHARE[:-1] + ", min_events: 19}", "", ONE_A_STEP, (25, 100, [""])),
    one("events-just-enough", SHARE[:-1] + ", min_events: 20}", "", ONE_A_STEP, (25, 100, [""])),
    one("events-too-few", SHARE[:-1] + ", min_events: 21}", "", ONE_A_STEP, QUIET),
    one(
        "events-part-unborn",  # all fail, none is done
        "{ratio: errors_total, of: [errors_total, done_total], above: 5%, min_events: 20}",
        "",
        "errors_total 0+9x100",
        (5, 100, [""]),
    ),
    one(
        "events-numerator-label",
        "{ratio: errors_total, of: done_total, by: [reason], above: 5%, min_events: 20}",
        "",
        'errors_total{reason="x"} 0+1x100\nerrors_total{reason="y"} 0+3x100\ndone_total 0+20x100',
        (5, 100, ["reason=y"]),
    ),
    Case(
        "events-of-change",
        {"pace": "{rate: requests_total}", "asked": "{change: pace, against: 10m, above: 50%, min_events: 20}"},
        TOLD,
        "requests_total 0+0.1x60 6+0.5x40",  # from half an event a minute to two: a jump of nothing
        {"Told": [QUIET]},
    ),
]

LATCH = [
    # Fires a minute after 8; its gauge is stale from 21, and it stays until the first healthy evaluation.
    one("latch-value", LOADED, ", for: 1m", UNLOADED, (0, 11, []), (12, 60, ["instance=one"]), (61, 100, [])),
    one("latch-share", SHARE, ", for: 1m", FAILING, (5, 60, [""]), (61, 100, [])),
    one(
        "latch-share-by",
        SHARE[:-1] + ", by: [route]}",
        ", for: 1m",
        FAILING.replace("status", 'route="/a",status')
        + "\n"
        + FAILING.replace("status", 'route="/b",status').replace(UP, ""),
        (5, 60, ["route=/a", "route=/b"]),
        (61, 100, []),
    ),
    one(
        "latch-share-min-events",  # the window empties below the least number of events long before it is empty
        SHARE[:-1] + ", min_events: 100}",
        ", for: 1m",
        FAILING,
        (10, 60, [""]),
        (61, 100, []),
    ),
    one(
        "latch-value-labels",
        "{value: temperature_celsius, above: 25}",
        "",
        f'temperature_celsius{{room="a"}} 30x20 stale {DEAD} 20x39\ntemperature_celsius{{room="b"}} 20x20 stale\n{UP}',
        (0, 60, ["instance=one,room=a"]),
        (61, 100, []),
    ),
    one(
        "latch-ratio-instance",
        "{ratio: used_bytes, of: [used_bytes, free_bytes], by: [instance], above: 90%}",
        ", for: 1m",
        f"used_bytes 95x20 stale {DEAD} 10x39\nfree_bytes 5x20 stale {DEAD} 90x39\n{UP}",
        (4, 60, ["instance=one"]),
        (61, 100, []),
    ),
    one(
        "latch-one-of-two",  # each instance latches for itself
        LOADED,
        "",
        UNLOADED + '\nloaded{instance="two"} 0x20 1x80\nup{instance="two"} 1x100',
        (8, 20, ["instance=one", "instance=two"]),
        (21, 60, ["instance=one"]),
        (61, 100, []),
    ),
    one(
        "latch-age",
        "{age: trained_timestamp_seconds, above: 60s}",
        "",
        f"trained_timestamp_seconds 0x20 stale {DEAD} 0x39\n{UP}",
        (5, 100, [""]),
    ),
    # Nothing had fired: the latch holds nothing.
    one("latch-starts-nothing", LOADED, "", f"loaded 1x20 stale {DEAD} 1x39\n{UP}", (0, 100, [])),
    one("latch-starts-no-pending", LOADED, ", for: 5m", UNLOADED, (0, 100, [])),
    one("latch-not-while-up", LOADED, "", "loaded 0x20 stale\nup 1x100", (0, 20, ["instance=one"]), (21, 100, [])),
    one(
        "latch-not-for-another", SHARE, "", f'{UP}\nALERTS{{alertname="Other",alertstate="firing"}} 1x100', (0, 100, [])
    ),
]

ABSENT = [
    one(
        "fire-target-dies",  # the same labels all along: one alert, never resolved in between
        LOADED,
        ", for: 1m, absent: fire",
        UNLOADED,
        (0, 11, []),
        (12, 60, ["instance=one"]),
        (61, 100, []),
    ),
    one(
        "fire-metric-gone",
        LOADED,
        ", for: 1m, absent: fire",
        f"loaded 1x20 stale {DEAD} 1x39\nup 1x100",
        (0, 24, []),
        (25, 60, ["instance=one"]),
        (61, 100, []),
    ),
    one(
        "fire-target-gone",
        LOADED,
        ", for: 1m, absent: fire",
        "loaded 1x20 stale\nup 1x20 stale",
        (0, 24, []),
        (25, 100, [""]),
    ),
    one("fire-never-there", LOADED, ", absent: fire", "", (0, 100, [""])),
    one("fire-share-target-dies", SHARE, ", for: 1m, absent: fire", FAILING, (5, 60, [""]), (61, 100, [])),
    one(
        "fire-share-healthy-dies",
        SHARE,
        ", absent: fire",
        FAILING.replace("10x20", "1x20", 1).replace("0+10x20", "0+99x20"),
        (2, 20, []),
        (21, 60, [""]),
        (61, 100, []),
    ),
    one("fire-share-target-gone", SHARE, ", absent: fire", FAILING.replace(UP, "up 1x20 stale"), (2, 100, [""])),
    one(
        "fire-ratio-instance",
        "{ratio: used_bytes, of: [used_bytes, free_bytes], by: [instance], above: 90%}",
        ", absent: fire",
        f"used_bytes 95x20 stale {DEAD} 10x39\nfree_bytes 5x20 stale {DEAD} 90x39\n{UP}",
        (0, 60, ["instance=one"]),
        (61, 100, []),
    ),
    one(
        "fire-age-target-gone",
        "{age: trained_timestamp_seconds, above: 60s}",
        ", absent: fire",
        "trained_timestamp_seconds 0x20 stale\nup 1x20 stale",
        (5, 100, [""]),
    ),
    one(
        "fire-where",  # the series that is asked about is gone, another of its metric is not
        "{value: temperature_celsius, where: {room: a}, above: 25}",
        ", absent: fire",
        'temperature_celsius{room="a"} 20x20 stale\ntemperature_celsius{room="b"} 20x100\nup 1x100',
        (0, 20, []),
        (21, 100, ["instance=one"]),
    ),
    one(
        "fire-no-failure-yet",  # a counter of failures that waits for its first is not silence
        "{ratio: errors_total, of: [errors_total, done_total], above: 5%}",
        ", absent: fire",
        "done_total 0+9x100\nup 1x100",
        (0, 100, []),
    ),
    one(
        "fire-expr",
        "{expr: sum(node_load), above: 5}",
        ", absent: fire",
        'node_load{job="node"} 3x20 stale',
        (0, 20, []),
        (21, 100, ["job="]),
    ),
    one("ignore-value", LOADED, ", absent: ignore", UNLOADED, (8, 20, ["instance=one"]), (21, 100, [])),
    one("ignore-share", SHARE, ", absent: ignore", FAILING, (2, 38, [""]), (42, 100, [])),  # its window empties
    one("up-down", "{up: api}", ", for: 1m", UP, (0, 24, []), (25, 60, ["instance=one"]), (61, 100, [])),
    one(
        "up-one-of-two",
        "{up: api}",
        "",
        UP + '\nup{instance="two"} 1x100',
        (0, 20, []),
        (21, 60, ["instance=one"]),
        (61, 100, []),
    ),
    one("up-absent", "{up: api}", "", "up 1x20 stale", (0, 20, []), (21, 100, [""])),
    one(
        "expr-of-alternatives",
        "{expr: node_load or used_bytes, above: 5}",
        "",
        'node_load{job="node"} 3x100\nused_bytes 9x100',
        (0, 100, ["instance=one"]),
    ),
    one("watchdog", "{expr: vector(1), above: 0}", ", absent: ignore", "", (0, 100, ["job="])),
]

COMPANIONS = [
    Case(
        "companion-target",  # down for two minutes from 21 on
        {"asked": SHARE},
        TOLD,
        FAILING,
        {"TargetDown": [(0, 28, []), (29, 60, ["instance=one"]), (61, 100, [])], "MetricMissing": [(0, 100, [])]},
    ),
    Case(
        "companion-target-gone",
        {"asked": SHARE},
        TOLD,
        "up 1x20 stale",
        {"TargetDown": [(0, 28, []), (29, 100, [""])]},
    ),
    Case(
        "companion-metric",  # gone for ten minutes from 21 on, while its target answers
        {"asked": LOADED},
        TOLD,
        "loaded 1x20 stale _x49 1x29\nup 1x100",
        {"MetricMissing": [(0, 60, []), (61, 70, ["instance=one"]), (71, 100, [])], "TargetDown": [(0, 100, [])]},
    ),
    Case(
        "companion-no-failure-yet",
        {"asked": "{ratio: errors_total, of: [errors_total, done_total], above: 5%}"},
        TOLD,
        "done_total 0+9x100\nup 1x100",
        {"MetricMissing": [(0, 100, [])], "TargetDown": [(0, 100, [])]},
    ),
    Case(
        "companion-expr",
        {"asked": "{expr: sum(node_load), above: 5}"},
        TOLD,
        'up{job="node"} 1x20 0x80\nnode_load{job="node"} 3x20 stale',
        {"TargetDown": [(0, 28, []), (29, 100, ["instance=one,job=node"])]},
    ),
]

CASES = [*BOUNDS, *EVENTS, *LATCH, *ABSENT, *COMPANIONS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alerts(case: Case, promtool: Path, tmp_path: Path) -> None:
    view = view_of(spec_text(case.name, case.signals, case.alerts))
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules(view)}]}))
    (tmp_path / "test.yml").write_text(json.dumps(_test_file(case)))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{condition(view, *next(iter(view.spec.alerts.items())))}\n{done.stdout}{done.stderr}"


def _test_file(case: Case) -> dict[str, Any]:
    lines = [
        {"series": named(name, labels), "values": values} for name, labels, values in read_lines(case.series, case.name)
    ]
    asked = [
        {
            "eval_time": duration(at * STEP * 1000),
            "alertname": alert,
            "exp_alerts": [{"exp_labels": _labels(case, alert, text)} for text in fires],
        }
        for alert, spans in case.fires.items()
        for first, last, fires in spans
        for at in range(first, last + 1)
    ]
    test = {"interval": f"{STEP}s", "input_series": lines, "alert_rule_test": asked}
    return {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP}s", "tests": [test]}


def _labels(case: Case, alert: str, text: str) -> dict[str, str]:
    """The labels of a firing alert: those written (empty for one that is not there), and those that its kind has."""
    written = dict(part.split("=") for part in text.split(",") if part)
    common = {"job": "api", "project": case.name, "env": "default"}
    its = {
        "TargetDown": {"severity": "critical", "kind": "down"},
        "MetricMissing": {"severity": "warning", "metric": "loaded"},
    }.get(alert, {"severity": "critical", "signal": "asked"})
    return {label: value for label, value in {**common, **its, **written}.items() if value}
