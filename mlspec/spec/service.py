"""The service that is monitored, and the other jobs that Prometheus scrapes."""

import keyword
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from mlspec.spec.base import ImportPath, Integer, MetricName, Name, Port, Shape, Text
from mlspec.spec.metric import Metric


def _relative_python_file(text: str) -> str:
    parts = text.split("/")
    if not text.endswith(".py") or text.startswith("/") or "\\" in text or any(p in ("", ".", "..") for p in parts):
        raise ValueError(f"`{text}` is no path of a Python file below the project: write one as `app/monitoring.py`")
    if not all(p.isidentifier() and not keyword.iskeyword(p) for p in (*parts[:-1], parts[-1].removesuffix(".py"))):
        raise ValueError(f"`{text}` could not be imported: folders and file need to be Python names")
    return text


def _url_path(text: str) -> str:
    if not text.startswith("/") or any(c.isspace() or c in "?#\\" for c in text):
        raise ValueError(f"`{text}` is no path of a URL: it begins with `/`, without spaces, `?`, `#` and `\\`")
    return text


def _host(text: str) -> str:
    if not all(c.isascii() and (c.isalnum() or c in ".-_:[]") for c in text):
        raise ValueError(f"`{text}` is no host name or address")
    return text


def _address(text: str) -> str:
    host, _, port = _host(text).rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(f"`{text}` is no address: write `host:port`")
    return text


UrlPath = Annotated[Text, AfterValidator(_url_path)]
Host = Annotated[Text, AfterValidator(_host)]
Address = Annotated[Text, AfterValidator(_address)]


def _python_version(text: str) -> str:
    if not re.fullmatch(r"3\.[0-9]{1,2}(\.[0-9]{1,2})?", text):
        raise ValueError(f"`{text}` is no version of Python: write one as `3.12`")
    return text


def _workers(count: int) -> int:
    if not 1 <= count <= 256:
        raise ValueError(f"{count} workers: write 1 to 256")
    return count


class ServiceSection(Shape):
    """The service: where its code is and where it answers."""

    app: ImportPath = Field(description="ASGI import string.")
    instrumentation: Annotated[Text, AfterValidator(_relative_python_file)] = Field(
        description="Where the generated module goes, inside your own package."
    )
    job: Name | None = Field(None, description="Prometheus job; default: the project's name.")
    host: Host = Field("127.0.0.1", description="Address that the local engine listens on.")
    port: Port = 8000
    health: UrlPath = "/health"
    workers: Annotated[Integer, AfterValidator(_workers)] = 1
    traffic: ImportPath | None = Field(None, description="Sample requests for `mlspec simulate`.")
    install: tuple[Text, ...] = Field((".",), description="What `pip install` gets in the container.")
    python: Annotated[Text, AfterValidator(_python_version)] = Field("3.12", description="Python of the container.")


class Target(Shape):
    """Another job: where it answers, and the metrics of it that may be asked about."""

    address: Address | None = Field(None, description="host:port; default: what the stack gives it.")
    path: UrlPath = "/metrics"
    metrics: dict[MetricName, Metric] = {}
