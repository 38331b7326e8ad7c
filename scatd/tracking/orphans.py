"""Runs whose process is dead, and runs whose parent was deleted."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags

from scatd import keys
from scatd.tracking import search
from scatd.tracking.resume import mark_killed
from scatd.tracking.store import connect


@dataclass(frozen=True)
class Orphan:
    """A run that is left over.

    Parameters
    ----------
    run_id, name
        Which run.
    is_parentless
        Whether its parent was deleted; otherwise it is shown as running and its process is dead.
    """

    run_id: str
    name: str
    is_parentless: bool

    @property
    def what(self) -> str:
        """The fault, in words."""
        if self.is_parentless:
            return "its parent run was deleted"
        return "it is shown as running, and its process is dead"


def orphans() -> list[Orphan]:
    """Left-over runs of the experiment, newest first.

    A run is dead when it is RUNNING, its process was on this host, and no process has its number.
    A nested run is dead when its parent has ended. A run of another host cannot be told from a
    living one, nor can one of an earlier scatd, which did not note its process. They are left
    alone.
    """
    client = connect()
    runs = {run.info.run_id: run for run in search.runs(client)}
    found = []
    for run_id, run in runs.items():
        parent = runs.get(run.data.tags.get(mlflow_tags.MLFLOW_PARENT_RUN_ID, ""))
        is_nested = mlflow_tags.MLFLOW_PARENT_RUN_ID in run.data.tags
        if is_nested and parent is None:
            found.append(Orphan(run_id, run.info.run_name, is_parentless=True))
        elif run.info.status == "RUNNING" and _is_dead(run, parent):
            found.append(Orphan(run_id, run.info.run_name, is_parentless=False))
    return found


def close(orphan: Orphan) -> None:
    """Mark a dead run KILLED; delete a parentless one, as its parent was.

    The finished parts of a dead run are still adopted when its command is started again. A
    parentless run that may have made a model (of a drug or a backbone) is kept as a run of its own.
    A deleted run can be restored until `mlflow gc` erases it.
    """
    client = connect()
    run = client.get_run(orphan.run_id)
    if not orphan.is_parentless:
        mark_killed(client, run)
    elif run.data.tags.get(keys.TAG_LEVEL) in (keys.LEVEL_DRUG, keys.LEVEL_BACKBONE):
        client.delete_tag(orphan.run_id, mlflow_tags.MLFLOW_PARENT_RUN_ID)
    else:
        client.delete_run(orphan.run_id)


def mark_dead(client: MlflowClient, command: str) -> None:
    """Mark runs of a command KILLED that are shown as running and whose process here is dead."""
    wanted = f"tags.`{keys.TAG_COMMAND}` = '{command}' AND attributes.status = 'RUNNING'"
    for run in search.runs(client, wanted):
        if _is_dead(run, None):
            mark_killed(client, run)


def is_over(run_id: str) -> bool:
    """True where a run has ended, or its process is dead, or that of a run that it is nested in."""
    client = connect()
    while run_id:
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return True
            raise
        if run.info.status != "RUNNING" or _is_dead(run, None):
            return True
        run_id = run.data.tags.get(mlflow_tags.MLFLOW_PARENT_RUN_ID, "")
    return False


def deleted_runs() -> set[str]:
    """Runs of the experiment that were deleted and can be restored."""
    return {run.info.run_id for run in search.runs(connect(), view=ViewType.DELETED_ONLY)}


def _is_dead(run: MlflowRun, parent: MlflowRun | None) -> bool:
    if parent is not None:
        return bool(parent.info.status != "RUNNING")
    tags = run.data.tags
    if keys.TAG_PROCESS not in tags or tags.get(keys.TAG_HOST) != platform.node():
        return False
    return not lives(int(tags[keys.TAG_PROCESS]))


def lives(process: int) -> bool:
    """True where a process of this host has this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
