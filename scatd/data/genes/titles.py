"""The titles of columns in which files name genes: one list for every reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ID_TITLES = (
    # Cell Ranger and scanpy's readers of it
    *("gene_ids", "gene_id", "feature_id", "id"),
    # loom files (velocyto, the Linnarsson lab), and those made for Geneformer
    *("Accession", "ensembl_id"),
    # Ensembl BioMart, biomaRt and HGNC
    *("ensembl_gene_id", "ensembl_gene_id_version", "gene_stable_id", "gene_stable_id_version"),
    # CELLxGENE, GENCODE tables, featureCounts, and spellings of them that people use
    *("ensembl", "ensembl_ids", "ensembl_gene", "ensembl_gene_ids", "ensg", "ensg_id", "ensgid"),
    *("gene_ensembl", "gene_ids_ensembl", "feature_ids", "geneid", "stable_id"),
)
"""Titles of identifiers, mostly Ensembl's."""
SYMBOL_TITLES = (
    # Cell Ranger, scanpy
    *("gene_symbols", "gene_symbol", "gene_names", "gene_name", "feature_name", "feature_names"),
    # monocle, Seurat and its converters
    *("gene_short_name", "features", "feature"),
    # loom files
    *("Gene", "genes", "var_names"),
    # BioMart, HGNC, NCBI
    *("external_gene_name", "hgnc_symbol", "hgnc", "approved_symbol", "official_symbol"),
    # kb-python, salmon's and spatial panels
    *("target_name", "symbol", "symbols", "name", "names", "gene_name_hgnc"),
    # what data frames leave behind
    *("_index", "index", "rownames", "row_names"),
)
"""Titles of symbols."""
ENTREZ_TITLES = (
    *("entrez", "entrez_id", "entrez_ids", "entrezid", "entrez_gene_id", "entrezgene_id"),
    *("entrezgene", "ncbi_gene_id", "ncbi_gene", "ncbi_id", "gene_id", "geneid"),
)
"""Titles of Entrez ids: only under one of these do numbers name genes."""
GENOME_TITLES = ("genome", "genome_name", "species", "organism", "feature_reference")
"""Titles of the genome that a gene belongs to (Cell Ranger, CELLxGENE)."""


def plain(title: object) -> str:
    """A title without case, blanks and punctuation: `Gene Symbol` and `gene_symbol` are one."""
    return "".join(filter(str.isalnum, str(title).casefold()))


_IDS = [plain(title) for title in ID_TITLES]
_SYMBOLS = [plain(title) for title in SYMBOL_TITLES]
_ENTREZ = [plain(title) for title in ENTREZ_TITLES]
_GENOMES = [plain(title) for title in GENOME_TITLES]


def names_genes(title: object) -> bool:
    """Whether a column with this title names genes."""
    return plain(title) in (*_IDS, *_SYMBOLS, *_ENTREZ)


def names_entrez(title: object) -> bool:
    """Whether numbers under this title may be Entrez ids."""
    return plain(title) in _ENTREZ


def names_genomes(title: object) -> bool:
    """Whether a column with this title says which genome a gene belongs to."""
    return plain(title) in _GENOMES


def ids_first(titles: Iterable[object]) -> list[str]:
    """Those titles that name genes: ids before symbols."""
    return _ranked(titles, (*_IDS, *_SYMBOLS, *_ENTREZ))


def symbols_first(titles: Iterable[object]) -> list[str]:
    """Those titles that name genes: symbols before ids."""
    return _ranked(titles, (*_SYMBOLS, *_IDS, *_ENTREZ))


def _ranked(titles: Iterable[object], order: Sequence[str]) -> list[str]:
    known = [str(title) for title in titles if plain(title) in order]
    return sorted(known, key=lambda title: order.index(plain(title)))
