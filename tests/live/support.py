"""A small spec and the evidence of a stack that runs exactly as it says, to be broken piece by piece."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from mlspec.live.checks import Check, checks_of, families
from mlspec.live.evidence import Answer, Evidence, Exposed, Target
from mlspec.live.exposition import parse
from mlspec.live.questions import questions
from mlspec.live.result import Said
from mlspec.live.rulebook import expected_rules
from mlspec.load import parse as parse_spec
from mlspec.render import render_project
from mlspec.resolve import Project, resolve

NOW = 1_800_000_000.0
SPEC = """
mlspec: 1
project: shop
use: {self: null}
service: {app: "a:b", instrumentation: a/m.py, job: api, port: 8000, workers: 1}
metrics:
  shop_orders_total:
    type: counter
    help: Orders.
    labels: {kind: [new, old], shop: {max: 2}}
  shop_returns_total: {type: counter, help: Returns., labels: {kind: [new, old]}}
  shop_refusals_total:
    type: counter
    help: Refused.
    labels: {error_type: {max: 5}}
    source: {event: predictions.errors}
  shop_price_seconds: {type: histogram, help: Time to price., range: [0, 1], buckets: [0.1, 0.5, 1]}
  shop_open: {type: gauge, help: Open., states: {0: closed, 1: open}, probe: {call: "a:b", every: 5s, timeout: 1s}}
  shop_load_percent: {type: gauge, help: Load., range: [0, 100]}
targets:
  queue: {address: "127.0.0.1:9500", metrics: {queue_length: {type: gauge, help: Length.}}}
  node: {metrics: {node_load: {type: gauge, help: Load.}}}
signals:
  orders: {rate: shop_orders_total}
  refusals: {rate: shop_refusals_total}
  pricing: {quantile: 0.9, of: shop_price_seconds, above: {critical: 0.5}, where: {instance: one}}
  opened: {value: shop_open, equal: 0}
  queued: {value: queue_length}
  node_load: {value: node_load}
  drop: {change: orders, against: 1h}
  crowded: {expr: shop_load_percent > 90}
  joined: {expr: shop_load_percent / on (job) shop_open}
  api_up: {up: api}
alerts:
  SlowPricing: {signal: pricing, for: 5m, summary: Slow., action: Look., labels: {team: a}}
  Closed: {signal: opened, summary: Closed.}
dashboards:
  main:
    title: Shop
    rows:
      - title: All
        panels: [{stat: orders}, {timeseries: pricing, quantile: [0.5, 0.9]}, {text: Hello., title: Note}]
notify:
  team: {webhook: {url: "http://127.0.0.1:9099/alerts"}}
environments: {dev: {}}
"""

METRICS = """
# HELP mlspec_build_info What is monitored, and by which mlspec.
# TYPE mlspec_build_info gauge
mlspec_build_info{env="dev",project="shop",version="0.1.0"} 1.0
# HELP mlspec_probe_last_answer_timestamp_seconds When.
# TYPE mlspec_probe_last_answer_timestamp_seconds gauge
mlspec_probe_last_answer_timestamp_seconds{metric="shop_open"} 1.799999998e+09
# HELP mlspec_probe_failures_total Probe calls without an answer.
# TYPE mlspec_probe_failures_total counter
mlspec_probe_failures_total{metric="shop_open",reason="error"} 0.0
# HELP mlspec_recording_errors_total Exceptions.
# TYPE mlspec_recording_errors_total counter
mlspec_recording_errors_total{metric="shop_orders_total"} 0.0
# HELP mlspec_label_overflow_total Observations.
# TYPE mlspec_label_overflow_total counter
mlspec_label_overflow_total{label="shop",metric="shop_orders_total"} 0.0
# HELP process_open_fds Number of open file descriptors.
# TYPE process_open_fds gauge
process_open_fds 18.0
# HELP other_total Somebody else's.
# TYPE other_total counter
other_total 18.0
# HELP shop_orders_total Orders.
# TYPE shop_orders_total counter
shop_orders_total{kind="new",shop="a"} 7.0
shop_orders_total{kind="old",shop="a"} 0.0
# HELP shop_orders_created Orders.
# TYPE shop_orders_created gauge
shop_orders_created{kind="new",shop="a"} 1.7e+09
# HELP shop_returns_total Returns.
# TYPE shop_returns_total counter
shop_returns_total{kind="new"} 1.0
shop_returns_total{kind="old"} 0.0
# HELP shop_refusals_total Refused.
# TYPE shop_refusals_total counter
# HELP shop_price_seconds Time to price.
# TYPE shop_price_seconds histogram
shop_price_seconds_bucket{le="0.1"} 90.0
shop_price_seconds_bucket{le="0.5"} 190.0
shop_price_seconds_bucket{le="1.0"} 200.0
shop_price_seconds_bucket{le="+Inf"} 200.0
shop_price_seconds_count 200.0
shop_price_seconds_sum 40.0
# HELP shop_open Open.
# TYPE shop_open gauge
shop_open 1.0
# HELP shop_load_percent Load.
# TYPE shop_load_percent gauge
shop_load_percent 40.0
"""


def project(text: str = SPEC) -> Project:
    """A spec's text as a project."""
    return resolve(parse_spec(text.encode(), "shop.yaml"), Path())


def exposed(text: str = METRICS) -> Exposed:
    """An exposition that can be read."""
    found = parse(text)
    assert isinstance(found, Mapping), found
    return found


def healthy(spec: str = SPEC, **changes: Any) -> Evidence:
    """What a stack answers that runs as the spec says; `changes` replace parts of it."""
    whole = project(spec)
    environment = whole.environments[0]
    root = "generated/shop/dev/"
    rendered = {path.removeprefix(root): text for path, text in render_project(whole, "dev").items() if root in path}
    asked = questions(environment)
    seen = Evidence(
        environment,
        rendered,
        exposed=exposed(),
        targets=(target("api", "127.0.0.1:8000"), target("queue", "127.0.0.1:9500")),
        managers=("http://127.0.0.1:9093/api/v2/alerts",),
        series=frozenset(
            {("api", name) for name in environment.spec.metrics if name not in ("shop_refusals_total",)}
            | {("api", "shop_price_seconds_count"), ("queue", "queue_length")}
        ),
        questions=asked,
        answers={e: Answer((0.5,)) for q in asked for e in (q.expr, q.history)},
        alertmanager=yaml.safe_load(rendered["alertmanager/alertmanager.yml"]),
        now=NOW,
    )
    return replace(replace(seen, rules=tuple(expected_rules(seen))), **changes)


def target(job: str, address: str, health: str = "up", error: str = "") -> Target:
    """A target of the project, as Prometheus shows it."""
    labels = {"job": job, "instance": address, "project": "shop", "env": "dev"}
    return Target(labels, health, error, f"http://{address}/metrics")


def exposing(*changes: tuple[str, str]) -> Evidence:
    """Healthy evidence with lines of the exposition replaced."""
    text = METRICS
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return healthy(exposed=exposed(text))


def answering(signal: str, answer: Answer, **changes: Any) -> Evidence:
    """Healthy evidence in which the queries of one signal answer otherwise."""
    seen = healthy(**changes)
    assert isinstance(seen.answers, dict)
    chosen = {q.expr: answer for q in seen.questions if q.subject == signal}
    assert chosen, signal
    return replace(seen, answers={**seen.answers, **chosen})


def all_checks() -> dict[str, Check]:
    """Every check by its name."""
    return {check.__name__: check for family in families() for check in checks_of(family)}


def said(name: str, seen: Evidence) -> list[Said]:
    """What a check says."""
    return list(all_checks()[name](seen))
