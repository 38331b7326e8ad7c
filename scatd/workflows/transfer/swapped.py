"""Recognise a source and a reference that were given in each other's place."""

from __future__ import annotations

import logging
import re

import numpy as np
import pandas as pd

from scatd.data.drugs import find_drug
from scatd.data.features import Features
from scatd.data.labels import LabelSource
from scatd.errors import InputError
from scatd.wording import counted

logger = logging.getLogger(__name__)

_BARCODE = re.compile(r"(.*[_#:.-])?[ACGT]{10,}([-_.]\w+)?")
_IDS_LOOKED_AT = 1000


def require_roles(
    source: Features, reference: Features | None, labels: LabelSource, drug: str
) -> None:
    """Refuse labels that are those of the reference; warn of a source that looks like cells.

    Parameters
    ----------
    source, reference
        The cohort to learn from, and the unlabelled cells.
    labels
        Of the source, as it was asked for.
    drug
        To learn; "all" for every drug of the labels.

    Raises
    ------
    InputError
        When the labels name rows of the reference, or stand in its `obs`, and none of the source.
    """
    if reference is None or reference is source:
        return
    found = _in_table(source, reference, labels) or _in_obs(source, reference, labels, drug)
    if found:
        raise InputError(
            f"{found}: --source and --reference seem to be swapped",
            where="--source",
            expected="the labelled bulk samples, and unlabelled single cells as --reference",
            remedy=f"Try --source {reference.path} --reference {source.path}.",
        )
    if _are_barcodes(source) and not _are_barcodes(reference):
        logger.warning(
            "The rows of --source (%s) are named like single cells, those of --reference (%s) are "
            "not. The source is the labelled bulk cohort. If the two files are swapped, start "
            "again.",
            source.path,
            reference.path,
        )


def _in_table(source: Features, reference: Features, labels: LabelSource) -> str:
    """What speaks for a swap in a table of labels; empty if nothing does."""
    if labels.file is None or not labels.frame.shape[1]:
        return ""
    ids = pd.Index(labels.frame.iloc[:, 0])
    n_source, n_reference = (
        int(np.isin(cohort.ids, ids).sum()) if cohort.has_ids else 0
        for cohort in (source, reference)
    )
    if n_source or not n_reference:
        return ""
    found = f"names {counted(n_reference, 'row')} of {reference.path}"
    return f"{labels.file} {found}, and none of {source.path}"


def _in_obs(source: Features, reference: Features, labels: LabelSource, drug: str) -> str:
    """What speaks for a swap in `obs`; empty if nothing does."""
    if labels.file is not None:
        return ""
    asked = drug if labels.column is None else labels.column
    if _column(source, labels.column, drug) or not _column(reference, labels.column, drug):
        return ""
    return f"obs of {reference.path} has the labels '{asked}', and obs of {source.path} has not"


def _column(cohort: Features, column: str | None, drug: str) -> bool:
    names = [str(name) for name in cohort.obs.columns]
    return column in names if column is not None else bool(find_drug(drug, names))


def _are_barcodes(cohort: Features) -> bool:
    if not cohort.has_ids:
        return False
    places = np.unique(np.linspace(0, cohort.n_obs - 1, _IDS_LOOKED_AT).astype(int))
    some = [str(name) for name in np.asarray(cohort.ids)[places]]
    return sum(_BARCODE.fullmatch(name) is not None for name in some) > len(some) / 2
