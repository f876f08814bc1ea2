"""Asking over HTTP without ever hanging: short time-outs, one budget of time for all, bounded answers."""

import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

from mlspec.live.evidence import Silence

BUDGET: Final = 60.0  # seconds for everything that one `ask` asks
PATIENCE: Final = 6.0  # seconds for one answer: more than what Prometheus is given for a query
CONNECT: Final = 2.0
LARGEST: Final = 32 * 2**20  # bytes of one answer


class Web:
    """A client for a handful of addresses that may be down, slow or somebody else's."""

    def __init__(self, budget: float = BUDGET, patience: float = PATIENCE, largest: int = LARGEST) -> None:
        import httpx

        self._failures = (httpx.HTTPError, httpx.InvalidURL)
        self._client = httpx.Client(
            timeout=httpx.Timeout(patience, connect=min(CONNECT, patience)),
            trust_env=False,
            headers={"user-agent": "mlspec", "accept-encoding": "identity"},
        )
        self._until = time.monotonic() + budget
        self._patience = patience
        self._largest = largest

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._client.close()

    def text(self, url: str, form: Mapping[str, str] | None = None) -> tuple[int, str] | Silence:
        """Status and body of a GET, or of a POST with a form."""
        start = time.monotonic()
        end = min(self._until, start + self._patience)
        if end <= start:
            return Silence(url, "no time was left to ask it: something before it answered too slowly")
        method, accept = ("POST" if form else "GET"), "application/json, text/plain;version=0.0.4"
        body = bytearray()
        try:
            with self._client.stream(method, url, data=form, headers={"accept": accept}) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > self._largest:
                        return Silence(url, f"its answer is larger than {self._largest // 2**20} MiB")
                    if time.monotonic() > end:
                        return Silence(url, f"its answer was not complete after {self._patience:g} s")
                return response.status_code, body.decode("utf-8", "replace")
        except self._failures as error:
            return Silence(url, _why(error, self._patience))

    def ok_text(self, url: str) -> str | Silence:
        """The body of a GET that answers 200."""
        answer = self.text(url)
        if isinstance(answer, Silence):
            return answer
        status, body = answer
        return body if status == 200 else Silence(url, f"it answers {status}: {body.strip()[:200]}")

    def json(self, url: str, form: Mapping[str, str] | None = None) -> Any | Silence:
        """The JSON of an answer, whatever its status: Prometheus tells errors in it."""
        answer = self.text(url, form)
        if isinstance(answer, Silence):
            return answer
        status, body = answer
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return Silence(url, f"it answers {status}, and no JSON: {body.strip()[:200]}")


def _why(error: Exception, patience: float) -> str:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {CONNECT if isinstance(error, httpx.ConnectTimeout) else patience:g} s"
    if isinstance(error, httpx.ConnectError):
        return "nothing listens there"
    return f"the connection broke: {error or type(error).__name__}"
