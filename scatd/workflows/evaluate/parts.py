"""An evaluation in parts: workers score the labelled cells among their rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import console
from scatd.data.cell_findings import CellCounts
from scatd.data.limits import BLOCK
from scatd.data.opened import open_input
from scatd.data.preparation import Preparation
from scatd.nn.recognise import under
from scatd.parts.computing import computed, open_until_the_end
from scatd.parts.kept import Arrays, KeptParts
from scatd.workflows.cohorts.elsewhere import Elsewhere, plain, refuse_without_genes
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.cohorts.scoring_input import FeatureRows, ScoringInput
from scatd.workflows.evaluate.inputs import LabelledCohort, Version
from scatd.workflows.evaluate.request import EvaluateRequest
from scatd.workflows.evaluate.scoring import Blocks, Found, LabelledScoring, Read, Reading

PART_ROWS = 1 << 16
"""Most rows of a part."""
_PART_BYTES = 128 << 20
"""Most bytes of features that are made for a part, and kept in it."""
_SCORES, _BASELINES = "scores.", "baselines."


def read_elsewhere(
    request: EvaluateRequest,
    version: Version,
    cohort: LabelledCohort,
    device: torch.device,
    elsewhere: Elsewhere,
) -> Read:
    """As `scatd.workflows.evaluate.scoring.read_labelled`, on workers.

    The hash of all features is made here: of features that are stored, from the file; of others,
    from the parts, which hold them.

    Raises
    ------
    InputError
        When a value cannot be read by the model, or no cell expresses a gene.
    """
    given, ref = cohort.given, version.ref
    by = LabelledScoring.of(version, cohort)
    work = {
        "model": [ref.name, ref.version, ref.run_id],
        "preparation": plain(request.preparation),
        "labelled": hashlib.sha256(by.is_labelled.tobytes()).hexdigest(),
        "groups": None if by.groups is None else hashlib.sha256(_text(by.groups)).hexdigest(),
    }
    is_made = given.stored is None
    unfinished = elsewhere.unfinished(
        work, given.n_obs, _most_rows(given) if is_made else PART_ROWS
    )
    kept, engine = unfinished.parts, elsewhere.engine
    shared = engine.share(
        PartWork(elsewhere.path, by, request.preparation, str(device), kept), begin
    )
    reading, every = Reading(given), range(given.n_obs)
    scores: list[Found] = []
    baselines: list[Found] = []
    has_features = not is_made
    with console.progress(given.n_obs, f"Scoring {ref.drug}", "cell") as bar:
        for part, _ in computed(engine, score_part, shared, unfinished, every):
            arrays, more = kept.take(part)
            if is_made:
                reading.add(_made(part, arrays, more["counts"]))
                has_features = has_features or bool(arrays["has_features"].any())
            else:
                for block in given.blocks(part):
                    reading.add(block)
            if more["has_scores"]:
                scores.append(under(arrays, _SCORES))
                baselines.append(under(arrays, _BASELINES))
            bar.update(len(part))
    if not has_features:
        refuse_without_genes(given)
    return reading.read(scores, baselines)


def _text(words: NDArray[np.str_]) -> bytes:
    return "\0".join(words.tolist()).encode()


def _most_rows(given: ScoringInput) -> int:
    return max(BLOCK, min(PART_ROWS, _PART_BYTES // (4 * given.n_features) // BLOCK * BLOCK))


def _made(part: range, arrays: Arrays, counts: list[int] | None) -> FeatureRows:
    reasons = np.where(arrays["has_features"], "", "no features").astype(object)
    return FeatureRows(
        part.start, arrays["X"], reasons, None if counts is None else CellCounts(*counts)
    )


@dataclass(frozen=True, eq=False)
class PartWork:
    """What a worker needs to score parts of a cohort; it opens the cohort itself.

    Parameters
    ----------
    path, by
        The cohort, and what scores it.
    preparation
        How counts become features.
    device
        Where to compute.
    kept
        Takes the parts.
    """

    path: Path
    by: LabelledScoring
    preparation: Preparation
    device: str
    kept: KeptParts


@dataclass(frozen=True, eq=False)
class Ready:
    """An open cohort and a loaded version, for parts.

    Parameters
    ----------
    given, blocks
        The cohort as the version reads it, and what scores its blocks.
    kept
        Takes the parts.
    """

    given: ScoringInput
    blocks: Blocks
    kept: KeptParts


def begin(work: PartWork) -> Ready:
    """Make a worker ready; its files are open until its process ends."""
    console.set_quiet()  # the parent shows the progress
    stack, device = open_until_the_end(), torch.device(work.device)
    version = work.by.version
    opened = stack.enter_context(open_input(work.path))
    reads = opened, version.ref.family, version.stored.card(), work.preparation, device
    given = stack.enter_context(scoring_input(*reads))
    return Ready(given, Blocks(work.by, device), work.kept)


def score_part(ready: Ready, rows: range) -> range:
    """Score the labelled cells among some rows, keep them as a part, and return the rows."""
    given, blocks = ready.given, ready.blocks
    blocks.scores, blocks.baselines = [], []
    made: list[FeatureRows] = []
    for block in given.blocks(rows):
        blocks.add(block)
        if given.stored is None:
            made.append(block)
    counts = None
    if made and made[0].counts is not None:
        counts = astuple(sum((block.counts or CellCounts() for block in made), CellCounts()))
    more = {"has_scores": bool(blocks.scores), "counts": counts}
    arrays = dict(_features(made))
    arrays |= _prefixed(_SCORES, blocks.scores) | _prefixed(_BASELINES, blocks.baselines)
    ready.kept.put(rows, arrays, more)
    return rows


def _features(made: list[FeatureRows]) -> Iterator[tuple[str, NDArray[Any]]]:
    if made:
        yield "X", np.concatenate([block.X for block in made])
        yield "has_features", np.concatenate([block.reasons == "" for block in made])


def _prefixed(prefix: str, found: Sequence[Found]) -> Arrays:
    names = found[0] if found else ()
    return {prefix + name: np.concatenate([one[name] for one in found]) for name in names}
