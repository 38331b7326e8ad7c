"""The features that a model reads, taken from a cohort or made from its expression."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import console, keys
from scatd.cards.card import Card
from scatd.data.cells import failures
from scatd.data.cohort import Cohort
from scatd.data.expression import LOG1P, log_normalise, on_panel
from scatd.data.features import Features, read_features
from scatd.data.genes import Combine, Panel, aligned
from scatd.data.given import GivenCohort
from scatd.data.lazy import IN_MEMORY_BYTES, LazyMatrix
from scatd.data.limits import MIN_GENES
from scatd.data.opened import OpenedInput, open_input
from scatd.data.preflight import Report, Requirements, look, measure, require_human
from scatd.data.preparation import Preparation
from scatd.embedding.settings import EmbedderRequest
from scatd.errors import InputError
from scatd.keys import InputScale
from scatd.workflows.cohorts.embedder import Embedder
from scatd.workflows.cohorts.genes import find_gene_map, find_panel

if TYPE_CHECKING:
    from anndata import AnnData

READ = "log1p of values scaled to 10,000"
"""The scale that a model of family dist reads, in the words of `data.scale`."""


@dataclass(frozen=True, eq=False)
class ScoringInput:
    """Features of every cell, and reasons why some cells have none.

    Parameters
    ----------
    features
        Rows without features are zero.
    reasons
        (n_obs,) text, empty where a cell can be scored.
    opened
        The input that the features are read from; it is open for as long as they are.
    notes
        Findings of the pre-flight check.
    """

    features: Features
    reasons: NDArray[np.object_]
    opened: OpenedInput
    notes: list[str] = field(default_factory=list)


@contextmanager
def scoring_input(
    source: GivenCohort | AnnData | OpenedInput,
    family: str,
    card: Card,
    preparation: Preparation,
    device: torch.device,
) -> Iterator[ScoringInput]:
    """Open a cohort for a model; its rows are prepared as they are asked for.

    Parameters
    ----------
    source
        A file, an AnnData or an input that is open, with features of the family or with expression
        by genes.
    card
        Of the model.

    Raises
    ------
    InputError
        With all faults of the cohort, or when weights are needed that are not there.
    """
    with open_input(source) as opened:
        if not _needs_preparation(opened, family, card, preparation):
            features = _features_as_given(opened, family, card)
            yield ScoringInput(features, np.full(features.n_obs, "", dtype=object), opened)
        elif family in keys.BACKENDS:
            with _embedded(opened, family, preparation, device) as made:
                yield made
        else:
            yield _expression(opened, card, preparation)


def _needs_preparation(
    opened: OpenedInput, family: str, card: Card, preparation: Preparation
) -> bool:
    """True where features have to be made; else the input holds them as the model reads them."""
    if family not in keys.BACKENDS:
        # z-scores are taken as they are, by the names of the genes.
        return opened.may_name_genes and card.about.input_scale != "zscore"
    slot = keys.OBSM_FEATURES[family]
    if slot not in opened.embeddings:
        return opened.is_cohort
    if preparation.layer is not None:
        what = f'the model reads obsm["{slot}"], which is there'
        remedy = "Leave --layer out; or embed that layer: scatd embed --layer"
        raise InputError(what, where=f"--layer {preparation.layer}", remedy=remedy)
    return False


def _features_as_given(opened: OpenedInput, family: str, card: Card) -> Features:
    genes = card.about.genes if opened.may_name_genes else None
    width = card.sizes.n_features if genes is None else None
    reads_z_scores = family not in keys.BACKENDS and card.about.input_scale == "zscore"
    scale: InputScale | None = "zscore" if reads_z_scores else None
    features = read_features(opened, family, n_features=width, mmap=True, scale=scale)
    return features if genes is None else on_panel(features, Panel(genes, "the model"), "mean")


def _expression(opened: OpenedInput, card: Card, preparation: Preparation) -> ScoringInput:
    """Rows of family dist: in the order of the model's genes and on its scale."""
    cohort, genes, input_scale = opened.cohort, card.about.genes, card.about.input_scale
    panel = Panel(genes, "the model") if genes else find_panel(None, cohort)
    # A cell cannot express 200 genes of a panel that has a few hundred.
    min_genes = min(MIN_GENES, max(len(panel) // 10, 1))
    report = _checked(cohort, panel, input_scale, preparation, min_genes)
    matrix, found = cohort.matrices[report.layer], report.matches["model"]
    assert report.cells is not None
    reasons = np.array(failures(report.cells, min_genes), dtype=object)
    combine: Combine = "sum" if report.scale == "counts" else "mean"
    is_to_normalise = report.scale == "counts" and input_scale != "counts"

    def rows(start: int, stop: int) -> NDArray[np.float32]:
        X = aligned(matrix.rows(start, stop), found, combine).toarray()
        X = log_normalise(X) if is_to_normalise else X
        X[reasons[start:stop] != ""] = 0
        return X

    lazy: Any = LazyMatrix(rows, (cohort.n_obs, len(panel)))
    features = _features(cohort, lazy, report.layer, panel)
    if found.missing.any():
        features = replace(features, missing=found.missing)
    return ScoringInput(features, reasons, opened, [*report.warnings, *report.notes])


def _checked(
    cohort: Cohort,
    panel: Panel,
    input_scale: str | None,
    preparation: Preparation,
    min_genes: int,
) -> Report:
    """The pre-flight report, with the quality of every cell.

    Raises
    ------
    InputError
        With all faults.
    """
    accepts: tuple[InputScale, ...] = ("counts",) if input_scale == "counts" else ("counts", LOG1P)
    report = look(
        cohort,
        {"model": panel},
        find_gene_map(preparation.gene_map),
        layer=preparation.layer,
        scale=preparation.scale,
        requires=Requirements(accepts, min_genes),
    )
    report.faults.raise_if_any()
    with console.progress(cohort.n_obs, "Checking cells", "cell") as bar:
        measure(report, cohort.matrices[report.layer], bar.update)
    report.faults.raise_if_any()
    held = report.diagnoses[report.layer]
    if input_scale == LOG1P and held.logarithm and not held.words.startswith(READ):
        what = f"{report.layer} holds {held.words}, and the model reads {READ}"
        report.warnings.append(f"{what}: it is taken as it is. Raw counts are brought to it.")
    return report


@contextmanager
def _embedded(
    opened: OpenedInput, family: str, preparation: Preparation, device: torch.device
) -> Iterator[ScoringInput]:
    """Rows of family sf or gf, embedded from counts block by block."""
    cohort = opened.cohort
    require_human(cohort)
    embedder = _embedder(cohort, family, preparation, device)
    report = embedder.look(cohort, layer=preparation.layer, scale=preparation.scale)
    rows = embedder.rows(cohort, report)
    shape = (cohort.n_obs, embedder.encoder.width)
    with tempfile.TemporaryDirectory() as scratch:
        X: NDArray[np.float32]
        if 4 * shape[0] * shape[1] > IN_MEMORY_BYTES:
            X = np.lib.format.open_memmap(Path(scratch) / "X.npy", "w+", np.float32, shape)
        else:
            X = np.empty(shape, np.float32)
        with console.progress(cohort.n_obs, f"Embedding ({keys.BACKENDS[family]})", "cell") as bar:
            reasons = np.empty(cohort.n_obs, dtype=object)
            for start, block, why in rows.blocks(progress=bar.update):
                X[start : start + len(block)] = block
                reasons[start : start + len(block)] = why
        X[reasons != ""] = 0
        features = _features(cohort, X, embedder.slot, None)
        yield ScoringInput(features, reasons, opened, [*report.warnings, *report.notes])


def _embedder(
    cohort: Cohort, family: str, preparation: Preparation, device: torch.device
) -> Embedder:
    """The foundation model.

    Raises
    ------
    InputError
        When there are no weights; it says how to embed the cohort.
    """
    backend, weights, gene_map = keys.BACKENDS[family], preparation.weights, preparation.gene_map
    try:
        return Embedder(
            EmbedderRequest(backend, weights=weights, gene_map=gene_map, device=str(device))
        )
    except InputError as error:
        if weights is not None:
            raise
        slot = keys.OBSM_FEATURES[family]
        what = f'has no obsm["{slot}"], and there are no weights to make it: {error.what}'
        remedy = f"scatd embed {cohort.path} --backend {backend}; {error.remedy}"
        raise InputError(what, where=str(cohort.path), remedy=remedy) from error


def _features(cohort: Cohort, X: Any, key: str, panel: Panel | None) -> Features:
    ids = cohort.obs.index.astype(str)
    return Features(
        X,
        ids.to_numpy(dtype=str),
        not np.array_equal(ids, np.arange(cohort.n_obs).astype(str)),
        pd.DataFrame(cohort.obs).set_axis(ids, axis=0),
        cohort.path,
        key,
        cohort.simulated,
        None if panel is None else panel.names,
    )
