"""The running stack against its spec: what `mlspec validate --live` asks and says.

`ask` fetches everything first; then each check judges what was fetched, and knows nothing of how it came.
"""

import time
from collections.abc import Mapping

from mlspec import names
from mlspec.live.evidence import Evidence, Silence
from mlspec.live.exposition import parse
from mlspec.live.judge import judged
from mlspec.live.prometheus import Prometheus, read_alertmanager
from mlspec.live.questions import questions
from mlspec.live.report import Report
from mlspec.live.result import Result
from mlspec.live.web import BUDGET, Web
from mlspec.render import render_project
from mlspec.resolve import Environment, Project


def ask(project: Project, environment: Environment, *, require_data: bool, budget: float = BUDGET) -> Report:
    """Ask the service, Prometheus and Alertmanager of one environment. Never raises for what they answer or don't.

    It takes at most about `budget` seconds. `require_data` makes a failure of what waits for traffic.
    """
    seen = gather(project, environment, budget)
    unreachable = isinstance(seen.exposed, Silence) and isinstance(seen.targets, Silence)
    return Report(project.path, environment.name, tuple(judged(seen)), require_data, unreachable)


def gather(project: Project, environment: Environment, budget: float = BUDGET) -> Evidence:
    """Everything that the checks judge."""
    spec = environment.spec
    asked = questions(environment)
    with Web(budget) as web:
        address = spec.addresses(spec.job)
        assert address is not None
        metrics = f"http://{address[0]}{names.METRICS_PATH}"
        manager = f"http://127.0.0.1:{spec.stack.alertmanager.port}"
        prometheus = Prometheus(web, f"http://127.0.0.1:{spec.stack.prometheus.port}")
        exposed = web.ok_text(metrics)
        now = time.time()
        return Evidence(
            environment,
            rendered=_rendered(project, environment),
            exposed=exposed if isinstance(exposed, Silence) else parse(exposed, metrics),
            targets=prometheus.targets(),
            rules=prometheus.rules(),
            managers=prometheus.managers(),
            series=prometheus.series(environment),
            questions=asked,
            answers=prometheus.answers(e for q in asked for e in (q.expr, q.history) if e),
            alertmanager=_alertmanager(web, manager),
            now=now,
        )


def _alertmanager(web: Web, url: str) -> Mapping[str, object] | Silence:
    ready = web.ok_text(f"{url}/-/ready")
    if isinstance(ready, Silence):
        return ready
    status = f"{url}/api/v2/status"
    return read_alertmanager(web.json(status), status)


def _rendered(project: Project, environment: Environment) -> dict[str, str]:
    """What is rendered for the environment, by its path below the environment's folder."""
    root = f"generated/{project.name}/{environment.name}/"
    files = render_project(project, environment.name)
    return {path.removeprefix(root): text for path, text in files.items() if path.startswith(root)}


__all__ = ["Report", "Result", "ask", "gather"]
