"""The figures of an explanation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatd import keys
from scatd.plots.explain.bars import importance_bars
from scatd.plots.explain.beeswarm import beeswarm
from scatd.plots.explain.curves import deletion_insertion
from scatd.plots.explain.dependence import dependence, interaction
from scatd.plots.explain.heatmaps import by_group
from scatd.plots.explain.local import waterfall
from scatd.plots.explain.ranks import importance_ranks
from scatd.workflows.explain.explanation import Explanation
from scatd.workflows.explain.store import AttributionStore
from scatd.workflows.explain.subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEADING = 100
"""Features whose values and attributions are gathered; partners are chosen among them."""
_SHOWN = 20
_DEPENDENCE = 2
_CELLS = 5_000


@dataclass(frozen=True, eq=False)
class Leading:
    """Values and attributions (n_cells, n_features) of the leading features, and one cell whole.

    `cell` is the usable cell with the highest score: its values and attributions by feature, under
    its name; `baseline` is the logit of resistant that its attributions start from.
    """

    X: pd.DataFrame
    A: pd.DataFrame
    cell: pd.DataFrame
    baseline: float


def figures_of(found: Explanation) -> dict[str, Figure]:
    """Draw every figure of an explanation, by name."""
    subject = found.subject
    drawings = _drawings(found, leading(subject, found.store, found.importance))
    if found.by_group is not None:
        table = _by_group(found.by_group, list(found.importance["feature"].head(_SHOWN)))
        group = subject.request.group_by or ""
        drawings["by_group"] = partial(by_group, table, _title(subject), group)
    return {name: draw() for name, draw in drawings.items()}


def leading(subject: Subject, store: AttributionStore, importance: pd.DataFrame) -> Leading:
    """Gather the values of the figures from the blocks of a finished attribution."""
    names = list(importance["feature"].head(_LEADING))
    columns = pd.Index(subject.names).get_indexer(pd.Index(names))
    step = max(1, -(-int(subject.usable.sum()) // _CELLS))
    scores = np.where(subject.usable, subject.prob, -np.inf)
    highest = int(np.argmax(scores))
    parts: list[tuple[Any, ...]] = []
    cell, baseline = pd.DataFrame(), 0.0
    for block in store.blocks():
        X = np.asarray(subject.cells.X[block.rows], np.float32)
        A = block.attributed[keys.RESISTANT].attributions
        some = slice(None, None, step)
        ids = subject.cells.ids(block.rows)
        parts.append((ids[some], X[some][:, columns], A[some][:, columns]))
        if highest in block.rows:
            place = int(np.flatnonzero(block.rows == highest)[0])
            whole = {"value": X[place], "attribution": A[place]}
            cell = pd.DataFrame(whole, index=pd.Index(subject.names, name=ids[place]))
            starts = subject.baseline_logits(block.rows, block.attributed[keys.RESISTANT])
            baseline = float(starts[place])
    ids, X, A = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Leading(pd.DataFrame(X, ids, names), pd.DataFrame(A, ids, names), cell, baseline)


def _drawings(found: Explanation, leads: Leading) -> dict[str, Callable[[], Figure]]:
    subject, importance = found.subject, found.importance
    X, A, title = leads.X, leads.A, _title(subject)
    unit = subject.about.input_scale or "embedding"
    what = "gene" if subject.ref.family == "dist" else "feature"
    one = f"{title}, {leads.cell.index.name}"
    first = list(importance["feature"].head(5))
    pushes, levels = leads.cell["attribution"], leads.cell["value"]
    drawings: dict[str, Callable[[], Figure]] = {
        "summary": partial(beeswarm, X, A, title, _SHOWN),
        "importance": partial(importance_bars, importance, title, _SHOWN),
        "importance_rank": partial(importance_ranks, importance, title, what, first),
        "waterfall": partial(waterfall, pushes, levels, leads.baseline, one),
    }
    for name in list(X.columns[:_DEPENDENCE]):
        file = re.sub(r"[^\w.-]", "_", name)
        pair = (X, A, name, title, unit)
        drawings[f"dependence_{file}"] = partial(dependence, *pair)
        if X.shape[1] > 1:
            drawings[f"interaction_{file}"] = partial(interaction, *pair)
    if "deletion" in found.control_tables:
        curves = found.control_tables["deletion"]
        drawings["deletion_insertion"] = partial(deletion_insertion, curves, title)
    return drawings


def _by_group(groups: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Mean attribution, (n_features, n_groups)."""
    wide = groups.pivot_table(index="feature", columns="group", values="mean_resistant")
    return wide.loc[names]


def _title(subject: Subject) -> str:
    return f"{subject.drug_key} ({subject.ref.family})"
