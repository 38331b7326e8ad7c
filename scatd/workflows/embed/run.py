"""Use case: embed raw counts with a foundation model."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scatd import __version__, console
from scatd.data.cohort import Cohort
from scatd.data.opened import open_input
from scatd.data.preflight import Report, require_human
from scatd.nn.devices import pick_device
from scatd.workflows.cohorts.embedder import Embedder
from scatd.workflows.embed.output import Embedding, require_output, write_embedding
from scatd.workflows.embed.request import EmbedRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class EmbedResult:
    """An embedding.

    Parameters
    ----------
    output, slot
        The file (None where nothing was written), and the name of the embedding in `obsm`.
    n_obs, width
        Its size.
    n_computed
        Number of cells that were computed: neither in the cache nor copies of another cell.
    reasons
        Number of cells without an embedding, by reason.
    embedding
        The embedding itself; None where it was written to a file.
    """

    output: Path | None
    slot: str
    n_obs: int
    width: int
    n_computed: int
    reasons: dict[str, int]
    embedding: Embedding | None = None


def embed(request: EmbedRequest) -> EmbedResult:
    """Embed every cell; the output is the input with `obsm` added.

    A killed run leaves what it computed in the cache, so that the same command continues. A cell
    that cannot be embedded stays, with NaN and a reason.

    Raises
    ------
    InputError
        When the cohort, the weights or the options cannot be used.
    """
    if request.output is not None:
        require_output(request.output)
    device = pick_device(request.embedder.device)
    with (
        open_input(request.input) as opened,
        tempfile.TemporaryDirectory(prefix="scatd-") as scratch,
    ):
        cohort = opened.cohort
        require_human(cohort)
        embedder = Embedder(replace(request.embedder, device=str(device)))
        report = embedder.look(cohort, layer=request.layer, scale=request.scale)
        n_before = len(embedder.store)
        shape = (cohort.n_obs, embedder.encoder.width)
        X: NDArray[np.float32]
        if request.output is None:
            X = np.empty(shape, np.float32)
        else:  # in a file, as large as it may be: the memory stays that of a block
            X = np.memmap(Path(scratch) / "rows", np.float32, "w+", shape=shape)
        made = embed_cells(embedder, cohort, report, X)
        if request.output is not None:
            write_embedding(made, opened, request.output)
    words, counts = np.unique(made.reasons[made.reasons != ""].astype(str), return_counts=True)
    return EmbedResult(
        *(request.output, made.slot, *shape),
        n_computed=len(embedder.store) - n_before,
        reasons=dict(zip(words.tolist(), counts.tolist(), strict=True)),
        embedding=made if request.output is None else None,
    )


def embed_cells(
    embedder: Embedder, cohort: Cohort, report: Report, into: NDArray[np.float32]
) -> Embedding:
    """Embed every cell of an opened cohort; no file is written but the cache.

    Parameters
    ----------
    report
        Of `embedder.look`.
    into
        Takes the embedding, (n_obs, width); may be a memory map.

    Raises
    ------
    InputError
        When values are not finite or below zero, or a total of each cell is needed and missing.
    """
    for warning in report.warnings:
        logger.warning("%s", warning)
    for note in report.notes:
        logger.info("%s", note)
    rows = embedder.rows(cohort, report)
    with console.progress(cohort.n_obs, "Embedding", "cell") as bar:
        reasons = rows.embed_all(into, bar.update)
    about = {**embedder.provenance(report), "scatd": __version__}
    return Embedding(embedder.slot, into, reasons, about)
