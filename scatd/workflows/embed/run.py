"""Use case: embed raw counts with a foundation model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scatd import __version__, console
from scatd.data.cohort import Cohort
from scatd.data.opened import open_input
from scatd.data.preflight import Report, require_human
from scatd.nn.devices import pick_device
from scatd.workflows.cohorts.embedder import Embedder
from scatd.workflows.embed.output import (
    Block,
    Embedding,
    Reasons,
    require_output,
    write_embedding,
)
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
    with open_input(request.input) as opened:
        cohort = opened.cohort
        require_human(cohort)
        embedder = Embedder(replace(request.embedder, device=str(device)))
        report = embedder.look(cohort, layer=request.layer, scale=request.scale)
        slot, width = embedder.slot, embedder.encoder.width
        blocks = embedded_blocks(embedder, cohort, report)
        about = {**embedder.provenance(report), "scatd": __version__}
        made = None
        if request.output is None:
            made = _in_memory(
                blocks,
                Embedding(
                    slot, np.empty((cohort.n_obs, width), np.float32), Reasons(cohort.n_obs), about
                ),
            )
            reasons = made.reasons
        else:
            reasons = write_embedding(slot, width, blocks, about, opened, request.output)
    return EmbedResult(
        *(request.output, slot, cohort.n_obs, width),
        n_computed=embedder.store.n_added,
        reasons=reasons.counts(),
        embedding=made,
    )


def embedded_blocks(embedder: Embedder, cohort: Cohort, report: Report) -> Iterator[Block]:
    """Embed every cell of an opened cohort block by block; no file is written but the cache.

    Parameters
    ----------
    report
        Of `embedder.look`.

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
        yield from rows.blocks(progress=bar.update)


def _in_memory(blocks: Iterable[Block], into: Embedding) -> Embedding:
    for start, block, why in blocks:
        into.X[start : start + len(block)] = block
        into.reasons.add(start, why)
    return into
