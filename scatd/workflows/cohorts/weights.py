"""Paths of the weights and dictionaries of foundation models: given, or downloaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from scatd.data import downloads
from scatd.data.catalogue import CATALOGUE, DICTIONARIES
from scatd.data.genes import GeneMap, Panel
from scatd.embedding.geneformer_dictionaries import (
    NAMES_FILE,
    TOKENS_FILE,
    GeneVocabulary,
    find_dictionary,
)
from scatd.embedding.loading import load_dictionary
from scatd.errors import InputError
from scatd.workflows.cohorts.genes import find_gene_map

_WITHOUT_WEIGHTS = "Without any weights, models of family dist read expression as it is."


def _folder(name: str) -> Path:
    return downloads.folder_of(CATALOGUE[name], downloads.cache_folder())


def scfoundation_weights(given: str | None) -> Path:
    """The file of `--weights`, else the one in the folder of downloads.

    Raises
    ------
    InputError
        When there is none; it says how to get it.
    """
    if given is not None:
        return Path(given)
    found = _folder("scfoundation-weights") / "models.ckpt"
    if found.is_file():
        return found
    weights = CATALOGUE["scfoundation-weights"]
    what = f"{weights.about} is needed, and --weights is not given (licence: {weights.licence})"
    remedy = f"{_WITHOUT_WEIGHTS} {weights.by_hand} The page: {weights.page}"
    raise InputError(what, where="--backend scfoundation", expected="--weights FILE", remedy=remedy)


def geneformer_weights(given: str | None) -> str:
    """A folder of Geneformer's weights, or a name on the Hugging Face hub.

    Parameters
    ----------
    given
        A folder, a name of `scatd download` or of the hub; None takes the 12-layer model.

    Raises
    ------
    InputError
        When a model of `scatd download` was not downloaded.
    """
    if given is not None and Path(given).exists():
        return given
    name = given or "geneformer-12L"
    if name not in CATALOGUE:
        return name
    if (_folder(name) / "config.json").is_file():
        return str(_folder(name))
    about, licence = CATALOGUE[name].about, CATALOGUE[name].licence
    what = f"the weights are not here ({about}; licence {licence})"
    remedy = (
        f"{_WITHOUT_WEIGHTS} Get them: scatd download {name}\n"
        f"Without network, take files that you carried here: scatd download {name} --from FOLDER"
    )
    raise InputError(what, where=f"--weights {name}", remedy=remedy)


def dictionaries(given: Path | None, weights: str) -> Path:
    """Folder of Geneformer's dictionaries: given, beside the weights, or among the downloads."""
    if given is not None:
        return given
    if find_dictionary(Path(weights), TOKENS_FILE) is not None:
        return Path(weights)
    return _folder(DICTIONARIES)


def geneformer_genes(
    vocabulary: GeneVocabulary, folder: Path, given: Path | None
) -> tuple[Panel, GeneMap | None]:
    """The genes that Geneformer reads, and what finds them in a cohort.

    Parameters
    ----------
    vocabulary, folder
        Geneformer's dictionaries, and where they lie.
    given
        The file of `--gene-map`. None takes Geneformer's own names, and where its folder has none,
        the map in the cache.
    """
    own = None if given is not None else _published_names(folder)
    return Panel(vocabulary.genes, "Geneformer"), own or find_gene_map(given)


def _published_names(folder: Path) -> GeneMap | None:
    """Symbols of genes from Geneformer's own dictionary; None where the folder has none."""
    path = find_dictionary(folder, NAMES_FILE)
    if path is None:
        return None
    names = {name: str(gene) for name, gene in load_dictionary(path).items() if name}
    content = json.dumps(names, sort_keys=True).encode()
    ids = {gene: name for name, gene in names.items()}
    digest = hashlib.sha256(content).hexdigest()
    return GeneMap(frozenset(names), ids, {}, {}, str(path), digest)
