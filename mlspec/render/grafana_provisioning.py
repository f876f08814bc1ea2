"""grafana/provisioning/: the datasource and the folder of dashboards, both managed by the files."""

from mlspec.resolve import Environment, Project
from mlspec.spec.units import duration
from mlspec.templating import yaml_text


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """The datasource's `timeInterval` is the scrape interval: else `$__rate_interval` is wrong."""
    spec = environment.spec
    datasource = {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Prometheus",
                "uid": "prometheus",
                "type": "prometheus",
                "access": "proxy",
                "url": "http://prometheus:9090",
                "isDefault": True,
                "editable": False,
                "jsonData": {"timeInterval": duration(spec.stack.prometheus.scrape_interval), "httpMethod": "POST"},
            }
        ],
    }
    provider = {
        "apiVersion": 1,
        "providers": [
            {
                "name": spec.project,
                "folder": spec.project,
                "type": "file",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "options": {"path": "/var/lib/grafana/dashboards"},
            }
        ],
    }
    return {
        "grafana/provisioning/datasources/prometheus.yml": yaml_text(datasource, project.path),
        "grafana/provisioning/dashboards/mlspec.yml": yaml_text(provider, project.path),
    }
