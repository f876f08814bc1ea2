"""Grafana's JSON: panels and dashboards as plain values, built from signals."""

from mlspec.grafana.dashboard import dashboard
from mlspec.grafana.panel import Queries, panel_queries

__all__ = ["Queries", "dashboard", "panel_queries"]
