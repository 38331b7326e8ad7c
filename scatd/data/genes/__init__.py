"""Gene names and their meaning, older names, and the order of a panel."""

from scatd.data.gene_titles import ids_first, names_genes
from scatd.data.genes.dates import spreadsheet_dates
from scatd.data.genes.genemap import GeneMap
from scatd.data.genes.matching import Combine, GeneMatch, aligned, match
from scatd.data.genes.names import (
    KIND_WORDS,
    GeneName,
    Kind,
    gene_names,
    is_mitochondrial,
    is_numbering,
    kind_of,
    parse,
    spellings,
)
from scatd.data.genes.panel import Panel, read_panel
from scatd.data.genes.species import (
    HOUSEKEEPING,
    HUMAN,
    Origin,
    origin_of,
    species_by_capitals,
)

__all__ = [
    "HOUSEKEEPING",
    "HUMAN",
    "KIND_WORDS",
    "Combine",
    "GeneMap",
    "GeneMatch",
    "GeneName",
    "Kind",
    "Origin",
    "Panel",
    "aligned",
    "gene_names",
    "ids_first",
    "is_mitochondrial",
    "is_numbering",
    "kind_of",
    "match",
    "names_genes",
    "origin_of",
    "parse",
    "read_panel",
    "species_by_capitals",
    "spellings",
    "spreadsheet_dates",
]
