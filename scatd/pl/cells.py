"""Pictures of scored cells: how the scores are spread, and the cells on a map."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd import keys
from scatd.errors import InputError
from scatd.pl.maps import coordinates
from scatd.pl.scored import WHERE, Scored, column, scored
from scatd.pl.showing import finish
from scatd.pl.words import colours_of, words_of
from scatd.plots import cells as plots
from scatd.plots.colours import CALL_COLOURS, COLOURS
from scatd.plots.scores import score_histogram, scores_by_group

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OF_A_DRUG = {
    "prob_resistant": keys.prob_column,
    "response": keys.response_column,
    "ood": keys.ood_column,
    "ood_p": keys.ood_p_column,
    "prob_sd": keys.prob_sd_column,
    "prob_sd_folds": keys.prob_sd_folds_column,
    "reason": keys.reason_column,
}
"""Columns that `scatd.predict` writes for a drug, by the name without the drug."""
_INSIDE = {"inside": COLOURS["data"], "outside": COLOURS["outside"]}


def scores(
    adata: AnnData,
    drug: str,
    *,
    groupby: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw how the scores of a drug are spread, with the threshold, coloured by the call.

    Parameters
    ----------
    adata
        Scored by `scatd.predict`. P(resistant) is from 0 to 1; high means resistant.
    drug
        In any spelling.
    groupby
        A column of obs, such as the patient: one row of cells for each group, with its median.
    ax, show, return_fig
        As in scanpy: see `scatd.pl`.

    Returns
    -------
    None when shown, the Axes when not, the Figure with `return_fig`.

    Raises
    ------
    InputError
        When the drug is not scored, or there is no such column.

    Examples
    --------
    >>> import scatd
    >>> adata = scatd.datasets.demo().target  # doctest: +SKIP
    >>> scatd.predict(adata, drug="docetaxel")  # doctest: +SKIP
    >>> scatd.pl.scores(adata, "docetaxel", groupby="patient")  # doctest: +SKIP
    """
    found = scored(adata, drug)
    cells = (found.prob, found.calls)
    if groupby is None:
        draw = partial(score_histogram, *cells, found.threshold, found.subject)
    else:
        groups = words_of(column(adata, groupby), gap=f"no {groupby}")
        draw = partial(scores_by_group, *cells, groups, found.threshold, found.subject)
    return finish(lambda on: draw(on=on), ax=ax, show=show, return_fig=return_fig)


def umap(
    adata: AnnData,
    drug: str,
    *,
    color: str = "prob_resistant",
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the cells on a map, coloured by their scores or by a column of obs.

    The map is `obsm["X_umap"]` where there is one. Else it is a UMAP of the model's latent
    `obsm["X_scatd_{family}"]` with a fixed seed, which is kept in `obsm["X_scatd_{family}_umap"]`,
    so that the next call is quick. Distances on a map mean little.

    Parameters
    ----------
    adata
        Scored by `scatd.predict`.
    drug
        In any spelling.
    color
        "prob_resistant", "response", "ood" (outside the training domain), "ood_p", "prob_sd",
        "prob_sd_folds" or "reason" of the drug; or any column of obs. Numbers get a colour scale,
        words a colour each: that of `uns["{color}_colors"]` where scanpy has stored one.
    ax, show, return_fig
        As in scanpy: see `scatd.pl`.

    Returns
    -------
    None when shown, the Axes when not, the Figure with `return_fig`.

    Raises
    ------
    InputError
        When the drug is not scored, there is no such column, or there is nothing to make a map of.

    Examples
    --------
    >>> import scatd
    >>> adata = scatd.datasets.demo().target  # doctest: +SKIP
    >>> scatd.predict(adata, drug="docetaxel")  # doctest: +SKIP
    >>> scatd.pl.umap(adata, "docetaxel")  # doctest: +SKIP
    >>> scatd.pl.umap(adata, "docetaxel", color="cell_type")  # doctest: +SKIP
    """
    found = scored(adata, drug)
    draw = _coloured(adata, found, color)
    xy = coordinates(adata, found)
    return finish(lambda on: draw(xy, on=on), ax=ax, show=show, return_fig=return_fig)


def _coloured(adata: AnnData, found: Scored, color: str) -> partial[Figure]:
    """What draws the map in these colours, once it gets the coordinates."""
    if color == "prob_resistant":
        return partial(plots.cell_map, values=found.prob, subject=found.subject)
    if color == "response":
        present = {word: CALL_COLOURS[word] for word in keys.CALLS if word in found.calls}
        return partial(
            plots.class_map,
            words=found.calls,
            subject=found.subject,
            what="response",
            colours=present,
        )
    if color == "ood":
        return partial(
            plots.class_map,
            words=_inside_or_outside(adata, found.drug),
            subject=found.subject,
            what="training domain",
            colours=_INSIDE,
        )
    name = _OF_A_DRUG[color](found.drug) if color in _OF_A_DRUG else color
    values = column(adata, name if name in adata.obs else color)
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        return partial(
            plots.cell_map, values=numbers, subject=found.subject, what=color, limits=None
        )
    groups = words_of(values)
    return partial(
        plots.class_map,
        words=groups.astype(str).where(groups.notna(), "").to_numpy(dtype=str),
        subject=found.subject,
        what=color,
        colours=colours_of(groups, values, adata.uns.get(f"{color}_colors")),
    )


def _inside_or_outside(adata: AnnData, drug: str) -> np.ndarray:
    """Where each cell lies, (n_obs,); empty where nobody knows."""
    name = keys.ood_column(drug)
    if name not in adata.obs:
        what = f"... has no column '{name}': the model of {drug} does not know its training domain"
        raise InputError(what, where=f"{WHERE}: obs", remedy="Choose another color.")
    is_outside = adata.obs[name]
    known = is_outside.notna()
    words = np.where(is_outside.astype("boolean").fillna(value=False), "outside", "inside")
    return np.where(known, words, "")
