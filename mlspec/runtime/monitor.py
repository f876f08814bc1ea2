"""The monitor: the one object of a generated module that knows its metrics, its endpoint and its probes."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import prometheus_client as client
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from mlspec import names
from mlspec.runtime import settings, workers
from mlspec.runtime.core import Core, Registry
from mlspec.runtime.exposition import Exposition
from mlspec.runtime.http import Http
from mlspec.runtime.metrics import BulkHistogram, Counter, Gauge, Histogram, Mode
from mlspec.runtime.middleware import Application, Middleware
from mlspec.runtime.probes import Asker, Probe, ProbeMetrics

log = logging.getLogger("mlspec.runtime")


class Monitor(Core):
    """Metrics, /metrics and probes of one project, in a registry of its own."""

    def __init__(self, project: str) -> None:
        super().__init__()
        self.settings = settings.load(project)
        self._probe_metrics = ProbeMetrics(self.registry)
        self._probes: dict[str, Probe] = {}
        self._askers: list[Asker] = []
        self._asking_pid = 0
        self._served = self._make_served(BuildInfo(project, self.settings.env))
        self._exposition = Exposition(self._served)
        if workers.late():
            self.faults.swallow(names.MULTIPROC_DIR, "the variable was set after prometheus_client was imported")

    def counter(self, name: str, help: str) -> Counter:
        """A counter without labels."""
        self.faults.watch(name)
        return Counter(name, client.Counter(name, help, registry=self.registry), self.faults)

    def gauge(self, name: str, help: str, *, mode: Mode = "livemin") -> Gauge:
        """A gauge without labels. Of several workers the least value counts, unless `mode` says otherwise."""
        self.faults.watch(name)
        return Gauge(name, client.Gauge(name, help, registry=self.registry, multiprocess_mode=mode), self.faults)

    def histogram(self, name: str, help: str, *, buckets: Sequence[float]) -> Histogram:
        """A histogram without labels, with these upper edges (ascending, without +Inf)."""
        self.faults.watch(name)
        return Histogram(name, BulkHistogram(name, help, registry=self.registry, buckets=tuple(buckets)), self.faults)

    def instrument(self, app: Any, *, http: Http | None = None, probes: Iterable[Probe] = ()) -> None:
        """Measure every request to a Starlette or FastAPI `app`, serve its /metrics, and ask the probes while it runs.

        Call it once, where the app is made. What can't be instrumented is logged and left as it is.
        """
        if not hasattr(app, "add_middleware"):
            log.error("%r has no add_middleware and is not measured: use Monitor.wrap for other ASGI applications", app)
            return
        if any(_is_ours(middleware, self) for middleware in getattr(app, "user_middleware", ())):
            log.warning("%r is instrumented already", app)
            return
        self._add_probes(probes)
        options = self._options(http, app)
        try:
            app.add_middleware(Middleware, **options)
        except RuntimeError:  # it has started: what comes from now on is measured
            app.middleware_stack = Middleware(app.middleware_stack, **options)

    def wrap(self, app: Application, *, http: Http | None = None, probes: Iterable[Probe] = ()) -> Application:
        """Any ASGI `app`, measured; serve what this returns."""
        self._add_probes(probes)
        return Middleware(app, **self._options(http, app))

    def start(self) -> None:
        """Start to ask the probes in this process, unless they are being asked. The middleware calls it."""
        if self._asking_pid == os.getpid():
            return
        self._asking_pid = os.getpid()
        timings = self.settings.probes
        self._askers = [
            Asker(probe.timed(timings.get(name)), self._probe_metrics) for name, probe in self._probes.items()
        ]
        for asker in self._askers:
            asker.start()

    def stop(self) -> None:
        """Ask the probes no more. The middleware calls it when the application ends."""
        for asker in self._askers:
            asker.stop()
        self._askers, self._asking_pid = [], 0

    def render(self, accept: str = "") -> bytes:
        """What /metrics answers to a client with this Accept header."""
        return self._exposition.render(accept, zipped=False)[0]

    def _add_probes(self, probes: Iterable[Probe]) -> None:
        self._probes.update((probe.gauge.name, probe) for probe in probes)

    def _options(self, http: Http | None, app: object) -> dict[str, Any]:
        measured = http or Http()
        self._served.before.append(measured.tallies.settle)
        return {
            "http": measured,
            "exposition": self._exposition,
            "root": app,
            "started": self.start,
            "stopped": self.stop,
        }

    def _make_served(self, build: "BuildInfo") -> Registry:
        """The registry behind /metrics. With several workers it reads their files, not this process's metrics."""
        if self.directory is None:
            registry = self.registry
            ProcessCollector(registry=registry)
        else:
            registry = Registry()
            registry.register(workers.Workers(self.directory))
        PlatformCollector(registry=registry)
        registry.register(build)
        return registry


class BuildInfo(Collector):
    """A gauge of 1 that tells project, environment and mlspec's version."""

    def __init__(self, project: str, env: str) -> None:
        self._labels = {names.PROJECT: project, names.ENV: env, "version": _version()}

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(names.BUILD_INFO, "What is monitored, and by which mlspec.", labels=[*self._labels])
        family.add_metric([*self._labels.values()], 1)
        yield family


def _is_ours(entry: Any, monitor: Monitor) -> bool:
    return getattr(entry, "cls", None) is Middleware and entry.kwargs.get("started") == monitor.start


def _version() -> str:
    try:
        return version("mlspec")
    except PackageNotFoundError:
        return settings.UNKNOWN
