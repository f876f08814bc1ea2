"""The command line: arguments, printing and exit codes; nothing else.

Exit codes: 0 clean, 1 findings, 2 could not run.
"""

import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from mlspec import __version__, pipeline
from mlspec.diagnostic import as_text
from mlspec.resolve import Environment

if TYPE_CHECKING:
    from mlspec.live import Report
    from mlspec.stack.local import Terminal

F = TypeVar("F", bound=Callable[..., Any])

CLEAN: Final = 0
FINDINGS: Final = 1
COULD_NOT_RUN: Final = 2

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def main() -> NoReturn:
    """Run the command line; what goes wrong inside of mlspec is told in one line."""
    try:
        sys.exit(cli(standalone_mode=False) or CLEAN)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(COULD_NOT_RUN)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(COULD_NOT_RUN)
    except OSError as error:
        click.echo(f"error: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        sys.exit(COULD_NOT_RUN)
    except Exception as error:
        if os.environ.get("MLSPEC_DEBUG"):
            raise
        click.echo(f"error: mlspec failed ({type(error).__name__}: {error}); MLSPEC_DEBUG=1 shows where", err=True)
        sys.exit(COULD_NOT_RUN)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mlspec")
def cli() -> None:
    """Monitoring of machine-learning services, declared once in a YAML spec."""


def _specs(command: F) -> F:
    return click.argument("specs", metavar="SPEC...", nargs=-1, required=True, type=_FILE)(command)


def _spec(command: F) -> F:
    return click.argument("spec", type=_FILE)(command)


def _environment(default: str) -> Callable[[F], F]:
    return click.option("--env", metavar="NAME", help=f"The environment; default: {default}.")


_OUTPUT = click.option(
    "--output", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Root of what is written."
)


@cli.command()
@_specs
@_environment("every one")
@_OUTPUT
@click.option("--check", is_flag=True, help="Write nothing; fail if what is on disk is not what would be written.")
@click.option("--overwrite", is_flag=True, help="Replace files that were edited by hand.")
def render(specs: Sequence[Path], env: str | None, output: Path | None, check: bool, overwrite: bool) -> int:
    """Write everything that follows from each SPEC, below generated/."""
    code = CLEAN
    for spec in specs:
        root = output or pipeline.root_of(spec)
        outcome = pipeline.validate(spec, root, env) if check else pipeline.render(spec, root, env, overwrite)
        _print_findings(outcome)
        if outcome.failed:
            code = FINDINGS
        elif check:
            click.echo(f"{spec}: everything that it renders is fresh")
        else:
            click.echo(_written(spec, outcome.written, root))
    return code


def _written(spec: Path, written: Sequence[str], root: Path) -> str:
    if not written:
        return f"{spec}: nothing changed"
    shown = "\n".join(f"  {path}" for path in written)
    return f"{spec}: {_count(len(written), 'file')} written below {root}\n{shown}"


@cli.command()
@_specs
@_environment("every one; with --live the first")
@_OUTPUT
@click.option("--live", is_flag=True, help="Ask the running service, Prometheus and Alertmanager too.")
@click.option("--require-data", is_flag=True, help="With --live: not enough traffic yet is an error.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def validate(
    specs: Sequence[Path], env: str | None, output: Path | None, live: bool, require_data: bool, form: str
) -> int:
    """Check each SPEC, that what was generated from it is fresh, and with --live that what runs matches it."""
    if require_data and not live:
        raise click.UsageError("--require-data goes with --live")
    code, told = CLEAN, []
    for spec in specs:
        outcome = pipeline.validate(spec, output or pipeline.root_of(spec), env)
        report = _asked_live(outcome, env, require_data) if live and not outcome.failed else None
        failed = outcome.failed or (report is not None and report.failed)
        code = max(code, FINDINGS if failed else CLEAN, COULD_NOT_RUN if report and report.unreachable else CLEAN)
        if form == "json":
            told.append(_as_data(spec, outcome, report))
            continue
        _print_findings(outcome)
        if report is not None:
            click.echo(report.as_text())
        if not failed:
            click.echo(f"{spec}: clean" + _counted(outcome))
    if form == "json":
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    return code


def _counted(outcome: pipeline.Outcome) -> str:
    if outcome.project is None:
        return ""
    spec = outcome.project.environments[0].spec
    names = ", ".join(environment.name for environment in outcome.project.environments)
    return f" ({len(spec.metrics)} metrics, {len(spec.signals)} signals, {len(spec.alerts)} alerts; {names})"


def _asked_live(outcome: pipeline.Outcome, env: str | None, require_data: bool) -> "Report":
    from mlspec.live import ask

    assert outcome.project is not None
    return ask(outcome.project, outcome.project.environment(env), require_data=require_data)


def _as_data(spec: Path, outcome: pipeline.Outcome, report: "Report | None") -> dict[str, Any]:
    out: dict[str, Any] = {
        "spec": spec.as_posix(),
        "clean": not outcome.failed and (report is None or not report.failed),
        "findings": [asdict(finding) for finding in outcome.findings],
    }
    return {**out, "live": report.as_data()} if report is not None else out


def _print_findings(outcome: pipeline.Outcome) -> None:
    if outcome.findings:
        click.echo(as_text(outcome.findings, outcome.sources), err=True)
    errors = sum(finding.severity == "error" for finding in outcome.findings)
    warnings = len(outcome.findings) - errors
    if outcome.findings:
        click.echo(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}", err=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _chosen(spec: Path, env: str | None) -> tuple[Environment, Path]:
    """The environment of a spec that is to run, rendered afresh; ends the command where that cannot be."""
    root = pipeline.root_of(spec)
    outcome = pipeline.render(spec, root)
    _print_findings(outcome)
    if outcome.project is None or outcome.failed:
        raise SystemExit(FINDINGS)
    gc.enable()  # from here on, it may be long
    return _named(outcome.project, env), root


def _read(spec: Path, env: str | None) -> tuple[Environment, Path]:
    """The environment of a spec, nothing written."""
    outcome = pipeline.analyse(spec, env)
    if outcome.project is None:
        _print_findings(outcome)
        raise SystemExit(FINDINGS)
    gc.enable()
    return _named(outcome.project, env), pipeline.root_of(spec)


def _named(project: Any, env: str | None) -> Environment:
    try:
        found: Environment = project.environment(env)
    except StopIteration:
        names = ", ".join(environment.name for environment in project.environments)
        raise click.UsageError(f"{project.path} has no environment `{env}`; it has {names}") from None
    return found


def _terminal() -> "Terminal":
    from mlspec.stack.local import Terminal

    return Terminal()


_ENGINE = click.option("--engine", type=click.Choice(["local"]), default="local", show_default=True)


@cli.command()
@_spec
@_environment("the first")
@_ENGINE
@click.option("--detach", is_flag=True, help="Return when everything is ready; `mlspec down` stops it.")
@click.option("--without", metavar="NAME", multiple=True, help="Leave a program out; of one that runs, stop it.")
def up(spec: Path, env: str | None, engine: str, detach: bool, without: Sequence[str]) -> int:
    """Render SPEC and run its stack; of one that runs already, reload what changed.

    `--without api` stops the service alone, to see who is told; `mlspec up` again starts it.
    """
    from mlspec.stack import local
    from mlspec.stack.programs import plan_of

    environment, root = _chosen(spec, env)
    plan = plan_of(environment, root)
    names = [program.name for program in plan.programs]
    if unknown := [name for name in without if name not in names]:
        raise click.BadParameter(
            f"there is no program `{unknown[0]}`; there is {', '.join(names)}", param_hint="--without"
        )
    kept = tuple(program for program in plan.programs if program.name not in without)
    return local.up(replace(plan, programs=kept), detach=detach, report=_terminal())


@cli.command()
@_spec
@_environment("the first")
def down(spec: Path, env: str | None) -> int:
    """Stop everything that `mlspec up` started, whatever is left of it."""
    from mlspec.stack import local

    environment, root = _read(spec, env)
    return local.down(root, environment.spec.project, environment.name, _terminal())


@cli.command()
@_spec
@_environment("the first")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(spec: Path, env: str | None, form: str) -> int:
    """Tell what runs."""
    from mlspec.stack import local

    environment, root = _read(spec, env)
    programs = local.status(root, environment.spec.project, environment.name)
    if form == "json":
        click.echo(json.dumps([asdict(program) for program in programs], indent=2))
    elif not programs:
        click.echo(f"{environment.spec.project} ({environment.name}) does not run; `mlspec up {spec}` starts it")
    else:
        width = max(len(program.title) for program in programs)
        for program in programs:
            notes = [f"restarts {program.restarts}"] if program.restarts else []
            notes += [f"last exit {program.last_exit}"] if program.last_exit else []
            told = "  ".join([program.url, *notes, program.note])
            click.echo(f"{program.title:<{width}}  {program.phase:<13}  {told}".rstrip())
    return CLEAN if programs and all(program.phase in ("ready", "left out") for program in programs) else FINDINGS


@cli.command()
@_spec
@click.argument("name", required=False)
@_environment("the first")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is added.")
@click.option("--lines", "-n", type=click.IntRange(0, 100_000), default=50, show_default=True)
def logs(spec: Path, name: str | None, env: str | None, follow: bool, lines: int) -> int:
    """Show what the programs of SPEC's stack said, or the one NAMEd."""
    from mlspec.stack import local

    environment, root = _read(spec, env)
    try:
        for line in local.logs(root, environment.spec.project, environment.name, name, follow=follow, lines=lines):
            click.echo(line)
    except local.StackError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        pass
    return CLEAN


class _Share(click.ParamType[float]):
    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`5%` or `0.05`."""
        if isinstance(value, float):
            return value
        try:
            share = float(value[:-1]) / 100 if value.endswith("%") else float(value)
        except ValueError:
            self.fail(f"`{value}` is no share: write `5%` or `0.05`", param, ctx)
        if not 0 <= share <= 1:
            self.fail(f"{value} is no share: it lies between 0 and 100%", param, ctx)
        return share


class _Seconds(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`60s`, `5m`, `1h`."""
        from mlspec.spec.units import UnitError, milliseconds

        if isinstance(value, float):
            return value
        try:
            seconds = milliseconds(value) / 1000
        except UnitError as error:
            self.fail(f"{error}", param, ctx)
        if not 0 < seconds <= 86_400:
            self.fail(f"`{value}` is too {'long' if seconds else 'short'}: up to 1d", param, ctx)
        return seconds


@cli.command()
@_spec
@_environment("the first")
@click.option("--rate", type=click.FloatRange(0.01, 1000), default=10.0, show_default=True, help="Requests per second.")
@click.option("--duration", type=_Seconds(), default="60s", show_default=True, help="For how long.")
@click.option("--errors", type=_Share(), default="0%", show_default=True, help="Share of requests that are wrong.")
@click.option("--drifted", type=_Share(), default="0%", show_default=True, help="Share of requests from elsewhere.")
@click.option("--seed", type=int, default=42, show_default=True, help="Of the sample traffic.")
def simulate(
    spec: Path, env: str | None, rate: float, duration: float, errors: float, drifted: float, seed: int
) -> int:
    """Send the sample traffic of SPEC to the service that runs."""
    from mlspec.runtime.traffic import Mix
    from mlspec.stack.local import StackError
    from mlspec.stack.traffic import send_sample_traffic

    environment, root = _read(spec, env)
    mix = Mix(errors=errors, drifted=drifted)
    with click.progressbar(length=round(duration * 10), label="sending", show_eta=True) as bar:
        try:
            summary = send_sample_traffic(
                environment.spec,
                root,
                mix,
                rate=rate,
                duration=duration,
                seed=seed,
                progress=lambda done: bar.update(min(round(done.elapsed * 10), bar.length or 0) - bar.pos),
            )
        except StackError as error:
            raise click.ClickException(str(error)) from error
    click.echo("\n".join(summary.lines()))
    return CLEAN
