"""A spec to the programs of the local engine: the service, Prometheus, Alertmanager, the node exporter."""

import hashlib
from pathlib import Path
from typing import Final

from mlspec import names
from mlspec.resolve import Environment
from mlspec.spec.document import Spec
from mlspec.spec.units import duration
from mlspec.stack.plan import RUN_PLACEHOLDER, Plan, Port, Program

_HOST: Final = "127.0.0.1"


def plan_of(environment: Environment, root: Path) -> Plan:
    """What `up` starts for an environment; `root` is where its files were rendered and its code lies."""
    spec = environment.spec
    programs = [_api(spec, environment.name, root), _alertmanager(spec), _prometheus(spec)]
    if spec.stack.node_exporter:
        programs.append(_node_exporter(spec))
    return Plan(
        project=spec.project,
        env=environment.name,
        root=root,
        rendered=root / "generated" / spec.project / environment.name,
        programs=tuple(programs),
        secrets=tuple(sorted({name for receiver in spec.notify.values() for name in receiver.secrets()})),
    )


def _api(spec: Spec, env: str, root: Path) -> Program:
    service = spec.service
    shown = _HOST if service.host == "0.0.0.0" else service.host
    url = f"http://{shown}:{service.port}"
    workers = {names.MULTIPROC_DIR: f"{RUN_PLACEHOLDER}/data/metrics"} if service.workers > 1 else {}
    arguments = ["-m", "uvicorn", service.app, "--host", service.host, "--port", str(service.port)]
    if service.workers > 1:
        arguments += ["--workers", str(service.workers)]
    return Program(
        name="api",
        tool=None,
        argv=(*arguments, "--no-access-log"),
        env={
            names.RUNTIME_FILE: str(root / "generated" / spec.project / env / "runtime.json"),
            names.DATA_DIR: f"{RUN_PLACEHOLDER}/data/api",
            **workers,
        },
        cwd=str(root),
        port=Port(service.port, service.host, "service.port"),
        url=f"{url}/docs",
        ready=f"{url}{service.health}",
        title="API",
        required=True,
        reload=None,
        config=("runtime.json",),
        fingerprint=_sources(root, service.app),
    )


def _sources(root: Path, app: str) -> str:
    """A hash of the Python files of the package that the service's module stands in."""
    module = Path(*app.split(":")[0].split("."))
    folder = root / module.parent
    files = sorted(folder.rglob("*.py")) if module.parent != Path() else sorted(folder.glob("*.py"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _prometheus(spec: Spec) -> Program:
    part = spec.stack.prometheus
    url = f"http://{_HOST}:{part.port}"
    return Program(
        name="prometheus",
        tool="prometheus",
        argv=(
            f"--config.file={RUN_PLACEHOLDER}/prometheus/prometheus.yml",
            f"--storage.tsdb.path={RUN_PLACEHOLDER}/data/prometheus",
            f"--storage.tsdb.retention.time={duration(part.retention)}",
            f"--web.listen-address={_HOST}:{part.port}",
            "--web.enable-lifecycle",
        ),
        env={},
        cwd=RUN_PLACEHOLDER,
        port=Port(part.port, _HOST, "stack.prometheus.port"),
        url=url,
        ready=f"{url}/-/ready",
        title="Prometheus",
        required=False,
        reload=f"{url}/-/reload",
        config=("prometheus",),
    )


def _alertmanager(spec: Spec) -> Program:
    part = spec.stack.alertmanager
    url = f"http://{_HOST}:{part.port}"
    return Program(
        name="alertmanager",
        tool="alertmanager",
        argv=(
            f"--config.file={RUN_PLACEHOLDER}/alertmanager/alertmanager.yml",
            f"--storage.path={RUN_PLACEHOLDER}/data/alertmanager",
            f"--web.listen-address={_HOST}:{part.port}",
            "--cluster.listen-address=",
        ),
        env={},
        cwd=f"{RUN_PLACEHOLDER}/alertmanager",
        port=Port(part.port, _HOST, "stack.alertmanager.port"),
        url=url,
        ready=f"{url}/-/ready",
        title="Alertmanager",
        required=False,
        reload=f"{url}/-/reload",
        config=("alertmanager",),
    )


def _node_exporter(spec: Spec) -> Program:
    part = spec.stack.node_exporter
    assert part is not None
    url = f"http://{_HOST}:{part.port}"
    return Program(
        name="node-exporter",
        tool="node_exporter",
        argv=(f"--web.listen-address={_HOST}:{part.port}",),
        env={},
        cwd=RUN_PLACEHOLDER,
        port=Port(part.port, _HOST, "stack.node_exporter.port"),
        url=f"{url}/metrics",
        ready=f"{url}/metrics",
        title="Node exporter",
        required=False,
        reload=None,
        config=(),
    )
