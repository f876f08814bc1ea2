"""What is committed below generated/ is accepted by the tools that will read it, in both of their generations."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mlspec.stack.tools import locate

pytestmark = pytest.mark.e2e

GENERATED = Path(__file__).parent.parent.parent / "generated"
ENVIRONMENTS = sorted(path.parent.relative_to(GENERATED).as_posix() for path in GENERATED.glob("*/*/compose.yaml"))
GENERATIONS = pytest.mark.parametrize("version", [None, "3"], ids=["distribution", "v3"])
EVERYWHERE = pytest.mark.parametrize("where", ENVIRONMENTS)


def run(tool: str, *arguments: str, version: str | None = None, cwd: Path | None = None) -> str:
    binary = locate(tool, version=version)
    assert isinstance(binary, Path), binary
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, cwd=cwd, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@GENERATIONS
@EVERYWHERE
def test_promtool_accepts_configuration_and_rules(where: str, version: str | None) -> None:
    folder = GENERATED / where / "prometheus"
    said = run("promtool", "check", "config", str(folder / "prometheus.yml"), version=version)
    assert "WARNING" not in said
    rules = [str(path) for path in folder.glob("rules/*.yml")]
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules, version=version)


@EVERYWHERE
def test_promtool_accepts_the_targets_of_the_compose_network(where: str, tmp_path: Path) -> None:
    """In the container, the targets of docker/ lie where the local ones do."""
    source = GENERATED / where / "prometheus"
    shutil.copytree(source, tmp_path / "p")
    shutil.rmtree(tmp_path / "p" / "targets")
    shutil.copytree(source / "targets" / "docker", tmp_path / "p" / "targets")
    assert "WARNING" not in run("promtool", "check", "config", str(tmp_path / "p" / "prometheus.yml"))


@GENERATIONS
@EVERYWHERE
def test_amtool_accepts_the_routes(where: str, version: str | None) -> None:
    run("amtool", "check-config", str(GENERATED / where / "alertmanager" / "alertmanager.yml"), version=version)


@EVERYWHERE
def test_compose_accepts_the_stack(where: str) -> None:
    run("docker-compose", "--project-directory", ".", "-f", "compose.yaml", "config", "-q", cwd=GENERATED / where)


@EVERYWHERE
def test_every_port_of_the_stack_is_published_on_the_loopback_only(where: str) -> None:
    shown = run("docker-compose", "-f", "compose.yaml", "config", cwd=GENERATED / where)
    assert shown.count("published:") == shown.count("host_ip: 127.0.0.1") > 3
