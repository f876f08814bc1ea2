"""Dockerfile: the service's image."""

from mlspec.resolve import Environment, Project
from mlspec.templating import template_text


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """Built from the project's root, run without root."""
    service = environment.spec.service
    command = ["uvicorn", service.app, "--host", "0.0.0.0", "--port", str(service.port)]
    if service.workers > 1:
        command += ["--workers", str(service.workers)]
    text = template_text(
        "Dockerfile.j2",
        source=project.path,
        python=service.python,
        install=["pip", "install", "--no-cache-dir", *service.install],
        command=command,
        port=service.port,
    )
    return {"Dockerfile": text}
