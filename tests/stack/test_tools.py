"""Tools: found, fetched without root, or missing with the one command that helps."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlspec.stack import adapt, tools
from mlspec.stack.plan import Port, Program

from .conftest import Stack, free_port, server

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def executable(path: Path, text: str = "#!/bin/sh\necho version 1.0\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_path_comes_first(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = executable(tmp_path / "bin" / "prometheus-alertmanager")
    monkeypatch.setenv("PATH", str(own.parent))
    assert tools.locate("alertmanager", fetch=False) == own


def test_cache_comes_next_with_the_newest_package(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    for number, name in enumerate(("prometheus_2.42_amd64", "prometheus_2.53_amd64")):
        tree = empty_cache / "mlspec" / "tools" / "system" / name
        binary = executable(tree / "usr" / "bin" / "prometheus")
        os.utime(tree, (number, number))
    assert tools.locate("prometheus") == binary


def test_compose_of_the_first_version_is_passed_over(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = executable(tmp_path / "bin" / "docker-compose", "#!/bin/sh\necho docker-compose version 1.29.2\n")
    monkeypatch.setenv("PATH", f"{old.parent}:/bin")
    assert tools.locate("docker-compose", fetch=False) != old
    executable(old, "#!/bin/sh\necho Docker Compose version v2.30.1\n")
    assert tools.locate("docker-compose", fetch=False) == old


def test_without_apt_a_missing_tool_names_itself_and_what_to_do(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    missing = tools.locate("prometheus")
    assert isinstance(missing, tools.Missing)
    assert missing.name == "prometheus"
    assert "https://prometheus.io/download/" in missing.command


def test_debians_command_stops_the_services_that_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("no apt-get here")
    assert tools.install_command(["prometheus", "promtool", "alertmanager"]) == (
        "sudo apt-get install -y prometheus prometheus-alertmanager"
        " && sudo systemctl disable --now prometheus prometheus-alertmanager"
    )


def test_on_macos_the_command_is_brews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    found = tools.install_command(["prometheus", "promtool", "alertmanager", "node_exporter"])
    assert found == "brew install prometheus alertmanager node_exporter"


def missing_tool(stack: Stack, *, required: bool) -> Program:
    port = free_port()
    return Program(
        name="prometheus",
        tool="prometheus",
        argv=(),
        env={},
        cwd="{run}",
        port=Port(port, "127.0.0.1", "stack.prometheus.port"),
        url=f"http://127.0.0.1:{port}",
        ready=f"http://127.0.0.1:{port}/-/ready",
        title="Prometheus",
        required=required,
        reload=f"http://127.0.0.1:{port}/-/reload",
        config=("prometheus",),
    )


def test_rest_of_the_stack_starts_without_a_missing_tool(
    stack: Stack, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    api = server("api", stack.root)
    code, heard = stack.up(api, missing_tool(stack, required=False))
    assert code == 0
    assert heard.warnings[0].startswith("started without prometheus")
    assert heard.lines == [f"API  {api.url}"]
    from mlspec.stack import local

    assert [program.phase for program in local.status(stack.root, "demo", "dev")] == ["ready", "left out"]


def test_nothing_starts_without_a_required_tool(
    stack: Stack, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    code, heard = stack.up(server("api", stack.root), missing_tool(stack, required=True))
    assert code == 2
    assert "prometheus can't be had" in heard.errors[0]
    assert not stack.run.state.exists()


def test_relocation_keeps_the_length_of_the_binary(tmp_path: Path) -> None:
    binary = executable(tmp_path / "amtool", "a" + adapt.BUILT_IN.decode() + "/ui/b")
    adapt.relocate(binary)
    assert binary.read_bytes() == b"a./././././././././mlspec-templates/ui/b"


def as_nobody() -> list[str]:
    """The start of a command that drops root's rights, with a Python that `nobody` may run."""
    if os.getuid() != 0:
        return [sys.executable]
    python = next(
        (path for path in ("/usr/bin/python3.11", "/usr/bin/python3.12", "/usr/bin/python3.13") if Path(path).exists()),
        None,
    )
    if python is None or not shutil.which("setpriv"):
        pytest.skip("needs setpriv and a Python outside of root's home")
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", python]


@pytest.mark.e2e
def test_a_user_without_rights_and_with_an_empty_cache_gets_all_tools(tmp_path: Path) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("no apt-get here")
    # pytest's own folders can't be entered by others.
    home = Path(
        subprocess.run(
            ["mktemp", "-d", "/tmp/mlspec-nobody-XXXXXX"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    try:
        if os.getuid() == 0:
            os.chown(home, NOBODY, NOBODY)
        names = ["prometheus", "promtool", "alertmanager", "amtool", "node_exporter"]
        environment = {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(home),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [*as_nobody(), "-m", "mlspec.stack.tools", *names]
        done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        for path in done.stdout.splitlines():
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
            assert "version" in said.stdout + said.stderr
            if os.getuid() == 0:
                assert Path(path).stat().st_uid == NOBODY
    finally:
        shutil.rmtree(home)


@pytest.mark.e2e
def test_two_fetches_at_once_agree(empty_cache: Path) -> None:
    if not shutil.which("apt-get") or shutil.which("prometheus-node-exporter"):
        pytest.skip("no apt-get here, or nothing to fetch")
    found: list[Path | tools.Missing] = []
    threads = [threading.Thread(target=lambda: found.append(tools.locate("node_exporter"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({str(path) for path in found}) == 1
    assert isinstance(found[0], Path)
    assert not list((empty_cache / "mlspec" / "tools").glob(".apt-*/fetch-*"))


@pytest.mark.e2e
def test_the_newer_generation_is_prometheus_3() -> None:
    if not shutil.which("apt-get"):
        pytest.skip("no apt-get here")
    for name, version in (("prometheus", "version 3."), ("promtool", "version 3."), ("alertmanager", "version 0.3")):
        found = tools.locate(name, version="3")
        assert isinstance(found, Path), found
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
        assert version in said.stdout + said.stderr


@pytest.mark.e2e
def test_a_package_that_does_not_exist_is_missing_with_apts_words(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("no apt-get here")
    unknown = tools.Tool(("no-such-binary",), ("mlspec-no-such-package",), "x")
    monkeypatch.setitem(tools.TOOLS, "no-such-binary", unknown)
    missing = tools.locate("no-such-binary")
    assert isinstance(missing, tools.Missing)
    assert "Unable to locate package" in missing.why
