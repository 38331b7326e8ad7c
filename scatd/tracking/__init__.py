"""MLflow: the store, runs of commands, reading runs, and continuing the work of a killed run."""

from scatd.tracking.command import parent_run
from scatd.tracking.curves import Curves, Watched
from scatd.tracking.finished import FinishedRun, finished_runs
from scatd.tracking.locks import Lock
from scatd.tracking.named import metric, metric_by
from scatd.tracking.orphans import Orphan, close, deleted_runs, is_over, lives, orphans
from scatd.tracking.resume import (
    DeadRun,
    adopt,
    finished_drugs,
    finished_units,
    leave_out_damaged,
    move_under,
    resume_key,
    resume_lock,
    unfinished,
)
from scatd.tracking.run import FINISHED, Run
from scatd.tracking.store import (
    EXPERIMENT,
    cache_folder,
    connect,
    experiment_id,
    lock,
    tracking_uri,
    work_folder,
)

__all__ = [
    "EXPERIMENT",
    "FINISHED",
    "Curves",
    "DeadRun",
    "FinishedRun",
    "Lock",
    "Orphan",
    "Run",
    "Watched",
    "adopt",
    "cache_folder",
    "close",
    "connect",
    "deleted_runs",
    "experiment_id",
    "finished_drugs",
    "finished_runs",
    "finished_units",
    "is_over",
    "leave_out_damaged",
    "lives",
    "lock",
    "metric",
    "metric_by",
    "move_under",
    "orphans",
    "parent_run",
    "resume_key",
    "resume_lock",
    "tracking_uri",
    "unfinished",
    "work_folder",
]
