"""An embedding in parts: rows that a user asks for, and parts that workers of a cluster compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatd.data.findings import Report
from scatd.data.limits import BLOCK
from scatd.data.opened import OpenedInput, open_input
from scatd.embedding.settings import EmbedderRequest
from scatd.embedding.store import EmbeddingStore
from scatd.errors import InputError
from scatd.parts.cohort_hash import content_hash, place_and_time
from scatd.parts.computing import computed, folder_beside, open_until_the_end
from scatd.parts.files import same_matrix
from scatd.parts.kept import KeptParts, unfinished_work
from scatd.parts.note import PartNote, write_note
from scatd.parts.rows import RowSpan, rows_a_part
from scatd.scheduling.engine import Engine
from scatd.workflows.cohorts.embedder import Embedder
from scatd.workflows.cohorts.token_rows import RowEmbedder
from scatd.workflows.embed.output import Block, Reasons
from scatd.workflows.embed.request import EmbedRequest

PART_ROWS = 1 << 12
"""Most rows of a part, which is in memory as a whole: 12 kB a cell of scFoundation."""


class Work:
    """Rows of an opened cohort to embed with a loaded model.

    Parameters
    ----------
    request, opened
        How to embed, and the cohort.
    embedder, report
        The model, and its check of the cohort.
    """

    def __init__(
        self, request: EmbedRequest, opened: OpenedInput, embedder: Embedder, report: Report
    ) -> None:
        self.request, self.opened, self.embedder, self.report = request, opened, embedder, report
        span = request.rows or RowSpan(0, None)
        self.rows = span.of(opened.cohort.n_obs, str(opened.path))
        self._n_elsewhere = 0

    @property
    def n_computed(self) -> int:
        """Number of cells that were computed so far: neither in the cache nor copies of another."""
        return self.embedder.store.n_added + self._n_elsewhere

    def identity(self) -> dict[str, Any]:
        """Everything but cohort and rows that determines the embedding, as plain values."""
        panel = self.report.matches[self.embedder.slot].panel
        return {**self.embedder.provenance(self.report), "panel_sha256": panel.sha256}

    def blocks(self, cluster: Engine | None, progress: Callable[[int], object]) -> Iterator[Block]:
        """Embedded cells in their order; in parts where there is a cluster.

        In one process there are no parts: a killed run goes on from the embeddings in the cache.

        Parameters
        ----------
        progress
            Called with the number of cells since the last call.

        Raises
        ------
        InputError
            When values are not finite or below zero, a total of each cell is needed and missing,
            or a worker does not find the cohort or the model.
        """
        if cluster is None:
            rows = self.embedder.rows(self.opened.cohort, self.report)
            yield from rows.blocks(self.rows, progress)
            return
        assert self.request.output is not None, "a request with a scheduler has an output"
        identity = {
            **self.identity(),
            "cohort": place_and_time(self.opened.path),
            "rows": [self.rows.start, self.rows.stop],
        }
        at_once = rows_a_part(len(self.rows), cluster.n_workers, PART_ROWS)
        folder = folder_beside(self.request.output)
        with unfinished_work(folder, identity, at_once) as unfinished:
            shared = cluster.share(self._elsewhere(unfinished.parts), begin)
            for part, is_new in computed(cluster, embed_part, shared, unfinished, self.rows):
                X, reasons, n_computed = read_part(unfinished.parts, part)
                self._n_elsewhere += n_computed if is_new else 0
                for low in range(0, len(part), BLOCK):
                    yield part.start + low, X[low : low + BLOCK], reasons[low : low + BLOCK]
                progress(len(part))

    def _elsewhere(self, kept: KeptParts) -> PartWork:
        """The same work for a worker, which reads files by their whole paths."""
        asked, report = self.request.embedder, self.report
        paths = {
            name: path.absolute()
            for name in ("dictionaries", "panel", "gene_map")
            if (path := getattr(asked, name)) is not None
        }
        if asked.weights is not None and Path(asked.weights).exists():
            paths["weights"] = str(Path(asked.weights).absolute())
        return PartWork(
            self.opened.path.absolute(),
            self.opened.cohort.matrices[report.layer].shape,
            report,
            replace(asked, device=str(self.embedder.encoder.device), **paths),
            self.embedder.encoder.identity,
            KeptParts(kept.folder.absolute()),
        )

    def note(self, output: Path, width: int, about: dict[str, Any]) -> None:
        """Write what the file of a part holds, for `scatd join`."""
        path = self.opened.path
        note = PartNote(
            "embed",
            self.identity(),
            str(path.absolute()),
            content_hash(path),
            self.opened.cohort.n_obs,
            *(self.rows.start, self.rows.stop),
            content_hash(output),
            {"slot": self.embedder.slot, "width": width, "about": about},
        )
        write_note(output, note)


@dataclass(frozen=True, eq=False)
class PartWork:
    """What a worker needs to embed parts of a cohort; it opens the cohort itself.

    Parameters
    ----------
    path, shape
        The cohort, and the shape of its expression.
    report
        Of the check that chose the matrix and its genes.
    embedder, identity
        The model, and what its weights and settings must be.
    kept
        Takes the parts.
    """

    path: Path
    shape: tuple[int, int]
    report: Report
    embedder: EmbedderRequest
    identity: dict[str, str]
    kept: KeptParts


@dataclass(frozen=True, eq=False)
class Ready:
    """An open cohort and a loaded model, for parts.

    Parameters
    ----------
    rows, width
        Embeds rows of the cohort, and features of an embedding.
    store
        Embeddings that this worker finds and adds.
    kept
        Takes the parts.
    """

    rows: RowEmbedder
    width: int
    store: EmbeddingStore
    kept: KeptParts


def begin(work: PartWork) -> Ready:
    """Make a worker ready; its file is open until its process ends.

    Raises
    ------
    InputError
        When it cannot read the cohort or the weights, or finds other ones.
    """
    embedder = Embedder(work.embedder)
    if embedder.encoder.identity != work.identity:
        what = "a worker finds other weights or dictionaries under these names"
        remedy = "Workers must reach the same files under the same paths."
        raise InputError(what, where=work.embedder.weights or "", remedy=remedy)
    stack = open_until_the_end()
    cohort = stack.enter_context(open_input(work.path)).cohort
    same_matrix(cohort, work.report.layer, work.shape)
    rows = embedder.rows(cohort, work.report)
    return Ready(rows, embedder.encoder.width, embedder.store, work.kept)


def embed_part(ready: Ready, rows: range) -> range:
    """Embed rows, keep them as a part, and return the rows."""
    n_before, reasons = ready.store.n_added, Reasons(len(rows))
    X = np.empty((len(rows), ready.width), np.float32)
    for start, block, why in ready.rows.blocks(rows):
        first = start - rows.start
        X[first : first + len(block)] = block
        reasons.add(first, why)
    more = {"words": reasons.words, "n_computed": ready.store.n_added - n_before}
    ready.kept.put(rows, {"X": X, "reasons": reasons.codes}, more)
    return rows


def read_part(kept: KeptParts, rows: range) -> tuple[NDArray[np.float32], NDArray[np.object_], int]:
    """Read a part that was kept: embeddings, reasons, and how many cells were computed for it."""
    arrays, more = kept.take(rows)
    words = np.array(more["words"], dtype=object)
    return arrays["X"], words[arrays["reasons"]], int(more["n_computed"])
