"""Use case: from raw counts to the embedding of a foundation model."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, write_elem
from numpy.typing import NDArray

from scatd import __version__, console, keys
from scatd.data.cohort import Cohort, Matrix, X
from scatd.data.files import atomic_path, check_writable
from scatd.data.io import STORE_SUFFIXES, open_cohort, open_store, read_adata
from scatd.data.preflight import require_human
from scatd.data.storable import mapping, storable, storable_value, write_h5ad
from scatd.data.tables import has_suffix
from scatd.data.writing import writing_cohort
from scatd.embed.settings import ScFoundationSettings
from scatd.errors import InputError
from scatd.keys import Backend, InputScale
from scatd.nn.devices import pick_device
from scatd.workflows.cohorts.embedder import Embedder, EmbedderRequest
from scatd.workflows.cohorts.token_rows import RowEmbedder

logger = logging.getLogger(__name__)

_UNS_KEY = "embed"


def reason_column(slot: str) -> str:
    """`obs` column that says why a row of `obsm[slot]` is NaN; empty where it is not."""
    return f"{slot}_reason"


@dataclass(frozen=True)
class EmbedRequest:
    """What to embed with which weights.

    Parameters
    ----------
    input, output
        Cohort or table of any kind that scatd reads; `.h5ad`.
    backend, weights, settings, dictionaries, panel, gene_map
        As `embed_inputs.EmbedderRequest` says.
    layer, scale
        Which matrix, and what it holds, where the check cannot tell.
    device
        Where to compute.
    """

    input: Path
    output: Path
    backend: Backend
    weights: str | None = None
    settings: ScFoundationSettings = field(default_factory=ScFoundationSettings)
    dictionaries: Path | None = None
    panel: Path | None = None
    gene_map: Path | None = None
    layer: str | None = None
    scale: InputScale | None = None
    device: str = "auto"


@dataclass(frozen=True)
class EmbedResult:
    """Where the embedding is, and how many cells it was computed for.

    `n_computed` leaves out what was in the cache and copies of the same cell; `reasons` says how
    often a cell could not be embedded, and why.
    """

    output: Path
    slot: str
    n_obs: int
    width: int
    n_computed: int
    reasons: dict[str, int]


def embed(request: EmbedRequest) -> EmbedResult:
    """Embed every cell; the output is the input with `obsm` added, and nothing without it.

    A killed run leaves what it computed in the cache, so that the same command continues. A cell
    that cannot be embedded stays, with NaN and a reason.

    Raises
    ------
    InputError
        When the cohort, the weights or the options cannot be used.
    """
    if not has_suffix(request.output, (".h5ad",)):
        what = f"unknown kind of output '{request.output.suffix}'"
        raise InputError(what, where=str(request.output), expected=".h5ad")
    check_writable(request.output)
    device = pick_device(request.device)
    with open_cohort(request.input) as cohort:
        require_human(cohort)
        embedder = Embedder(
            EmbedderRequest(
                request.backend,
                request.weights,
                request.settings,
                request.dictionaries,
                request.panel,
                request.gene_map,
                device,
            )
        )
        report = embedder.look(cohort, layer=request.layer, scale=request.scale)
        for warning in report.warnings:
            logger.warning("%s", warning)
        for note in report.notes:
            logger.info("%s", note)
        n_before = len(embedder.store)
        with tempfile.TemporaryDirectory(prefix="scatd-") as scratch:
            # In a file, as large as it may be: the memory stays that of a block.
            shape = (cohort.n_obs, embedder.encoder.width)
            embedding = np.memmap(Path(scratch) / "rows", np.float32, "w+", shape=shape)
            reasons = np.full(cohort.n_obs, "", object)
            rows = RowEmbedder(embedder, cohort, report)
            with console.progress(cohort.n_obs, "Embedding", "cell") as bar:
                for start, block in cohort.matrices[report.layer].blocks():
                    part = slice(start, start + block.shape[0])
                    embedding[part], reasons[part] = rows.embed(start, block, bar.update)
            about = {**embedder.provenance(report), "scatd": __version__}
            with atomic_path(request.output) as temporary:
                _copy(cohort, temporary)
                _add(temporary, embedder.slot, embedding, reasons, about)
    words, counts = np.unique(reasons[reasons != ""].astype(str), return_counts=True)
    return EmbedResult(
        request.output,
        embedder.slot,
        shape[0],
        shape[1],
        len(embedder.store) - n_before,
        dict(zip(words.tolist(), counts.tolist(), strict=True)),
    )


def _copy(cohort: Cohort, target: Path) -> None:
    """The cohort as it is, as `.h5ad`."""
    if has_suffix(cohort.path, (".h5ad",)) and not _is_old(cohort.path):
        shutil.copyfile(cohort.path, target)
    elif has_suffix(cohort.path, STORE_SUFFIXES):
        write_h5ad(read_adata(cohort.path), target)
    else:
        matrix: Matrix = cohort.matrices[X]
        with writing_cohort(target, matrix.shape[1]) as writer:
            for _, block in matrix.blocks():
                writer.add(block)
            writer.finish(cohort.obs, matrix.var, cohort.uns)


def _is_old(path: Path) -> bool:
    """Whether an `.h5ad` is from before anndata 0.7, which has no place to add an embedding."""
    with open_store(path) as store:
        return hasattr(store["obs"], "shape")


def _add(
    path: Path,
    slot: str,
    embedding: NDArray[np.float32],
    reasons: NDArray[np.object_],
    about: dict[str, Any],
) -> None:
    """Write the embedding, why rows of it are missing, and how it was made, into an `.h5ad`."""
    column = reason_column(slot)
    with h5py.File(path, "r+") as file:
        write_elem(file, f"obsm/{slot}", np.asarray(embedding))  # no memmap, by its type
        has_reasons = bool((reasons != "").any())
        if has_reasons or column in file["obs"]:
            obs = read_elem(file["obs"]).drop(columns=column, errors="ignore")
            if has_reasons:
                obs[column] = pd.Categorical(reasons.astype(str))
            write_elem(file, "obs", storable(obs))
        place = f"uns/{keys.UNS_SCATD}"
        said = mapping(read_elem(file[place])) if place in file else {}
        said[_UNS_KEY] = {**mapping(said.get(_UNS_KEY)), slot: about}
        write_elem(file, place, storable_value(said))
