"""Names of layers: names of counts, and names of layers that are never used as counts."""

from __future__ import annotations

import re

from scatd.data.cohort import RAW, X
from scatd.data.gene_titles import folded
from scatd.keys import LAYER_COUNTS

COUNTS = (LAYER_COUNTS, "raw_counts", RAW)
"""Names of counts. Case and punctuation do not matter."""
_PARTIAL = (
    # RNA velocity (velocyto, scvelo, STARsolo), kb-python's nac workflow, alevin-fry
    *("spliced", "ambiguous", "mature", "nascent", "spanning", "exonic", "intronic", "premrna"),
    # counts outside of cells (SoupX, DecontX, CellBender)
    *("ambient", "background", "contamination"),
)
_PARTIAL_WORDS = (
    *("exon", "exons", "intron", "introns", "soup", "unlabeled", "labeled", "unlabelled"),
    # metabolic labelling (dynamo)
    *("labelled", "new", "old", "uu", "ul", "su", "sl"),
)
_MADE = (
    # imputed and smoothed: MAGIC, SAVER, scImpute, DeepImpute, kNN smoothing, scvelo
    *("magic", "saver", "imput", "smooth", "denois", "moments", "velocity"),
    # presence (0 or 1)
    *("binar", "presence"),
    # corrected for ambient RNA or batches, or thinned
    *("correct", "decont", "soupx", "cellbender", "combat", "harmony", "scanorama", "downsampl"),
    *("subsampl", "totalvi", "reconstruct", "predicted"),
    # matrices that `scatd tcga` keeps beside the values that the model reads
    "asgiven",
)
_MADE_WORDS = ("alra", "dca", "knn", "ms", "mu", "scvi", "mnn", "regressed", "residuals")


def place(layer: str) -> str:
    """Name of a matrix in messages: X, raw.X or layers['name']."""
    return layer if layer == X else f"{RAW}.X" if layer == RAW else f"layers['{layer}']"


def rank(layer: str) -> int:
    """Sort key: X first, then names of counts, then all others."""
    names = [folded(X), *map(folded, COUNTS)]
    return names.index(folded(layer)) if folded(layer) in names else len(names)


def is_named_counts(layer: str) -> bool:
    """True when the name means counts."""
    return folded(layer) in map(folded, COUNTS)


def is_partial(layer: str) -> bool:
    """True when the name means a part of the molecules."""
    return _says(layer, _PARTIAL, _PARTIAL_WORDS)


def is_made(layer: str) -> bool:
    """True when the name means values that a program filled in or changed."""
    return _says(layer, _MADE, _MADE_WORDS)


def _says(layer: str, parts: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """True when one of `parts` is anywhere in a name, or one of `words` is a whole word of it."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", layer).casefold()
    own = {*re.findall(r"[a-z]+", apart), *re.findall(r"[a-z]+", layer.casefold())}
    return any(part in folded(layer) for part in parts) or not own.isdisjoint(words)
