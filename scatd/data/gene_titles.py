"""The titles of columns in which files name genes: one list for every reader.

Case, blanks and punctuation do not count (`folded`).
"""

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
    "Ensembl ID(supplied by Ensembl)",
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
    *("NCBI gene (formerly Entrezgene) ID", "NCBI Gene ID(supplied by NCBI)"),
)
"""Titles of Entrez ids: only under one of these do numbers name genes."""
GENOME_TITLES = ("genome", "genome_name", "species", "organism", "feature_reference")
"""Titles of the genome that a gene belongs to (Cell Ranger, CELLxGENE)."""


PROBE_TITLES = (
    *("probe", "probe_id", "probeset_id", "ID_REF", "transcript", "transcript_id"),
    *("transcript_ids", "target_id", "tracking_id", "Hybridization REF", "hugo", "hugo_symbol"),
    *("hgnc_id", "external_gene", "entrez_gene"),
)
"""Titles over names that scatd does not look up, or in files that name genes once only."""
NEUTRAL_TITLES = frozenset(
    ("", "id", "ids", "idx", "index", "name", "names", "row", "rowname", "rownames", "key")
)
"""Titles that may stand over names of genes and of cells, folded."""


def folded(name: object) -> str:
    """A title or name without case, blanks and punctuation: `Gene.ID` and `gene_id` are one."""
    return "".join(filter(str.isalnum, str(name).casefold()))


_IDS = [folded(title) for title in ID_TITLES]
_SYMBOLS = [folded(title) for title in SYMBOL_TITLES]
_ENTREZ = [folded(title) for title in ENTREZ_TITLES]
_GENOMES = [folded(title) for title in GENOME_TITLES]
GENE_TITLES = frozenset((*_IDS, *_SYMBOLS, *_ENTREZ, *map(folded, PROBE_TITLES))) - NEUTRAL_TITLES
"""Titles that stand over names of genes, and of nothing else; folded."""


def names_genes(title: object) -> bool:
    """Whether a column with this title names genes."""
    return folded(title) in (*_IDS, *_SYMBOLS, *_ENTREZ)


def names_entrez(title: object) -> bool:
    """Whether numbers under this title may be Entrez ids."""
    return folded(title) in _ENTREZ


def names_genomes(title: object) -> bool:
    """Whether a column with this title says which genome a gene belongs to."""
    return folded(title) in _GENOMES


def ids_first(titles: Iterable[object]) -> list[str]:
    """Those titles that name genes: ids before symbols."""
    return _ranked(titles, (*_IDS, *_SYMBOLS, *_ENTREZ))


def symbols_first(titles: Iterable[object]) -> list[str]:
    """Those titles that name genes: symbols before ids."""
    return _ranked(titles, (*_SYMBOLS, *_IDS, *_ENTREZ))


def _ranked(titles: Iterable[object], order: Sequence[str]) -> list[str]:
    known = [str(title) for title in titles if folded(title) in order]
    return sorted(known, key=lambda title: order.index(folded(title)))


def symbol_column(titles: Sequence[object]) -> str | None:
    """The title of the column of symbols; None where there is none that says so."""
    found = _ranked(titles, _SYMBOLS)
    return next((title for title in found if folded(title) not in NEUTRAL_TITLES), None)


def id_columns(titles: Sequence[object]) -> list[str]:
    """Titles of columns of ids, Ensembl's before Entrez's; values tell which of them they hold."""
    found = _ranked(titles, (*_IDS, *_ENTREZ))
    return [title for title in found if folded(title) not in NEUTRAL_TITLES]
