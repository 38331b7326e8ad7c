"""What is to be written to a run in one go: a server answers a few calls sooner than many."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import TypeVar

from mlflow.entities import DatasetInput, Metric, Param, RunTag
from mlflow.tracking import MlflowClient

_MAX_METRICS, _MAX_PARAMS, _MAX_TAGS = 800, 100, 100
"""MLflow takes 1000 values at once, of which 100 parameters and 100 tags."""

T = TypeVar("T")


class Together:
    """Values for one run.

    A tag that is set twice has its last value. Parameters and metrics are sent as they come.
    """

    def __init__(self) -> None:
        self.metrics: list[Metric] = []
        self.params: list[Param] = []
        self.tags: dict[str, str] = {}
        self.datasets: list[DatasetInput] = []

    def write(self, client: MlflowClient, run_id: str) -> None:
        """Send everything, in as few calls as MLflow takes."""
        tags = [RunTag(name, value) for name, value in self.tags.items()]
        for metrics, params, some_tags in zip_longest(
            _parts(self.metrics, _MAX_METRICS),
            _parts(self.params, _MAX_PARAMS),
            _parts(tags, _MAX_TAGS),
            fillvalue=(),
        ):
            client.log_batch(run_id, metrics=metrics, params=params, tags=some_tags)
        if self.datasets:
            client.log_inputs(run_id, datasets=self.datasets)


def _parts(items: list[T], size: int) -> Iterable[list[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
