"""Parse gene names: kind of identifier, species, version, and symbol."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Literal, NamedTuple

import pandas as pd

from scatd.data.gene_titles import names_entrez, names_genes
from scatd.data.genes.prefixes import GENOMES, ID_PATTERNS, SPECIES_OF_ENSEMBL

Kind = Literal["ensembl", "symbol", "entrez"]
KIND_WORDS: dict[Kind, str] = {
    "ensembl": "Ensembl ids",
    "symbol": "gene symbols",
    "entrez": "Entrez ids",
}

_ID = r"ENS[A-Z]{0,6}?G"
_BETWEEN = r"(?:[_|;:,/. -]| \(|\.\.)"
"""Separators of id and symbol in one name; R writes dots for blanks and brackets."""
_ENSEMBL = re.compile(rf"({_ID})(R?)(\d{{10,11}})(\.\d+)?(?:{_BETWEEN}(.+?)[).]?)?")
_SYMBOL_AND_ENSEMBL = re.compile(rf"(.+?){_BETWEEN}({_ID}\d{{11}})(\.\d+)?[).]?")
_SYMBOL_AND_ENTREZ = re.compile(r"(.+?)(?: ?\((\d+)\)|\.\.(\d+)\.|\|(\d+))")
"""`TSPAN6 (7105)` of DepMap, `TSPAN6..7105.` after R has read it, `TSPAN6|7105` of TCGA."""
_NO_SYMBOL = ("?", "")
_PAR_Y = ("PAR_Y", "PAR-Y", "PAR.Y")
_GENOME = re.compile(rf"({'|'.join(map(re.escape, GENOMES))})[-_.]+(?=.)", re.IGNORECASE)
_MITOCHONDRIAL_IDS = frozenset(
    f"ENSG00000{number}"
    for number in (
        *("198888", "198763", "198804", "198712", "228253", "198899", "198938", "198840"),
        *("212907", "198886", "198786", "198695", "198727"),
    )
)
"""The 13 protein-coding human mitochondrial genes."""


class GeneName(NamedTuple):
    """The parts of one name.

    Parameters
    ----------
    kind
        Kind of identifier.
    key
        The identifier, without genome prefix, version and suffix.
    symbol
        The symbol beside an Ensembl id in the same name; empty if there is none.
    species
        Species of the prefix; empty if there is none.
    versioned, par_y
        True when a version was removed; True for a copy on Y of a gene on X.
    entrez
        The Entrez id beside a symbol in the same name; empty if there is none.
    """

    kind: Kind
    key: str
    symbol: str = ""
    species: str = ""
    versioned: bool = False
    par_y: bool = False
    entrez: str = ""


@lru_cache(1 << 17)
def parse(name: str) -> GeneName:
    """Split one name into its parts.

    Examples
    --------
    >>> parse("ENSG00000141510.18_TP53").key, parse("ENSG00000141510.18_TP53").symbol
    ('ENSG00000141510', 'TP53')
    >>> parse("ENSGR0000002586").key, parse("hg19_TP53").key, parse("7157").kind
    ('ENSG00000002586', 'TP53', 'entrez')
    >>> parse("TP53 (7157)").key, parse("TP53 (7157)").entrez, parse("GRCh38---TP53").key
    ('TP53', '7157', 'TP53')
    >>> parse("ENSA").kind
    'symbol'
    """
    text, species = name.strip(), ""
    genome = _GENOME.match(text)
    if genome is not None:
        species = GENOMES[genome[1].casefold()]
        text = text[genome.end() :]
    if text.isdecimal():
        return GeneName("entrez", text, species=species)
    if "ENS" in text:
        found = _ensembl(text)
        if found is not None:
            return found
    beside = _SYMBOL_AND_ENTREZ.fullmatch(text)
    if beside is not None:
        symbol, number = beside[1].strip(), beside[2] or beside[3] or beside[4]
        if symbol in _NO_SYMBOL:
            return GeneName("entrez", number, species=species)
        return GeneName("symbol", symbol, species=species, entrez=number)
    for pattern, whose in ID_PATTERNS:
        if pattern.fullmatch(text):
            return GeneName("symbol", text, species=whose)
    return GeneName("symbol", text, species=species)


def _ensembl(text: str) -> GeneName | None:
    """Parse a name with an Ensembl id, with or without a symbol."""
    found = _ENSEMBL.fullmatch(text)
    if found is not None:
        prefix, pseudoautosomal, number, version, rest = found.groups()
        par_y = bool(pseudoautosomal) or rest in _PAR_Y
        is_symbol = rest is not None and not par_y and not rest.isdecimal()  # digits: a copy
        return GeneName(
            "ensembl",
            prefix + number.zfill(11),
            symbol=rest if is_symbol else "",
            species=SPECIES_OF_ENSEMBL.get(prefix, "another species"),
            versioned=version is not None,
            par_y=par_y,
        )
    found = _SYMBOL_AND_ENSEMBL.fullmatch(text)
    if found is None:
        return None
    inner = parse(found[2])
    return GeneName("ensembl", inner.key, found[1], inner.species, versioned=found[3] is not None)


def kind_of(names: Iterable[str]) -> Kind:
    """The most frequent kind of identifier among `names`."""
    counts = Counter(map(attrgetter("kind"), map(parse, names)))
    return counts.most_common(1)[0][0] if counts else "symbol"


@lru_cache(1 << 17)
def is_mitochondrial(name: str) -> bool:
    """True for a gene of the mitochondrial genome, of any species that writes `MT-`."""
    key = parse(name).key
    return key[:3].upper() in ("MT-", "MT.") or key in _MITOCHONDRIAL_IDS


def spellings(var: pd.DataFrame) -> list[list[str]]:
    """Every list of gene names of a cohort, the most important first.

    These are the index of `var`, then the columns whose titles name genes. Numbers that count from
    0 or 1 are not names; other numbers come last. In a column, numbers are Entrez ids only if the
    title says so.
    """
    own = _as_text(var.index.to_series())
    found = []
    for place, title in enumerate(var.columns):
        names = _as_text(var.iloc[:, place]) if names_genes(title) else []
        numbers = all(name.isdecimal() for name in names if name)
        if any(names) and not (numbers and (is_numbering(names) or not names_entrez(title))):
            found.append(names)
    if found and all(name.isdecimal() for name in own):
        return found if is_numbering(own) else [*found, own]
    return [own, *found]


def gene_names(var: pd.DataFrame) -> list[str]:
    """One name for each gene of a cohort: the first list of `spellings`."""
    return spellings(var)[0]


def _as_text(column: pd.Series) -> list[str]:
    if pd.api.types.is_float_dtype(column.dtype):  # integers with gaps: 7157.0 is 7157
        column = column.map(lambda value: f"{value:.0f}" if value == value else "")
    held = column.astype(object).where(column.notna(), "").tolist()
    return [*map(str.strip, map(str, held))]  # in half of the time of pandas


def is_numbering(names: Sequence[str]) -> bool:
    """True when names are whole numbers that count up from 0 or 1."""
    if not len(names) or names[0] not in ("0", "1"):
        return False
    first = int(names[0])
    return list(names) == [str(number) for number in range(first, first + len(names))]
