"""Whether Alertmanager runs on the rendered configuration."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from mlspec.live.evidence import Evidence
from mlspec.live.result import Said

AREA: Final = "alertmanager"
NEEDS: Final = "alertmanager"
RENDERED: Final = "alertmanager/alertmanager.yml"
_MASKED: Final = "<secret>"


def receiver_missing(seen: Evidence) -> Iterator[Said]:
    """Alertmanager does not know a receiver of the spec.

    Why: It is told of nothing.
    Instead: Run `mlspec up`, which reloads Alertmanager. If it refuses, its log says why.
    """
    loaded = _receivers(_loaded(seen))
    for name in seen.environment.spec.notify:
        if name not in loaded:
            known = ", ".join(loaded) or "none"
            yield Said(name, f"Alertmanager has no such receiver; it has {known}", ("notify", name))


def receiver_differs(seen: Evidence) -> Iterator[Said]:
    """Alertmanager reaches a receiver in another way than the spec says.

    Why: Somebody else is told, or nobody.
    Instead: Run `mlspec up`, which reloads Alertmanager.
    """
    loaded, rendered = _receivers(_loaded(seen)), _receivers(_rendered(seen))
    for name in seen.environment.spec.notify:
        if name in loaded and (path := _difference(rendered.get(name), loaded[name])):
            yield Said(name, f"{path} is not as rendered", ("notify", name))


def routing_differs(seen: Evidence) -> Iterator[Said]:
    """Alertmanager routes, groups or silences alerts otherwise than rendered.

    Why: Alerts reach others than the spec says, at other times, or not at all.
    Instead: Run `mlspec up`, which reloads Alertmanager.
    """
    loaded, rendered = _loaded(seen), _rendered(seen)
    for part in ("route", "inhibit_rules"):
        if part in rendered and (path := _difference(rendered[part], loaded.get(part), part)):
            yield Said("routing", f"{path} is not as rendered", ("notify",))


def _loaded(seen: Evidence) -> Mapping[str, Any]:
    return seen.alertmanager if isinstance(seen.alertmanager, dict) else {}


def _rendered(seen: Evidence) -> Mapping[str, Any]:
    return yaml.safe_load(seen.rendered.get(RENDERED, "")) or {}


def _receivers(config: Mapping[str, Any]) -> dict[str, Any]:
    receivers = config.get("receivers")
    found = receivers if isinstance(receivers, list) else []
    return {str(one["name"]): one for one in found if isinstance(one, dict) and "name" in one}


def _difference(rendered: Any, loaded: Any, path: str = "") -> str:
    """Where what is loaded first lacks something rendered; what Alertmanager adds by itself is no difference."""
    if isinstance(rendered, dict):
        if not isinstance(loaded, dict):
            return path
        inner = (_difference(value, loaded.get(key), f"{path}.{key}".lstrip(".")) for key, value in rendered.items())
        return next(filter(None, inner), "")
    if isinstance(rendered, list):
        if not isinstance(loaded, list) or len(loaded) != len(rendered):
            return path
        if all(isinstance(one, str) for one in (*rendered, *loaded)):  # matchers and labels, which it sorts
            return "" if sorted(rendered) == sorted(loaded) else path
        pairs = enumerate(zip(rendered, loaded, strict=True))
        return next(filter(None, (_difference(a, b, f"{path}[{i}]") for i, (a, b) in pairs)), "")
    return "" if rendered == loaded or loaded == _MASKED or str(rendered) == str(loaded) else path
