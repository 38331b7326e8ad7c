"""Which column of a cohort is which gene of a panel, and the cohort in the panel's order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd.data.genes.genemap import GeneMap
from scatd.data.genes.names import Kind, kind_of, parse
from scatd.data.genes.panel import Panel

MAPPED, SUMMED, DROPPED, ZERO_FILLED = "mapped", "summed", "dropped", "zero-filled"
_MADE_UNIQUE = re.compile(r"(.+)[-.]\d+")
_NOWHERE = -1

Combine = Literal["sum", "mean"]


@dataclass(frozen=True, eq=False)
class GeneMatch:
    """Which column of a cohort is which gene of a panel.

    Parameters
    ----------
    panel
        The genes wanted.
    positions
        (n_columns,) place in the panel of each column of the cohort, -1 for none.
    kind
        What kind of identifier the cohort names its genes by.
    report
        One row a column of the cohort and one a gene that it lacks: `name` (in the cohort), `gene`
        (in the panel), `status` (mapped, summed, dropped, zero-filled), `note` (how, or why not).
    """

    panel: Panel
    positions: NDArray[np.int64]
    kind: Kind
    report: pd.DataFrame

    @property
    def n_found(self) -> int:
        """Genes of the panel that the cohort has."""
        return int(np.unique(self.positions[self.positions != _NOWHERE]).size)

    @property
    def overlap(self) -> float:
        """Share of the panel that the cohort has, from 0 to 1."""
        return self.n_found / len(self.panel)

    def counts(self) -> dict[str, int]:
        """How many rows of the report have each status."""
        found = Counter(self.report["status"])
        return {status: found[status] for status in (MAPPED, SUMMED, DROPPED, ZERO_FILLED)}


def match(
    names: Sequence[str],
    panel: Panel,
    gene_map: GeneMap | None = None,
    others: Sequence[Sequence[str]] = (),
) -> GeneMatch:
    """Find the genes of a panel among the columns of a cohort.

    A name that stands in the panel is that gene. Otherwise ids (without version, `_PAR_Y` and
    symbol), approved symbols and older names are looked up in the map; a name that may mean several
    genes is refused. Several columns that are one gene are added up by `aligned`.

    Parameters
    ----------
    names
        (n_columns,) names of the cohort's columns.
    panel
        Symbols or Ensembl ids.
    gene_map
        Not needed for names that stand in the panel as they are.
    others
        Further names of the same columns, as `spellings` finds them in `var`.
    """
    finder = _Finder(panel, gene_map)
    rows = list(zip(names, *others, strict=True))
    found = [finder.find(row) for row in rows]
    first = {name: place for name, (place, _) in zip(names, found, strict=True)}
    for column, (place, _) in enumerate(found):
        base = _MADE_UNIQUE.fullmatch(names[column])
        if place == _NOWHERE and base is not None and first.get(base[1], _NOWHERE) != _NOWHERE:
            found[column] = (first[base[1]], f"copy of {base[1]}")
    positions = np.array([place for place, _ in found], dtype=np.int64)
    notes = [note for _, note in found]
    return GeneMatch(panel, positions, kind_of(names), _report(names, panel, positions, notes))


def aligned(X: sparse.csr_matrix, found: GeneMatch, combine: Combine = "sum") -> sparse.csr_matrix:
    """The cohort's rows in the order of the panel, sparse in and sparse out.

    Parameters
    ----------
    X
        (n_obs, n_columns), any number type.
    found
        From `match` for the same columns.
    combine
        What becomes of several columns that are one gene: "sum" for counts, "mean" for values on a
        scale that does not add up (as published for TCGA).

    Returns
    -------
    csr_matrix
        (n_obs, n_panel) float32 with ascending column numbers; genes that the cohort lacks are
        empty columns.
    """
    columns = np.flatnonzero(found.positions != _NOWHERE)
    places = found.positions[columns]
    weights = np.ones(len(columns), np.float32)
    if combine == "mean":
        weights /= np.bincount(places)[places]
    shape = (X.shape[1], len(found.panel))
    picker = sparse.csr_matrix((weights, (columns, places)), shape)
    picked = sparse.csr_matrix(X.astype(np.float32, copy=False) @ picker)
    return picked.tocsc().tocsr()  # sorts, in half the time of sort_indices


class _Finder:
    """Places of a panel's genes by every name that leads to them."""

    def __init__(self, panel: Panel, gene_map: GeneMap | None) -> None:
        self.map = gene_map
        self.exact = {name: place for place, name in enumerate(panel.names)}
        self.by_symbol: dict[str, int] = {}
        if gene_map is None:
            return
        shared: set[str] = set()
        for place, name in enumerate(panel.names):
            symbols = self._symbols(name)
            # A retired name beside the approved one of the same gene stands for itself only.
            if len(symbols) != 1 or (symbols[0] != name and symbols[0] in self.exact):
                continue
            if symbols[0] in self.by_symbol:
                shared.add(symbols[0])
            self.by_symbol[symbols[0]] = place
        for symbol in shared:
            del self.by_symbol[symbol]

    def find(self, spellings: Sequence[str]) -> tuple[int, str]:
        """Place in the panel, and how it was found; -1 and why not."""
        for spelling in spellings:
            for name in _forms(spelling):
                if name in self.exact:
                    return self.exact[name], "" if name == spelling else f"as {name}"
        reason = "not in the panel" if self.map else "not in the panel by this name"
        for spelling in spellings:
            for name in _forms(spelling):
                symbols = self._symbols(name)
                if len(symbols) > 1:
                    reason = f"ambiguous: may be {', '.join(symbols[:4])}"
                elif symbols and symbols[0] in self.by_symbol:
                    return self.by_symbol[symbols[0]], f"as {symbols[0]}"
        return _NOWHERE, reason

    def _symbols(self, name: str) -> tuple[str, ...]:
        """Approved symbols that a name may mean."""
        if self.map is None:
            return ()
        gene = parse(name)
        if gene.kind != "symbol":
            ids = self.map.ensembl if gene.kind == "ensembl" else self.map.entrez
            return (ids[gene.key],) if gene.key in ids else ()
        return (gene.key,) if gene.key in self.map.approved else self.map.older.get(gene.key, ())


def _forms(spelling: str) -> list[str]:
    """What a name says: as it is, its identifier, and the symbol beside it."""
    gene = parse(spelling)
    if gene.species not in ("", "human"):
        return []
    by_r = gene.key.replace(".", "-")  # R writes HLA.A where the symbol is HLA-A
    return list(dict.fromkeys(filter(None, (spelling, gene.key, gene.symbol, by_r))))


def _report(
    names: Sequence[str], panel: Panel, positions: NDArray[np.int64], notes: list[str]
) -> pd.DataFrame:
    copies = np.bincount(positions[positions != _NOWHERE], minlength=len(panel))
    genes = ["" if place == _NOWHERE else panel.names[place] for place in positions]
    status = [
        DROPPED if place == _NOWHERE else SUMMED if copies[place] > 1 else MAPPED
        for place in positions
    ]
    missing = [panel.names[place] for place in np.flatnonzero(copies == 0)]
    return pd.DataFrame(
        {
            "name": [*names, *[""] * len(missing)],
            "gene": [*genes, *missing],
            "status": [*status, *[ZERO_FILLED] * len(missing)],
            "note": [*notes, *["not in the cohort"] * len(missing)],
        }
    )
