"""Signals to PromQL, as rules and as panels ask them."""

from mlspec.promql.compile import Query, compile_signal
from mlspec.promql.expr import BUILT_IN, ExprError, find_series, parse, series_names
from mlspec.promql.rules import Alerting, Recording, companions, condition, recording, rule_labels
from mlspec.promql.select import View, go_float, quoted

__all__ = [
    "BUILT_IN",
    "Alerting",
    "ExprError",
    "Query",
    "Recording",
    "View",
    "companions",
    "compile_signal",
    "condition",
    "find_series",
    "go_float",
    "parse",
    "quoted",
    "recording",
    "rule_labels",
    "series_names",
]
