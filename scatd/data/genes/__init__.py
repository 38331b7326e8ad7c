"""Genes: what their names say, what else they are called, and a cohort in a panel's order."""

from scatd.data.genes.genemap import GeneMap
from scatd.data.genes.matching import Combine, GeneMatch, aligned, match
from scatd.data.genes.names import (
    KIND_WORDS,
    Kind,
    is_mitochondrial,
    kind_of,
    parse,
    species_of,
    spellings,
)
from scatd.data.genes.panel import Panel, read_panel

__all__ = [
    "KIND_WORDS",
    "Combine",
    "GeneMap",
    "GeneMatch",
    "Kind",
    "Panel",
    "aligned",
    "is_mitochondrial",
    "kind_of",
    "match",
    "parse",
    "read_panel",
    "species_of",
    "spellings",
]
