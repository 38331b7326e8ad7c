"""Genes behind a model that reads embeddings: attribution carried through the foundation model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import console, keys, tracking
from scatd.data.io import is_cohort, open_cohort
from scatd.errors import InputError
from scatd.explain.controls import Control, gene_controls, label
from scatd.explain.linear_path import LinearPath
from scatd.explain.randomised import STAGES, randomised
from scatd.explain.tokens import TokenAttribution, attribute_tokens, completeness, gene_table
from scatd.keys import artifact_paths, metric_names
from scatd.workflows.cohorts.embedder import Embedder, EmbedderRequest
from scatd.workflows.cohorts.token_rows import RowEmbedder
from scatd.workflows.explain.inputs import Subject

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


def gene_embedder(subject: Subject) -> Embedder:
    """The foundation model that carries a cell's attribution to its genes, ready for the cells.

    Raises
    ------
    InputError
        When the model reads genes itself, or the cohort holds no counts or the weights are missing.
    """
    request, family = subject.request, subject.ref.family
    path = subject.features.path
    if family not in keys.BACKENDS:
        what = f"family {family} reads genes: its features are the genes already"
        raise InputError(what, where="--gene-cells", remedy="Leave --gene-cells out.")
    if not is_cohort(path):
        what = "holds no counts to carry the attribution to"
        raise InputError(what, where=str(path), expected="raw counts (.h5ad, .zarr, 10x, .loom)")
    embedder = Embedder(
        EmbedderRequest(
            keys.BACKENDS[family],
            weights=request.preparation.weights,
            gene_map=request.preparation.gene_map,
            device=subject.device,
        )
    )
    with open_cohort(path) as cohort:
        embedder.look(cohort, scale=request.preparation.scale)
    return embedder


def explain_genes(run: tracking.Run, subject: Subject, embedder: Embedder) -> GeneResult:
    """Attribute some cells' logit to their genes, rank them, test the list, and track it.

    Raises
    ------
    InputError
        When no cell has a gene that the foundation model knows.
    """
    request, path = subject.request, subject.features.path
    places = subject.sample(request.settings.seed)[: request.gene_cells]
    with open_cohort(path) as cohort:
        report = embedder.look(
            cohort, layer=request.preparation.layer, scale=request.preparation.scale
        )
        rows, matrix = RowEmbedder(embedder, cohort, report), cohort.matrices[report.layer]

        def attribute(row: int, model: LinearPath) -> TokenAttribution | None:
            cell = rows.tokens(row, matrix.rows(row, row + 1))
            if cell.reasons[0]:
                return None
            cut = embedder.encoder.cut(cell)
            return attribute_tokens(cut, cell.ids, model, subject.move, STEPS)

        found = _over(places, attribute, subject.path, "Genes of cells")
        names = embedder.token_names(cohort)
        if not found:
            what = f"none of {len(places)} cells has a gene that the foundation model knows"
            raise InputError(what, where=str(path))
        table = gene_table(found, names)
        controls: list[Control] = []
        if request.controls:
            other = randomised(subject.path, STAGES[-1], request.settings.seed)
            random = _over(places, attribute, other, "Genes, random weights")
            halves = [gene_table(found[part::2], names) for part in (0, 1) if found[part::2]]
            controls = gene_controls(table, halves, gene_table(random, names), request.settings.top)
    verdict = label(controls)
    table["controls"] = verdict
    reached = completeness(found)
    run.log_table(table, artifact_paths.GENES)
    run.log_metrics(
        {metric_names.GENES_DELTA.format(statistic=name): reached[name] for name in ("max", "mean")}
    )
    run.log_metrics({metric_names.CONTROL.format(name=one.name): one.value for one in controls})
    return GeneResult(table, controls, reached, verdict)


def _over(
    places: NDArray[np.int64],
    attribute: Callable[[int, LinearPath], TokenAttribution | None],
    model: LinearPath,
    what: str,
) -> list[TokenAttribution]:
    found = []
    with console.progress(len(places), what, "cell") as bar:
        for row in places.tolist():
            found.append(attribute(row, model))
            bar.update(1)
    return [one for one in found if one is not None]
