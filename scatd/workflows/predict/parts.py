"""A prediction in parts: on a cluster, or so large that a killed command must not begin anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys, registry
from scatd.artifact import Artifact
from scatd.data.opened import open_input
from scatd.errors import InputError
from scatd.nn.alignment import FeatureStats
from scatd.parts.cohort_hash import content_hash, place_and_time
from scatd.parts.computing import computed, folder_beside, open_until_the_end
from scatd.parts.kept import Arrays, KeptParts, unfinished_work
from scatd.parts.note import PartNote, write_note
from scatd.parts.rows import rows_a_part
from scatd.registry.loaded import Loaded
from scatd.row_scoring import RowScorer
from scatd.scheduling import here
from scatd.scheduling.engine import Engine
from scatd.scoring import Scorer
from scatd.settings import to_mapping
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.cohorts.scoring_input import ScoringInput
from scatd.workflows.predict.chunks import Chunk, row_scorer, scored_chunks
from scatd.workflows.predict.request import PredictRequest, PredictResult
from scatd.workflows.predict.totals import Totals

PART_ROWS = 1 << 16
"""Most rows of a part. A cohort of more rows is scored in parts, also without a scheduler."""
_LATENT_ROWS = 1 << 15
"""Most rows of a part that holds posterior means, 1.7 kB a cell of sf."""
_CODES = ("response", "ood", "reason")


@dataclass(frozen=True, eq=False)
class Work:
    """Rows of an opened cohort to score with a loaded model.

    Parameters
    ----------
    request, model
        How to score, and the model.
    given, rows
        The cohort as the model reads it, and which of its cells.
    cohort
        Its statistics, where it is re-centred.
    """

    request: PredictRequest
    model: Loaded
    given: ScoringInput
    rows: range
    cohort: FeatureStats | None

    def identity(self) -> dict[str, Any]:
        """Everything but cohort and rows that determines the scores, as plain values."""
        request, ref = self.request, self.model.ref
        prepared = {name: str(value) for name, value in to_mapping(request.preparation).items()}
        return {
            "model": ref.name,
            "version of the model": ref.version,
            "run of the model": ref.run_id,
            "threshold": request.threshold,
            "draws": request.n_draws,
            "seed": request.seed,
            "uncertainty": sorted(request.uncertainty),
            "alignment": request.alignment,
            "stats": request.stats,
            "stats_from": self._statistics(),
            "preparation": prepared,
        }

    def _statistics(self) -> str | None:
        """Hash of the cohort that `--stats-from` names; of its statistics, if it is in memory."""
        stats_from = self.request.stats_from
        if stats_from is None or isinstance(stats_from, Path):
            return None if stats_from is None else content_hash(stats_from)
        assert self.cohort is not None, "stats_from is for --stats cohort"
        values = [values.cpu().numpy().tobytes() for values in (self.cohort.mean, self.cohort.std)]
        return hashlib.sha256(b"".join(values)).hexdigest()


def chunks_of(
    work: Work, cluster: Engine | None, progress: Callable[[int], object]
) -> Generator[Chunk]:
    """Scored cells in their order; in parts, if there are many cells or a cluster.

    Parameters
    ----------
    progress
        Called with the number of cells scored since the last call.

    Raises
    ------
    InputError
        When a value cannot be read by the model, or a score is not finite.
    """
    request, given, rows, output = work.request, work.given, work.rows, work.request.output
    most = _LATENT_ROWS if request.keeps_latent else PART_ROWS
    by_rows = row_scorer(request, work.model.scorer, given, work.cohort)
    is_file = given.opened.adata is None
    if output is None or (cluster is None and (len(rows) <= most or not is_file)):
        yield from scored_chunks(given, by_rows, rows, progress)
        return
    if not is_file:
        what, remedy = "cells in memory cannot travel to workers", "Write them to a file first."
        raise InputError(what, where="--scheduler", remedy=remedy)
    engine = here(1) if cluster is None else cluster
    identity = {
        **work.identity(),
        "cohort": place_and_time(given.path),
        "rows": [rows.start, rows.stop],
        "device": work.model.scorer.device.type,
        "latent": request.keeps_latent,
    }
    at_once = rows_a_part(len(rows), engine.n_workers, most)
    with unfinished_work(folder_beside(output), identity, at_once) as unfinished:
        kept, shared = unfinished.parts, None
        if cluster is None:
            shared = engine.share(Ready(given, by_rows, kept, progress))
        else:
            shared = engine.share(_elsewhere(work, kept), begin)
        for part, is_new in computed(engine, score_part, shared, unfinished, rows):
            yield read_part(kept, part, given.ids)
            if not is_new or cluster is not None:
                progress(len(part))


def note_part(work: Work, output: Path, result: PredictResult) -> None:
    """Write what the file of a part holds, for `scatd join`."""
    given, rows = work.given, work.rows
    note = PartNote(
        "predict",
        work.identity(),
        str(given.path.absolute()),
        content_hash(given.path),
        given.n_obs,
        *(rows.start, rows.stop),
        content_hash(output),
        {
            "about": dict(result.about),
            "not_assessed": result.not_assessed,
            "totals": result.totals.to_mapping(),
            "ref": asdict(work.model.ref),
        },
    )
    write_note(output, note)


@dataclass(frozen=True, eq=False)
class PartWork:
    """What a worker needs to score parts of a cohort; it opens the cohort itself.

    Parameters
    ----------
    request, family, model
        What is scored, and by which model.
    cohort
        Statistics of the cohort, where it is re-centred.
    kept
        Takes the parts.
    """

    request: PredictRequest
    family: str
    model: Artifact
    cohort: FeatureStats | None
    kept: KeptParts


def _elsewhere(work: Work, kept: KeptParts) -> PartWork:
    """The same work for a worker, which reads files by their whole paths."""
    ref, device = work.model.ref, str(work.model.scorer.device)
    # The statistics travel by themselves, and each task names its rows.
    request = replace(
        work.request,
        input=work.given.path.absolute(),
        preparation=work.request.preparation.anywhere(),
        device=device,
        rows=None,
        stats_from=None,
    )
    stored, folder = registry.read(ref), KeptParts(kept.folder.absolute())
    return PartWork(request, ref.family, stored, work.cohort, folder)


@dataclass(frozen=True, eq=False)
class Ready:
    """An open cohort and a loaded model, for parts.

    Parameters
    ----------
    given, scorer
        The cohort as the model reads it, and what scores it.
    kept
        Takes the parts.
    progress
        Called with the number of cells scored since the last call.
    """

    given: ScoringInput
    scorer: RowScorer
    kept: KeptParts
    progress: Callable[[int], object] = int


def begin(work: PartWork) -> Ready:
    """Make a worker ready; its files are open until its process ends."""
    request, stack = work.request, open_until_the_end()
    assert request.input is not None
    scorer = Scorer(work.model, request.device)
    opened = stack.enter_context(open_input(request.input))
    reads = opened, work.family, scorer.card, request.preparation, scorer.device
    given = stack.enter_context(scoring_input(*reads))
    return Ready(given, row_scorer(request, scorer, given, work.cohort), work.kept)


def score_part(ready: Ready, rows: range) -> range:
    """Score rows, keep them as a part, and return the rows."""
    chunks, totals = [], Totals()
    for chunk in scored_chunks(ready.given, ready.scorer, rows, ready.progress):
        chunks.append(chunk)
        totals.add(chunk.totals)
    table = pd.concat([chunk.table for chunk in chunks], ignore_index=True)
    arrays, reasons = _coded(table)
    if chunks[0].latent is not None:
        arrays["latent"] = np.concatenate([_latent_of(chunk) for chunk in chunks])
    ready.kept.put(rows, arrays, {"reasons": reasons, "totals": totals.to_mapping()})
    return rows


def read_part(kept: KeptParts, rows: range, ids: Any) -> Chunk:
    """Read a part that was kept; `ids` are those of all cells of the cohort."""
    arrays, more = kept.take(rows)
    latent = arrays.pop("latent", None)
    table = _decoded(arrays, more["reasons"], ids[rows.start : rows.stop])
    return Chunk(rows.start, table, latent, Totals.from_mapping(more["totals"]))


def _latent_of(chunk: Chunk) -> NDArray[np.float32]:
    assert chunk.latent is not None
    return chunk.latent


def _coded(table: pd.DataFrame) -> tuple[Arrays, list[str]]:
    """Columns of a table without the ids: words as small codes, and the words of the reasons."""
    reason_codes, reasons = pd.factorize(table["reason"])
    ood = table["ood"].astype("Int8").fillna(-1)
    arrays = {
        "response": pd.Categorical(table["response"], categories=list(keys.CALLS)).codes,
        "ood": ood.to_numpy(np.int8),
        "reason": reason_codes.astype(np.int32),
    }
    numbers = [str(name) for name in table if name not in ("barcode", *_CODES)]
    return {**arrays, **{name: table[name].to_numpy() for name in numbers}}, list(reasons)


def _decoded(arrays: Arrays, reasons: list[str], ids: Any) -> pd.DataFrame:
    calls = np.array([*keys.CALLS, ""], dtype=object)  # -1 is the last one
    ood = pd.arrays.BooleanArray(arrays["ood"] == 1, arrays["ood"] == -1)
    first = {
        "barcode": ids,
        "prob_resistant": arrays["prob_resistant"],
        "response": calls[arrays["response"]],
        "ood": ood,
        "reason": np.array(reasons, dtype=object)[arrays["reason"]],
    }
    return pd.DataFrame({**first, **{k: v for k, v in arrays.items() if k not in first}})
