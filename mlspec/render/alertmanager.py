"""alertmanager/alertmanager.yml: who is told of what, how it is grouped, and what silences what."""

from typing import Any

from mlspec import names
from mlspec.resolve import Environment, Project
from mlspec.spec.document import Spec
from mlspec.spec.notify import Email, Receiver, Slack, Webhook
from mlspec.spec.units import duration
from mlspec.templating import yaml_text

_NOBODY = "nobody"
_TITLE = (
    "[{{ .Status | toUpper }}] {{ .CommonLabels.alertname }} ({{ .CommonLabels.project }}, {{ .CommonLabels.env }})"
)
_TEXT = (
    "{{ range .Alerts }}{{ .Annotations.summary }}\n"
    "{{ with .Annotations.value }}Value: {{ . }}{{ end }}{{ with .Annotations.bound }} ({{ . }}){{ end }}\n"
    "{{ with .Annotations.impact }}Impact: {{ . }}\n{{ end }}"
    "{{ with .Annotations.action }}Action: {{ . }}\n{{ end }}"
    "{{ with .Annotations.runbook_url }}Runbook: {{ . }}\n{{ end }}{{ end }}"
)


def for_environment(project: Project, environment: Environment) -> dict[str, str]:
    """Routes by severity and owner; a critical silences its warning, a dead target its symptoms."""
    spec = environment.spec
    part = spec.stack.alertmanager
    config = {
        "route": {
            "receiver": _NOBODY,
            "group_by": [names.PROJECT, names.ENV, "alertname"],
            "group_wait": duration(part.group_wait),
            "group_interval": duration(part.group_interval),
            "repeat_interval": duration(part.repeat_interval),
            "routes": [*_watchdog_routes(spec), *_routes(spec)],
        },
        "inhibit_rules": _inhibitions(spec),
        "receivers": [{"name": _NOBODY}, *(_receiver(name, receiver) for name, receiver in spec.notify.items())],
    }
    return {"alertmanager/alertmanager.yml": yaml_text(config, project.path)}


def _watchdog_routes(spec: Spec) -> list[dict[str, Any]]:
    """The watchdog goes to the heartbeats, often and at once, and to nobody else."""
    heartbeats = [name for name, receiver in spec.notify.items() if receiver.watchdog]
    matchers = [_equal("alertname", "Watchdog")]
    timing = {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "1m"}
    routes: list[dict[str, Any]] = [
        {"receiver": name, "matchers": matchers, **timing, "continue": True} for name in heartbeats
    ]
    return [*routes, {"receiver": _NOBODY, "matchers": matchers}]


def _routes(spec: Spec) -> list[dict[str, Any]]:
    return [
        {"receiver": name, "matchers": _matchers(receiver), "continue": True}
        for name, receiver in spec.notify.items()
        if not receiver.watchdog
    ]


def _matchers(receiver: Receiver) -> list[str]:
    severities = [f'{names.SEVERITY}=~"{"|".join(receiver.severity)}"']
    return severities + ([_equal(names.OWNER, receiver.owner)] if receiver.owner else [])


def _equal(label: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}="{escaped}"'


def _inhibitions(spec: Spec) -> list[dict[str, Any]]:
    here = [names.PROJECT, names.ENV]
    kept = {label for alert in spec.alerts.values() for label in spec.signals[alert.signal].by}
    return [
        {
            "source_matchers": ['severity="critical"'],
            "target_matchers": ['severity="warning"', f'{names.SIGNAL}!=""'],
            "equal": [*here, names.SIGNAL, "job", "instance", *sorted(kept - {"job", "instance"})],
        },
        {
            "source_matchers": [_equal(names.KIND, names.KIND_DOWN)],
            "target_matchers": [f'{names.KIND}!="{names.KIND_DOWN}"'],
            "equal": [*here, "job"],
        },
    ]


def _receiver(name: str, receiver: Receiver) -> dict[str, Any]:
    out: dict[str, Any] = {"name": name}
    if receiver.slack:
        out["slack_configs"] = [_slack(receiver.slack)]
    if receiver.webhook:
        out["webhook_configs"] = [_webhook(receiver.webhook)]
    if receiver.email:
        out["email_configs"] = [_email(receiver.email)]
    return out


def _slack(slack: Slack) -> dict[str, Any]:
    channel = {"channel": _literal(slack.channel)} if slack.channel else {}
    return {
        "api_url_file": _secret_file(slack.webhook.secret),
        **channel,
        "send_resolved": True,
        "title": _TITLE,
        "text": _TEXT,
    }


def _webhook(webhook: Webhook) -> dict[str, Any]:
    out: dict[str, Any] = {"url": webhook.url, "send_resolved": True}
    if webhook.token:
        out["http_config"] = {"authorization": {"credentials_file": _secret_file(webhook.token.secret)}}
    return out


def _email(email: Email) -> dict[str, Any]:
    login = {"auth_username": _literal(email.username)} if email.username else {}
    password = {"auth_password_file": _secret_file(email.password.secret)} if email.password else {}
    return {
        "to": _literal(email.to),
        "from": _literal(email.sender),
        "smarthost": email.smarthost,
        **login,
        **password,
        "send_resolved": True,
        "headers": {"Subject": _TITLE},
        "text": _TEXT,
    }


def _literal(text: str) -> str:
    return text.replace("{{", '{{"{{"}}')


def _secret_file(secret: str) -> str:
    """Relative to the working directory that both engines give to Alertmanager."""
    return f"secrets/{secret}"
