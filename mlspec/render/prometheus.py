"""prometheus/prometheus.yml: what is scraped, how often, and where the rules are."""

from typing import Any

from mlspec.names import METRICS_PATH
from mlspec.resolve import Environment, Project
from mlspec.spec.document import Spec
from mlspec.spec.units import duration
from mlspec.templating import yaml_text


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """Targets come from files, so that both engines read this one."""
    spec = environment.spec
    prometheus = spec.stack.prometheus
    config = {
        "global": {
            "scrape_interval": duration(prometheus.scrape_interval),
            "scrape_timeout": duration(prometheus.timeout),
            "evaluation_interval": duration(prometheus.evaluation),
        },
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [{"file_sd_configs": [{"files": ["targets/alertmanager.json"]}]}]},
        "scrape_configs": [_job(job, path) for job, path in _jobs(spec)],
    }
    return {"prometheus/prometheus.yml": yaml_text(config, project.path)}


def _jobs(spec: Spec) -> list[tuple[str, str]]:
    others = {job: target.path for job, target in spec.targets.items() if spec.addresses(job)}
    return [(spec.job, METRICS_PATH), *others.items()]


def _job(job: str, path: str) -> dict[str, Any]:
    return {
        "job_name": job,
        "metrics_path": path,
        "file_sd_configs": [{"files": [f"targets/{job}.json"]}],
    }
