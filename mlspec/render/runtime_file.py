"""runtime.json: what the running service is told that differs between environments."""

from mlspec.resolve import Environment, Project
from mlspec.templating import json_text


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """Names and probe timings; the runtime takes its defaults where the file is missing."""
    spec = environment.spec
    probes = {
        name: {"every": metric.probe.every / 1000, "timeout": metric.probe.timeout / 1000}
        for name, metric in spec.metrics.items()
        if metric.probe
    }
    return {
        "runtime.json": json_text({"format": 1, "project": spec.project, "env": environment.name, "probes": probes})
    }
