"""How a panel shows its numbers: unit, range, colours and names of states."""

from typing import Any, Final

from mlspec.grafana.text import literal
from mlspec.spec.document import Spec
from mlspec.spec.meaning import Threshold, thresholds, unit_of
from mlspec.spec.signal import SignalBase, Value
from mlspec.spec.units import plain

GREEN, YELLOW, RED, NEUTRAL = "green", "yellow", "red", "text"
_LEVELS: Final = {"warning": YELLOW, "critical": RED}


def field_defaults(spec: Spec, signal: SignalBase) -> dict[str, Any]:
    """The field configuration of a signal: its bounds are the colours."""
    unit = unit_of(spec, signal)
    found = thresholds(spec, signal)
    out: dict[str, Any] = {
        "unit": unit.grafana,
        "color": {"mode": "thresholds"},
        "mappings": _mappings(spec, signal, found),
        "thresholds": {"mode": "absolute", "steps": _steps(found)},
    }
    low, high = _range(spec, signal)
    if low is not None and high is not None:
        out |= {"min": low, "max": high}
    return out


def _range(spec: Spec, signal: SignalBase) -> tuple[float | None, float | None]:
    unit = unit_of(spec, signal)
    metric = spec.find_metric(signal.metrics()[0]) if isinstance(signal, Value) else None
    if metric and metric[1].range:
        low, high = metric[1].range
        return float(low.to(unit)), float(high.to(unit))
    if unit.dimension == "share" and signal.kind in ("share", "ratio", "within", "mean", "quantile", "up"):
        return 0, float(1 / unit.size)
    return None, None


def _steps(found: list[Threshold]) -> list[dict[str, Any]]:
    """Grafana's steps: each colour holds from its value on, the first from below everything."""
    above = {t.level: float(t.value) for t in found if t.direction == "above"}
    below = {t.level: float(t.value) for t in found if t.direction == "below"}
    if above:
        ordered = sorted((value, _LEVELS[level]) for level, value in above.items())
        return [_step(None, GREEN), *(_step(value, color) for value, color in ordered)]
    if below:
        ordered = sorted((value, _LEVELS[level]) for level, value in below.items())
        colors = [color for _, color in ordered] + [GREEN]
        return [_step(None, colors[0]), *(_step(v, c) for (v, _), c in zip(ordered, colors[1:], strict=True))]
    return [_step(None, GREEN if found else NEUTRAL)]


def _step(value: float | None, color: str) -> dict[str, Any]:
    return {"color": color, "value": value}


def _mappings(spec: Spec, signal: SignalBase, found: list[Threshold]) -> list[dict[str, Any]]:
    """The names of a gauge's states; the state that is a bound has the bound's colour."""
    metric = spec.find_metric(signal.metrics()[0]) if isinstance(signal, Value) else None
    bad = {plain(t.value): _LEVELS[t.level] for t in found if t.direction == "equal"}
    states = {plain(q.number): text for q, text in metric[1].states.items()} if metric else {}
    named = {value: states.get(value) for value in [*states, *(value for value in bad if value not in states)]}
    if not named:
        return []
    options = {
        value: {
            "index": index,
            "color": bad.get(value, GREEN if bad else NEUTRAL),
            **({"text": literal(text)} if text else {}),
        }
        for index, (value, text) in enumerate(named.items())
    }
    return [{"type": "value", "options": options}]
