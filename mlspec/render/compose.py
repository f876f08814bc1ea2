"""compose.yaml: the stack on Docker. Loopback only, no root, pinned versions, limits, and a health check each."""

from pathlib import PurePosixPath
from typing import Any, Final

from mlspec import names
from mlspec.resolve import Environment, Project
from mlspec.spec.document import Spec
from mlspec.spec.units import duration
from mlspec.templating import yaml_text

_NOBODY: Final = "65534:65534"
_SERVICE_USER: Final = "10001:10001"
_GRAFANA_USER: Final = "472:0"


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """One compose project an environment, so that several run side by side."""
    spec = environment.spec
    services = {
        "api": _api(spec, environment.name),
        "prometheus": _prometheus(spec),
        "alertmanager": _alertmanager(spec),
        **({"node-exporter": _node_exporter(spec)} if spec.stack.node_exporter else {}),
        **({"grafana": _grafana(spec)} if spec.stack.grafana else {}),
    }
    volumes = ["api-data", "prometheus-data", "alertmanager-data", *(["grafana-data"] if spec.stack.grafana else [])]
    secrets = {name: {"environment": name} for name in secret_names(spec)}
    config: dict[str, Any] = {
        "name": f"{spec.project}-{environment.name}".lower(),
        "services": {name: _dollars_doubled(service) for name, service in services.items()},
        "volumes": {name: {} for name in volumes},
        **({"secrets": secrets} if secrets else {}),
    }
    return {
        "compose.yaml": yaml_text(config, project.path),
        ".env.example": _env_example(secret_names(spec), project.path),
    }


def secret_names(spec: Spec) -> list[str]:
    """The environment variables that hold the stack's secrets."""
    held = [name for receiver in spec.notify.values() for name in receiver.secrets()]
    return sorted({*held, *(["GRAFANA_ADMIN_PASSWORD"] if spec.stack.grafana else [])})


def _env_example(secrets: list[str], source: str) -> str:
    lines = [
        f"# The secrets of the stack, for compose: copy to .env and fill in. Made by mlspec from {source}.",
        *(f"{name}=" for name in secrets),
    ]
    return "\n".join(lines) + "\n"


def _dollars_doubled(value: Any) -> Any:
    """Compose interpolates `$`; what is written here is meant as it stands."""
    if isinstance(value, dict):
        return {key: _dollars_doubled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dollars_doubled(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _hardened(user: str, cpus: str, memory: str) -> dict[str, Any]:
    return {
        "user": user,
        "restart": "unless-stopped",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "deploy": {"resources": {"limits": {"cpus": cpus, "memory": memory}}},
    }


def _health(*command: str) -> dict[str, Any]:
    return {
        "healthcheck": {
            "test": ["CMD", *command],
            "interval": "10s",
            "timeout": "5s",
            "retries": 6,
            "start_period": "60s",
        }
    }


def _wget(port: int, path: str) -> dict[str, Any]:
    return _health("wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}{path}")


def _port(outside: int, inside: int) -> dict[str, Any]:
    return {"ports": [f"127.0.0.1:{outside}:{inside}"]}


def _api(spec: Spec, env: str) -> dict[str, Any]:
    service = spec.service
    context = str(PurePosixPath(*[".."] * 3))
    workers = {names.MULTIPROC_DIR: "/tmp/metrics"} if service.workers > 1 else {}
    script = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{service.port}' + {service.health!r}, timeout=4)"
    return {
        "build": {"context": context, "dockerfile": f"generated/{spec.project}/{env}/Dockerfile"},
        "image": f"{spec.project.lower()}-api:{env.lower()}",
        "environment": {names.RUNTIME_FILE: "/etc/mlspec/runtime.json", names.DATA_DIR: "/data", **workers},
        "volumes": ["./runtime.json:/etc/mlspec/runtime.json:ro", "api-data:/data"],
        "tmpfs": ["/tmp"],
        **_port(service.port, service.port),
        **_health("python", "-c", script),
        **_hardened(_SERVICE_USER, "2", "2g"),
    }


def _prometheus(spec: Spec) -> dict[str, Any]:
    part = spec.stack.prometheus
    return {
        "image": f"prom/prometheus:{part.version}",
        "command": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={duration(part.retention)}",
            "--web.enable-lifecycle",
        ],
        "volumes": [
            "./prometheus/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
            "./prometheus/rules:/etc/prometheus/rules:ro",
            "./prometheus/targets/docker:/etc/prometheus/targets:ro",
            "prometheus-data:/prometheus",
        ],
        "depends_on": {"api": {"condition": "service_healthy"}},
        **_port(part.port, 9090),
        **_wget(9090, "/-/ready"),
        **_hardened(_NOBODY, "1", "1g"),
    }


def _alertmanager(spec: Spec) -> dict[str, Any]:
    part = spec.stack.alertmanager
    held = sorted({name for receiver in spec.notify.values() for name in receiver.secrets()})
    secrets = [{"source": name, "target": f"/etc/alertmanager/secrets/{name}"} for name in held]
    return {
        "image": f"prom/alertmanager:{part.version}",
        "command": [
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/alertmanager",
            "--cluster.listen-address=",
        ],
        "working_dir": "/etc/alertmanager",
        "volumes": [
            "./alertmanager/alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro",
            "alertmanager-data:/alertmanager",
        ],
        **({"secrets": secrets} if secrets else {}),
        **_port(part.port, 9093),
        **_wget(9093, "/-/ready"),
        **_hardened(_NOBODY, "0.5", "256m"),
    }


def _node_exporter(spec: Spec) -> dict[str, Any]:
    part = spec.stack.node_exporter
    assert part is not None
    return {
        "image": f"prom/node-exporter:{part.version}",
        "command": ["--path.rootfs=/host"],
        "pid": "host",
        "volumes": ["/:/host:ro"],
        **_port(part.port, 9100),
        **_wget(9100, "/"),
        **_hardened(_NOBODY, "0.5", "128m"),
    }


def _grafana(spec: Spec) -> dict[str, Any]:
    part = spec.stack.grafana
    assert part is not None
    return {
        "image": f"grafana/grafana:{part.version}",
        "environment": {
            "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/GRAFANA_ADMIN_PASSWORD",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        },
        "secrets": ["GRAFANA_ADMIN_PASSWORD"],
        "volumes": [
            "./grafana/provisioning:/etc/grafana/provisioning:ro",
            "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
            "grafana-data:/var/lib/grafana",
        ],
        "tmpfs": ["/tmp"],
        "depends_on": {"prometheus": {"condition": "service_healthy"}},
        **_port(part.port, 3000),
        **_wget(3000, "/api/health"),
        **_hardened(_GRAFANA_USER, "1", "512m"),
    }
