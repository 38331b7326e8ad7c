"""Gene names: what kind of identifier they are, which species they name, and what they hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import pandas as pd

Kind = Literal["ensembl", "symbol", "entrez"]
KIND_WORDS: dict[Kind, str] = {
    "ensembl": "Ensembl ids",
    "symbol": "gene symbols",
    "entrez": "Entrez ids",
}

_ENSEMBL = re.compile(r"(ENS[A-Z]{0,6}?G)(R?)(\d{10,11})(\.\d+)?(?:[_|](.+))?")
_SYMBOL_AND_ENSEMBL = re.compile(r"(.+)[_|](ENS[A-Z]{0,6}?G\d{11})(\.\d+)?")
_PAR_Y = "PAR_Y"
_GENOME = re.compile(r"(grch3[78]|hg19|hg38|mm10|mm39|grcm38|grcm39)_+", re.IGNORECASE)
_SPECIES_OF_GENOME = {"g": "human", "h": "human", "m": "mouse"}
_SPECIES_OF_PREFIX = {
    "ENSG": "human",
    "ENSMUSG": "mouse",
    "ENSRNOG": "rat",
    "ENSDARG": "zebrafish",
    "ENSMMUG": "macaque",
    "ENSSSCG": "pig",
    "ENSCAFG": "dog",
    "ENSBTAG": "cow",
    "ENSGALG": "chicken",
}
_MITOCHONDRIAL_IDS = frozenset(
    f"ENSG00000{number}"
    for number in (
        *("198888", "198763", "198804", "198712", "228253", "198899", "198938", "198840"),
        *("212907", "198886", "198786", "198695", "198727"),
    )
)
"""The 13 protein-coding mitochondrial genes of man."""
_OTHER_COLUMNS = (
    *("gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "ensembl", "feature_id", "accession"),
    *("gene_symbols", "gene_symbol", "gene_name", "gene_names", "symbol", "symbols"),
    *("feature_name", "hgnc_symbol", "gene", "entrez_id", "entrez"),
)
"""Columns of `var` in which cohorts keep a second name of each gene, in any case."""


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
    """

    kind: Kind
    key: str
    symbol: str = ""
    species: str = ""
    versioned: bool = False
    par_y: bool = False


@lru_cache(1 << 17)
def parse(name: str) -> GeneName:
    """Take one name apart.

    Examples
    --------
    >>> parse("ENSG00000141510.18_TP53").key, parse("ENSG00000141510.18_TP53").symbol
    ('ENSG00000141510', 'TP53')
    >>> parse("ENSGR0000002586").key, parse("hg19_TP53").key, parse("7157").kind
    ('ENSG00000002586', 'TP53', 'entrez')
    >>> parse("ENSA").kind
    'symbol'
    """
    text, species = name.strip(), ""
    genome = _GENOME.match(text) if "_" in text else None
    if genome is not None:
        species = _SPECIES_OF_GENOME[genome[1][0].lower()]
        text = text[genome.end() :]
    if text.isdecimal():
        return GeneName("entrez", text, species=species)
    if "ENS" not in text:
        return GeneName("symbol", text, species=species)
    found = _ENSEMBL.fullmatch(text)
    if found is not None:
        prefix, pseudoautosomal, number, version, rest = found.groups()
        par_y = bool(pseudoautosomal) or rest == _PAR_Y
        return GeneName(
            "ensembl",
            prefix + number.zfill(11),
            symbol="" if rest is None or par_y else rest,
            species=_SPECIES_OF_PREFIX.get(prefix, "no human"),
            versioned=version is not None,
            par_y=par_y,
        )
    found = _SYMBOL_AND_ENSEMBL.fullmatch(text)
    if found is not None:
        inner = parse(found[2])
        return GeneName(
            "ensembl", inner.key, found[1], inner.species, versioned=found[3] is not None
        )
    return GeneName("symbol", text, species=species)


def kind_of(names: Iterable[str]) -> Kind:
    """The kind of identifier that most of `names` are."""
    counts = Counter(parse(name).kind for name in names)
    return counts.most_common(1)[0][0] if counts else "symbol"


def species_of(names: Sequence[str]) -> str:
    """Species by prefix (Ensembl, genome) and, for symbols, by capitalisation.

    Human symbols are written in capitals, those of mouse and rat with one capital, those of fish
    without. Empty where the names do not say.
    """
    parsed = [parse(name) for name in names]
    told = Counter(gene.species for gene in parsed if gene.species)
    if sum(told.values()) > len(parsed) / 2:
        return told.most_common(1)[0][0]
    words = [
        gene.key
        for gene in parsed
        if gene.kind == "symbol" and sum(map(str.isalpha, gene.key)) > 2 and "." not in gene.key
    ]
    if len(words) <= len(parsed) / 2:
        return ""
    as_written = Counter(_capitals(word) for word in words)
    most, count = as_written.most_common(1)[0]
    return most if count > len(words) / 2 else ""


def _capitals(word: str) -> str:
    letters = "".join(filter(str.isalpha, word))
    if letters[1:].islower():
        return "mouse or rat" if letters[0].isupper() else "fish or fly"
    return "human"


def is_mitochondrial(name: str) -> bool:
    """Whether a name is a gene of the mitochondrial genome, of any species that writes `MT-`."""
    key = parse(name).key
    return key.upper().startswith(("MT-", "MT.")) or key in _MITOCHONDRIAL_IDS


def spellings(var: pd.DataFrame) -> list[list[str]]:
    """Every way in which a cohort names its genes: the index of `var`, then known columns of it."""
    known = [column for column in var.columns if str(column).casefold() in _OTHER_COLUMNS]
    columns = [var.index.to_series(), *(var[column] for column in known)]
    return [
        column.astype(object).where(column.notna(), "").astype(str).tolist() for column in columns
    ]
