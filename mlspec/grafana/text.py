"""Texts of the user's that Grafana must not take for variables of its own."""

import re

_JOINER = "\u2060"  # takes no room and joins nothing: it only keeps `$job` from being a variable
_VARIABLE = re.compile(r"\$(?=\{|__|(?:job|instance|datasource)\b)|\[(?=\[)")


def literal(text: str) -> str:
    """A title or description in which nothing is interpolated."""
    return _VARIABLE.sub(lambda match: match[0] + _JOINER, text)


def legend(series: str) -> str:
    """A series name in Grafana's format: `{label}` becomes `{{label}}`, and nothing else is interpolated."""
    parts = re.split(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", series)
    out = ""
    for index, part in enumerate(parts):
        out += f"{{{{{part}}}}}" if index % 2 else literal(part.replace("{{", "{" + _JOINER + "{"))
    return out
