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
_SLIPS = 5
"""Contradictions of names that any table may have."""

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
    conflict
        What names of the same columns contradict each other; empty where they agree.
    """

    panel: Panel
    positions: NDArray[np.int64]
    kind: Kind
    report: pd.DataFrame
    conflict: str = ""

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
    finder = _Finder(panel, gene_map, entrez_beside=_most_have_entrez(names))
    rows = list(zip(names, *others, strict=True))
    found = [finder.find(row) for row in rows]
    first = {name: place for name, (place, _) in zip(names, found, strict=True)}
    for column, (place, _) in enumerate(found):
        base = _MADE_UNIQUE.fullmatch(names[column])
        if place == _NOWHERE and base is not None and first.get(base[1], _NOWHERE) != _NOWHERE:
            found[column] = (first[base[1]], f"copy of {base[1]}")
    positions = np.array([place for place, _ in found], dtype=np.int64)
    notes = [note for _, note in found]
    report = _report(names, panel, positions, notes)
    conflict = _conflict(finder, rows) if others else ""
    return GeneMatch(panel, positions, kind_of(names), report, conflict)


def _most_have_entrez(names: Sequence[str]) -> bool:
    """Whether `TSPAN6 (7105)` is how the cohort names genes, and no copy is meant by the number."""
    return sum(bool(parse(name).entrez) for name in names) > len(names) / 2


def _conflict(finder: _Finder, rows: Sequence[Sequence[str]]) -> str:
    """How many columns have names that are different genes, where these are more than slips.

    A few symbols change their meaning from one release to the next. Where a tenth contradicts, a
    list of names does not belong to the columns.
    """
    n_compared, odd = 0, []
    for row in rows:
        genes = [found for found in map(finder.genes, row) if found]
        n_compared += len(genes) > 1
        if len(genes) > 1 and not genes[0] & genes[-1]:
            odd.append(" and ".join(filter(None, row)))
    if len(odd) < _SLIPS or len(odd) < n_compared / 10:
        return ""
    return f"{len(odd):,} of {n_compared:,} columns are named as two different genes ({odd[0]})"


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

    def __init__(
        self, panel: Panel, gene_map: GeneMap | None, *, entrez_beside: bool = False
    ) -> None:
        self.map = gene_map
        self.entrez_beside = entrez_beside
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
            for name in self._forms(spelling):
                if name in self.exact:
                    return self.exact[name], "" if name == spelling else f"as {name}"
        reason = "not in the panel" if self.map else "not in the panel by this name"
        for spelling in spellings:
            for name in self._forms(spelling):
                symbols = self._symbols(name)
                if len(symbols) > 1:
                    reason = f"ambiguous: may be {', '.join(symbols[:4])}"
                elif symbols and symbols[0] in self.by_symbol:
                    return self.by_symbol[symbols[0]], f"as {symbols[0]}"
        return _NOWHERE, reason

    def genes(self, spelling: str) -> frozenset[str]:
        """Approved symbols of what a name says, the name itself where it stands in the panel."""
        for name in self._forms(spelling):
            symbols = self._symbols(name) or ((name,) if name in self.exact else ())
            if symbols:
                return frozenset(symbols)
        return frozenset()

    def _forms(self, spelling: str) -> list[str]:
        """The parts of a name that may match: the name, its identifier, and a symbol beside it."""
        gene = parse(spelling)
        if gene.species not in ("", "human"):
            return []
        by_r = gene.key.replace(".", "-")  # R writes HLA.A where the symbol is HLA-A
        entrez = gene.entrez if self.entrez_beside else ""
        forms = (spelling, gene.key, gene.symbol, by_r, entrez)
        return list(dict.fromkeys(filter(None, forms)))

    def _symbols(self, name: str) -> tuple[str, ...]:
        """Approved symbols that a name may mean."""
        if self.map is None:
            return ()
        gene = parse(name)
        if gene.kind != "symbol":
            ids = self.map.ensembl if gene.kind == "ensembl" else self.map.entrez
            return (ids[gene.key],) if gene.key in ids else ()
        return (gene.key,) if gene.key in self.map.approved else self.map.older.get(gene.key, ())


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
