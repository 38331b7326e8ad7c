"""Titles of columns that name genes: one list for every reader.

Case, blanks and punctuation are ignored (`folded`).
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
"""Titles of columns of ids, mostly Ensembl's."""
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
"""Titles of columns of symbols."""
ENTREZ_TITLES = (
    *("entrez", "entrez_id", "entrez_ids", "entrezid", "entrez_gene_id", "entrezgene_id"),
    *("entrezgene", "ncbi_gene_id", "ncbi_gene", "ncbi_id", "gene_id", "geneid"),
    *("NCBI gene (formerly Entrezgene) ID", "NCBI Gene ID(supplied by NCBI)"),
)
"""Titles of columns of Entrez ids; only under these titles can numbers be gene names."""
GENOME_TITLES = ("genome", "genome_name", "species", "organism", "feature_reference")
"""Titles of the genome of a gene (Cell Ranger, CELLxGENE)."""


PROBE_TITLES = (
    *("probe", "probe_id", "probeset_id", "ID_REF", "transcript", "transcript_id"),
    *("transcript_ids", "target_id", "tracking_id", "Hybridization REF", "hugo", "hugo_symbol"),
    *("hgnc_id", "external_gene", "entrez_gene"),
)
"""Titles of gene names that scatd cannot look up, or of the only gene names in a file."""
NEUTRAL_TITLES = frozenset(
    ("", "id", "ids", "idx", "index", "name", "names", "row", "rowname", "rownames", "key")
)
"""Titles of either gene names or cell names, folded."""


def folded(name: object) -> str:
    """Drop case, blanks and punctuation: `Gene.ID` and `gene_id` become equal."""
    return "".join(filter(str.isalnum, str(name).casefold()))


_IDS = [folded(title) for title in ID_TITLES]
_SYMBOLS = [folded(title) for title in SYMBOL_TITLES]
_ENTREZ = [folded(title) for title in ENTREZ_TITLES]
_GENOMES = [folded(title) for title in GENOME_TITLES]
GENE_TITLES = frozenset((*_IDS, *_SYMBOLS, *_ENTREZ, *map(folded, PROBE_TITLES))) - NEUTRAL_TITLES
"""Titles used only for gene names; folded."""


def names_genes(title: object) -> bool:
    """True when a column with this title names genes."""
    return folded(title) in (*_IDS, *_SYMBOLS, *_ENTREZ)


def names_entrez(title: object) -> bool:
    """True when numbers under this title can be Entrez ids."""
    return folded(title) in _ENTREZ


def names_genomes(title: object) -> bool:
    """True when a column with this title names the genome of a gene."""
    return folded(title) in _GENOMES


def ids_first(titles: Iterable[object]) -> list[str]:
    """The titles of gene names: ids before symbols."""
    return _ranked(titles, (*_IDS, *_SYMBOLS, *_ENTREZ))


def symbols_first(titles: Iterable[object]) -> list[str]:
    """The titles of gene names: symbols before ids."""
    return _ranked(titles, (*_SYMBOLS, *_IDS, *_ENTREZ))


def _ranked(titles: Iterable[object], order: Sequence[str]) -> list[str]:
    known = [str(title) for title in titles if folded(title) in order]
    return sorted(known, key=lambda title: order.index(folded(title)))


def symbol_column(titles: Sequence[object]) -> str | None:
    """The title of the column of symbols; None if no title says so."""
    found = _ranked(titles, _SYMBOLS)
    return next((title for title in found if folded(title) not in NEUTRAL_TITLES), None)


def id_columns(titles: Sequence[object]) -> list[str]:
    """Titles of id columns, Ensembl's first; the values show which of them hold ids."""
    found = _ranked(titles, (*_IDS, *_ENTREZ))
    return [title for title in found if folded(title) not in NEUTRAL_TITLES]
