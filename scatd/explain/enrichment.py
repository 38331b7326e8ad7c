"""Gene sets behind a ranking of genes; gseapy computes.

The background is the model's genes and no others: a gene that the model does not read cannot be in
its list, and counting it would make every set look enriched.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager

import numpy as np
import pandas as pd

from scatd.errors import InputError

Sets = Mapping[str, Set[str]]


def restricted(sets: Sets, background: Sequence[str], min_size: int, max_size: int) -> Sets:
    """The sets' genes that are in the background, of sets with so many of them.

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
        what = f"none of {len(sets)} sets has {min_size} to {max_size} of the model's genes"
        remedy = f"The largest has {largest}. Are both named by symbols? See --min-size."
        raise InputError(what, where="--gene-sets", remedy=remedy)
    return kept


def over_representation(
    genes: Sequence[str], sets: Sets, background: Sequence[str]
) -> pd.DataFrame:
    """Sets that hold more of a list's genes than chance does (hypergeometric, one-sided).

    Parameters
    ----------
    genes
        The list; all are in the background.
    sets
        From `restricted`.
    background
        The model's genes.

    Returns
    -------
    pandas.DataFrame
        One row a set, lowest p first: `gene_set`, `n_set`, `n_list`, `n_background`, `overlap`,
        `expected` (overlap by chance), `fold` (overlap against that), `p`, `fdr` (Benjamini and
        Hochberg over all sets, those without overlap too), `genes` (the overlap, by ";").
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
    # gseapy leaves out what does not overlap, and corrects for the others only.
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
    """Sets whose genes stand together at an end of a ranking (Subramanian et al. 2005).

    Parameters
    ----------
    scores
        (n_genes,) by gene: high where expression pushes towards resistant, low where towards
        sensitive. Genes of score 0 are in the ranking.
    sets
        From `restricted`.
    n_permutations
        Sets of random genes that each set is compared with; p is at least one over their number.

    Returns
    -------
    pandas.DataFrame
        One row a set, lowest FDR first: `gene_set`, `n_set`, `es`, `nes` (positive: towards
        resistant), `p`, `fdr`, `leading_edge` (genes by ";").
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
    """Gseapy warns of equal scores, which genes that are never expressed have: all of them 0."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def signed_scores(importance: pd.DataFrame) -> pd.Series:
    """Importance (n_genes,) with the direction in which more expression pushes.

    The sign is that of `slope_resistant` where the table has it: the mean attribution against the
    mean cell is about 0 whatever a gene does.
    """
    sign = "slope_resistant" if "slope_resistant" in importance else "mean_resistant"
    score = importance["mean_abs_resistant"] * np.sign(importance[sign])
    return score.set_axis(pd.Index(importance["feature"]), axis=0)
