"""What all metrics of one instrumentation module share: a registry, a record of faults, the workers' ledger."""

from collections.abc import Callable, Iterable, Iterator
from typing import cast

import prometheus_client as client
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from mlspec.runtime import workers
from mlspec.runtime.faults import Faults
from mlspec.runtime.ledger import Ledger


class Registry(client.CollectorRegistry):
    """A registry that leaves out the `_created` series: they double what is scraped and answer no signal.

    What is in `before` is called before each collection.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before: list[Callable[[], None]] = []

    def collect(self) -> Iterator[Metric]:
        for settle in self.before:
            settle()
        for metric in super().collect():
            metric.samples = [sample for sample in cast("Iterable[Sample]", metric.samples) if not _is_birth(sample)]
            yield metric


def _is_birth(sample: Sample) -> bool:
    return sample.name.endswith("_created")


class Core:
    """The home of a module's metrics.

    `directory` is prometheus_client's multi-process directory, None with a single worker.
    """

    def __init__(self) -> None:
        workers.prepare()
        self.registry = Registry()
        self.faults = Faults(self.registry)
        self.directory = workers.directory()
        self.ledger = Ledger(self.directory, self.faults.swallow) if self.directory else None
