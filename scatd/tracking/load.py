"""What the machine does while a run is at work: processor, memory, disk, network and GPU."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING

from scatd.errors import InputError
from scatd.tracking.run import Run


@contextlib.contextmanager
def system_metrics(run: Run) -> Iterator[None]:
    """Log metrics `system/*` while the block runs, where MLflow's variable asks for it.

    MLflow itself looks at the variable in `mlflow.start_run` only, which scatd does not use.

    Raises
    ------
    InputError
        When psutil, which measures, is not installed.
    """
    if not MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
        yield
        return
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run.run_id, tracking_uri=run.client.tracking_uri)
    except ImportError as error:
        what = f"system metrics need the package psutil ({error})"
        remedy = "Install it (pip install psutil), or unset the variable."
        where = str(MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.name)
        raise InputError(what, where=where, remedy=remedy) from error
    logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
