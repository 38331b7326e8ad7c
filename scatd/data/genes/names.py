"""Gene names: what kind of identifier they are, which species they name, and what they hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
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
"""Separators of an id and a symbol in one name; R writes dots for blanks and brackets."""
_ENSEMBL = re.compile(rf"({_ID})(R?)(\d{{10,11}})(\.\d+)?(?:{_BETWEEN}(.+?)[).]?)?")
_SYMBOL_AND_ENSEMBL = re.compile(rf"(.+?){_BETWEEN}({_ID}\d{{11}})(\.\d+)?[).]?")
_SYMBOL_AND_ENTREZ = re.compile(r"(.+?)(?: ?\((\d+)\)|\.\.(\d+)\.|\|(\d+))")
"""`TSPAN6 (7105)` of DepMap, `TSPAN6..7105.` once R has read it, `TSPAN6|7105` of TCGA."""
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
"""The 13 protein-coding mitochondrial genes of man."""


class GeneName(NamedTuple):
    """One name, taken apart.

    Parameters
    ----------
    kind
        What kind of identifier it is.
    key
        The identifier itself: without genome prefix, version and suffix.
    symbol
        The symbol that stands beside an Ensembl id in the same name, else empty.
    species
        What prefixes say; empty where they say nothing.
    versioned, par_y
        Whether a version was removed, and whether it is the copy on Y of a gene on X too.
    entrez
        The Entrez id that stands beside a symbol in the same name, else empty.
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
    """Take one name apart.

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
    """A name that holds an Ensembl id, with or without a symbol."""
    found = _ENSEMBL.fullmatch(text)
    if found is not None:
        prefix, pseudoautosomal, number, version, rest = found.groups()
        par_y = bool(pseudoautosomal) or rest in _PAR_Y
        is_symbol = rest is not None and not par_y and not rest.isdecimal()  # else a copy's number
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
    """The kind of identifier that most of `names` are."""
    counts = Counter(parse(name).kind for name in names)
    return counts.most_common(1)[0][0] if counts else "symbol"


def is_mitochondrial(name: str) -> bool:
    """Whether a name is a gene of the mitochondrial genome, of any species that writes `MT-`."""
    key = parse(name).key
    return key.upper().startswith(("MT-", "MT.")) or key in _MITOCHONDRIAL_IDS


def spellings(var: pd.DataFrame) -> list[list[str]]:
    """Every way in which a cohort names its genes, the first one first.

    The index of `var`, then the columns whose titles say that they name genes. Numbers from 0 or 1
    upwards count the genes and name none, and other numbers come last; in a column they are Entrez
    ids only where its title says so.
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
    """One name of each gene of a cohort: the first of `spellings`."""
    return spellings(var)[0]


def _as_text(column: pd.Series) -> list[str]:
    if pd.api.types.is_float_dtype(column.dtype):  # numbers with gaps: 7157.0 is 7157
        column = column.map(lambda value: f"{value:.0f}" if value == value else "")
    return column.astype(object).where(column.notna(), "").astype(str).str.strip().tolist()


def is_numbering(names: Sequence[str]) -> bool:
    """Whether names are whole numbers that ascend one by one from 0 or 1."""
    return len(names) > 0 and any(
        list(names) == [str(number) for number in range(first, first + len(names))]
        for first in (0, 1)
    )
