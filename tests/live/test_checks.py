"""Each check shown failing on evidence that is broken in one place, and silent on a stack that runs as declared."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mlspec.checks import documentation
from mlspec.live.evidence import Answer, Evidence, Silence
from mlspec.live.judge import judged
from mlspec.live.rulebook import expected_rules
from tests.live.support import METRICS, SPEC, all_checks, answering, exposed, exposing, healthy, said, target

NOTHING = Answer()
TARGETS = (target("api", "127.0.0.1:8000"), target("queue", "127.0.0.1:9500"))


def ruled(which: str, **changes: Any) -> Evidence:
    """Healthy evidence with one loaded rule changed."""
    seen = healthy()
    assert isinstance(seen.rules, tuple)
    assert which in {rule.name for rule in seen.rules}
    changed = tuple(replace(rule, **changes) if rule.name == which else rule for rule in seen.rules)
    return replace(seen, rules=changed)


def without(metric: str) -> str:
    """The exposition without a metric."""
    return "\n".join(line for line in METRICS.splitlines() if metric not in line)


def unseen(*names: str) -> frozenset[tuple[str, str]]:
    """What Prometheus has, without some series."""
    series = healthy().series
    assert isinstance(series, frozenset)
    return frozenset(one for one in series if one[1] not in names)


def configured(**changes: Any) -> Evidence:
    """Healthy evidence with parts of Alertmanager's configuration changed."""
    seen = healthy()
    assert isinstance(seen.alertmanager, dict)
    return replace(seen, alertmanager={**seen.alertmanager, **changes})


def with_metric(lines: str) -> Evidence:
    return healthy(exposed=exposed(METRICS + lines))


# check → (broken evidence, subject, status, words of the message)
CASES: list[tuple[str, Callable[[], Evidence], str, str, str]] = [
    (
        "another_stack",
        lambda: exposing(('env="dev",project="shop"', 'env="prod",project="shop"')),
        "the service",
        "failed",
        "it is shop/prod, asked as shop/dev",
    ),
    (
        "another_stack",
        lambda: healthy(exposed=exposed(without("build_info"))),
        "the service",
        "noted",
        "does not expose",
    ),
    (
        "metric_missing",
        lambda: healthy(exposed=exposed(without("shop_load_percent"))),
        "shop_load_percent",
        "failed",
        "not among the",
    ),
    (
        "metric_missing",
        lambda: exposing(("shop_load_percent", "shop_load_percents")),
        "shop_load_percent",
        "failed",
        "did you mean `shop_load_percents`?",
    ),
    (
        "metric_missing",
        lambda: healthy(SPEC.replace("workers: 1", "workers: 2"), exposed=exposed(without("shop_orders"))),
        "shop_orders_total",
        "waiting",
        "nothing was recorded",
    ),
    (
        "type_differs",
        lambda: exposing(("# TYPE shop_load_percent gauge", "# TYPE shop_load_percent untyped")),
        "shop_load_percent",
        "failed",
        "declared as a gauge",
    ),
    (
        "help_differs",
        lambda: exposing(("# HELP shop_open Open.", "# HELP shop_open Whether it is.")),
        "shop_open",
        "failed",
        "`Whether it is.`",
    ),
    (
        "edges_differ",
        lambda: exposing(('le="0.5"', 'le="0.25"')),
        "shop_price_seconds",
        "failed",
        "without the edges 0.5 and with the edges 0.25",
    ),
    (
        "no_series",
        lambda: exposing(
            ('shop_orders_total{kind="new",shop="a"} 7.0\n', ""), ('shop_orders_total{kind="old",shop="a"} 0.0\n', "")
        ),
        "shop_orders_total",
        "waiting",
        "no series yet",
    ),
    (
        "series_unborn",
        lambda: exposing(('shop_returns_total{kind="old"} 0.0\n', "")),
        "shop_returns_total",
        "failed",
        "1 of its 2 series exist",
    ),
    (
        "metric_undeclared",
        lambda: with_metric("# TYPE shop_extra gauge\nshop_extra 1\n"),
        "shop_extra",
        "failed",
        "declares no metric `shop_extra`",
    ),
    (
        "labels_differ",
        lambda: exposing(('{kind="new"}', '{kind="new",colour="red"}')),
        "shop_returns_total",
        "failed",
        "has the undeclared label `colour`",
    ),
    (
        "labels_differ",
        lambda: exposing(('{kind="new",shop="a"} 7', '{kind="new"} 7')),
        "shop_orders_total",
        "failed",
        "lacks label `shop`",
    ),
    (
        "value_not_declared",
        lambda: exposing(('shop_returns_total{kind="old"}', 'shop_returns_total{kind="stale"}')),
        "shop_returns_total",
        "failed",
        "kind is `stale`, and only new, old",
    ),
    (
        "budget_exceeded",
        lambda: with_metric("".join(f'shop_orders_total{{kind="new",shop="{s}"}} 1\n' for s in "bc")),
        "shop_orders_total",
        "failed",
        "has 3 values, and its budget is 2",
    ),
    (
        "budget_spent",
        lambda: with_metric('shop_orders_total{kind="new",shop="other"} 1\n'),
        "shop_orders_total",
        "noted",
        "used up its budget of 2",
    ),
    (
        "not_a_number",
        lambda: exposing(("shop_open 1.0", "shop_open NaN")),
        "shop_open",
        "failed",
        "its probe gives no answer",
    ),
    (
        "outside_range",
        lambda: exposing(("shop_load_percent 40.0", "shop_load_percent 140")),
        "shop_load_percent",
        "failed",
        "is 140, outside of 0 to 100",
    ),
    (
        "outside_range",
        lambda: exposing(('le="+Inf"} 200', 'le="+Inf"} 203')),
        "shop_price_seconds",
        "failed",
        "3 observations are above 1",
    ),
    (
        "unknown_state",
        lambda: exposing(("shop_open 1.0", "shop_open 3")),
        "shop_open",
        "failed",
        "is 3, declared are 0, 1",
    ),
    (
        "beyond_buckets",
        lambda: exposing(
            ('le="1.0"} 200', 'le="1.0"} 2'), ('le="0.5"} 190', 'le="0.5"} 1'), ('le="0.1"} 90', 'le="0.1"} 0')
        ),
        "shop_price_seconds",
        "noted",
        "99% of its 200 observations",
    ),
    (
        "never_counted",
        lambda: exposing(('{kind="new",shop="a"} 7.0', '{kind="new",shop="a"} 0.0')),
        "shop_orders_total",
        "noted",
        "never counted",
    ),
    (
        "probe_silent",
        lambda: exposing(("1.799999998e+09", "1.799999900e+09")),
        "shop_open",
        "failed",
        "last answered 100 s ago, and is asked every 5s",
    ),
    (
        "no_answer",
        lambda: answering("queued", NOTHING),
        "queued",
        "waiting",
        "its gauges have series, and give no number",
    ),
    ("probe_silent", lambda: healthy(exposed=exposed(without("last_answer"))), "shop_open", "failed", "never started"),
    (
        "probe_failed_before",
        lambda: exposing(('reason="error"} 0', 'reason="error"} 4')),
        "shop_open",
        "noted",
        "4 times",
    ),
    (
        "recording_errors",
        lambda: exposing(('errors_total{metric="shop_orders_total"} 0', 'errors_total{metric="shop_orders_total"} 2')),
        "shop_orders_total",
        "noted",
        "failed 2 times",
    ),
    (
        "label_overflow",
        lambda: exposing(('label="shop",metric="shop_orders_total"} 0', 'label="shop",metric="shop_orders_total"} 9')),
        "shop_orders_total",
        "noted",
        "9 events went to shop=`other`",
    ),
    ("target_missing", lambda: healthy(targets=TARGETS[:1]), "queue", "failed", "none of Prometheus' 1 targets"),
    (
        "target_down",
        lambda: healthy(targets=(*TARGETS[:1], target("queue", "127.0.0.1:9500", "down", "connection refused"))),
        "queue",
        "failed",
        "is down: connection refused",
    ),
    (
        "target_not_scraped_yet",
        lambda: healthy(targets=(*TARGETS[:1], target("queue", "127.0.0.1:9500", "unknown"))),
        "queue",
        "waiting",
        "not scraped yet",
    ),
    (
        "target_elsewhere",
        lambda: healthy(targets=(*TARGETS[1:], target("api", "127.0.0.1:8001"))),
        "api",
        "failed",
        "scrapes 127.0.0.1:8001, the spec says 127.0.0.1:8000",
    ),
    (
        "target_metric_missing",
        lambda: healthy(series=unseen("queue_length")),
        "queue",
        "waiting",
        "queue_length has no series",
    ),
    ("alerts_go_nowhere", lambda: healthy(managers=()), "Prometheus", "failed", "sends alerts nowhere"),
    (
        "alerts_go_nowhere",
        lambda: healthy(managers=("http://127.0.0.1:1/api/v2/alerts",)),
        "Prometheus",
        "failed",
        "to 127.0.0.1:1;",
    ),
    ("rule_missing", lambda: ruled("Closed", name="Opened"), "Closed", "failed", "no such rule"),
    ("rule_left_over", lambda: ruled("Closed", name="Opened"), "Opened", "failed", "not rendered"),
    ("rule_differs", lambda: ruled("Closed", expr="shop_open == 1"), "Closed", "failed", "expression: shop_open == 1"),
    ("rule_differs", lambda: ruled("SlowPricing", hold=60.0), "SlowPricing", "failed", "`for` 60 s instead of 300 s"),
    (
        "rule_differs",
        lambda: ruled("SlowPricing", keep=60.0),
        "SlowPricing",
        "failed",
        "`keep_firing_for` 60 s instead of 0 s",
    ),
    (
        "rule_differs",
        lambda: ruled(
            "SlowPricing", labels={"project": "shop", "env": "dev", "signal": "pricing", "severity": "critical"}
        ),
        "SlowPricing",
        "failed",
        "another label `team`: none",
    ),
    (
        "rule_fails",
        lambda: ruled("Closed", health="err", error="many-to-many matching"),
        "Closed",
        "failed",
        "many-to-many",
    ),
    ("rule_not_evaluated_yet", lambda: ruled("Closed", health="unknown"), "Closed", "waiting", "not evaluated yet"),
    ("alert_fires", lambda: ruled("Closed", firing=({"job": "api"},)), "Closed", "noted", "it fires: Closed."),
    ("query_fails", lambda: answering("orders", Answer(error="parse error")), "orders", "failed", "parse error"),
    (
        "answer_not_a_number",
        lambda: answering("queued", Answer((1.0, float("nan")))),
        "queued",
        "failed",
        "1 of its 2 values are nan",
    ),
    ("no_answer", lambda: answering("orders", NOTHING), "orders", "waiting", "nothing happened in the last 5m"),
    ("no_answer", lambda: answering("pricing", NOTHING), "pricing", "waiting", "in the last 5m where instance=one"),
    (
        "no_answer",
        lambda: answering("orders", NOTHING, series=unseen("shop_orders_total")),
        "orders",
        "waiting",
        "no series of shop_orders_total yet",
    ),
    ("no_answer", lambda: answering("refusals", NOTHING), "refusals", "ok", "nothing failed yet"),
    ("no_answer", lambda: answering("crowded", NOTHING), "crowded", "ok", "leaves nothing over"),
    ("no_answer", lambda: answering("joined", NOTHING), "joined", "waiting", "two sides may never match"),
    (
        "no_answer",
        lambda: answering("node_load", NOTHING),
        "node_load",
        "skipped",
        "node does not run in this environment",
    ),
    ("no_answer", lambda: answering("queued", NOTHING, targets=TARGETS[:1]), "queued", "skipped", "queue is not up"),
    ("no_answer", lambda: answering("api_up", NOTHING, targets=()), "api_up", "skipped", "api is not up"),
    ("no_answer", lambda: answering("drop", NOTHING), "drop", "waiting", "had none 1h ago"),
    ("no_answer", lambda: answering("main: stat orders", NOTHING), "main: stat orders", "waiting", "nothing happened"),
    ("receiver_missing", lambda: configured(receivers=[{"name": "nobody"}]), "team", "failed", "it has nobody"),
    (
        "receiver_differs",
        lambda: configured(
            receivers=[{"name": "team", "webhook_configs": [{"url": "http://x/", "send_resolved": True}]}]
        ),
        "team",
        "failed",
        "webhook_configs[0].url is not as rendered",
    ),
    ("routing_differs", lambda: configured(route={"receiver": "team"}), "routing", "failed", "route.receiver"),
    ("routing_differs", lambda: configured(inhibit_rules=[]), "routing", "failed", "inhibit_rules"),
]


@pytest.mark.parametrize(("check", "seen", "subject", "status", "words"), CASES)
def test_tells_what_is_broken(check: str, seen: Callable[[], Evidence], subject: str, status: str, words: str) -> None:
    found = [one for one in said(check, seen()) if one.subject == subject]
    assert len(found) == 1
    assert found[0].status == status
    assert words in found[0].message


@pytest.mark.parametrize("check", all_checks())
def test_says_nothing_of_a_stack_that_runs_as_declared(check: str) -> None:
    assert [one for one in said(check, healthy()) if one.status != "ok"] == []


def test_every_check_has_a_case_that_fails() -> None:
    assert set(all_checks()) == {case[0] for case in CASES}


@pytest.mark.parametrize("check", all_checks())
def test_every_check_says_why_it_matters_and_what_to_do(check: str) -> None:
    words = documentation(all_checks()[check])  # type: ignore[arg-type]
    assert words["what"]
    assert words["why"].endswith(".")
    assert words["instead"].endswith(".")


def test_a_young_stack_is_not_blamed_for_a_change_that_looks_back_further() -> None:
    seen = answering("drop", NOTHING)
    assert isinstance(seen.answers, dict)
    history = next(question.history for question in seen.questions if question.subject == "drop")
    assert history == 'up{job="api",project="shop",env="dev"} offset 1h'
    young = replace(seen, answers={**seen.answers, history: NOTHING})
    (one,) = said("no_answer", young)
    assert (one.status, one.message) == ("skipped", "Prometheus does not look back 1h yet")


def test_what_a_target_that_is_gone_left_behind_is_no_answer() -> None:
    old, new = "127.0.0.1:7999", "127.0.0.1:9500"
    both = answering("queued", Answer((float("nan"), 3.0), instances=(old, new)))
    assert said("answer_not_a_number", both) == said("no_answer", both) == []
    (one,) = said("no_answer", answering("queued", Answer((3.0,), instances=(old,))))
    assert (one.subject, one.status) == ("queued", "waiting")


def test_masked_secrets_and_what_alertmanager_adds_are_no_difference() -> None:
    receivers = [
        {"name": "team", "webhook_configs": [{"url": "<secret>", "send_resolved": True, "max_alerts": 0}]},
        {"name": "theirs"},
    ]
    seen = configured(receivers=receivers)
    assert said("receiver_differs", seen) == said("receiver_missing", seen) == []


def test_rules_that_prometheus_writes_in_its_own_way_are_the_same() -> None:
    seen = healthy()
    (rule,) = [one for one in expected_rules(seen) if one.name == "SlowPricing"]
    own = rule.expr.replace('project="shop",env="dev"', 'env="dev", project="shop"').replace(
        " and on (job)", "\nand on(job)"
    )
    assert own != rule.expr
    assert said("rule_differs", ruled("SlowPricing", expr=own)) == []


def test_a_metric_of_a_prefix_that_only_packs_use_is_a_note() -> None:
    spec = SPEC.replace("use: {self: null}", "use: {self: null, http: {}}")
    seen = healthy(spec, exposed=exposed(METRICS + "# TYPE http_extra gauge\nhttp_extra 1\n"))
    assert [(one.subject, one.status) for one in said("metric_undeclared", seen)] == [("http_extra", "noted")]


def test_rules_of_other_projects_in_the_same_prometheus_are_none_of_ours() -> None:
    seen = healthy()
    assert isinstance(seen.rules, tuple)
    theirs = tuple(replace(rule, labels={**rule.labels, "project": "bank"}, health="err") for rule in seen.rules)
    both = replace(seen, rules=seen.rules + theirs)
    assert [result for result in judged(both) if result.status == "failed"] == []


class TestJudged:
    def test_a_healthy_stack_is_ok_in_every_area(self) -> None:
        results = judged(healthy())
        assert {result.status for result in results} == {"ok"}
        assert {result.area for result in results} == {
            "service", "metric", "prometheus", "target", "rule", "signal", "panel", "alertmanager"
        }  # fmt: skip

    def test_a_problem_has_its_code_its_place_and_what_to_do(self) -> None:
        (one,) = [r for r in judged(exposing(("shop_open 1.0", "shop_open 3"))) if r.status == "failed"]
        assert (one.area, one.subject, one.code) == ("metric", "shop_open", "unknown-state")
        assert one.position is not None
        assert SPEC.splitlines()[one.position.line - 1].lstrip().startswith("shop_open:")
        assert one.why
        assert one.instead

    def test_a_panel_points_at_its_line(self) -> None:
        found = [r for r in judged(answering("main: stat orders", NOTHING)) if r.status == "waiting"]
        (one,) = [r for r in found if r.area == "panel"]
        assert one.position is not None
        assert "{stat: orders}" in SPEC.splitlines()[one.position.line - 1]

    def test_what_is_only_noted_is_ok_too(self) -> None:
        seen = exposing(('reason="error"} 0', 'reason="error"} 4'))
        assert {r.status for r in judged(seen) if r.subject == "shop_open"} == {"ok", "noted"}

    def test_silence_is_told_once_and_what_hangs_on_it_is_skipped(self) -> None:
        silence = Silence("http://127.0.0.1:9090/api/v1/targets", "nothing listens there")
        down = {"targets": silence, "rules": silence, "managers": silence, "series": silence, "answers": silence}
        results = judged(healthy(**down))
        assert [(r.area, r.code) for r in results if r.status == "failed"] == [("prometheus", "prometheus-unreachable")]
        assert {r.area for r in results if r.status == "skipped"} == {"target", "rule", "signal", "panel"}
        assert {r.area for r in results if r.status == "ok"} == {"service", "metric", "alertmanager"}

    def test_a_silent_service_does_not_make_its_metrics_fail(self) -> None:
        results = judged(healthy(exposed=Silence("http://127.0.0.1:8000/metrics", "nothing listens there")))
        assert [(r.area, r.code) for r in results if r.status == "failed"] == [("service", "service-unreachable")]
        (metrics,) = [r for r in results if r.area == "metric"]
        assert (metrics.status, metrics.subject) == ("skipped", "6 metrics")
        assert metrics.message == "not looked at, since the service did not answer"
