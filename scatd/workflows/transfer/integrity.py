"""What `scatd audit` says of a source and its labels, in every run that learns from them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scatd import tracking
from scatd.data.labels import read_label_table
from scatd.evaluation import integrity
from scatd.evaluation.integrity import Finding
from scatd.workflows.transfer.inputs import Work


def log_doubts(
    run: tracking.Run,
    work: Work,
    auroc: dict[str, tuple[float, float, float]],
    drug: str | None = None,
) -> list[Finding]:
    """Look for copied labels, copied profiles, confounding and inversion; log a table of them.

    Parameters
    ----------
    auroc
        Mean over folds and the bounds of its interval, a drug: one under 0.5 may mean inverted
        labels.
    drug
        The one that is asked about; all of the label table without it.

    Returns
    -------
    The findings that are more than a note.
    """
    request, source = work.request, work.source
    groups = None
    if drug is not None and work.groups is not None:
        names = np.full(source.n_obs, "", dtype=object)
        names[work.rows] = work.groups
        groups = pd.Series(names, name=request.groups)
    found = integrity.findings(
        read_label_table(request.labels, request.label_map, source).of(source).codes,
        source.ids,
        drug=drug,
        profiles=integrity.Profiles(np.asarray(source.X), groups, request.settings.seed),
        auroc=auroc,
        n_folds=request.settings.folds,
    )
    run.log_table(integrity.findings_table(found), "tables/integrity.csv")
    return [finding for finding in found if finding.severity != integrity.NOTE]
