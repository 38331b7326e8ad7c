"""Attribution to genes: from an embedding back through the foundation model to its gene tokens.

The published method explains features of the embedding, and distils a model that reads genes to
explain those. Here the path of integration runs in the space of token embeddings, from the cell
without its genes to the cell (Sundararajan et al. 2017). The attribution of a gene is the sum over
the dimensions of its token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray
from torch import Tensor

from scatd.embedding.cells import CutCell
from scatd.explanation.attributed import SMALL_CHANGE, TOLERANCE
from scatd.explanation.explainers.explainer import RESISTANT, Explainer
from scatd.nn.moving import doubles

TOKENS_AT_ONCE = 4096
"""Tokens that pass the network together, over all steps: this limits the memory."""


@dataclass(frozen=True, eq=False)
class TokenAttribution:
    """Attribution of one cell's resistant logit to its gene tokens.

    Parameters
    ----------
    ids
        Token ids of the genes of the cell, (n_genes_of_cell,).
    attributions
        (n_genes_of_cell,), in logits; positive pushes towards resistant.
    change
        Logit of the cell minus that of the cell without its genes.
    delta
        Sum of the attributions minus `change`.
    """

    ids: NDArray[np.int64]
    attributions: NDArray[np.float64]
    change: float
    delta: float


def attribute_tokens(
    cut: CutCell,
    ids: NDArray[np.int32],
    explainer: Explainer,
    move: Callable[[Tensor], Tensor],
    n_steps: int,
) -> TokenAttribution:
    """Integrated Gradients of one cell from tokens to logit.

    Parameters
    ----------
    cut
        The foundation model, cut after its token embeddings.
    ids
        Token ids of the cell, (n_tokens,).
    explainer, move
        Of the response model, with gradients, and the function that aligns embeddings before it.
    n_steps
        Points of the Gauss-Legendre quadrature.
    """

    def logits(tokens: Tensor) -> Tensor:
        return explainer.whole(move(cut.embed(tokens)))

    x, x0 = cut.present[None], cut.absent[None]
    found = IntegratedGradients(logits).attribute(
        x,
        x0,
        target=RESISTANT,
        n_steps=n_steps,
        internal_batch_size=max(1, TOKENS_AT_ONCE // x.shape[1]),
    )
    with torch.no_grad():
        ends = logits(torch.cat([x0, x]))[:, RESISTANT]
    is_gene = cut.is_gene.cpu().numpy()
    values = doubles(found[0]).sum(dim=1).numpy()[is_gene]
    absent, present = doubles(ends).tolist()
    change = present - absent
    return TokenAttribution(ids[is_gene].astype(np.int64), values, change, values.sum() - change)


def gene_table(found: Sequence[TokenAttribution], names: dict[int, str]) -> pd.DataFrame:
    """Importance of genes over cells, most important first.

    Parameters
    ----------
    names
        Gene name of each token id.

    Returns
    -------
    Columns feature (gene), mean_abs_resistant and mean_resistant (over all cells: a gene has
    attribution 0 in a cell that does not express it), n_cells (cells that express it),
    rank_dense, rank_average.
    """
    ids = np.concatenate([one.ids for one in found])
    values = np.concatenate([one.attributions for one in found])
    known, back = np.unique(ids, return_inverse=True)
    table = pd.DataFrame(
        {
            "feature": [names.get(number, f"token_{number}") for number in known.tolist()],
            "mean_abs_resistant": np.bincount(back, np.abs(values)) / len(found),
            "mean_resistant": np.bincount(back, values) / len(found),
            "n_cells": np.bincount(back),
        }
    )
    importance = table["mean_abs_resistant"]
    table["rank_dense"] = importance.rank(method="dense", ascending=False).astype(int)
    table["rank_average"] = importance.rank(method="average", ascending=False)
    return table.sort_values("rank_average", kind="stable", ignore_index=True)


def completeness(found: Sequence[TokenAttribution]) -> dict[str, float]:
    """Largest and mean |delta| over cells, and the share of cells within `TOLERANCE`."""
    delta = np.abs([one.delta for one in found])
    change = np.abs([one.change for one in found])
    is_complete = delta <= TOLERANCE * np.maximum(change, SMALL_CHANGE)
    return {
        "n": len(found),
        "max": float(delta.max()),
        "mean": float(delta.mean()),
        "complete": float(is_complete.mean()),
    }
