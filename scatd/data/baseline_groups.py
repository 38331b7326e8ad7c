"""The groups whose share of resistant samples is a baseline: tissue, patient or batch."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.features import Features
from scatd.data.groups import group_words, read_groups
from scatd.data.labels import LabelSource
from scatd.errors import InputError
from scatd.wording import counted

logger = logging.getLogger(__name__)

OPTION = "--group-baseline"
OFF = "none"
USUAL = (
    "tissue",
    "tissue_type",
    "primary_site",
    "site",
    "organ",
    "lineage",
    "oncotree_lineage",
    "cancer_type",
    "tumor_type",
    "tumour_type",
    "disease",
    "patient",
    "patient_id",
    "donor",
    "donor_id",
    "subject",
    "batch",
    "dataset",
    "study",
    "plate",
    "sample",
    "sample_id",
)
"""Names of columns that are looked for in obs, in this order. Case and separators do not count."""
_SAMPLES = 2
"""Fewest samples of a group, on average: ids of samples are no groups."""

Words = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class BaselineGroups:
    """Groups of all samples of a source, and of all cells of a target.

    Parameters
    ----------
    column
        Where the groups of the source stand.
    source
        (n_samples,); empty text where a sample has no group.
    target
        (n_cells,); None where the target has no such column.
    is_named
        Whether the user named the column.
    """

    column: str
    source: Words
    target: Words | None = None
    is_named: bool = False

    @property
    def in_words(self) -> str:
        """Which column was found, or named, and how many groups it has."""
        n_groups = len(np.unique(self.source[self.source != ""]))
        how = "named" if self.is_named else "found"
        return (
            f"Baseline group mean: {counted(n_groups, 'group')} of column '{self.column}' ({how})."
        )

    def sha256(self) -> str:
        """Hex SHA-256 of column and groups."""
        digest = hashlib.sha256(json.dumps([self.column, self.source.tolist()]).encode())
        if self.target is not None:
            digest.update(json.dumps(self.target.tolist()).encode())
        return digest.hexdigest()


def baseline_groups(
    asked: str | None,
    source: LabelSource,
    target: Features | None = None,
    target_labels: LabelSource | None = None,
) -> BaselineGroups | None:
    """Find the column of the groups; None where there is none, or `none` was asked for.

    Parameters
    ----------
    asked
        The column that the user named, in obs or in the label table; None looks in obs for one of
        `USUAL` that has at least two groups, and on average two samples a group.
    source, target_labels
        Labels of the source and of the target, whose tables may hold the column.

    Raises
    ------
    InputError
        When a column that was named is not there, or holds no groups.
    """
    cohort = source.features
    if asked == OFF:
        return None
    column = _found(cohort.obs) if asked is None else asked
    if column is None:
        return None
    if asked is None:
        words = group_words(cohort.obs[column])
    else:
        words = read_groups(cohort, None, column, source, option=OPTION, allow_gaps=True)
        _require_groups(words, column)
    of_target = None if target is None else groups_in(target, column, target_labels)
    return BaselineGroups(column, words, of_target, asked is not None)


def groups_in(cells: Features, column: str, labels: LabelSource | None = None) -> Words | None:
    """Groups of cells by the same column, from obs or else from the label table; None without it.

    A cell without a group has an empty text.
    """
    tables = [cells.obs]
    if labels is not None and labels.file is not None:
        tables.append(labels.table.of(cells).others)
    found = (groups_of(table, column) for table in tables)
    return next((words for words in found if words is not None), None)


def groups_of(table: pd.DataFrame, column: str) -> Words | None:
    """Groups of the rows of a table by a column, whatever its case and separators; None without."""
    for name in table.columns:
        if _plain(name) == _plain(column):
            return group_words(table[name])
    return None


def _found(obs: pd.DataFrame) -> str | None:
    """The first usual column that holds groups."""
    by_name: dict[str, str] = {}
    for name in obs.columns:
        by_name.setdefault(_plain(name), name)
    for usual in USUAL:
        if usual in by_name and _holds_groups(group_words(obs[by_name[usual]])):
            return by_name[usual]
    return None


def _plain(name: object) -> str:
    return re.sub(r"[\W_]+", "_", str(name).strip().casefold())


def _holds_groups(words: Words) -> bool:
    n_known = int((words != "").sum())
    return 2 <= len(np.unique(words[words != ""])) <= n_known / _SAMPLES


def _require_groups(words: Words, column: str) -> None:
    """Refuse a column that was named and is constant, or a name of each sample."""
    if _holds_groups(words):
        return
    n_groups, n_known = len(np.unique(words[words != ""])), int((words != "").sum())
    raise InputError(
        f"column '{column}' has {counted(n_groups, 'group')} of {counted(n_known, 'sample')}",
        where=OPTION,
        expected="at least two groups, and on average two samples a group",
        remedy=f"Name another column, or {OFF}.",
    )


def require_no_gaps(groups: BaselineGroups, rows: NDArray[np.intp], names: Words) -> None:
    """Refuse gaps in a column that was named; say how many there are in one that was found.

    Parameters
    ----------
    rows
        Positions of the samples that are used.
    names
        Of all samples.

    Raises
    ------
    InputError
        When a used sample has no group in a column that the user named.
    """
    gaps = rows[groups.source[rows] == ""]
    if not len(gaps):
        return
    what = f"column '{groups.column}' is empty for {counted(len(gaps), 'row', of=len(rows))}"
    if groups.is_named:
        expected = f"a group for every row that is used, such as for {names[gaps[0]]}"
        raise InputError(what, where=OPTION, expected=expected)
    logger.warning("%s: group mean gives them the prevalence.", what)
