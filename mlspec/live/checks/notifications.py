"""Whether Prometheus sends its alerts to the Alertmanager of the spec."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from mlspec.live.evidence import Evidence
from mlspec.live.result import Said

AREA: Final = "prometheus"
NEEDS: Final = "managers"


def alerts_go_nowhere(seen: Evidence) -> Iterator[Said]:
    """Prometheus does not send alerts to the spec's Alertmanager.

    Why: Alerts fire, and nobody is told.
    Instead: Run `mlspec up`, which renders the targets afresh and reloads Prometheus.
    """
    port = seen.environment.spec.stack.alertmanager.port
    found = [urlsplit(url).netloc for url in seen.managers] if isinstance(seen.managers, tuple) else []
    if not {f"127.0.0.1:{port}", "alertmanager:9093"} & set(found):
        known = f"to {', '.join(found)}" if found else "nowhere"
        said = f"it sends alerts {known}; the spec's Alertmanager is at 127.0.0.1:{port}"
        yield Said("Prometheus", said, ("stack", "alertmanager", "port"))
