"""What generated instrumentation imports: typed metrics, HTTP measurement, predictions, probes.

Depends on prometheus_client alone; psutil is imported when a host probe is first asked. See `Monitor` for the start.
"""

from mlspec.runtime.families import CounterFamily, GaugeFamily, HistogramFamily
from mlspec.runtime.http import Http
from mlspec.runtime.labels import Closed, Open
from mlspec.runtime.metrics import Counter, Gauge, Histogram
from mlspec.runtime.monitor import Monitor
from mlspec.runtime.predictions import Measurement, Prediction, Predictions
from mlspec.runtime.probes import Probe

__all__ = [
    "Closed",
    "Counter",
    "CounterFamily",
    "Gauge",
    "GaugeFamily",
    "Histogram",
    "HistogramFamily",
    "Http",
    "Measurement",
    "Monitor",
    "Open",
    "Prediction",
    "Predictions",
    "Probe",
]
