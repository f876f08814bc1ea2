"""What the local engine is asked to run: plain values, made from a spec by the CLI and kept as JSON beside the run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

RUN_PLACEHOLDER: Final = "{run}"
# Rendered for other engines; the local one reads `prometheus/targets/*.json`.
IGNORED_INPUTS: Final = ("prometheus/targets/docker",)


@dataclass(frozen=True)
class Port:
    """A port that a process listens on, and the key of the spec that says so."""

    number: int
    host: str
    key: str


@dataclass(frozen=True)
class Program:
    """One supervised process.

    `tool` names the binary to locate; None means this Python. `argv` (without the binary), `cwd` and the values of
    `env` may contain "{run}", the run directory's path. `ready` is a URL that answers 200 when the program can work.
    `reload` is a URL to POST to when the files of `config` changed; without it the program is restarted. The entries
    of `config` are files or folders below the rendered tree; a program with `reload` reads a copy, at "{run}/<entry>".
    `fingerprint` is any text that stands for inputs outside of the rendered tree, such as a hash of the service's
    sources: the program is restarted when it changes.
    """

    name: str
    tool: str | None
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    port: Port
    url: str
    ready: str
    title: str
    required: bool
    reload: str | None
    config: tuple[str, ...]
    fingerprint: str = ""

    def same_command(self, other: "Program") -> bool:
        """Whether a running process started for `other` is the process that this program wants."""

        def command(program: Program) -> tuple[object, ...]:
            return (program.tool, program.argv, dict(program.env), program.cwd, program.port, program.fingerprint)

        return command(self) == command(other)


@dataclass(frozen=True)
class Plan:
    """A project's programs in one environment, in the order in which they start; they stop in the reverse order.

    `root` is the folder that holds `projects/` and `generated/`; `rendered` is `generated/<project>/<env>`. `secrets`
    names the environment variables that become files of mode 0600, `{run}/alertmanager/secrets/NAME`.
    """

    project: str
    env: str
    root: Path
    rendered: Path
    programs: tuple[Program, ...]
    secrets: tuple[str, ...] = ()

    def inputs_hash(self, program: Program) -> str:
        """A hash of everything that `program` reads from the rendered tree; a missing file counts as such."""
        digest = hashlib.sha256()
        for relative, path in config_files(self.rendered, program.config):
            digest.update(f"{relative}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


@dataclass(frozen=True)
class Limits:
    """How long things may take, in seconds, and how large a log may grow, in bytes (two such files are kept)."""

    ready: float = 60.0
    grace: float = 8.0
    backoff_first: float = 0.5
    backoff_most: float = 30.0
    healthy_after: float = 60.0
    log_bytes: int = 10_000_000


@dataclass(frozen=True)
class Launch:
    """A plan together with where its tools were found. `missing` maps the program left out to the reason."""

    plan: Plan
    tools: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def programs(self) -> tuple[Program, ...]:
        """The programs that can start."""
        return tuple(program for program in self.plan.programs if program.name not in self.missing)

    def to_json(self) -> str:
        """One line of JSON, from which `from_json` makes an equal value."""
        return json.dumps(asdict(self), default=str, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Launch":
        """The value whose `to_json` is `text`."""
        data = json.loads(text)
        return Launch(_plan(data["plan"]), data["tools"], data["missing"], Limits(**data["limits"]))


def expand(text: str, run: Path) -> str:
    """`text` with the run directory in place of "{run}"."""
    return text.replace(RUN_PLACEHOLDER, str(run))


def config_files(rendered: Path, entries: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Every file below `entries` that the local engine reads, as (path relative to `rendered`, path), sorted."""
    found: dict[str, Path] = {}
    for entry in entries:
        top = rendered / entry
        for path in [top] if top.is_file() else top.rglob("*"):
            relative = path.relative_to(rendered).as_posix()
            if path.is_file() and not relative.startswith(tuple(f"{ignored}/" for ignored in IGNORED_INPUTS)):
                found[relative] = path
    return sorted(found.items())


def _plan(data: dict[str, Any]) -> Plan:
    return Plan(
        project=data["project"],
        env=data["env"],
        root=Path(data["root"]),
        rendered=Path(data["rendered"]),
        programs=tuple(_program(program) for program in data["programs"]),
        secrets=tuple(data["secrets"]),
    )


def _program(data: dict[str, Any]) -> Program:
    tuples = {"argv": tuple(data["argv"]), "config": tuple(data["config"]), "port": Port(**data["port"])}
    return Program(**{**data, **tuples})
