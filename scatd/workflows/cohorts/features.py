"""What a model reads, made from what the cohort holds: features, or counts on the way to them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from scatd.data.io import STORE_SUFFIXES, is_cohort, open_cohort, open_store
from scatd.data.lazy import IN_MEMORY_BYTES, LazyMatrix
from scatd.data.limits import MIN_GENES
from scatd.data.preflight import Requirements, look, measure, require_human
from scatd.data.preparation import Preparation
from scatd.data.readers.stores import embeddings
from scatd.data.tables import TABLE_SUFFIXES, has_suffix
from scatd.errors import InputError
from scatd.keys import InputScale
from scatd.workflows.cohorts.embedder import Embedder, EmbedderRequest
from scatd.workflows.cohorts.genes import find_gene_map, find_panel
from scatd.workflows.cohorts.token_rows import RowEmbedder

READ = "log1p of values scaled to 10,000"
"""The scale that a model of family dist reads, in the words of `data.scale`."""


@dataclass(frozen=True, eq=False)
class ScoringInput:
    """Features of every cell, and why some cells have none.

    Parameters
    ----------
    features
        Rows without features are zero.
    reasons
        (n_obs,) text, empty where a cell can be scored.
    notes
        What the pre-flight has to say.
    """

    features: Features
    reasons: NDArray[np.object_]
    notes: list[str] = field(default_factory=list)


@contextmanager
def scoring_input(
    path: Path,
    family: str,
    card: Card,
    preparation: Preparation,
    device: torch.device,
) -> Iterator[ScoringInput]:
    """Open a cohort for a model; its rows are prepared as they are asked for.

    Parameters
    ----------
    path
        Features of the family, or expression by genes.
    card
        Of the model.

    Raises
    ------
    InputError
        With all faults of the cohort, or when weights are needed that are not there.
    """
    n_features = card.sizes.n_features
    genes = card.about.genes
    scale: InputScale | None = None
    by_genes = is_cohort(path) or has_suffix(path, TABLE_SUFFIXES)
    if family in keys.BACKENDS:
        has_embedding = _has_embedding(path, family)
        if has_embedding and preparation.layer is not None:
            what = f'the model reads obsm["{keys.OBSM_FEATURES[family]}"], which is there'
            remedy = "Leave --layer out; or embed that layer: scatd embed --layer"
            raise InputError(what, where=f"--layer {preparation.layer}", remedy=remedy)
        by_genes = is_cohort(path) and not has_embedding
    elif card.about.input_scale == "zscore":
        by_genes, scale = False, "zscore"  # z-scores are taken as they are, gene by gene
    if not by_genes:
        named = genes if is_cohort(path) or has_suffix(path, TABLE_SUFFIXES) else None
        width = n_features if named is None else None
        features = read_features(path, family, n_features=width, mmap=True, scale=scale)
        if named is not None:
            features = on_panel(features, Panel(named, "the model"), "mean")
        yield ScoringInput(features, np.full(features.n_obs, "", dtype=object))
        return
    with open_cohort(path) as cohort:
        if family in keys.BACKENDS:
            with _embedded(cohort, family, preparation, device) as made:
                yield made
        else:
            panel = Panel(genes, "the model") if genes else find_panel(None, cohort)
            yield _expression(cohort, panel, card.about.input_scale, preparation)


def _has_embedding(path: Path, family: str) -> bool:
    if not has_suffix(path, STORE_SUFFIXES):
        return False
    with open_store(path) as store:
        return keys.OBSM_FEATURES[family] in embeddings(store)


def _expression(
    cohort: Cohort, panel: Panel, input_scale: str | None, preparation: Preparation
) -> ScoringInput:
    """Rows of family dist: in the order of the model's genes and on its scale."""
    gene_map = find_gene_map(preparation.gene_map)
    # A panel of a few hundred genes cannot ask for the 200 that a whole transcriptome can.
    min_genes = min(MIN_GENES, max(len(panel) // 10, 1))

    accepts: tuple[InputScale, ...] = ("counts",) if input_scale == "counts" else ("counts", LOG1P)
    report = look(
        cohort,
        {"model": panel},
        gene_map,
        layer=preparation.layer,
        scale=preparation.scale,
        requires=Requirements(accepts, min_genes),
    )
    report.faults.raise_if_any()
    matrix, found = cohort.matrices[report.layer], report.matches["model"]
    with console.progress(cohort.n_obs, "Checking cells", "cell") as bar:
        measure(report, matrix, bar.update)
    report.faults.raise_if_any()
    assert report.cells is not None
    reasons = np.array(failures(report.cells, min_genes), dtype=object)
    combine: Combine = "sum" if report.scale == "counts" else "mean"
    held = report.diagnoses[report.layer]
    if input_scale == LOG1P and held.logarithm and not held.words.startswith(READ):
        what = f"{report.layer} holds {held.words}, and the model reads {READ}"
        report.warnings.append(f"{what}: it is taken as it is. Raw counts are brought to it.")

    def rows(start: int, stop: int) -> NDArray[np.float32]:
        X = aligned(matrix.rows(start, stop), found, combine).toarray()
        is_to_normalise = report.scale == "counts" and input_scale != "counts"
        X = log_normalise(X) if is_to_normalise else X
        X[reasons[start:stop] != ""] = 0
        return X

    shape = (cohort.n_obs, len(panel))
    lazy: Any = LazyMatrix(rows, shape)
    notes = [*report.warnings, *report.notes]
    return ScoringInput(_features(cohort, lazy, report.layer, panel), reasons, notes)


@contextmanager
def _embedded(
    cohort: Cohort, family: str, preparation: Preparation, device: torch.device
) -> Iterator[ScoringInput]:
    """Rows of family sf or gf, embedded from counts block by block."""
    backend = keys.BACKENDS[family]
    require_human(cohort)
    try:
        embedder = Embedder(
            EmbedderRequest(
                backend,
                weights=preparation.weights,
                gene_map=preparation.gene_map,
                device=device,
            )
        )
    except InputError as error:
        if preparation.weights is not None:
            raise
        slot = keys.OBSM_FEATURES[family]
        what = f'has no obsm["{slot}"], and there are no weights to make it: {error.what}'
        remedy = f"scatd embed {cohort.path} --backend {backend}; {error.remedy}"
        raise InputError(what, where=str(cohort.path), remedy=remedy) from error
    report = embedder.look(cohort, layer=preparation.layer, scale=preparation.scale)
    rows = RowEmbedder(embedder, cohort, report)
    shape = (cohort.n_obs, embedder.encoder.width)
    reasons = np.full(cohort.n_obs, "", dtype=object)
    with tempfile.TemporaryDirectory() as scratch:
        X: NDArray[np.float32]
        if 4 * shape[0] * shape[1] > IN_MEMORY_BYTES:
            X = np.lib.format.open_memmap(Path(scratch) / "X.npy", "w+", np.float32, shape)
        else:
            X = np.empty(shape, np.float32)
        with console.progress(cohort.n_obs, f"Embedding ({backend})", "cell") as bar:
            for start, block in cohort.matrices[report.layer].blocks():
                part = slice(start, start + block.shape[0])
                embedding, reasons[part] = rows.embed(start, block, bar.update)
                X[part] = np.nan_to_num(embedding)
        notes = [*report.warnings, *report.notes]
        yield ScoringInput(_features(cohort, X, embedder.slot, None), reasons, notes)


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
