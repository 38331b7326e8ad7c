"""Use case: embed raw counts with a foundation model."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scatd import __version__, console
from scatd.data.opened import open_input
from scatd.data.preflight import require_human
from scatd.nn.devices import pick_device
from scatd.parts.cohort_hash import content_hash
from scatd.scheduling import open_cluster
from scatd.scheduling.engine import Engine
from scatd.workflows.cohorts.embedder import Embedder
from scatd.workflows.embed.output import (
    Block,
    Embedding,
    Reasons,
    require_output,
    write_embedding,
)
from scatd.workflows.embed.parts import Work
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
    """Embed every cell, or some rows; the output is the input with `obsm` added.

    A part of a cohort gets its note beside it, for `scatd join`. A killed run leaves what it
    computed in the cache, so that the same command continues. A cell that cannot be embedded
    stays, with NaN and a reason.

    Raises
    ------
    InputError
        When the cohort, the weights or the options cannot be used.
    """
    if request.output is not None:
        require_output(request.output)
    device = pick_device(request.embedder.device)
    with open_input(request.input) as opened:
        require_human(opened.cohort)
        if request.rows is not None:
            content_hash(opened.path)  # its note needs it; a fault is said before hours of work
        embedder = Embedder(replace(request.embedder, device=str(device)))
        report = embedder.look(opened.cohort, layer=request.layer, scale=request.scale)
        work = Work(request, opened, embedder, report)
        slot, width = embedder.slot, embedder.encoder.width
        about = {**embedder.provenance(report), "scatd": __version__}
        made = None
        with open_cluster(request.machines) as cluster, closing(_shown(work, cluster)) as blocks:
            if request.output is None:
                X, reasons = np.empty((len(work.rows), width), np.float32), Reasons(len(work.rows))
                made = _in_memory(blocks, Embedding(slot, X, reasons, about))
            else:
                rows = None if request.rows is None else work.rows
                given = slot, width, blocks, about, opened, request.output, rows
                reasons = write_embedding(*given)
        if request.output is not None and request.rows is not None:
            work.note(request.output, width, about)
    return EmbedResult(
        *(request.output, slot, len(work.rows), width),
        n_computed=work.n_computed,
        reasons=reasons.counts(),
        embedding=made,
    )


def _shown(work: Work, cluster: Engine | None) -> Generator[Block, None, None]:
    """Embed cells block by block; findings of the check and the progress are shown."""
    for warning in work.report.warnings:
        logger.warning("%s", warning)
    for note in work.report.notes:
        logger.info("%s", note)
    with console.progress(len(work.rows), "Embedding", "cell") as bar:
        yield from work.blocks(cluster, bar.update)


def _in_memory(blocks: Iterable[Block], into: Embedding) -> Embedding:
    for start, block, why in blocks:
        into.X[start : start + len(block)] = block
        into.reasons.add(start, why)
    return into
