"""MLflow: the store, runs of commands, reading runs, and continuing the work of a killed run."""

from scatd.tracking.addresses import no_password, tracking_uri
from scatd.tracking.command import parent_run
from scatd.tracking.curves import Curves, Watched
from scatd.tracking.faults import in_words, raise_if_lost
from scatd.tracking.finished import FinishedRun, finished_runs
from scatd.tracking.locks import Lock
from scatd.tracking.named import metric, metric_by
from scatd.tracking.orphans import Orphan, close, deleted_runs, is_over, lives, orphans
from scatd.tracking.reach import time_to_fetch, time_to_send
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
from scatd.tracking.run import FINISHED, DataName, Run, after_error
from scatd.tracking.store import (
    EXPERIMENT,
    cache_folder,
    connect,
    experiment_id,
    has_store,
    lock,
    serving_folder,
    work_folder,
)

__all__ = [
    "EXPERIMENT",
    "FINISHED",
    "Curves",
    "DataName",
    "DeadRun",
    "FinishedRun",
    "Lock",
    "Orphan",
    "Run",
    "Watched",
    "adopt",
    "after_error",
    "cache_folder",
    "close",
    "connect",
    "deleted_runs",
    "experiment_id",
    "finished_drugs",
    "finished_runs",
    "finished_units",
    "has_store",
    "in_words",
    "is_over",
    "leave_out_damaged",
    "lives",
    "lock",
    "metric",
    "metric_by",
    "move_under",
    "no_password",
    "orphans",
    "parent_run",
    "raise_if_lost",
    "resume_key",
    "resume_lock",
    "serving_folder",
    "time_to_fetch",
    "time_to_send",
    "tracking_uri",
    "unfinished",
    "work_folder",
]
