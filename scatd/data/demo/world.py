"""The simulated biology that all demo cohorts share: genes, programmes, cell types.

It is drawn with a constant seed and depends only on the genes. The seed of a demo cohort decides
only which samples and cells are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatd.errors import InputError
from scatd.wording import counted

Floats = NDArray[np.float32]

DRUGS = ("DOCETAXEL", "GEFITINIB", "CISPLATIN")
N_CAUSAL = 60
"""Number of genes that drive resistance to a drug; no other drug or programme uses them."""

HOME_TYPES = (
    "tumour",
    "epithelial",
    "T cell",
    "B cell",
    "myeloid",
    "fibroblast",
    "endothelial",
    "plasma cell",
)
FOREIGN_TYPES = ("neuron", "astrocyte", "oligodendrocyte", "microglia", "ependymal")
CELL_TYPES = HOME_TYPES + FOREIGN_TYPES
N_STATES = 18
"""State programmes (cycle, stress, ...) that vary among bulk samples, reference and target."""
N_FOREIGN_STATES = 12
"""State programmes that vary in the foreign cohort only."""
MIN_GENES = 500
WORLD_SEED = 20_250_801


@dataclass(frozen=True)
class World:
    """Genes, and the programmes that change them.

    Parameters
    ----------
    symbols, ensembl_ids
        Names of the genes, in the order of all other arrays.
    base
        Natural log of a gene's mean share of the transcripts, (n_genes,).
    types
        Log fold change of each cell type against `base`, (n_cell_types, n_genes).
    drugs, states, foreign_states
        Loadings: the log fold change of a gene for one unit of a programme's activity,
        (n_programmes, n_genes).
    drug_names
        Drugs in the order of `drugs`.
    causal
        Positions of the causal genes of each drug key.
    """

    symbols: list[str]
    ensembl_ids: list[str]
    base: Floats
    types: Floats
    drugs: Floats
    states: Floats
    foreign_states: Floats
    drug_names: tuple[str, ...]
    causal: dict[str, NDArray[np.int64]]

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.symbols)

    @property
    def drug_keys(self) -> tuple[str, ...]:
        """Keys of the drugs, in the order of `drugs`."""
        return tuple(self.causal)

    @property
    def programmes(self) -> Floats:
        """Every programme and cell type as rows, (n_rows, n_genes)."""
        return np.vstack([self.drugs, self.states, self.types, self.foreign_states])

    def causal_symbols(self) -> dict[str, NDArray[np.str_]]:
        """Symbols of the causal genes of each drug key."""
        names = np.asarray(self.symbols)
        return {drug: names[genes] for drug, genes in self.causal.items()}


def make_world(symbols: Sequence[str], drugs: Sequence[str] = DRUGS) -> World:
    """Draw the biology of these genes.

    Parameters
    ----------
    symbols
        Gene symbols, each once.
    drugs
        Names of the drugs; each has causal genes of its own.

    Raises
    ------
    InputError
        When there are fewer than `MIN_GENES` genes: the programmes would not fit.
    """
    n_genes = len(symbols)
    if n_genes < MIN_GENES:
        what = f"a demo cohort of {counted(n_genes, 'gene')} has no room for its programmes"
        raise InputError(what, where="genes", expected=f"at least {MIN_GENES}")
    rng = np.random.default_rng(WORLD_SEED)
    base = rng.normal(0.0, 1.2, n_genes)
    # Causal genes are among the more expressed half, where cells can show their changes.
    expressed = np.argsort(base)[n_genes // 2 :]
    chosen = rng.choice(expressed, (len(drugs), N_CAUSAL), replace=False)
    causal = {drug.casefold(): np.sort(own) for drug, own in zip(drugs, chosen, strict=True)}
    others = np.setdiff1d(np.arange(n_genes), chosen)
    size = max(20, n_genes // 40)

    loadings = np.zeros((len(drugs), n_genes))
    for row, genes in enumerate(causal.values()):
        up = rng.random(N_CAUSAL) < 0.6
        loadings[row, genes] = np.where(up, 1.0, -1.0) * rng.uniform(0.3, 0.6, N_CAUSAL)

    def programmes(count: int, low: float, high: float) -> Floats:
        """Draw loadings of `size` genes a row, nine of ten of them upwards."""
        rows = np.zeros((count, n_genes))
        for row in rows:
            genes = rng.choice(others, size, replace=False)
            sign = np.where(rng.random(size) < 0.9, 1.0, -1.0)
            row[genes] = sign * rng.uniform(low, high, size)
        return rows.astype(np.float32)

    return World(
        symbols=list(symbols),
        # Far above the numbers that Ensembl uses.
        ensembl_ids=[f"ENSG{number:011d}" for number in range(900_001, 900_001 + n_genes)],
        base=(base - np.log(np.exp(base).sum())).astype(np.float32),
        types=programmes(len(CELL_TYPES), 0.5, 1.5),
        drugs=loadings.astype(np.float32),
        states=programmes(N_STATES, 0.2, 0.6),
        foreign_states=programmes(N_FOREIGN_STATES, 0.3, 0.8),
        drug_names=tuple(drugs),
        causal=causal,
    )


def made_up_symbols(n_genes: int) -> list[str]:
    """Symbols that no real gene has."""
    return [f"DEMO{number:05d}" for number in range(1, n_genes + 1)]
