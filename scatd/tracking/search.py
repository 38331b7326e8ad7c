"""Searching the store: every page of an answer, and runs of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.store.entities import PagedList
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags

from scatd.tracking.store import find_experiment

T = TypeVar("T")


def every(search: Callable[[str | None], PagedList[T]]) -> Iterator[T]:
    """All answers to a search; `search` is given the token of the page to fetch."""
    page: str | None = None
    while page is None or page:
        batch = search(page)
        yield from batch
        page = batch.token or ""


def runs(
    client: MlflowClient,
    wanted: str = "",
    *,
    experiment: str | None = None,
    view: int = ViewType.ACTIVE_ONLY,
) -> Iterator[MlflowRun]:
    """Runs of an experiment (scatd's own if none is named, if there is one), newest first.

    Parameters
    ----------
    wanted
        A filter in MLflow's words; every run when empty.
    """
    if experiment is None:
        found = find_experiment(client)
        if found is None:
            return iter(())
        experiment = found.experiment_id
    place = [experiment]
    order = ["attributes.start_time DESC"]
    return every(
        lambda page: client.search_runs(
            place, wanted, run_view_type=view, order_by=order, page_token=page
        )
    )


def nested_runs(client: MlflowClient, run_id: str, experiment: str) -> Iterator[MlflowRun]:
    """Runs that are nested in a run of an experiment, newest first."""
    wanted = f"tags.`{mlflow_tags.MLFLOW_PARENT_RUN_ID}` = '{run_id}'"
    return runs(client, wanted, experiment=experiment)
