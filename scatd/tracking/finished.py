"""Finished runs of the experiment, as the store has them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from scatd.tracking import search
from scatd.tracking.run import FINISHED
from scatd.tracking.store import connect


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, without its files.

    Parameters
    ----------
    run_id, started
        Which run, and when it began.
    tags, params, metrics
        All tags and parameters, and the last value of each metric.
    """

    run_id: str
    started: datetime.datetime
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


def finished_runs(tags: Mapping[str, str]) -> list[FinishedRun]:
    """Runs that ended FINISHED and have all of these tags, newest first."""
    client = connect()
    wanted = [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
    wanted.append(f"attributes.status = '{FINISHED}'")
    return [
        FinishedRun(
            run.info.run_id,
            datetime.datetime.fromtimestamp(run.info.start_time / 1000, datetime.UTC),
            dict(run.data.tags),
            dict(run.data.params),
            dict(run.data.metrics),
        )
        for run in search.runs(client, " AND ".join(wanted))
    ]
