"""The checks of `scatd audit`, in every run that learns from a source and its labels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scatd import tracking
from scatd.evaluation import integrity
from scatd.evaluation.integrity import Finding
from scatd.keys import artifact_paths
from scatd.workflows.transfer.task import DrugTask


def log_doubts(
    run: tracking.Run,
    task: DrugTask,
    auroc: dict[str, tuple[float, float, float]],
    *,
    of_drug: bool,
) -> list[Finding]:
    """Look for copied labels, copied profiles, confounding and inversion; log a table of them.

    Parameters
    ----------
    auroc
        Mean over folds and the bounds of its interval, a drug: one under 0.5 may mean inverted
        labels.
    of_drug
        Ask about the drug of the task alone; else about all drugs of the label table.

    Returns
    -------
    The findings that are more than a note.
    """
    source, settings = task.source, task.settings
    groups = None
    if of_drug and source.groups is not None:
        names = np.full(source.cohort.n_obs, "", dtype=object)
        names[source.rows] = source.groups
        groups = pd.Series(names, name=task.basis.request.labelled.group_by)
    found = integrity.findings(
        task.basis.labels.table.of(source.cohort).codes,
        source.cohort.ids,
        drug=source.labels.column if of_drug else None,
        profiles=integrity.Profiles(np.asarray(source.cohort.X), groups, settings.seed),
        auroc=auroc,
        n_folds=settings.folds,
    )
    run.log_table(integrity.findings_table(found), artifact_paths.INTEGRITY)
    return [finding for finding in found if finding.severity != integrity.NOTE]
