"""grafana/dashboards/*.json: the dashboards."""

from mlspec.grafana import dashboard
from mlspec.promql import View
from mlspec.resolve import Environment, Project
from mlspec.templating import json_text


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """One file a dashboard."""
    view = View(environment.spec, environment.name, panel=True)
    return {
        f"grafana/dashboards/{name}.json": json_text(dashboard(view, name, shape))
        for name, shape in environment.spec.dashboards.items()
    }
