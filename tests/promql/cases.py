"""Signals, the series that they are asked about, and the answers worked out by hand.

Queries come 5 s after sample 40 (10 minutes in) unless `at` says otherwise. A window of 5 minutes then holds the 20
samples 21 to 40: 285 s of data, 10 s short of the window at its start and 5 s at its end, which Prometheus fills by the
slope. A counter that grows by k every 15 s has a rate of k/15 per second and an increase of 20k in 5 minutes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from .lab import histogram

Want = Mapping[str, float]
HOUR = 240  # samples


@dataclass(frozen=True)
class Case:
    """A signal over its series. `rule` and `panel` map the labels of a result, without those that say whose it is."""

    name: str
    signal: str
    series: str
    rule: Want | None = None
    panel: Want | None = None
    at: int = 40
    beside: Mapping[str, str] | None = None  # other signals of its spec

    @property
    def project(self) -> str:
        """The project that keeps its series apart from those of the other cases."""
        return self.name

    def wanted(self, panel: bool) -> Want | None:
        """The answer of a form; None for a form that is not asked."""
        return self.panel if panel else self.rule


def both(name: str, signal: str, lines: str, want: Want, at: int = 40) -> Case:
    """A case whose two forms answer alike."""
    return Case(name, signal, lines, rule=want, panel=want, at=at)


EVEN = "requests_total 0+10x240"

RATE = [
    both("rate-second", "{rate: requests_total}", EVEN, {"": 10 / 15}),
    both("rate-minute", "{rate: requests_total, per: minute}", EVEN, {"": 40}),
    both("rate-hour", "{rate: requests_total, per: hour}", EVEN, {"": 2400}),
    both("rate-no-series", "{rate: requests_total}", "loaded 1x50", {}),
    both("rate-no-traffic", "{rate: requests_total}", "requests_total 7x50", {"": 0}),
    # 0…300, then a restart at 31: 18 of the 19 steps count 10, the one that falls counts what is there after it, 0.
    both(
        "rate-reset", "{rate: requests_total, per: minute}", "requests_total 0+10x30 0+10x20", {"": 180 * 300 / 285 / 5}
    ),
    both(
        "rate-instances",
        "{rate: requests_total, per: minute}",
        'requests_total 0+10x50\nrequests_total{instance="two"} 900+5x50',
        {"": 60},
    ),
    # The sum of counters would fall here, and read as a reset of everything: rates are summed, not sums rated.
    both(
        "rate-instance-reset",
        "{rate: requests_total, per: minute}",
        'requests_total 5000+10x50\nrequests_total{instance="two"} 0+10x30 0+10x20',
        {"": 40 + 180 * 300 / 285 / 5},
    ),
    # The second instance died after sample 32: 110 in 165 s, 10 s before it and half an interval after it.
    both(
        "rate-instance-dies",
        "{rate: requests_total, per: minute}",
        'requests_total 0+10x50\nrequests_total{instance="two"} 0+10x32',
        {"": 40 + 110 / 165 * (165 + 10 + 7.5) / 5},
    ),
    both("rate-gap", "{rate: requests_total, per: minute}", "requests_total 0+10x25 _x10 360+10x20", {"": 40}),
    # Born at 35 with 5: 50 in 75 s, and half an interval before, since it cannot have been below zero.
    both("rate-birth", "{rate: requests_total}", "requests_total _x35 5+10x20", {"": 50 / 75 * (75 + 7.5 + 5) / 300}),
    both(
        "rate-by",
        "{rate: requests_total, per: minute, by: [route]}",
        'requests_total{route="/a",status="200"} 0+10x50\nrequests_total{route="/a",status="500"} 0+1x50\n'
        'requests_total{route="/b"} 0+2x50',
        {"route=/a": 44, "route=/b": 8},
    ),
    both(
        "rate-where",
        "{rate: requests_total, per: minute, where: {route: [/a, /c]}}",
        'requests_total{route="/a"} 0+10x50\nrequests_total{route="/b"} 0+5x50\nrequests_total{route="/c"} 0+1x50',
        {"": 44},
    ),
    both(
        "rate-histogram",
        "{rate: latency_seconds, per: minute}",
        histogram("latency_seconds", "", {"0.1": 5, "+Inf": 10}, 3),
        {"": 40},
    ),
    both("rate-unit", "{rate: requests_total, unit: per_minute}", EVEN, {"": 40}),
    Case(
        "rate-over",  # the last 75 s: samples 36 to 40
        "{rate: requests_total, over: 75s}",
        "requests_total 0+10x30 500+20x20",
        rule={"": 20 / 15},
        panel={"": (90 + 200 + 180) / 285},  # 21 to 30, the jump from 300 to 500, 31 to 40
    ),
    # Another project, environment or job is none of ours.
    both(
        "rate-own-only",
        "{rate: requests_total, per: minute}",
        f'{EVEN}\nrequests_total{{project="other"}} 0+99x50\nrequests_total{{env="prod"}} 0+99x50',
        {"": 40},
    ),
]

ERRORS = 'requests_total{status="500"} 0+1x50\n'
OK = 'requests_total{status="200"} 0+19x50\n'
SERVER_ERRORS = '{share: requests_total, having: {status: "5*"}}'
# Born at 35 with 5: 50 in 75 s, half an interval before, 5 s after.
BORN = 50 / 75 * (7.5 + 75 + 5)

SHARE = [
    both("share-none", SERVER_ERRORS, OK, {"": 0}),
    both("share-some", SERVER_ERRORS, OK + ERRORS, {"": 1 / 20}),
    both("share-all", SERVER_ERRORS, ERRORS, {"": 1}),
    both(
        "share-born-late",
        SERVER_ERRORS,
        'requests_total{status="200"} 0+190x50\nrequests_total{status="500"} _x35 5+10x10',
        {"": BORN / (3800 + BORN)},
    ),
    both("share-no-traffic", SERVER_ERRORS, 'requests_total{status="200"} 7x50\nrequests_total{status="500"} 3x50', {}),
    both("share-no-series", SERVER_ERRORS, "loaded 1x50", {}),
    both(
        "share-glob",
        SERVER_ERRORS,
        'requests_total{status="500"} 0+2x50\nrequests_total{status="503"} 0+1x50\n'
        'requests_total{status="200"} 0+6x50\nrequests_total{status="250"} 0+1x50',
        {"": 3 / 10},
    ),
    both(
        "share-list",
        '{share: requests_total, having: {status: [500, "4*"]}}',
        'requests_total{status="500"} 0+1x50\nrequests_total{status="5000"} 0+1x50\n'
        'requests_total{status="404"} 0+2x50\nrequests_total{status="200"} 0+6x50',
        {"": 3 / 10},
    ),
    both(
        "share-by",  # /c has no traffic: no share, and no NaN
        '{share: requests_total, having: {status: "5*"}, by: [route]}',
        'requests_total{route="/a",status="200"} 0+3x50\nrequests_total{route="/a",status="500"} 0+1x50\n'
        'requests_total{route="/b",status="200"} 0+5x50\nrequests_total{route="/c",status="200"} 5x50',
        {"route=/a": 1 / 4, "route=/b": 0},
    ),
    both(
        "share-where",
        '{share: requests_total, having: {status: "5*"}, where: {route: /a}}',
        'requests_total{route="/a",status="200"} 0+3x50\nrequests_total{route="/a",status="500"} 0+1x50\n'
        'requests_total{route="/b",status="500"} 0+5x50',
        {"": 1 / 4},
    ),
    both(
        "share-instances",  # one had no error yet
        SERVER_ERRORS,
        OK + ERRORS + 'requests_total{status="200",instance="two"} 0+20x50',
        {"": 1 / 40},
    ),
    both(
        "share-reset",  # both restart after sample 30 and lose a step: 18 of 19 each
        SERVER_ERRORS,
        'requests_total{status="200"} 0+19x30 0+19x20\nrequests_total{status="500"} 0+1x30 0+1x20',
        {"": 1 / 20},
    ),
    both("share-percent", '{share: requests_total, having: {status: "5*"}, unit: percent}', OK + ERRORS, {"": 5}),
]

OF_TWO = "{ratio: errors_total, of: [errors_total, done_total]}"
OF_THREE = "{ratio: errors_total, of: [errors_total, done_total, lost_total]}"
BY_REASON = "{ratio: errors_total, of: [done_total, lost_total], by: [reason]}"

RATIO = [
    both("ratio-both", OF_TWO, "errors_total 0+1x50\ndone_total 0+9x50", {"": 1 / 10}),
    both("ratio-no-numerator", OF_TWO, "done_total 0+9x50", {"": 0}),
    both("ratio-numerator-only", OF_TWO, "errors_total 0+1x50", {"": 1}),
    both("ratio-no-traffic", OF_TWO, "errors_total 1x50\ndone_total 9x50", {}),
    both("ratio-nothing", OF_TWO, "loaded 1x50", {}),
    both("ratio-three", OF_THREE, "errors_total 0+1x50\ndone_total 0+2x50\nlost_total 0+5x50", {"": 1 / 8}),
    both("ratio-three-a-b", OF_THREE, "errors_total 0+1x50\ndone_total 0+2x50", {"": 1 / 3}),
    both("ratio-three-a-c", OF_THREE, "errors_total 0+1x50\nlost_total 0+5x50", {"": 1 / 6}),
    both("ratio-three-b-c", OF_THREE, "done_total 0+2x50\nlost_total 0+5x50", {"": 0}),
    both("ratio-three-a", OF_THREE, "errors_total 0+1x50", {"": 1}),
    both("ratio-three-c", OF_THREE, "lost_total 0+5x50", {"": 0}),
    both("ratio-three-still", OF_THREE, "errors_total 3x50\ndone_total 3x50\nlost_total 3x50", {}),
    both(
        "ratio-of-another",
        "{ratio: errors_total, of: requests_total}",
        ERRORS + OK + "errors_total 0+4x50",
        {"": 1 / 5},
    ),
    both("ratio-of-another-none", "{ratio: errors_total, of: requests_total}", ERRORS + OK, {"": 0}),
    both(
        "ratio-of-histogram",
        "{ratio: errors_total, of: latency_seconds}",
        "errors_total 0+1x50\n" + histogram("latency_seconds", "", {"0.1": 5, "+Inf": 10}, 3),
        {"": 1 / 10},
    ),
    both(
        "ratio-by",  # each route lacks something else
        "{ratio: errors_total, of: [errors_total, done_total], by: [route]}",
        'errors_total{route="/a"} 0+1x50\ndone_total{route="/a"} 0+3x50\n'
        'done_total{route="/b"} 0+3x50\nerrors_total{route="/c"} 0+1x50\nerrors_total{route="/d"} 1x50',
        {"route=/a": 1 / 4, "route=/b": 0, "route=/c": 1},
    ),
    both(
        "ratio-numerator-label",
        "{ratio: errors_total, of: done_total, by: [reason]}",
        'errors_total{reason="x"} 0+1x50\nerrors_total{reason="y"} 0+2x50\nerrors_total{reason="z"} 5x50\n'
        "done_total 0+10x50",
        {"reason=x": 1 / 10, "reason=y": 2 / 10, "reason=z": 0},
    ),
    both(
        "ratio-numerator-label-unborn", "{ratio: errors_total, of: done_total, by: [reason]}", "done_total 0+9x50", {}
    ),
    both(
        "ratio-numerator-label-two",
        BY_REASON,
        'errors_total{reason="x"} 0+1x50\ndone_total 0+6x50\nlost_total 0+4x50',
        {"reason=x": 1 / 10},
    ),
    both(
        "ratio-numerator-label-one",
        BY_REASON,
        'errors_total{reason="x"} 0+1x50\nlost_total 0+4x50',
        {"reason=x": 1 / 4},
    ),
    both(
        "ratio-numerator-label-still",
        BY_REASON,
        'errors_total{reason="x"} 1x50\ndone_total 6x50\nlost_total 4x50',
        {},
    ),
    both(
        "ratio-gauges",
        "{ratio: used_bytes, of: [used_bytes, free_bytes]}",
        "used_bytes 30x50\nfree_bytes 90x50",
        {"": 1 / 4},
    ),
    both("ratio-gauges-missing", "{ratio: used_bytes, of: [used_bytes, free_bytes]}", "used_bytes 30x50", {}),
    both(
        "ratio-gauges-zero", "{ratio: used_bytes, of: [used_bytes, free_bytes]}", "used_bytes 0x50\nfree_bytes 0x50", {}
    ),
    both(
        "ratio-gauges-by",
        "{ratio: used_bytes, of: [used_bytes, free_bytes], by: [instance]}",
        'used_bytes 30x50\nfree_bytes 90x50\nused_bytes{instance="two"} 5x50\nfree_bytes{instance="two"} 5x50',
        {"instance=one": 1 / 4, "instance=two": 1 / 2},
    ),
]

# Five observations a step in (0.05, 0.1], three in (0.1, 0.5], two in (0.5, 1].
LATENCY = {"0.05": 0, "0.1": 5, "0.5": 8, "1": 10, "2": 10, "+Inf": 10}
LATENCY_3 = {**{le: n for le, n in LATENCY.items() if le not in ("1", "2", "+Inf")}, "1.0": 10, "2.0": 10, "+Inf": 10}
STILL = "\n".join(f'latency_seconds_bucket{{le="{le}"}} {n}x50' for le, n in LATENCY.items()) + (
    "\nlatency_seconds_count 10x50\nlatency_seconds_sum 3x50"
)


def latency(labels: str = "", buckets: Mapping[str, float] = LATENCY, total: float = 3) -> str:
    return histogram("latency_seconds", labels, buckets, total) + "\n"


QUANTILE = [
    both("quantile-edge", "{quantile: 0.5, of: latency_seconds}", latency(), {"": 0.1}),
    # Rank 2.5 of 10: half of the five between 0.05 and 0.1.
    both("quantile-inside", "{quantile: 0.25, of: latency_seconds}", latency(), {"": 0.075}),
    # Rank 9: one of the two between 0.5 and 1.
    both("quantile-upper", "{quantile: 0.9, of: latency_seconds}", latency(), {"": 0.75}),
    both("quantile-version-3", "{quantile: 0.9, of: latency_seconds}", latency(buckets=LATENCY_3), {"": 0.75}),
    both("quantile-milliseconds", "{quantile: 0.9, of: latency_seconds, unit: milliseconds}", latency(), {"": 750}),
    # Beyond the last edge, that edge is all that is known.
    both("quantile-beyond", "{quantile: 0.9, of: latency_seconds}", latency(buckets={**LATENCY, "+Inf": 20}), {"": 2}),
    # Two instances make one distribution: 5 and 0, 8 and 0, 10 and 10 (of 20) up to 0.1, 0.5 and 1; rank 9 is at 0.75.
    both(
        "quantile-instances",
        "{quantile: 0.45, of: latency_seconds}",
        latency() + latency('instance="two"', {"0.05": 0, "0.1": 0, "0.5": 0, "1": 0, "2": 10, "+Inf": 10}),
        {"": 0.75},
    ),
    both(
        "quantile-by",
        "{quantile: 0.9, of: latency_seconds, by: [route]}",
        latency('route="/a"') + latency('route="/b"', {"0.05": 10, "0.1": 10, "+Inf": 10}),
        {"route=/a": 0.75, "route=/b": 0.045},
    ),
    both(
        "quantile-where",
        "{quantile: 0.9, of: latency_seconds, where: {route: /a}}",
        latency('route="/a"') + latency('route="/b"', {"0.05": 99, "+Inf": 99}),
        {"": 0.75},
    ),
    both("quantile-no-traffic", "{quantile: 0.9, of: latency_seconds}", STILL, {}),
    both("quantile-no-series", "{quantile: 0.9, of: latency_seconds}", "loaded 1x50", {}),
]

MEAN = [
    both("mean", "{mean: latency_seconds}", latency(), {"": 0.3}),
    both("mean-milliseconds", "{mean: latency_seconds, unit: milliseconds}", latency(), {"": 300}),
    # 30 s of 100 requests and 90 s of 100: the mean of all, not the mean of means.
    both(
        "mean-instances",
        "{mean: latency_seconds}",
        latency() + latency('instance="two"', {"+Inf": 30}, 27),
        {"": 30 / 40},
    ),
    both(
        "mean-by",
        "{mean: latency_seconds, by: [route]}",
        latency('route="/a"') + latency('route="/b"', total=9) + STILL.replace("{", '{route="/c",'),
        {"route=/a": 0.3, "route=/b": 0.9},
    ),
    both(
        "mean-reset",  # sum and count lose the same step
        "{mean: latency_seconds}",
        "latency_seconds_sum 0+3x30 0+3x20\nlatency_seconds_count 0+10x30 0+10x20",
        {"": 0.3},
    ),
    both("mean-no-traffic", "{mean: latency_seconds}", STILL, {}),
]

WITHIN = [
    both("within-fraction", "{within: 50ms, of: latency_seconds}", latency(buckets={**LATENCY, "0.05": 4}), {"": 0.4}),
    both("within-bare", "{within: 0.05, of: latency_seconds}", latency(buckets={**LATENCY, "0.05": 4}), {"": 0.4}),
    both("within-whole", "{within: 1, of: latency_seconds}", latency(buckets={**LATENCY, "1": 9}), {"": 0.9}),
    both("within-whole-3", "{within: 1s, of: latency_seconds}", latency(buckets={**LATENCY_3, "1.0": 9}), {"": 0.9}),
    both(
        "within-upgrade",  # Prometheus 2 wrote one name until sample 30, 3 writes the other: no step is counted twice
        "{within: 1, of: latency_seconds}",
        'latency_seconds_bucket{le="1"} 0+9x20\nlatency_seconds_bucket{le="1.0"} _x20 180+9x30\n'
        "latency_seconds_count 0+10x50",
        {"": 0.9},
    ),
    both("within-none", "{within: 0.05, of: latency_seconds}", latency(), {"": 0}),
    both("within-percent", "{within: 0.5, of: latency_seconds, unit: percent}", latency(), {"": 80}),
    both("within-no-traffic", "{within: 1, of: latency_seconds}", STILL, {}),
    both(
        "within-by",
        "{within: 0.1, of: latency_seconds, by: [route]}",
        latency('route="/a"') + latency('route="/b"', {**LATENCY, "0.1": 0}),
        {"route=/a": 0.5, "route=/b": 0},
    ),
    both(
        "within-million",
        "{within: 1MB, of: size_bytes}",
        histogram("size_bytes", "", {"1000.0": 1, "1e+06": 3, "2.5e+06": 4, "+Inf": 4}, 9),
        {"": 3 / 4},
    ),
    both(
        "within-millions",
        "{within: 2500000, of: size_bytes}",
        histogram("size_bytes", "", {"1000": 1, "1e+06": 2, "2.5e+06": 3, "+Inf": 4}, 9),
        {"": 3 / 4},
    ),
]

INCREASE = [
    # The first sample lies at the start of the hour, where the counter was zero.
    both("increase-hour", "{increase: requests_total, over: 1h}", EVEN, {"": 2400}, at=HOUR),
    Case(
        "increase-window",
        "{increase: requests_total, over: 30m}",
        EVEN,
        rule={"": 1200},
        panel={"": 2400},
        at=HOUR,
    ),
    both(
        "increase-by",
        "{increase: requests_total, over: 1h, by: [status]}",
        'requests_total{status="200"} 0+3x240\nrequests_total{status="500"} 0+1x240',
        {"status=200": 720, "status=500": 240},
        at=HOUR,
    ),
    both(
        "increase-histogram",
        "{increase: latency_seconds, over: 1h}",
        latency(),
        {"": 2400},
        at=HOUR,
    ),
    # 1 to 240 lose one step in the restart: 238 steps of 10 in 3585 s.
    both(
        "increase-reset",
        "{increase: requests_total, over: 1h}",
        "requests_total 0+10x100 0+10x139",
        {"": 2380 * 3600 / 3585},
        at=HOUR,
    ),
    # 120 at once on a label that was there before are 120 (and 5 s by the slope: nothing was below zero); on one that
    # was not, what came before its birth is lost.
    both(
        "increase-child-before",
        "{increase: errors_total, over: 1h}",
        "errors_total 0x120 120x120",
        {"": 120 * 3590 / 3585},
        at=HOUR,
    ),
    both("increase-child-born", "{increase: errors_total, over: 1h}", "errors_total _x121 120x120", {"": 0}, at=HOUR),
    both("increase-none", "{increase: errors_total, over: 1h}", EVEN, {}, at=HOUR),
]

ROOMS = 'temperature_celsius{room="a"} 20x50\ntemperature_celsius{room="b"} 30x50\n'
EACH = {"instance=one,room=a": 20.0, "instance=one,room=b": 30.0}

VALUE = [
    Case("value", "{value: temperature_celsius}", ROOMS, rule=EACH, panel={"": 30}),
    Case("value-above", "{value: temperature_celsius, above: 25}", ROOMS, rule=EACH, panel={"": 30}),
    Case("value-below", "{value: temperature_celsius, below: 25}", ROOMS, rule=EACH, panel={"": 20}),
    both(
        "value-by",
        "{value: temperature_celsius, by: [room], above: 9}",
        ROOMS + ROOMS.replace("{", '{instance="two",').replace(" 20", " 25"),
        {"room=a": 25, "room=b": 30},
    ),
    both(
        "value-by-below",
        "{value: temperature_celsius, by: [room], below: 9}",
        ROOMS + ROOMS.replace("{", '{instance="two",').replace(" 20", " 25"),
        {"room=a": 20, "room=b": 30},
    ),
    Case(
        "value-where",
        "{value: temperature_celsius, where: {room: a}}",
        ROOMS,
        rule={"instance=one,room=a": 20},
        panel={"": 20},
    ),
    Case(
        "value-state",  # one of two has no model
        "{value: loaded, equal: 0}",
        'loaded 1x50\nloaded{instance="two"} 0x50',
        rule={"instance=one": 1, "instance=two": 0},
        panel={"": 0},
    ),
    Case(
        "value-bad-state-high",  # the state that is looked for must not hide behind a healthy instance
        "{value: loaded, equal: 1}",
        'loaded 1x50\nloaded{instance="two"} 0x50',
        rule={"instance=one": 1, "instance=two": 0},
        panel={"": 1},
    ),
    Case(
        "value-percent",
        "{value: load_ratio, unit: percent}",
        "load_ratio 0.25x50",
        rule={"instance=one": 25},
        panel={"": 25},
    ),
    Case("value-gone", "{value: loaded}", "loaded 1x10", rule={}, panel={}),  # its last sample is 7.5 minutes old
]

DISTRIBUTION = [
    Case(
        "distribution-buckets",  # 240 steps: 0, 5, 3, 2, 0 and 1 of each lie between the edges
        "{distribution: latency_seconds}",
        latency(buckets={**LATENCY, "+Inf": 11}),
        panel={
            "band=≤ 0.05": 0,
            "band=0.05–0.1": 1200,
            "band=0.1–0.5": 720,
            "band=0.5–1": 480,
            "band=1–2": 0,
            "band=> 2": 240,
        },
        at=HOUR,
    ),
    Case(
        "distribution-bands",  # the lowest is not subtracted; whole edges are found as Prometheus 3 writes them
        "{distribution: latency_seconds, bands: [100ms, 1s]}",
        latency(buckets={**LATENCY_3, "+Inf": 11}) + latency('instance="two"', {"0.1": 1, "1.0": 1, "+Inf": 1}),
        panel={"band=≤ 0.1": 1440, "band=0.1–1": 1200, "band=> 1": 240},
        at=HOUR,
    ),
    Case(
        "distribution-torn",  # an upper bucket that lags behind the lower one: nothing is negative
        "{distribution: latency_seconds, bands: [0.1, 1]}",
        latency(buckets={"0.1": 5, "1": 4, "+Inf": 5}),
        panel={"band=≤ 0.1": 1200, "band=0.1–1": 0, "band=> 1": 240},
        at=HOUR,
    ),
    Case("distribution-nothing", "{distribution: latency_seconds, bands: [0.1, 1]}", "loaded 1x50", panel={}, at=HOUR),
    Case(
        "distribution-counter",
        "{distribution: requests_total, by: [status]}",
        'requests_total{status="200",route="/a"} 0+3x240\nrequests_total{status="200",route="/b"} 0+4x240\n'
        'requests_total{status="500"} 0+1x240',
        panel={"status=200": 1680, "status=500": 240},
        at=HOUR,
    ),
]

UP = [
    Case(
        "up",
        "{up: api}",
        'up 1x50\nup{instance="two"} 0x50',
        rule={"instance=one": 1, "instance=two": 0},
        panel={"instance=one": 1, "instance=two": 0},
    ),
    Case("up-share", "{up: api}", "up 1x120 0x119", panel={"instance=one": 1 / 2}, at=HOUR),  # 1 to 120, 121 to 240
    Case("up-other-job", "{up: node}", 'up{job="node"} 1x50\nup 0x50', panel={"instance=one": 1}),
]

AGE = [
    # Set at the start to a time 100 s before it; asked 605 s after it.
    both("age", "{age: trained_timestamp_seconds}", "trained_timestamp_seconds 1700006300x50", {"": 705}),
    both("age-gone", "{age: trained_timestamp_seconds}", "trained_timestamp_seconds 1700006300", {"": 3705}, at=HOUR),
    both(
        "age-youngest",
        "{age: trained_timestamp_seconds}",
        'trained_timestamp_seconds 1700006300x50\ntrained_timestamp_seconds{instance="two"} 1700006400x50',
        {"": 605},
    ),
    both(
        "age-hours",
        "{age: trained_timestamp_seconds, unit: hours}",
        "trained_timestamp_seconds 1700006400",
        {"": 3605 / 3600},
        at=HOUR,
    ),
    both("age-unknown", "{age: trained_timestamp_seconds}", "loaded 1x50", {}),
]

LATER = 280  # an hour after sample 40
CHANGE = "{change: inner, against: 1h}"


def change(name: str, inner: str, lines: str, want: Want, signal: str = CHANGE) -> Case:
    return Case(name, signal, lines, rule=want, panel=want, at=LATER, beside={"inner": inner})


CHANGES = [
    change("change-up", "{rate: requests_total}", "requests_total 0+10x140 1415+15x150", {"": 0.5}),
    change("change-down", "{rate: requests_total, per: minute}", "requests_total 0+10x140 1402+2x150", {"": -0.8}),
    change("change-unborn", "{rate: requests_total}", "requests_total _x140 0+15x150", {}),
    change("change-from-zero", "{rate: requests_total}", "requests_total 0x140 15+15x150", {}),
    change("change-gone", "{rate: requests_total}", "requests_total 0+10x140", {}),
    change(
        "change-by",
        "{rate: requests_total}",
        'requests_total{route="/a"} 0+10x140 1415+15x150\nrequests_total{route="/b"} 0+10x300',
        {"route=/a": 0.5, "route=/b": 0},
        "{change: inner, against: 1h, by: [route]}",
    ),
    change(
        "change-mean",
        "{mean: latency_seconds}",
        "latency_seconds_sum 0+3x140 429+9x150\nlatency_seconds_count 0+10x300",
        {"": 2},
    ),
    change(
        "change-quantile",  # rank 9 of 10: 0.75 before; then all below 0.05
        "{quantile: 0.9, of: latency_seconds}",
        'latency_seconds_bucket{le="0.05"} 0x140 10+10x150\nlatency_seconds_bucket{le="0.5"} 0+8x140 1130+10x150\n'
        'latency_seconds_bucket{le="1"} 0+10x300\nlatency_seconds_bucket{le="+Inf"} 0+10x300\n'
        "latency_seconds_count 0+10x300",
        {"": 0.045 / 0.75 - 1},
    ),
    change("change-value", "{value: used_bytes, by: [instance]}", "used_bytes 40x140 50x150", {"instance=one": 0.25}),
    change(
        "change-share",
        SERVER_ERRORS,
        'requests_total{status="500"} 0+1x140 142+2x150\nrequests_total{status="200"} 0+9x140 1268+8x150',
        {"": 1},
    ),
]

NODE = 'node_load{job="node"} 3x50\nnode_load 99x50\n'
CPU = "".join(
    f'node_cpu_seconds_total{{job="node",cpu="{cpu}",mode="{mode}"}} 0+{step}x50\n'
    for cpu, mode, step in (("0", "idle", 12), ("0", "user", 3), ("1", "idle", 6), ("1", "user", 9))
)

EXPR = [
    both("expr-bare", "{expr: node_load}", NODE, {"instance=one,job=node": 3}),
    both("expr-empty-braces", "{expr: 'node_load{}'}", NODE, {"instance=one,job=node": 3}),
    both("expr-braces", '{expr: \'sum(rate(node_cpu_seconds_total {mode="idle", cpu!="1",}[5m]))\'}', CPU, {"": 0.8}),
    both(
        "expr-cpu",
        "{expr: '1 - avg by (cpu) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))'}",
        CPU,
        {"cpu=0": 0.2, "cpu=1": 0.6},
    ),
    both(
        "expr-on",  # two jobs, each with its own matcher
        "{expr: 'sum by (instance) (node_load) / on (instance) group_left () sum by (instance) (used_bytes)'}",
        NODE + "used_bytes 12x50",
        {"instance=one": 0.25},
    ),
    both(
        "expr-comment",
        '{expr: "sum(node_load) # node_load{ \\"(\\n+ 1"}',
        NODE,
        {"": 4},
    ),
    both(
        "expr-strings",  # braces, parentheses, names and dollars in strings are text
        """{expr: 'label_replace(sum(node_load{instance!="{node_load}(by("}), "x", "{$$job}", "job", "()")'}""",
        NODE,
        {"x={$job}": 3},
    ),
    both(
        "expr-capture",
        """{expr: 'label_replace(node_load, "x", "$1", "instance", "(o.).*")'}""",
        NODE,
        {"instance=one,job=node,x=on": 3},
    ),
    both("expr-raw-string", "{expr: 'sum(node_load{instance=~`o\\w+`,instance!=`$job`})'}", NODE, {"": 3}),
    both(
        "expr-raw-variable",
        "{expr: 'sum(node_load{instance=`$job`})'}",
        'node_load{job="node",instance="$job"} 5x50',
        {"": 5},
    ),
    both(
        "expr-brackets",
        "{expr: 'sum(node_load{instance=\"[[job]]\"})'}",
        'node_load{job="node",instance="[[job]]"} 5x50',
        {"": 5},
    ),
    both("expr-subquery", "{expr: 'max_over_time(sum(node_load)[2m:15s] offset 1m)'}", NODE, {"": 3}),
    both(
        "expr-label-of-that-name",
        "{expr: 'sum by (node_load) (node_load)'}",
        'node_load{job="node",node_load="x"} 5x50',
        {"node_load=x": 5},
    ),
    both("expr-up", "{expr: 'count(up == 1)'}", 'up 1x50\nup{job="node"} 1x50\nup{project="another"} 1x50', {"": 2}),
    both("expr-newlines", '{expr: "sum(\\n  node_load\\n)\\n  or\\nsum(used_bytes)"}', NODE, {"": 3}),
]

# Each stands for the routes it must find, beside one that a careless matcher would find too.
HOSTILE = {
    "quotes": ('say "hi"', "say hi"),
    "apostrophe": ("it's `x`", "its x"),
    "backslash": (r"a\b", "ab"),
    "backslash-n": (r"a\nb", "a\nb"),
    "newline": ("a\nb", "a b"),
    "variable": ("$job", "api"),
    "braced-variable": ("${job}", "api"),
    "bracketed-variable": ("[[job]]", "api"),
    "bracketed-twice": ("[[[job]]", "[api"),
    "range-variable": ("$__range", "1h"),
    "braces": ('{a="b"}', "a"),
    "closing": ('"} or vector(1) or x{a="', "x"),
    "unicode": ("Zürich ✓ 漢字 🍷", "Zurich"),
    "alternation": ("a|b", "a"),
    "dot": ("a.b", "axb"),
    "plus": ("a+b", "aab"),
    "class": ("[ab]", "a"),
    "group": ("(a)?", "a"),
    "anchors": ("^a$", "a"),
    "percent": ("50% #1", "50"),
    "tab": ("a\tb", "a b"),
}


def _hostile() -> list[Case]:
    """Each text as a single value (equality), in a list (a pattern), before a glob, and in `having`."""
    cases = []
    for name, (text, decoy) in HOSTILE.items():
        value, other = json.dumps(text, ensure_ascii=False), json.dumps(decoy, ensure_ascii=False)
        tail = json.dumps(text + "*", ensure_ascii=False)
        lines = f"requests_total{{route={value}}} 0+1x50\nrequests_total{{route={other}}} 0+4x50\n"
        cases += [
            both(
                f"hostile-{name}", f"{{rate: requests_total, per: minute, where: {{route: {value}}}}}", lines, {"": 4}
            ),
            both(
                f"hostile-{name}-list",
                f"{{rate: requests_total, per: minute, where: {{route: [{value}, zzz]}}}}",
                lines,
                {"": 4},
            ),
            both(
                f"hostile-{name}-glob",
                f"{{rate: requests_total, per: minute, where: {{route: {tail}}}}}",
                lines,
                {"": 4},
            ),
            both(
                f"hostile-{name}-having", f"{{share: requests_total, having: {{route: {value}}}}}", lines, {"": 1 / 5}
            ),
        ]
    return cases


CASES = [
    *RATE,
    *SHARE,
    *RATIO,
    *QUANTILE,
    *MEAN,
    *WITHIN,
    *INCREASE,
    *VALUE,
    *DISTRIBUTION,
    *UP,
    *AGE,
    *CHANGES,
    *EXPR,
    *_hostile(),
]
