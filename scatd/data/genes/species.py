"""Find the species of a cohort, and its columns of other species."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.gene_titles import names_genomes
from scatd.data.genes.names import parse, spellings
from scatd.data.genes.prefixes import GENOMES

HUMAN = "human"
HOUSEKEEPING = frozenset(
    (
        *("ACTB", "ACTG1", "B2M", "CFL1", "EEF1A1", "EEF2", "ENO1", "FTH1", "FTL", "GAPDH"),
        *("HSP90AA1", "HSPA8", "LDHA", "LDHB", "MALAT1", "NPM1", "PGK1", "PKM", "PPIA", "RPL3"),
        *("RPLP0", "RPLP1", "RPS18", "RPS27A", "RPS3", "RPS6", "SOD1", "TP53", "TPI1", "TPT1"),
        *("TUBA1B", "TUBB", "UBA52", "UBB", "UBC", "VIM", "YWHAZ"),
    )
)
"""Genes in nearly every expression table, in capitals as in man and in other spellings."""
_MIXED_FROM = 0.1
"""Above this share of human genes, the other genes count as a second species."""


@dataclass(frozen=True, eq=False)
class Origin:
    """The species of the genes of a cohort.

    Parameters
    ----------
    species
        Species of the cohort; empty when the names do not show it.
    other
        A second species beside man; empty when there is none.
    others
        (n_columns,) True for the columns of the second species.
    """

    species: str
    other: str
    others: NDArray[np.bool_]


def origin_of(
    var: pd.DataFrame,
    known: Collection[str] = HOUSEKEEPING,
    names: Sequence[Sequence[str]] | None = None,
) -> Origin:
    """Find the species of a cohort from every column of `var` that names genes or genomes.

    Ids and prefixes decide first: symbols in capitals beside mouse ids are mouse genes. Without
    them, the capitals of symbols decide, if some of the symbols are known genes.

    Parameters
    ----------
    known
        Known symbols, in capitals.
    names
        From `spellings`, where they are at hand.
    """
    names = spellings(var) if names is None else names
    told = _told(names, var)
    counts = Counter(filter(None, told))
    nobody = np.zeros(len(var), bool)
    foreign = Counter({species: n for species, n in counts.items() if species != HUMAN})
    if foreign:
        unmarked = (name for name, species in zip(names[0], told, strict=True) if not species)
        n_human = counts[HUMAN] or sum(name in known for name in unmarked)
        other = foreign.most_common(1)[0][0]
        if n_human >= _MIXED_FROM * (n_human + foreign.total()):
            return Origin(HUMAN, other, np.array([species in foreign for species in told]))
        if foreign.total() > len(told) / 2:
            return Origin(other, "", nobody)
    elif counts[HUMAN] > len(told) / 2:
        return Origin(HUMAN, "", nobody)
    by_capitals = (species_by_capitals(column, known) for column in names)
    return Origin(next(filter(None, by_capitals), ""), "", nobody)


def _told(names: Sequence[Sequence[str]], var: pd.DataFrame) -> list[str]:
    """Species of each column, from the first of its names, or its genome, that shows one."""
    of_lists = [map(attrgetter("species"), map(parse, own)) for own in names]
    told = [*of_lists[0]]
    for more in of_lists[1:]:
        told = [one or other for one, other in zip(told, more, strict=True)]
    for place, title in enumerate(var.columns):
        if names_genomes(title):
            words = var.iloc[:, place].astype(str)
            whose = words.map({word: _of_genome(word) for word in words.unique()})
            told = [one or other for one, other in zip(told, whose, strict=True)]
    return told


def _of_genome(word: str) -> str:
    """Species of a genome such as `mm10` or `GRCh38-2020-A`; empty for two genomes together."""
    folded = word.casefold().replace(" ", "_")
    found = {species for name, species in GENOMES.items() if folded.startswith(name)}
    return found.pop() if len(found) == 1 and "_and_" not in folded else ""


def species_by_capitals(names: Sequence[str], known: Collection[str] = HOUSEKEEPING) -> str:
    """Species from the spelling of symbols: in capitals, with one capital, or in small letters.

    Human symbols have capitals only, mouse and rat symbols one capital, fish symbols small letters.
    Empty when the spelling is not clear, or when too few names are known genes.
    """
    symbols = [gene.key for gene in map(parse, names) if gene.kind == "symbol"]
    words = [word for word in symbols if sum(map(str.isalpha, word)) > 2 and "." not in word]
    n_genes = sum(symbol.upper() in known for symbol in symbols)
    if len(words) <= len(names) / 2 or n_genes < min(3, max(1, len(words) // 4)):
        return ""
    most, count = Counter(map(_capitals, words)).most_common(1)[0]
    return most if count > len(words) / 2 else ""


def _capitals(word: str) -> str:
    if word.isupper():  # most symbols
        return HUMAN
    letters = "".join(filter(str.isalpha, word))
    if letters[1:].islower():
        return "mouse or rat" if letters[0].isupper() else "fish or fly"
    return HUMAN
