"""Picture of many drugs: the share of resistant cells in each group."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from scatd.data.drugs import find_drug, resolve_drug
from scatd.errors import InputError
from scatd.evaluation.fractions import ALL, fraction_matrix, fraction_table
from scatd.pl.scored import column, scored, scored_drugs
from scatd.pl.showing import finish
from scatd.pl.words import words_of
from scatd.plots.screen import heat_map
from scatd.wording import counted

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WITHOUT = "groupby=None takes all cells together."


def heatmap(
    data: Any,
    *,
    groupby: str | None = "patient",
    drugs: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the share of resistant cells, groups by drugs: grey where no cell has an answer.

    A share is of the cells with an answer: those that are called sensitive or resistant. Compare
    groups within a drug. Do not rank drugs by their shares, because each model has a threshold of
    its own. Of more than 40 drugs, those that differ most between groups are shown.

    Parameters
    ----------
    data
        An AnnData that `scatd.predict` has scored for one or more drugs, or a result of
        `scatd.screen`.
    groupby
        A column of obs, such as the patient; None takes all cells together. A result of
        `scatd.screen` has its groups already.
    drugs
        Drugs to show, in any spelling, in this order. By default all.
    ax, show, return_fig
        As in scanpy: see `scatd.pl`.

    Returns
    -------
    None when shown, the Axes when not, the Figure with `return_fig`.

    Raises
    ------
    InputError
        When nothing or not all drugs are scored, or there is no such column.

    Examples
    --------
    >>> import scatd
    >>> scatd.predict(adata, drug=["docetaxel", "gefitinib"])  # doctest: +SKIP
    >>> scatd.pl.heatmap(adata, groupby="patient")  # doctest: +SKIP
    >>> scatd.pl.heatmap(scatd.screen(adata, group_by="patient"))  # doctest: +SKIP
    """
    wanted = [drugs] if isinstance(drugs, str) else drugs
    held = getattr(data, "matrix", None)
    if isinstance(held, pd.DataFrame):
        matrix = _chosen(held, wanted)
        n_groups = len(matrix.index.drop(ALL, errors="ignore"))
        subject = counted(n_groups, "group")
    else:
        matrix, subject = _matrix(data, groupby, wanted), counted(data.n_obs, "cell")
    draw = partial(heat_map, matrix, subject)
    return finish(lambda on: draw(on=on), ax=ax, show=show, return_fig=return_fig)


def _matrix(adata: AnnData, groupby: str | None, drugs: Sequence[str] | None) -> pd.DataFrame:
    """Share of resistant cells, (n_groups, n_drugs), and of all cells in the last row."""
    asked: Sequence[str | None] = scored_drugs(adata) if drugs is None else drugs
    found = [scored(adata, drug) for drug in asked or [None]]
    groups, order = None, []
    if groupby is not None:
        words = words_of(column(adata, groupby, _WITHOUT), gap=f"no {groupby}")
        groups, order = words.to_numpy(dtype=str), list(words.cat.categories)
    tables = {one.drug: fraction_table(one.drug, one.calls, groups) for one in found}
    return fraction_matrix(tables).loc[[*order, ALL]]


def _chosen(matrix: pd.DataFrame, drugs: Sequence[str] | None) -> pd.DataFrame:
    """Some drugs of a screen; groups in the index."""
    table = matrix.set_index("group") if "group" in matrix else matrix
    if drugs is None:
        return table
    known = list(map(str, table.columns))
    for drug in drugs:
        if not find_drug(drug, known):
            what, expected = f"'{drug}' was not screened", f"one of {', '.join(known[:10])}"
            raise InputError(what, where="the result", expected=expected)
    return table[[resolve_drug(drug, known, where="the result") for drug in drugs]]
