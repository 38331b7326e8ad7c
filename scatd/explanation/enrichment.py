"""Gene-set enrichment of a ranking of genes, computed by gseapy.

The background is the genes of the model and no others. A gene that the model does not read cannot
be in its list; if it were counted, every set would look enriched.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager

import numpy as np
import pandas as pd

from scatd.errors import InputError
from scatd.wording import counted

Sets = Mapping[str, Set[str]]


def restricted(sets: Sets, background: Sequence[str], min_size: int, max_size: int) -> Sets:
    """Restrict gene sets to the background, and drop sets that are then too small or too large.

    Raises
    ------
    InputError
        When no set is left.
    """
    known = set(background)
    own = {name: genes & known for name, genes in sets.items()}
    kept = {name: genes for name, genes in own.items() if min_size <= len(genes) <= max_size}
    if not kept:
        largest = max(len(genes) for genes in own.values())
        what = (
            f"none of {counted(len(sets), 'set')} has {min_size} to {max_size} of the model's genes"
        )
        remedy = f"The largest has {largest}. Are both named by symbols? See --min-size."
        raise InputError(what, where="--gene-sets", remedy=remedy)
    return kept


def over_representation(
    genes: Sequence[str], sets: Sets, background: Sequence[str]
) -> pd.DataFrame:
    """Sets with more genes of a list than expected by chance (hypergeometric, one-sided).

    Parameters
    ----------
    genes
        The list; all its genes are in the background.
    sets
        From `restricted`.
    background
        Genes of the model.

    Returns
    -------
    pandas.DataFrame
        One row a set, lowest p first: `gene_set`, `n_set`, `n_list`, `n_background`, `overlap`,
        `expected` (overlap by chance), `fold` (overlap / expected), `p`, `fdr` (Benjamini and
        Hochberg over all sets, also those without overlap), `genes` (of the overlap, joined by
        ";").
    """
    from gseapy import enrich
    from scipy.stats import false_discovery_control

    found = enrich(
        list(genes),
        {name: sorted(own) for name, own in sets.items()},
        background=list(background),
        outdir=None,
        no_plot=True,
    ).results
    # gseapy leaves out sets without overlap, and corrects p over the remaining sets only.
    p = pd.Series(1.0, index=list(sets))
    if len(found):
        p.update(found.set_index("Term")["P-value"])
    listed = set(genes)
    overlaps = {name: sorted(own & listed) for name, own in sets.items()}
    table = pd.DataFrame(
        {
            "gene_set": list(sets),
            "n_set": [len(own) for own in sets.values()],
            "n_list": len(listed),
            "n_background": len(background),
            "overlap": [len(own) for own in overlaps.values()],
        }
    )
    table["expected"] = table["n_set"] * table["n_list"] / table["n_background"]
    table["fold"] = table["overlap"] / table["expected"]
    table["p"] = p.to_numpy()
    table["fdr"] = false_discovery_control(table["p"])
    table["genes"] = [";".join(own) for own in overlaps.values()]
    return table.sort_values("p", kind="stable", ignore_index=True)


def preranked(scores: pd.Series, sets: Sets, n_permutations: int, seed: int) -> pd.DataFrame:
    """Sets whose genes lie together at one end of a ranking (Subramanian et al. 2005).

    Parameters
    ----------
    scores
        (n_genes,) by gene. High: expression pushes towards resistant. Low: towards sensitive.
        Genes of score 0 are in the ranking.
    sets
        From `restricted`.
    n_permutations
        Number of random gene sets that each set is compared with; the smallest p is its inverse.

    Returns
    -------
    pandas.DataFrame
        One row a set, lowest FDR first: `gene_set`, `n_set`, `es`, `nes` (positive: towards
        resistant), `p`, `fdr`, `leading_edge` (genes joined by ";").
    """
    from gseapy import prerank

    sizes = [len(own) for own in sets.values()]
    with _no_warnings():
        found = prerank(
            scores.sort_values(ascending=False, kind="stable"),
            {name: sorted(own) for name, own in sets.items()},
            outdir=None,
            min_size=min(sizes),
            max_size=max(sizes),
            permutation_num=n_permutations,
            threads=os.cpu_count() or 1,  # the result does not depend on it
            seed=seed,
            no_plot=True,
        ).res2d
    least = 1 / n_permutations
    table = pd.DataFrame(
        {
            "gene_set": found["Term"].astype(str),
            "n_set": [len(sets[name]) for name in found["Term"]],
            "es": found["ES"].astype(float),
            "nes": found["NES"].astype(float),
            "p": found["NOM p-val"].astype(float).clip(lower=least),
            "fdr": found["FDR q-val"].astype(float).clip(lower=least),
            "leading_edge": found["Lead_genes"].astype(str),
        }
    )
    order = np.lexsort([-table["nes"].abs(), table["fdr"]])
    return table.iloc[order].reset_index(drop=True)


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Gseapy warns of equal scores; all genes that are never expressed have score 0."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def signed_scores(importance: pd.DataFrame) -> pd.Series:
    """Importance (n_genes,) with the sign of the effect of more expression.

    The sign is that of `slope_resistant` when the table has this column: the mean attribution
    against the mean cell is about 0 for every gene.
    """
    sign = "slope_resistant" if "slope_resistant" in importance else "mean_resistant"
    score = importance["mean_abs_resistant"] * np.sign(importance[sign])
    return score.set_axis(pd.Index(importance["feature"]), axis=0)
