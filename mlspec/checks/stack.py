"""Ports, targets and people that the stack cannot serve."""

from collections.abc import Iterator

from mlspec.diagnostic import Problem
from mlspec.resolve import Environment
from mlspec.spec.units import duration


def port_collision(environment: Environment) -> Iterator[Problem]:
    """Two parts of the stack listen on one port.

    Why: The second could not start.
    Instead: Change one of the two.
    """
    spec = environment.spec
    stack = spec.stack
    ports: list[tuple[tuple[str, ...], int]] = [
        (("service", "port"), spec.service.port),
        (("stack", "prometheus", "port"), stack.prometheus.port),
        (("stack", "alertmanager", "port"), stack.alertmanager.port),
    ]
    for name, part in (("grafana", stack.grafana), ("node_exporter", stack.node_exporter), ("mlflow", stack.mlflow)):
        if part is not None:
            ports.append((("stack", name, "port"), part.port))
    taken: dict[int, tuple[str, ...]] = {}
    for at, port in ports:
        if port in taken:
            message = (
                f"port {port} is taken twice in `{environment.name}`: by `{'.'.join(taken[port])}` and `{'.'.join(at)}`"
            )
            written = at if at in environment.layer.origins else taken[port]
            yield Problem(written, message)
        taken.setdefault(port, at)


def job_collision(environment: Environment) -> Iterator[Problem]:
    """A target has the name of the service's own job.

    Why: Their series could not be told apart.
    Instead: Rename the target, or set `service.job`.
    """
    spec = environment.spec
    if spec.job in spec.targets:
        at = ("service", "job") if spec.service.job else ("project",)
        yield Problem(at, f"job `{spec.job}` is both the service and a target")


def nobody_told(environment: Environment) -> Iterator[Problem]:
    """No receiver is declared at all.

    Why: An alert that nobody receives is no alert.
    Instead: Add a receiver to `notify`. Where nobody shall be told, remove them: `notify: {team: null}`.
    Severity: warning
    """
    spec = environment.spec
    deliberately = any(at[0] == "notify" for at in environment.layer.removed)
    if spec.alerts and not spec.notify and not deliberately:
        yield Problem(("notify",), f"nobody is told of the alerts of `{environment.name}`", on_key=True)


def unrouted_alert(environment: Environment) -> Iterator[Problem]:
    """An alert's severity or owner is one that no receiver takes.

    Why: An alert that nobody receives is no alert.
    Instead: Add the severity to a receiver, or change the alert's.
    Severity: warning
    """
    spec = environment.spec
    receivers = [r for r in spec.notify.values() if not r.watchdog]
    if not receivers:
        return
    taken = {s for r in receivers if r.owner in (None, spec.owner) for s in r.severity}
    for name, alert in spec.alerts.items():
        own = not environment.layer.origin(("alerts", name)).is_pack
        if alert.severity not in taken and alert.severity not in ("none", "info") and own:
            at = ("alerts", name, "severity")
            yield Problem(at, f"no receiver takes alert `{name}` of severity {alert.severity}")


def reserved_alert_label(environment: Environment) -> Iterator[Problem]:
    """An alert sets a label that mlspec sets itself.

    Why: Routes, inhibition and dashboards rely on them.
    Instead: Choose another name.
    """
    for name, alert in environment.spec.alerts.items():
        for label in alert.labels:
            if label in ("alertname", "project", "env", "signal", "severity", "owner", "kind", "job", "instance"):
                yield Problem(
                    ("alerts", name, "labels", label), f"alert `{name}` sets the label `{label}`", on_key=True
                )


def window_shorter_than_scrapes(environment: Environment) -> Iterator[Problem]:
    """A window that is shorter than what rates need.

    Why: A rate needs two scrapes at least, and four to survive one that is missed.
    Instead: Make `over` at least four times the scrape interval.
    """
    spec = environment.spec
    shortest = 2 * spec.stack.prometheus.scrape_interval
    for name, signal in spec.signals.items():
        if signal.over < shortest and signal.kind not in ("value", "up", "age", "expr", "distribution"):
            at = ("signals", name, "over")
            message = f"signal `{name}` looks at {duration(signal.over)}, and two scrapes take {duration(shortest)}"
            yield Problem(at, message)


def not_rendered_yet(environment: Environment) -> Iterator[Problem]:
    """A part of the language that is read and checked, and from which nothing is made yet.

    Why: What is declared and not made should not be relied on.
    Instead: Leave it for a later version of mlspec, or remove it.
    Severity: warning
    """
    spec = environment.spec
    parts = {
        ("drift",): spec.drift,
        ("model",): spec.model,
        ("stack", "mlflow"): spec.stack.mlflow,
        ("stack", "include"): spec.stack.include,
    }
    for at, part in parts.items():
        if part is not None:
            yield Problem(at, f"`{'.'.join(at)}` is accepted, and nothing is made from it yet", on_key=True)
