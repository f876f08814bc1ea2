"""A text of the user's never becomes code: it arrives as itself in every file, and every real tool accepts the file.

60 generated specs in the normal run, 1,000 in the slow one.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from mlspec import pipeline
from mlspec.render import render_project
from mlspec.resolve import Project
from mlspec.spec.document import Spec
from mlspec.stack.tools import Missing, locate
from tests.promql.lab import prometheus
from tests.render.hostile import Hostile
from tests.render.strict import interpolated, problems

ROOT = Path(__file__).parents[2]
VERSIONS = {"distro": None, "v3": "3"}
JOINER = "\u2060"  # what keeps Grafana from taking a text for a variable
EVERY = 20  # the share of specs that slow tools look at


@dataclass(frozen=True)
class Case:
    """A spec, what it says, and its files on disk."""

    seed: int
    said: dict[str, Any]
    project: Project
    files: dict[str, str]
    folder: Path

    def environments(self) -> Iterator[tuple[str, Spec]]:
        for environment in self.project.environments:
            yield f"generated/{self.project.name}/{environment.name}", environment.spec


@pytest.fixture(scope="module", params=[60, pytest.param(1000, marks=pytest.mark.slow)])
def cases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Specs, rendered; no spec has a finding of error severity."""
    folder = tmp_path_factory.mktemp("hostile")
    return [case(folder, seed) for seed in range(request.param)]


def case(folder: Path, seed: int) -> Case:
    spec = folder / f"spec{seed}.yaml"
    spec.write_text(Hostile(seed).yaml(), "utf-8")
    outcome = pipeline.analyse(spec)
    assert outcome.project is not None, (seed, outcome.findings)
    assert not outcome.failed, (seed, outcome.findings)
    files = render_project(outcome.project)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    return Case(seed, Hostile(seed).spec(), outcome.project, files, folder)


def tool(name: str, version: str | None = None) -> Path:
    found = locate(name, version=version)
    assert not isinstance(found, Missing), found
    return found


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """A command that must succeed; what it printed."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, cwd=cwd, env=env)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def paths(cases: list[Case], ending: str) -> list[Path]:
    return [one.folder / path for one in cases for path in one.files if path.endswith(ending)]


def loaded(one: Case, path: str) -> Any:
    return yaml.safe_load(one.files[path])


def test_spec_reads_back(cases: list[Case]) -> None:
    """What YAML says is what the spec has: nothing is trimmed, folded or typed."""
    for one in cases:
        _, spec = next(one.environments())
        said = one.said
        assert (spec.title, spec.owner) == (said.get("title"), said.get("owner"))
        assert spec.metrics["orders_total"].help == said["metrics"]["orders_total"]["help"]
        values = spec.metrics["orders_total"].labels["outcome"].values
        assert list(values or ()) == said["metrics"]["orders_total"]["labels"]["outcome"]
        for name, alert in said["alerts"].items():
            assert spec.alerts[name].summary == alert["summary"]
            assert spec.alerts[name].labels == alert.get("labels", {})


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_prometheus_accepts(cases: list[Case], version: str | None) -> None:
    promtool = tool("promtool", version)
    rules = [one.folder / path for one in cases for path in one.files if "/prometheus/rules/" in path]
    assert len(rules) >= len(cases)
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *rules)
    run(promtool, "check", "config", *paths(cases[::EVERY], "prometheus/prometheus.yml"))


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_alertmanager_accepts(cases: list[Case], version: str | None) -> None:
    said = run(tool("amtool", version), "check-config", *paths(cases, "alertmanager.yml"))
    assert said.count("SUCCESS") == len(paths(cases, "alertmanager.yml"))


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_tools_refuse_what_is_broken_among_many(tmp_path: Path, version: str | None) -> None:
    """The checks above can fail: each tool looks at every file that it is given, the last one too."""
    one = case(tmp_path, 0)
    root, _ = next(one.environments())
    rules, people, module = (
        f"{root}/prometheus/rules/p0.yml",
        f"{root}/alertmanager/alertmanager.yml",
        "p0/monitoring.py",
    )
    commands: dict[str, list[str | Path]] = {
        rules: [tool("promtool", version), "check", "rules", "--lint=all", "--lint-fatal"],
        people: [tool("amtool", version), "check-config"],
        module: [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases"],
    }
    breaks = {
        rules: one.files[rules].replace("expr: ", "expr: ) ", 1),
        people: one.files[people].replace("receiver: nobody", "receiver: somebody", 1),
        module: one.files[module] + "\norders_total.labels(outcome=5, store='x')\n",
    }
    for path, command in commands.items():
        (tmp_path / "broken" / path).parent.mkdir(parents=True)
        (tmp_path / "broken" / path).write_text(breaks[path], "utf-8")
        run(*command, tmp_path / path, cwd=tmp_path)
        with pytest.raises(AssertionError):
            run(*command, tmp_path / path, tmp_path / "broken" / path, cwd=tmp_path)


def unescaped(text: str) -> str:
    """What Prometheus' and Alertmanager's templates make of a text without templates of its own."""
    assert "{{" not in text.replace('{{"{{"}}', ""), text
    return text.replace('{{"{{"}}', "{{")


def test_rules_carry_the_texts(cases: list[Case]) -> None:
    for one in cases:
        for root, spec in one.environments():
            groups = loaded(one, f"{root}/prometheus/rules/{spec.project}.yml")["groups"]
            found = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
            for name, alert in spec.alerts.items():
                carried = {key: unescaped(text) for key, text in found[name]["annotations"].items() if key in TEXTS}
                assert carried == annotations(spec, name)
                labels = {key: unescaped(text) for key, text in found[name]["labels"].items()}
                assert labels.items() >= alert.labels.items()
                assert labels.get("owner") == spec.owner


TEXTS = ("summary", "description", "impact", "action", "runbook_url")


def annotations(spec: Spec, name: str) -> dict[str, str]:
    """The texts of an alert by the names of their annotations."""
    alert = spec.alerts[name]
    texts = (alert.summary, alert.description, alert.impact, alert.action, alert.runbook)
    return {key: text for key, text in zip(TEXTS, texts, strict=True) if text is not None}


@pytest.mark.e2e
@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_prometheus_tells_the_texts(cases: list[Case], version: str | None, tmp_path: Path) -> None:
    """Alerts that always fire, in a real Prometheus: it expands the templates, and tells what the user wrote."""
    wanted = {}
    for one in cases[:120]:
        root, spec = next(one.environments())
        config = loaded(one, f"{root}/prometheus/rules/{spec.project}.yml")
        for group in config["groups"]:
            group["rules"] = [always(rule) for rule in group["rules"] if rule.get("alert") in spec.alerts]
        (tmp_path / f"{spec.project}.yml").write_text(yaml.safe_dump(config), "utf-8")
        for name in spec.alerts:
            labels = {**spec.alerts[name].labels, **({"owner": spec.owner} if spec.owner else {})}
            wanted[spec.project, name] = (annotations(spec, name), labels)
    (tmp_path / "prometheus").mkdir()
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(tmp_path / "*.yml")]}
    with prometheus(tool("prometheus", version), tmp_path / "prometheus", config) as server:
        found: dict[tuple[str, str], Any] = {}
        while len(found) < len(wanted):
            alerts = server.get("alerts")["alerts"]
            found = {(alert["labels"]["project"], alert["labels"]["alertname"]): alert for alert in alerts}
    for key, (texts, labels) in wanted.items():
        assert {k: v for k, v in found[key]["annotations"].items() if k in TEXTS} == texts
        assert found[key]["labels"].items() >= labels.items()


def always(rule: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in rule.items() if key != "for"}, "expr": "vector(1)"}


def test_alertmanager_carries_the_texts(cases: list[Case]) -> None:
    for one in cases:
        for root, spec in one.environments():
            config = loaded(one, f"{root}/alertmanager/alertmanager.yml")
            found = {receiver["name"]: receiver for receiver in config["receivers"]}
            for name, receiver in spec.notify.items():
                if receiver.slack:
                    assert unescaped(found[name]["slack_configs"][0]["channel"]) == receiver.slack.channel
                if receiver.webhook:
                    assert found[name]["webhook_configs"][0]["url"] == receiver.webhook.url
                if receiver.email:
                    carried = found[name]["email_configs"][0]
                    texts = [unescaped(carried[key]) for key in ("to", "from", "auth_username")]
                    assert texts == [receiver.email.to, receiver.email.sender, receiver.email.username]


def test_dashboards_carry_the_texts(cases: list[Case]) -> None:
    for one in cases:
        for root, spec in one.environments():
            for name, shape in spec.dashboards.items():
                board = json.loads(one.files[f"{root}/grafana/dashboards/{name}.json"])
                assert problems(board) == []
                panels = board["panels"]
                (row,) = shape.rows
                assert_shown(board["title"], shape.title)
                assert_shown(board["description"], shape.description)
                assert_shown(panels[0]["title"], row.title)
                for shown, panel in zip(panels[1:], row.panels, strict=True):
                    signal = spec.signals[panel.signal] if panel.signal else None
                    assert_shown(shown["title"], panel.title or (signal.title if signal else None))
                    assert_shown(shown["description"], panel.description or (signal.description if signal else None))
                    if panel.text:
                        assert_shown(shown["options"]["content"], panel.text)
                    if panel.series:
                        assert_shown(shown["targets"][0]["legendFormat"], panel.series)
                    for mapping in shown.get("fieldConfig", {}).get("defaults", {}).get("mappings", ()):
                        states = spec.metrics["model_loaded"].states.values()
                        texts = [option["text"] for option in mapping["options"].values() if "text" in option]
                        assert [plain(text) for text in texts] in ([plain(state) for state in states], [])


def assert_shown(shown: str, said: str | None) -> None:
    """A text of a dashboard is the user's, and Grafana finds no variable in it."""
    assert interpolated(shown) == []
    if said is not None:
        assert plain(shown) == plain(said)


def plain(text: str) -> str:
    return text.replace(JOINER, "")


def modules(cases: list[Case]) -> list[tuple[Case, Path]]:
    return [(one, one.folder / f"p{one.seed}/monitoring.py") for one in cases]


def test_modules_carry_the_texts(cases: list[Case]) -> None:
    for one, path in modules(cases):
        source = one.files[f"p{one.seed}/monitoring.py"]
        compile(source, str(path), "exec", dont_inherit=True)
        _, spec = next(one.environments())
        tree = ast.parse(source)
        assert ast.get_docstring(tree, clean=False) == f"Metrics of {spec.title or spec.project}."
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        constants = [[a.value for a in call.args if isinstance(a, ast.Constant)] for call in calls]
        for name, metric in spec.metrics.items():
            assert [name, metric.help] in constants
            for label, shape in metric.labels.items():
                if shape.values:
                    assert [label, *shape.values] in constants


def test_modules_import(cases: list[Case]) -> None:
    """One process imports them, and tells what it finds on /metrics."""
    chosen = cases[:: 1 if len(cases) < 100 else EVERY]
    names = [f"p{one.seed}" for one in chosen]
    script = (
        "import importlib, json, sys\n"
        "found = {}\n"
        f"for name in {names!r}:\n"
        "    module = importlib.import_module(name + '.monitoring')\n"
        "    helps = {m.name: m.documentation for m in module.monitor.registry.collect()}\n"
        "    found[name] = [module.__doc__, helps, module.monitor.render().decode()]\n"
        "sys.stdout.write(json.dumps(found))\n"
    )
    found = json.loads(run(sys.executable, "-c", script, cwd=chosen[0].folder))
    for one in chosen:
        _, spec = next(one.environments())
        title, helps, _ = found[f"p{one.seed}"]
        assert title == f"Metrics of {spec.title or spec.project}."
        for name, metric in spec.metrics.items():
            assert helps[name.removesuffix("_total")] == metric.help


def test_modules_are_strictly_typed(cases: list[Case], tmp_path: Path) -> None:
    files = [path.relative_to(one.folder) for one, path in modules(cases)]
    (tmp_path / "files").write_text("\n".join(map(str, files)))
    configuration = (
        "[mypy]\nstrict = true\nfollow_imports = silent\nnamespace_packages = true\nexplicit_package_bases = true\n"
    )
    (tmp_path / "mypy.ini").write_text(configuration)
    command = [sys.executable, "-m", "mypy", f"--config-file={tmp_path / 'mypy.ini'}", f"--cache-dir={tmp_path / 'c'}"]
    run(*command, f"@{tmp_path / 'files'}", cwd=cases[0].folder)


TAGS = {"h1", "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "pre"}


class Page(HTMLParser):
    """The text of a page, whitespace collapsed; refuses markup that the page's own template does not make."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, f"<{tag} {attrs}>"
        assert attrs in ([], [("class", "language-promql")]), f"<{tag} {attrs}>"

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def text(self) -> str:
        return collapsed("".join(self.parts))


def collapsed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def test_catalog_carries_the_texts(cases: list[Case]) -> None:
    markdown = MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"])
    for one in cases:
        for root, spec in one.environments():
            page = Page()
            page.feed(markdown.render(one.files[f"{root}/docs/catalog.md"]))
            page.close()
            shown = page.text()
            said = [spec.title, spec.owner, *(alert.summary for alert in spec.alerts.values())]
            said += [text for name in spec.alerts for text in annotations_of_the_catalog(spec, name)]
            said += [metric.help for metric in spec.metrics.values()]
            said += [signal.title for signal in spec.signals.values()]
            said += [board.title for board in spec.dashboards.values()]
            said += [value for label in spec.metrics["orders_total"].labels.values() for value in label.values or ()]
            for text in said:
                if text is not None:
                    assert collapsed(text) in shown, (one.seed, text)


def annotations_of_the_catalog(spec: Spec, name: str) -> list[str | None]:
    alert = spec.alerts[name]
    return [alert.impact, alert.action, alert.runbook]


def test_dockerfiles_carry_the_texts(cases: list[Case]) -> None:
    for one in cases:
        for root, spec in one.environments():
            lines = one.files[f"{root}/Dockerfile"].split("\n")
            (install,) = [line for line in lines if line.startswith('RUN ["pip"')]
            assert json.loads(install.removeprefix("RUN ")) == [
                "pip",
                "install",
                "--no-cache-dir",
                *spec.service.install,
            ]
            kinds = ("#", "FROM ", "ENV ", "RUN [", "WORKDIR ", "COPY ", "USER ", "EXPOSE ", "CMD [")
            assert all(line.startswith(kinds) for line in lines if line)


@pytest.mark.e2e
def test_compose_carries_the_texts(cases: list[Case]) -> None:
    compose = tool("docker-compose")
    dollars = [one for one in cases if "$" in one.said["service"].get("health", "")]
    assert dollars
    for one in [*dollars[:EVERY], *cases[::EVERY]]:
        for root, spec in one.environments():
            file = one.folder / root / "compose.yaml"
            environment = {"SLACK": "x", "GRAFANA_ADMIN_PASSWORD": "x", "X": "interpolated", "PATH": "/usr/bin:/bin"}
            told = run(compose, "-f", file, "config", "--format", "json", env=environment)
            check = json.loads(told)["services"]["api"]["healthcheck"]["test"][-1].replace("$$", "$")
            assert repr(spec.service.health) in check
            assert "interpolated" not in told
