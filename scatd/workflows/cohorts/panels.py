"""The genes that each family reads, as far as the cache has them."""

from __future__ import annotations

import logging
from pathlib import Path

from scatd.data import catalogue
from scatd.data.genes import GeneMap, Panel
from scatd.workflows.cohorts.genes import cached, published_panel

logger = logging.getLogger(__name__)


def family_panels(given: Path | None) -> tuple[dict[str, Panel], dict[str, GeneMap]]:
    """The panels of the families, and the gene maps of those that are read with their own.

    Parameters
    ----------
    given
        The file of `--gene-map`.
    """
    panels: dict[str, Panel] = {}
    own_maps: dict[str, GeneMap] = {}
    published = published_panel()
    if published is None:
        logger.info("Genes of sf and dist are not here: scatd download %s", catalogue.PANEL)
    else:
        panels["sf, dist"] = published
    folder = cached(catalogue.DICTIONARIES)
    if not folder.is_dir():
        logger.info("Genes of gf are not here: scatd download %s", catalogue.DICTIONARIES)
        return panels, own_maps
    # Imported here, because the reader of published pickles imports torch.
    from scatd.embedding.geneformer_dictionaries import read_vocabulary
    from scatd.workflows.cohorts.weights import geneformer_genes

    panels["gf"], own_map = geneformer_genes(read_vocabulary(folder), folder, given)
    if own_map is not None:
        own_maps["gf"] = own_map
    return panels, own_maps
