"""Packs, document and environments become one spec each, and every value remembers where it was written."""

import pytest

from mlspec.diagnostic import SpecError
from mlspec.spec.signal import Quantile, Rate
from tests.unit.specs import resolved


def codes(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        resolved(text)
    return [finding.code for finding in caught.value.findings]


def test_a_pack_is_renamed_through_and_through() -> None:
    spec = (
        resolved("use: {http: {rename: {http_requests_total: api_requests_total, route: endpoint, status: code}}}")
        .environments[0]
        .spec
    )
    metric = spec.metrics["api_requests_total"]
    assert list(metric.labels) == ["method", "endpoint", "code"]
    assert metric.source is not None
    assert metric.source.role_labels() == {"method": "method", "route": "endpoint", "status": "code"}
    rate = spec.signals["request_rate"]
    assert isinstance(rate, Rate)
    assert rate.rate == "api_requests_total"
    assert spec.signals["server_errors"].having == {"code": ("5*",)}  # type: ignore[union-attr]
    assert spec.signals["responses"].by == ("code",)


def test_a_prefix_goes_before_the_metrics_of_a_pack() -> None:
    spec = resolved("use: {predictions: {prefix: shop, rename: {confidence: shop_sureness}}}").environments[0].spec
    assert {"shop_predictions_total", "shop_prediction_duration_seconds", "shop_sureness"} <= set(spec.metrics)


def test_a_partial_signal_merges_into_the_one_of_the_pack() -> None:
    spec = resolved("use: {predictions: {}}\nsignals: {prediction_latency: {above: 50ms}}").environments[0].spec
    signal = spec.signals["prediction_latency"]
    assert isinstance(signal, Quantile)
    assert signal.above is not None
    assert signal.above.critical is not None
    assert signal.above.critical.text == "50ms"


def test_a_signal_of_another_kind_replaces_the_one_of_the_pack() -> None:
    text = "use: {predictions: {}}\nsignals: {prediction_latency: {mean: model_prediction_duration_seconds}}"
    signal = resolved(text).environments[0].spec.signals["prediction_latency"]
    assert signal.kind == "mean"


def test_what_a_pack_built_on_a_removed_metric_goes_with_it() -> None:
    spec = resolved("use: {predictions: {}}\nmetrics: {model_confidence: null}").environments[0].spec
    assert "mean_confidence" not in spec.signals
    assert "prediction_rate" in spec.signals


def test_an_environment_changes_one_level_of_a_bound() -> None:
    text = """\
    use: {predictions: {}}
    signals: {prediction_latency: {above: {warning: 50ms, critical: 100ms}}}
    environments:
      dev: {}
      prod: {signals: {prediction_latency: {above: 500ms}}}
    """
    dev, prod = resolved(text).environments
    assert [amount.text for amount in dev.spec.signals["prediction_latency"].above.levels().values()] == [
        "50ms",
        "100ms",
    ]  # type: ignore[union-attr]
    assert [amount.text for amount in prod.spec.signals["prediction_latency"].above.levels().values()] == [
        "50ms",
        "500ms",
    ]  # type: ignore[union-attr]


def test_buckets_are_the_union_of_what_every_environment_needs() -> None:
    text = """\
    metrics:
      a_seconds: {type: histogram, help: A., buckets: [10ms, 1s]}
    signals:
      p: {quantile: 0.9, of: a_seconds, above: 200ms}
      w: {within: 30ms, of: a_seconds}
      d: {distribution: a_seconds, bands: [40ms]}
    environments:
      dev: {}
      prod: {signals: {p: {above: 300ms}}}
    """
    for environment in resolved(text).environments:
        edges = [edge.text for edge in environment.spec.metrics["a_seconds"].edges()]
        assert edges == ["0.01", "0.03", "0.04", "0.2", "0.3", "1"]


def test_a_bound_in_another_unit_becomes_an_edge_in_the_metrics_own() -> None:
    text = """\
    metrics: {a_seconds: {type: histogram, help: A., buckets: [1s]}}
    signals: {p: {quantile: 0.9, of: a_seconds, unit: milliseconds, above: 250}}
    """
    edges = resolved(text).environments[0].spec.metrics["a_seconds"].edges()
    assert [edge.text for edge in edges] == ["0.25", "1"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ("metrics: {model_confidence: {help: x}}", "environment-changes-meaning"),
        ("signals: {prediction_rate: {rate: other_total}}", "environment-changes-meaning"),
        ("signals: {prediction_rate: {by: [model_version]}}", "environment-changes-meaning"),
        ("signals: {nothing: {above: 1}}", "override-of-nothing"),
        ("alerts: {Nothing: {for: 1m}}", "override-of-nothing"),
        ("signals: {nothing: null}", "override-of-nothing"),
        ("use: {}", "environment-changes-meaning"),
        ("project: other", "environment-changes-meaning"),
        ("service: {app: a:b}", "environment-changes-meaning"),
    ],
)
def test_an_environment_cannot_change_what_the_code_means(changes: str, code: str) -> None:
    assert codes(f"use: {{predictions: {{}}}}\nenvironments: {{prod: {{{changes}}}}}") == [code]


def test_every_value_remembers_where_it_was_written() -> None:
    text = (
        "use: {predictions: {}}\nsignals: {prediction_rate: {title: Mine}}\nenvironments: {prod: {service: {port: 81}}}"
    )
    layer = resolved(text).environments[0].layer
    assert layer.origin(("signals", "prediction_rate", "title")).layer == "document"
    assert layer.origin(("signals", "prediction_rate", "rate")).layer == "pack predictions"
    assert layer.origin(("service", "port")).layer == "environment prod"
    assert layer.position("service", "port").line == 6


def test_the_self_pack_is_there_unless_it_is_removed() -> None:
    assert "Watchdog" in resolved().environments[0].spec.alerts
    assert "Watchdog" not in resolved("use: {self: null}").environments[0].spec.alerts
