"""prometheus/targets/*.json: where each job answers; `docker/` has the addresses within the compose network."""

from mlspec import names
from mlspec.resolve import Environment, Project
from mlspec.templating import json_text


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """One file a job and engine, each target labelled with its project and environment."""
    spec = environment.spec
    labels = {names.PROJECT: spec.project, names.ENV: environment.name}
    files = {}
    for job in spec.job_metrics():
        if addresses := spec.addresses(job):
            local, docker = addresses
            files[f"prometheus/targets/{job}.json"] = json_text([{"targets": [local], "labels": labels}])
            files[f"prometheus/targets/docker/{job}.json"] = json_text([{"targets": [docker], "labels": labels}])
    return files
