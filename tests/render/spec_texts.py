"""Specs that the tests of rendering write, and what of them is on disk."""

from pathlib import Path

PLAIN = """\
mlspec: 1
project: shop
title: The shop
service: {app: "shop.app:app", instrumentation: shop/monitoring.py}
metrics:
  orders_total: {type: counter, help: Orders., labels: {outcome: [ok, error]}}
signals:
  failed: {share: orders_total, having: {outcome: error}, above: 5%}
alerts:
  Failed: {signal: failed, for: 5m, summary: Orders fail.}
dashboards:
  main: {title: Shop, rows: [{title: Orders, panels: [{stat: failed}]}]}
notify: {team: {webhook: {url: "http://127.0.0.1:9099/alerts"}}}
environments: {dev: {}, prod: {}}
"""
RULES = "generated/shop/dev/prometheus/rules/shop.yml"
MODULE = "shop/monitoring.py"
MANIFEST = "generated/shop/manifest.json"


def on_disk(root: Path) -> dict[str, bytes]:
    """Every file below a root by its path, but the specs."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "spec.yaml")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
