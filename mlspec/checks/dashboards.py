"""Dashboards that Grafana could not keep apart or draw."""

from collections.abc import Iterator

from mlspec.diagnostic import Problem
from mlspec.resolve import Environment


def duplicate_uid(environment: Environment) -> Iterator[Problem]:
    """Two dashboards have one uid.

    Why: Grafana would load only one of them.
    Instead: Give each its own `uid`.
    """
    spec = environment.spec
    seen: dict[str, str] = {}
    for name, dashboard in spec.dashboards.items():
        uid = dashboard.uid or f"{spec.project}-{name}"[:40]
        if uid in seen:
            at = ("dashboards", name, "uid")
            yield Problem(at, f"dashboards `{seen[uid]}` and `{name}` have the uid `{uid}`")
        seen[uid] = name


def empty_dashboard(environment: Environment) -> Iterator[Problem]:
    """A dashboard or row without panels.

    Why: There is nothing to see.
    Instead: Add a panel, or remove it.
    """
    for name, dashboard in environment.spec.dashboards.items():
        if not dashboard.rows:
            yield Problem(("dashboards", name, "rows"), f"dashboard `{name}` has no rows", on_key=True)
        for i, row in enumerate(dashboard.rows):
            if not row.panels:
                yield Problem(
                    ("dashboards", name, "rows", i, "panels"), f"row `{row.title}` has no panels", on_key=True
                )


def too_many_queries(environment: Environment) -> Iterator[Problem]:
    """A panel asks for more quantiles than it can name.

    Why: Grafana names queries by a letter.
    Instead: Ask for at most 20 quantiles.
    """
    for at, panel in environment.spec.panels():
        if panel.quantile and len(panel.quantile) > 20:
            yield Problem((*at, "quantile"), f"a panel asks for {len(panel.quantile)} quantiles", on_key=True)
