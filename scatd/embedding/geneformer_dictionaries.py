"""The published dictionaries of the Geneformer 30M models: tokens and medians of genes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from scatd.embedding.loading import load_dictionary
from scatd.errors import InputError

TOKENS_FILE, MEDIANS_FILE = "token_dictionary", "gene_median_dictionary"
NAMES_FILE = "gene_name_id_dict"
SUFFIXES = (".pkl", ".json")

_COPY_ON_Y = "ENSGR"


@dataclass(frozen=True)
class GeneVocabulary:
    """Genes in the vocabulary of the model.

    Parameters
    ----------
    tokens
        Token id by Ensembl id.
    medians
        Median of the counts above zero by Ensembl id, per 10,000 counts of a cell.
    """

    tokens: dict[str, int]
    medians: dict[str, float]

    @cached_property
    def genes(self) -> tuple[str, ...]:
        """The genes, in order. Copies on Y of genes on X (ENSGR...) count as those on X."""
        return tuple(gene for gene in self.tokens if not gene.startswith(_COPY_ON_Y))

    def sha256(self) -> str:
        """Hex SHA-256 of the content of the dictionaries, independent of their format."""
        digest = hashlib.sha256()
        for gene in sorted(self.tokens):
            digest.update(f"{gene} {self.tokens[gene]} {self.medians[gene]!r}\n".encode())
        return digest.hexdigest()


def find_dictionary(folder: Path, name: str) -> Path | None:
    """Find the file of a dictionary in a folder, pickled or JSON."""
    there = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((path for path in there if path.is_file()), None)


def read_vocabulary(folder: Path) -> GeneVocabulary:
    """Read `token_dictionary` and `gene_median_dictionary` (.pkl or .json) of a folder.

    Raises
    ------
    InputError
        When one is missing, damaged, contains code, or has values that are not tokens or medians.
    """
    paths = {}
    for name in (TOKENS_FILE, MEDIANS_FILE):
        found = find_dictionary(folder, name)
        if found is None:
            what = f"there is no {name}.pkl or {name}.json"
            remedy = (
                "Get them: scatd download geneformer-dictionaries\n"
                "Without network, take files that you carried here: "
                "scatd download geneformer-dictionaries --from FOLDER"
            )
            raise InputError(what, where=str(folder), remedy=remedy)
        paths[name] = found
    medians = load_dictionary(paths[MEDIANS_FILE])
    tokens = load_dictionary(paths[TOKENS_FILE])
    for gene, median in medians.items():
        if not isinstance(median, float | int | np.floating) or not 0 < median < np.inf:
            what = f"the median of {gene} is {median!r}"
            raise InputError(what, where=str(paths[MEDIANS_FILE]), expected="a number above 0")
        if not isinstance(tokens.get(gene), int | np.integer):
            what = f"{gene} has a median and no token"
            raise InputError(what, where=str(paths[TOKENS_FILE]), expected="a token for each gene")
    return GeneVocabulary(
        {gene: int(tokens[gene]) for gene in medians},
        {gene: float(median) for gene, median in medians.items()},
    )
