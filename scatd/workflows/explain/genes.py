"""Genes behind a model that reads embeddings: attribution carried through the foundation model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import console, keys
from scatd.data.cohort import Matrix
from scatd.data.demo_files import given_or_demo
from scatd.data.opened import open_input
from scatd.embedding.settings import EmbedderRequest
from scatd.errors import InputError
from scatd.explanation.controls import Control, gene_controls, label
from scatd.explanation.explainers.explainer import Explainer
from scatd.explanation.explainers.making import explainer_of
from scatd.explanation.randomised import WHOLE
from scatd.explanation.tokens import TokenAttribution, attribute_tokens, completeness, gene_table
from scatd.scoring import Scorer
from scatd.wording import counted
from scatd.workflows.cohorts.embedder import Embedder
from scatd.workflows.cohorts.token_rows import RowEmbedder
from scatd.workflows.explain.subject import Subject

STEPS = 50


@dataclass(frozen=True, eq=False)
class GeneResult:
    """Genes of a model that reads embeddings.

    Parameters
    ----------
    importance
        Of `gene_table`, with a column `controls`.
    controls
        Of this list.
    convergence
        Of `completeness`.
    label
        "passed", "failed: ..." or "not run".
    """

    importance: pd.DataFrame
    controls: list[Control]
    convergence: dict[str, float]
    label: str


@dataclass(frozen=True, eq=False)
class GeneReader:
    """The foundation model that carries attributions to genes, and the counts that it reads.

    Parameters
    ----------
    embedder, rows
        The model, and the token lists of the cohort's rows.
    matrix
        The counts.
    names
        Gene of each token id.
    """

    embedder: Embedder
    rows: RowEmbedder
    matrix: Matrix
    names: dict[int, str]

    def attribute(self, row: int, subject: Subject, model: Explainer) -> TokenAttribution | None:
        """Attribute one cell's logit under a model to tokens; None where it has no token."""
        cell = self.rows.tokens(row, self.matrix.rows(row, row + 1))
        if cell.reasons[0]:
            return None
        return attribute_tokens(
            self.embedder.encoder.cut(cell), cell.ids, model, subject.move, STEPS
        )


def require_gradients(scorer: Scorer) -> None:
    """Refuse a model whose logits have no gradient that could be carried to genes.

    Raises
    ------
    InputError
        For trees, and for a mean with trees among its parts.
    """
    if not explainer_of(scorer.members, scorer.network, "raw").has_gradients:
        candidate = scorer.card.candidate.in_words
        what = f"{candidate} has no gradient that could be carried through the foundation model"
        raise InputError(
            what,
            where="--gene-cells",
            expected="a network or a linear model",
            remedy="Leave --gene-cells out, or learn the drug with --model network.",
        )


@contextmanager
def gene_reader(subject: Subject) -> Iterator[GeneReader]:
    """Open the counts of a subject's cells for the foundation model of its family.

    Raises
    ------
    InputError
        When the model reads genes itself, or the cohort holds no counts or the weights are missing.
    """
    preparation, family = subject.request.preparation, subject.ref.family
    source = given_or_demo(subject.request.input, "target")
    if family not in keys.BACKENDS:
        what = f"family {family} reads genes: its features are the genes already"
        raise InputError(what, where="--gene-cells", remedy="Leave --gene-cells out.")
    with open_input(source) as opened:
        if not opened.is_cohort:
            what = "... holds no counts to carry the attribution to"
            expected = "raw counts (.h5ad, .zarr, 10x, .loom)"
            raise InputError(what, where=str(opened.path), expected=expected)
        embedder = Embedder(
            EmbedderRequest(
                keys.BACKENDS[family],
                weights=preparation.weights,
                gene_map=preparation.gene_map,
                device=str(subject.device),
            )
        )
        cohort = opened.cohort
        report = embedder.look(cohort, layer=preparation.layer, scale=preparation.scale)
        rows, matrix = RowEmbedder(embedder, cohort, report), cohort.matrices[report.layer]
        yield GeneReader(embedder, rows, matrix, embedder.token_names(cohort))


def explain_genes(subject: Subject, reader: GeneReader) -> GeneResult:
    """Attribute some cells' logit to their genes, rank them, and test the list.

    Raises
    ------
    InputError
        When no cell has a gene that the foundation model knows.
    """
    request = subject.request
    places = subject.sample(request.settings.seed)[: request.gene_cells]
    found = _over(places, subject, reader, subject.explainer, "Genes of cells")
    if not found:
        what = f"none of {counted(len(places), 'cell')} has a gene that the foundation model knows"
        raise InputError(what, where=str(subject.cells.given.path))
    table = gene_table(found, reader.names)
    controls: list[Control] = []
    if request.controls:
        other = subject.explainer.randomised(WHOLE, request.settings.seed)
        random = gene_table(
            _over(places, subject, reader, other, "Genes, random weights"), reader.names
        )
        halves = [gene_table(found[part::2], reader.names) for part in (0, 1) if found[part::2]]
        controls = gene_controls(table, halves, random, request.settings.top)
    verdict = label(controls)
    table["controls"] = verdict
    return GeneResult(table, controls, completeness(found), verdict)


def _over(
    places: NDArray[np.int64],
    subject: Subject,
    reader: GeneReader,
    model: Explainer,
    title: str,
) -> list[TokenAttribution]:
    found = []
    with console.progress(len(places), title, "cell") as bar:
        for row in places.tolist():
            found.append(reader.attribute(row, subject, model))
            bar.update(1)
    return [one for one in found if one is not None]
