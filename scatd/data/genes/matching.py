"""Match the columns of a cohort to the genes of a panel, and bring them into its order."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd.data.genes.genemap import GeneMap
from scatd.data.genes.names import parse
from scatd.data.genes.panel import Panel
from scatd.wording import counted

MAPPED, SUMMED, DROPPED, ZERO_FILLED = "mapped", "summed", "dropped", "zero-filled"
_MADE_UNIQUE = re.compile(r"(.+)[-.]\d+")
_OF_MAN = ("", "human")
"""Species of names that can be genes of a panel."""
_NOWHERE = -1
_ROWS = 64
"""Rows whose columns are moved together."""
_SLIPS = 5
"""Number of contradictory names that is normal in any table."""

Combine = Literal["sum", "mean"]


@dataclass(frozen=True, eq=False)
class GeneMatch:
    """The gene of a panel for each column of a cohort.

    Parameters
    ----------
    panel
        The wanted genes.
    positions
        (n_columns,) position of each column of the cohort in the panel; -1 for none.
    names, notes
        (n_columns,) name of each column in the cohort, and how its gene was found, or why not.
    conflict
        Contradiction between the names of the same columns; empty when they agree.
    """

    panel: Panel
    positions: NDArray[np.int64]
    names: Sequence[str]
    notes: Sequence[str]
    conflict: str = ""

    @cached_property
    def n_found(self) -> int:
        """Number of genes of the panel that the cohort has."""
        return len(self.panel) - int(np.count_nonzero(self.missing))

    @cached_property
    def is_one_to_one(self) -> bool:
        """Whether each gene of the panel has one column at most."""
        return self.n_found == int(np.count_nonzero(self.positions != _NOWHERE))

    @property
    def missing(self) -> NDArray[np.bool_]:
        """(n_panel,) True for genes of the panel that the cohort does not have."""
        absent = np.ones(len(self.panel), dtype=bool)
        absent[self.positions[self.positions != _NOWHERE]] = False
        return absent

    @property
    def overlap(self) -> float:
        """Share of the panel that the cohort has, from 0 to 1."""
        return self.n_found / len(self.panel)

    def counts(self) -> dict[str, int]:
        """Number of rows of the report with each status."""
        found = Counter(self.report["status"])
        return {status: found[status] for status in (MAPPED, SUMMED, DROPPED, ZERO_FILLED)}

    @cached_property
    def report(self) -> pd.DataFrame:
        """One row for each column of the cohort and for each missing gene.

        `name` (in the cohort), `gene` (in the panel), `status` (mapped, summed, dropped,
        zero-filled), `note` (how, or why not).
        """
        copies = np.bincount(
            self.positions[self.positions != _NOWHERE], minlength=len(self.panel)
        ).tolist()
        genes, positions = self.panel.names, self.positions.tolist()
        status = [
            DROPPED if place == _NOWHERE else SUMMED if copies[place] > 1 else MAPPED
            for place in positions
        ]
        missing = [gene for gene, count in zip(genes, copies, strict=True) if not count]
        found = ["" if place == _NOWHERE else genes[place] for place in positions]
        return pd.DataFrame(
            {
                "name": [*self.names, *[""] * len(missing)],
                "gene": [*found, *missing],
                "status": [*status, *[ZERO_FILLED] * len(missing)],
                "note": [*self.notes, *["not in the cohort"] * len(missing)],
            }
        )


def match(
    names: Sequence[str],
    panel: Panel,
    gene_map: GeneMap | None = None,
    others: Sequence[Sequence[str]] = (),
) -> GeneMatch:
    """Find the genes of a panel among the columns of a cohort.

    A name that is in the panel is that gene. Otherwise ids (without version, `_PAR_Y` and symbol),
    approved symbols and older names are looked up in the gene map. A name that can mean several
    genes is refused. Several columns of one gene are added by `aligned`.

    Parameters
    ----------
    names
        (n_columns,) names of the columns of the cohort.
    panel
        Symbols or Ensembl ids.
    gene_map
        Not needed for names that are in the panel.
    others
        Further names of the same columns, from `spellings`.
    """
    finder = _Finder(panel, gene_map, entrez_beside=_most_have_entrez(names))
    rows = list(zip(names, *others, strict=True))
    found = finder.find_all(rows)
    numbered = {
        column: made[1]
        for column, (place, _) in enumerate(found)
        if place == _NOWHERE and (made := _MADE_UNIQUE.fullmatch(names[column]))
    }
    if numbered:
        first = {name: place for name, (place, _) in zip(names, found, strict=True)}
        for column, base in numbered.items():
            if first.get(base, _NOWHERE) != _NOWHERE:
                found[column] = (first[base], f"copy of {base}")
    positions = np.array([place for place, _ in found], dtype=np.int64)
    notes = [note for _, note in found]
    conflict = _conflict(finder, rows) if others else ""
    return GeneMatch(panel, positions, names, notes, conflict)


def _most_have_entrez(names: Sequence[str]) -> bool:
    """True when the cohort writes genes as `TSPAN6 (7105)` and the number is not that of a copy."""
    n_beside = sum(map(bool, map(attrgetter("entrez"), map(parse, names))))
    return n_beside > len(names) / 2


def _conflict(finder: _Finder, rows: Sequence[Sequence[str]]) -> str:
    """Describe columns whose names are different genes, if there are too many of them.

    A few symbols change their meaning between releases. If a tenth of the columns is contradictory,
    a list of names does not belong to these columns.
    """
    n_compared, odd = 0, []
    for row in rows:
        genes = [found for found in map(finder.genes, row) if found]
        n_compared += len(genes) > 1
        if len(genes) > 1 and not genes[0] & genes[-1]:
            odd.append(" and ".join(filter(None, row)))
    if len(odd) < _SLIPS or len(odd) < n_compared / 10:
        return ""
    return (
        f"{counted(len(odd), 'column', 'is', of=n_compared)} named as two different genes "
        f"({odd[0]})"
    )


def aligned(X: sparse.csr_matrix, found: GeneMatch, combine: Combine = "sum") -> sparse.csr_matrix:
    """Put the columns of a cohort into the order of the panel; sparse in, sparse out.

    Parameters
    ----------
    X
        (n_obs, n_columns), any number type.
    found
        From `match`, for the same columns.
    combine
        How several columns of one gene are combined: "sum" for counts, "mean" for scales that do
        not add up (as published for TCGA).

    Returns
    -------
    csr_matrix
        (n_obs, n_panel) float32 with ascending column numbers; missing genes are empty columns.
    """
    if found.is_one_to_one and X.nnz and X.has_canonical_format:
        return _moved(X, found)
    columns = np.flatnonzero(found.positions != _NOWHERE)
    places = found.positions[columns]
    weights = np.ones(len(columns), np.float32)
    if combine == "mean":
        weights /= np.bincount(places)[places]
    shape = (X.shape[1], len(found.panel))
    picker = sparse.csr_matrix((weights, (columns, places)), shape)
    picked = sparse.csr_matrix(X.astype(np.float32, copy=False) @ picker)
    return picked.tocsc().tocsr()  # this sorts in half the time of sort_indices


def _moved(X: sparse.csr_matrix, found: GeneMatch) -> sparse.csr_matrix:
    """`aligned` where each gene has one column at most, in a third of the time of a product.

    A value and its new column are one number, so that a row is sorted by sorting numbers. Some rows
    at a time: what is computed on the way stays in a processor's cache.
    """
    indptr, parts, lengths = X.indptr.tolist(), [], [np.zeros(1, np.int64)]
    values = np.ascontiguousarray(X.data, np.float32)
    for first in range(0, X.shape[0], _ROWS):
        start, stop = indptr[first], indptr[min(first + _ROWS, X.shape[0])]
        places = found.positions.take(X.indices[start:stop])
        kept = np.flatnonzero((places != _NOWHERE) & (values[start:stop] != 0))
        together = places.take(kept)
        together <<= 32
        together |= values[start:stop].take(kept).view(np.uint32)
        ends = np.searchsorted(kept, X.indptr[first : first + _ROWS + 1] - start)
        for one, other in itertools.pairwise(ends.tolist()):
            together[one:other].sort()
        parts.append(((together >> 32).astype(np.int32), together.astype(np.uint32)))
        lengths.append(np.diff(ends))
    columns, bits = (np.concatenate(part) for part in zip(*parts, strict=True))
    moved = sparse.csr_matrix(
        (bits.view(np.float32), columns, np.cumsum(np.concatenate(lengths))),
        (X.shape[0], len(found.panel)),
    )
    moved.has_canonical_format = True
    return moved


class _Finder:
    """Positions of the genes of a panel, by every name that leads to them."""

    def __init__(
        self, panel: Panel, gene_map: GeneMap | None, *, entrez_beside: bool = False
    ) -> None:
        self.map = gene_map
        self.entrez_beside = entrez_beside
        self.exact = dict(zip(panel.names, itertools.count(), strict=False))
        self.by_symbol: dict[str, int] = {}
        if gene_map is None:
            return
        shared: set[str] = set()
        for place, name in enumerate(panel.names):
            symbols = self._symbols(name)
            # An old symbol in a panel that also has the approved symbol stands only for itself.
            if len(symbols) != 1 or (symbols[0] != name and symbols[0] in self.exact):
                continue
            if symbols[0] in self.by_symbol:
                shared.add(symbols[0])
            self.by_symbol[symbols[0]] = place
        for symbol in shared:
            del self.by_symbol[symbol]

    def find_all(self, rows: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
        """`find` for the spellings of each column."""
        firsts = [*map(itemgetter(0), rows)]
        species = map(attrgetter("species"), map(parse, firsts))
        return [
            # Most columns are found by their first name.
            (place, "") if place is not None and one in _OF_MAN else self.find(row)
            for place, one, row in zip(map(self.exact.get, firsts), species, rows, strict=True)
        ]

    def find(self, spellings: Sequence[str]) -> tuple[int, str]:
        """Position in the panel, and how it was found; or -1, and why not."""
        for spelling in spellings:
            for name in self._forms(spelling):
                if name in self.exact:
                    return self.exact[name], "" if name == spelling else f"as {name}"
        if self.map is None:
            return _NOWHERE, "not in the panel by this name"
        reason = "not in the panel"
        for spelling in spellings:
            for name in self._forms(spelling):
                symbols = self._symbols(name)
                if len(symbols) > 1:
                    reason = f"ambiguous: may be {', '.join(symbols[:4])}"
                elif symbols and symbols[0] in self.by_symbol:
                    return self.by_symbol[symbols[0]], f"as {symbols[0]}"
        return _NOWHERE, reason

    def genes(self, spelling: str) -> frozenset[str]:
        """Approved symbols that a name can mean; the name itself if it is in the panel."""
        for name in self._forms(spelling):
            symbols = self._symbols(name) or ((name,) if name in self.exact else ())
            if symbols:
                return frozenset(symbols)
        return frozenset()

    def _forms(self, spelling: str) -> list[str]:
        """The parts of a name that can match: the name, its identifier, and a symbol in it."""
        gene = parse(spelling)
        if gene.species not in _OF_MAN:
            return []
        by_r = gene.key.replace(".", "-")  # R writes HLA.A where the symbol is HLA-A
        entrez = gene.entrez if self.entrez_beside else ""
        forms = (spelling, gene.key, gene.symbol, by_r, entrez)
        return list(dict.fromkeys(filter(None, forms)))

    def _symbols(self, name: str) -> tuple[str, ...]:
        """Approved symbols that a name can mean."""
        if self.map is None:
            return ()
        gene = parse(name)
        if gene.kind != "symbol":
            ids = self.map.ensembl if gene.kind == "ensembl" else self.map.entrez
            return (ids[gene.key],) if gene.key in ids else ()
        return (gene.key,) if gene.key in self.map.approved else self.map.older.get(gene.key, ())
