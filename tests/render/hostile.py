"""Valid specs of varied structure, every text of which is one that breaks a careless program."""

import random
import re
from typing import Any, Final

import yaml

FRAGMENTS: Final = [
    # quotes, braces, backslashes
    *("'", '"', "''", '""', "\\", "\\\\", "\\'", '\\"', "`", "{", "}", "{}", "[", "]", "[]", "(", ")"),
    # templates: Prometheus and Alertmanager, Jinja, Grafana, shells, compose
    *("{{", "}}", "{{ .X }}", "{{ $value }}", '{{"{{"}}', "{{{", "{%", "%}", "{% raw %}", "{#", "#}", "{{ 7 * 7 }}"),
    *(
        "$",
        "$$",
        "${X}",
        "$X",
        "${X:?no}",
        "$(id)",
        "`id`",
        "$job",
        "$instance",
        "${datasource}",
        "$__range",
        "[[job]]",
    ),
    *("${__field.name}", "[[", "]]", "%s", "%(x)s", "%d%%", "!r", "{0}", "{x!r:>10}"),
    # Python
    *('"""', "'''", "\\N{BULLET}", "\\u0041", "\\x41", "\\", "\\n", 'r"', 'f"{x}"', "# noqa", "; import os", "\\"),
    # PromQL
    *('up{job="x"}', "rate(x_total[5m]) or vector(0)", '"} or vector(1) #', "|", ".*", "(?i)", "^$", "[a-z]+", "=~"),
    # HTML and Markdown
    *("<script>alert(1)</script>", "<b>", "</td>", "<!-- x -->", "&lt;", "&amp;", "&#60;", "<img src=x onerror=y>"),
    *(
        "| a | b |",
        "|",
        "---",
        "# head",
        "* item",
        "- item",
        "1. one",
        "[a](http://b)",
        "![a](b)",
        "**b**",
        "_i_",
        "~~",
    ),
    *(
        "```",
        "    code",
        "> quote",
        "http://a.example",
        "<http://a.example>",
        "www.a.example",
        "a@b.example",
        "[a]: b",
        "===",
    ),
    *("\\|", "\\<", ":::", "$$x$$", "^1", "[^1]", "+ item", "Setext\n===", "a  \nb"),
    # YAML
    *(
        ": ",
        " #",
        "#",
        "&a",
        "*a",
        "!x",
        "!!int",
        "%TAG",
        "@",
        "- ",
        "? ",
        "| ",
        "> ",
        "---",
        "...",
        "<<",
        "~",
        "null",
        "=",
        ",",
    ),
    *(
        "NO",
        "yes",
        "1.10",
        "007",
        "0x1F",
        "1e3",
        "2026-01-01",
        "12:30:45",
        ".inf",
        "-",
        "--- x",
        "key: value",
        "'a': b",
    ),
    # characters
    *("\n", "\r", "\r\n", "\t", "\x85", "\u2028", "\u2029", "\n\n", " ", "  ", "\u00a0", "\u3000"),
    *(
        "\u202e",
        "\u200f",
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u2060",
        "é",
        "e\u0301",
        "ß",
        "İ",
        "日本語",
        "😀",
        "👨‍👩‍👧",
        "\U0010fffd",
        "𝕏",
    ),
    *("\x1b[31m", "\x07", "\x7f", "\x08", "\x01", "\ufffd", "\ufffe", "\uffff"),
    # ends of lines and of files
    *("EOF", "<<EOF", "\\\n", "\n# x", "\n- x", "\nalert: x", "\n  expr: up", "}}\n{{"),
]
WORDS: Final = ["orders", "Slow", "the model", "p95", "5%", "50 ms", "ünïcode", "A long text. "]


class Hostile:
    """A generator of one spec: the same seed gives the same."""

    def __init__(self, seed: int) -> None:
        self._chosen = random.Random(seed)
        self._seed = seed

    def text(self) -> str:
        """A text with a few of the fragments in it."""
        chosen = self._chosen
        parts = [chosen.choice(FRAGMENTS if chosen.random() < 0.75 else WORDS) for _ in range(chosen.randint(1, 5))]
        text = chosen.choice(["", " ", ""]).join(parts)
        if chosen.random() < 0.02:
            text *= 400
        return text if text.strip() else f"{text}x"

    def value(self) -> str:
        """A text that serves as a label's value."""
        return self.text()[:150].strip() or "x"

    def maybe(self, share: float = 0.5) -> bool:
        return self._chosen.random() < share

    def series(self) -> str:
        """A series name: `{label}` has a meaning there, so no word stands in braces by itself."""
        return re.sub(r"\{(?=[A-Za-z_]\w*\})", "{ ", self.text())

    def spec(self) -> dict[str, Any]:
        """The data of a spec."""
        self.outcomes = list(dict.fromkeys(self.value() for _ in range(self._chosen.randint(2, 5))))
        name = f"p{self._seed}"
        data: dict[str, Any] = {
            "mlspec": "1",
            "project": name,
            "service": self._service(name),
            "metrics": self._metrics(),
            "signals": self._signals(name),
            "notify": self._notify(),
        }
        if self.maybe(0.9):
            data["title"] = self.text()
        if self.maybe(0.7):
            data["owner"] = self.text()
        use = self._packs()
        if use:
            data["use"] = use
        data["alerts"] = self._alerts(data["signals"])
        data["dashboards"] = {f"board{i}": self._dashboard(data["signals"]) for i in range(self._chosen.randint(0, 2))}
        if self.maybe(0.3):
            metrics = {"pg_up": {"type": "gauge", "help": self.text()}}
            data["targets"] = {"db": {"address": "db:9187", "metrics": metrics}}
        data["environments"] = self._environments(data["alerts"])
        return data

    def yaml(self) -> str:
        """The spec as YAML: escaped, or raw where the emitter is able to write it so that it reads back."""
        data = self.spec()
        raw = yaml.dump(data, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=60)
        if self.maybe() and yaml.load(raw, Loader=yaml.CBaseLoader) == yaml.load(
            escaped(data), Loader=yaml.CBaseLoader
        ):
            return raw
        return escaped(data)

    def _service(self, name: str) -> dict[str, Any]:
        service: dict[str, Any] = {"app": f"{name}.app:app", "instrumentation": f"{name}/monitoring.py"}
        if self.maybe():
            service["install"] = [self.text() for _ in range(self._chosen.randint(1, 3))]
        if self.maybe():
            service["health"] = "/h" + self._chosen.choice(
                ["$X", "${X:-no}", "'", '"', "{{x}}", "%20", "$(id)", "`", "<b>"]
            )
        return service

    def _metrics(self) -> dict[str, Any]:
        labels = {"outcome": self.outcomes, "store": {"max": "10"}}
        if self.maybe(0.3):
            labels["class"] = [self.value()]
        metrics: dict[str, Any] = {
            "orders_total": {"type": "counter", "help": self.text(), "labels": labels},
            "basket_seconds": {"type": "histogram", "help": self.text(), "buckets": ["10ms", "50ms", "100ms", "1s"]},
            "queue_length": {"type": "gauge", "help": self.text()},
            "capacity_length": {"type": "gauge", "help": self.text()},
            "model_loaded": {"type": "gauge", "help": self.text(), "states": {"0": self.text(), "1": self.text()}},
            "trained_timestamp_seconds": {"type": "gauge", "help": self.text()},
        }
        if self.maybe(0.3):
            metrics["basket_seconds"]["labels"] = {"outcome": self.outcomes}
        return metrics

    def _signals(self, name: str) -> dict[str, Any]:
        one = self._chosen.choice(self.outcomes)
        signals: dict[str, Any] = {
            "orders": {"rate": "orders_total", "where": {"outcome": one}, "above": "5"},
            "failed": {
                "share": "orders_total",
                "having": {"outcome": one},
                "above": {"warning": "1%", "critical": "5%"},
            },
            "slow": {"quantile": "0.95", "of": "basket_seconds", "above": "100ms"},
            "fast": {"within": "50ms", "of": "basket_seconds", "below": "90%"},
            "mean": {"mean": "basket_seconds", "above": "1s"},
            "many": {
                "increase": "orders_total",
                "over": "1h",
                "where": {"store": [self.value(), self.value()]},
                "above": "9",
            },
            "queue": {"value": "queue_length", "above": "7"},
            "load": {"ratio": "queue_length", "of": ["queue_length", "capacity_length"], "above": "80%"},
            "loaded": {"value": "model_loaded", "equal": "0"},
            "spread": {"distribution": "orders_total", "by": ["outcome"]},
            "bands": {"distribution": "basket_seconds", "bands": ["50ms", "1s"]},
            "answers": {"up": name},
            "old": {"age": "trained_timestamp_seconds", "above": "30d"},
            "drop": {"change": "orders", "against": "1h", "below": "-50%"},
            "own": {"expr": f"sum(orders_total{{outcome={promql(one)}}})", "above": "1"},
        }
        for signal in signals.values():
            if self.maybe():
                signal["title"] = self.text()
            if self.maybe(0.3):
                signal["description"] = self.text()
        return signals

    def _alerts(self, signals: dict[str, Any]) -> dict[str, Any]:
        watched = [name for name, signal in signals.items() if "distribution" not in signal]
        alerts = {}
        for name in self._chosen.sample(watched, self._chosen.randint(1, len(watched))):
            severity = self._chosen.choice(["warning", "critical"])
            alert: dict[str, Any] = {"signal": name, "summary": self.text(), "severity": severity}
            for key in ("description", "impact", "action", "runbook"):
                if self.maybe():
                    alert[key] = self.text()
            if self.maybe():
                alert["labels"] = {"team": self.text(), "tier": self.text()}
            if self.maybe():
                alert["for"] = "5m"
            if self.maybe(0.4) and name not in ("own", "answers"):
                alert["absent"] = self._chosen.choice(["fire", "ignore"])
            alerts[f"A{name.capitalize()}"] = alert
        return alerts

    def _dashboard(self, signals: dict[str, Any]) -> dict[str, Any]:
        pictures = {"stat": "failed", "gauge": "load", "bargauge": "spread", "pie": "spread", "table": "queue"}
        pictures |= {"heatmap": "bands", "states": "loaded", "timeseries": self._chosen.choice([*signals])}
        panels: list[dict[str, Any]] = [{"text": self.text()}]
        for picture, signal in self._chosen.sample([*pictures.items()], self._chosen.randint(1, len(pictures))):
            panel = {picture: signal}
            if self.maybe():
                panel["title"] = self.text()
            if self.maybe(0.3):
                panel["description"] = self.text()
            if self.maybe():
                panel["series"] = self.series()
            panels.append(panel)
        rows = [{"title": self.text(), "panels": panels}]
        return {"title": self.text(), "rows": rows} | ({"description": self.text()} if self.maybe() else {})

    def _notify(self) -> dict[str, Any]:
        email = {"to": self.text(), "from": self.text(), "smarthost": "mail:587", "username": self.text()}
        receivers: dict[str, Any] = {
            "team": {"slack": {"webhook": {"secret": "SLACK"}, "channel": self.text()}},
            "post": {"email": email, "owner": self.text()},
            "hook": {"webhook": {"url": "http://127.0.0.1:9099/a$b'c"}},
        }
        return {
            name: receivers[name]
            for name in ["team", *self._chosen.sample(["post", "hook"], self._chosen.randint(0, 2))]
        }

    def _packs(self) -> dict[str, Any]:
        use: dict[str, Any] = {}
        if self.maybe():
            use["http"] = {"rename": {"route": "endpoint"}} if self.maybe() else {}
        if self.maybe():
            use["predictions"] = {"prefix": "shop"} if self.maybe() else {}
        if self.maybe(0.3):
            use["host"] = {}
        if self.maybe(0.2):
            use["self"] = None
        return use

    def _environments(self, alerts: dict[str, Any]) -> dict[str, Any]:
        alert = self._chosen.choice([*alerts])
        everywhere: dict[str, Any] = {"dev": {}}
        if self.maybe():
            everywhere["prod"] = {"alerts": {alert: {"labels": {"team": self.text()}, "runbook": self.text()}}}
        if self.maybe(0.2):
            everywhere["stage-2"] = {"stack": {"grafana": {}}}
        return everywhere


def promql(text: str) -> str:
    """A PromQL string literal, as a user would write it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class _Quoting(yaml.CSafeDumper):
    """Every text in double quotes."""


_Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def escaped(data: dict[str, Any]) -> str:
    """Data as YAML in ASCII."""
    return yaml.dump(data, Dumper=_Quoting, sort_keys=False, width=100_000)
