"""Finished runs of the experiment, as the store has them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from scatd.tracking.runs import FINISHED
from scatd.tracking.store import connect, experiment_id


@dataclass(frozen=True)
class FinishedRun:
    """What is known of a run without opening its files.

    Parameters
    ----------
    run_id, started
        Which run, and when it began.
    tags, metrics
        All tags, and the last value of each metric.
    """

    run_id: str
    started: datetime.datetime
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


def finished_runs(tags: Mapping[str, str]) -> list[FinishedRun]:
    """Runs that ended FINISHED and have all of these tags, newest first."""
    client = connect()
    wanted = [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
    found: list[FinishedRun] = []
    page: str | None = None
    while page is None or page:
        batch = client.search_runs(
            [experiment_id(client)],
            " AND ".join([f"attributes.status = '{FINISHED}'", *wanted]),
            order_by=["attributes.start_time DESC"],
            page_token=page,
        )
        found += [
            FinishedRun(
                run.info.run_id,
                datetime.datetime.fromtimestamp(run.info.start_time / 1000, datetime.UTC),
                dict(run.data.tags),
                dict(run.data.metrics),
            )
            for run in batch
        ]
        page = batch.token or ""
    return found
