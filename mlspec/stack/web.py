"""The few HTTP requests to our own programs. Not by httpx: proxies must not apply, and it takes 0.1 s to import."""

import re
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit


def ask(method: str, url: str, timeout: float) -> tuple[int, str]:
    """Status and body of one request to a plain-HTTP URL; (0, reason) when there was no answer in `timeout` seconds."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=timeout)
    try:
        connection.request(method, f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")
        answer = connection.getresponse()
        return answer.status, answer.read(4_000_000).decode(errors="replace")
    except (OSError, HTTPException) as error:
        return 0, str(error) or type(error).__name__
    finally:
        connection.close()


def is_ready(url: str, timeout: float = 1.0) -> bool:
    """Whether `url` answers 200."""
    return ask("GET", url, timeout)[0] == 200


def sample(exposition: str, metric: str) -> float | None:
    """The value of a metric without labels in a Prometheus text exposition, None when it is not there."""
    found = re.search(rf"^{re.escape(metric)} (\S+)", exposition, re.MULTILINE)
    return float(found[1]) if found else None
