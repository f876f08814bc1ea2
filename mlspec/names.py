"""Every metric, label and environment-variable name that mlspec itself gives out, in one place."""

from typing import Final

# Labels that every rule carries, so that one Prometheus can hold many projects and environments.
PROJECT: Final = "project"
ENV: Final = "env"
# Tells two signals apart that are recorded under one series name.
SIGNAL: Final = "signal"
# How people are called.
SEVERITY: Final = "severity"
OWNER: Final = "owner"
# Marks the alerts that tell of a dead target: they silence its symptoms.
KIND: Final = "kind"
KIND_DOWN: Final = "down"

# The value that an open label takes beyond its budget, and an HTTP route label without a route.
OTHER: Final = "other"
NO_ROUTE: Final = "none"

# What the runtime says of itself on /metrics.
BUILD_INFO: Final = "mlspec_build_info"  # gauge, 1; labels project, env, version
LABEL_OVERFLOW: Final = "mlspec_label_overflow_total"  # counter; labels metric, label: observations sent to "other"
RECORDING_ERRORS: Final = "mlspec_recording_errors_total"  # counter; label metric: exceptions of ours, swallowed
PROBE_LAST_ANSWER: Final = "mlspec_probe_last_answer_timestamp_seconds"  # gauge; label metric
PROBE_FAILURES: Final = "mlspec_probe_failures_total"  # counter; labels metric, reason (error, timeout)

# Environment variables that the stack gives to the service.
RUNTIME_FILE: Final = "MLSPEC_RUNTIME"  # path of runtime.json
DATA_DIR: Final = "MLSPEC_DATA"  # where the service may keep files
MULTIPROC_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own
STACK_ID: Final = "MLSPEC_STACK_ID"  # marks every process that `mlspec up` started

# Where the service serves its metrics.
METRICS_PATH: Final = "/metrics"
