"""Pictures of an explanation: what the scores rest on, over all cells and in one cell."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatd import keys
from scatd.data.storable import mapping
from scatd.errors import InputError
from scatd.pl.showing import finish
from scatd.plots.explain.bars import importance_bars
from scatd.plots.explain.local import waterfall as draw_waterfall
from scatd.spelling import nearest
from scatd.wording import some_of

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LAYER = f"attribution_{keys.RESISTANT}"
_NEEDED = ("feature", f"mean_abs_{keys.RESISTANT}", f"mean_{keys.RESISTANT}")
_REMEDY = "Give the result of scatd.explain(adata, drug=...)."
_CELLS_REMEDY = f"{_REMEDY[:-1]}, with keep_cells=True."


def importance(
    data: Any,
    *,
    n: int = 20,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the features that matter most to the scores: their mean absolute attribution.

    The colour says where a feature pushes on average: towards resistant or towards sensitive. The
    title says whether the list has passed its controls.

    Parameters
    ----------
    data
        A result of `scatd.explain`, its `importance`, or its `adata`.
    n
        Number of features, the most important on top.
    ax, show, return_fig
        As in scanpy: see `scatd.pl`.

    Returns
    -------
    None when shown, the Axes when not, the Figure with `return_fig`.

    Raises
    ------
    InputError
        When this is no explanation, or `n` is under 1.

    Examples
    --------
    >>> import scatd
    >>> found = scatd.explain(adata, drug="docetaxel")  # doctest: +SKIP
    >>> scatd.pl.importance(found, n=10)  # doctest: +SKIP
    """
    if n < 1:
        raise InputError(f"n is {n}", expected="1 or more features")
    table = _importance(data)
    missing = [name for name in _NEEDED if name not in table]
    if missing:
        what = f"... has no column {' and '.join(missing)}"
        raise InputError(what, where="the table of importance", remedy=_REMEDY)
    draw = partial(importance_bars, table, _title(data, table), n)
    return finish(lambda on: draw(on=on), ax=ax, show=show, return_fig=return_fig)


def waterfall(
    data: Any,
    cell: str | None = None,
    *,
    n: int = 12,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw how the features of one cell add up, from the logit of the baseline to its own.

    Parameters
    ----------
    data
        A result of `scatd.explain`, or its `adata`: cells by features, with attributions.
    cell
        Name of a cell. By default the cell with the highest score.
    n
        Number of features, the largest on top; all others are one bar.
    ax, show, return_fig
        As in scanpy: see `scatd.pl`.

    Returns
    -------
    None when shown, the Axes when not, the Figure with `return_fig`.

    Raises
    ------
    InputError
        When this is no explanation, there is no such cell, or it has no score.

    Examples
    --------
    >>> import scatd
    >>> found = scatd.explain(adata, drug="docetaxel")  # doctest: +SKIP
    >>> scatd.pl.waterfall(found)  # doctest: +SKIP
    >>> scatd.pl.waterfall(found, "target_00007")  # doctest: +SKIP
    """
    if n < 1:
        raise InputError(f"n is {n}", expected="1 or more features")
    cells = _cells(data)
    if cells is None or _LAYER not in cells.layers or keys.BASELINE_LOGIT not in cells.obs:
        what = f"... cannot draw the attributions of a {type(data).__name__}"
        expected = f"layers['{_LAYER}'] and obs['{keys.BASELINE_LOGIT}']"
        raise InputError(what, expected=expected, remedy=_CELLS_REMEDY)
    row = _row(cells, cell)
    named = cells.var_names.astype(str)
    pushes, values = (
        pd.Series(np.asarray(part[row], dtype=float).ravel(), named)
        for part in (cells.layers[_LAYER], cells.X)
    )
    baseline = float(cells.obs[keys.BASELINE_LOGIT].iloc[row])
    subject = f"{_title(cells)}, {cells.obs_names[row]}"
    draw = partial(draw_waterfall, pushes, values, baseline, subject, n)
    return finish(lambda on: draw(on=on), ax=ax, show=show, return_fig=return_fig)


def _importance(data: Any) -> pd.DataFrame:
    held = data if isinstance(data, pd.DataFrame) else getattr(data, "importance", None)
    if isinstance(held, pd.DataFrame):
        return held
    cells = _cells(data)
    stored = None if cells is None else cells.varm.get("importance")
    if not isinstance(stored, pd.DataFrame):
        what = f"... cannot draw the importance of a {type(data).__name__}"
        raise InputError(what, expected="an explanation or its table", remedy=_REMEDY)
    return stored.rename_axis("feature").reset_index()


def _cells(data: Any) -> AnnData | None:
    """The explained cells of a result, or the cells themselves."""
    from anndata import AnnData

    held = getattr(data, "adata", data)
    return held if isinstance(held, AnnData) else None


def _title(data: Any, table: pd.DataFrame | None = None) -> str:
    """Drug and, for a list of features, the label of its controls."""
    cells, ref = _cells(data), getattr(data, "ref", None)
    drugs = {} if cells is None else mapping(cells.uns.get(keys.UNS_SCATD))
    title = next(iter(drugs), "scores") if ref is None else f"{ref.drug} ({ref.family})"
    if table is None:
        return title
    said = table["controls"].iloc[0] if "controls" in table and len(table) else ""
    said = said or mapping(drugs.get(title)).get("controls", "")
    return f"{title}, controls {said}" if said else title


def _row(cells: AnnData, cell: str | None) -> int:
    """Place of a cell that has a score."""
    prob = cells.obs["prob_resistant"].to_numpy(dtype=float)
    if cell is None:
        if not np.isfinite(prob).any():
            raise InputError("no cell has a score", where="the explanation")
        return int(np.nanargmax(prob))
    names = list(cells.obs_names.astype(str))
    if cell not in names:
        listed = some_of(nearest(cell, names) or names, 3)
        raise InputError(f"there is no cell '{cell}'", expected=f"a name such as {listed}")
    row = names.index(cell)
    if not np.isfinite(prob[row]):
        raise InputError(f"cell '{cell}' has no score", where="the explanation")
    return row
