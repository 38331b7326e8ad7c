"""Use case: how strongly cells respond to a drug that is given by its structure."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from scatd import artifact, console, keys
from scatd.artifact import Artifact
from scatd.data.cell_findings import CellCounts
from scatd.data.demo_files import given_or_demo
from scatd.data.drugs import drug_key, find_drug, refuse_reserved
from scatd.data.opened import OpenedInput, open_input
from scatd.data.simulated import refuse_mixing
from scatd.data.structures import structure_of
from scatd.errors import InputError
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.registry.by_drug import find_anydrug
from scatd.registry.files import read
from scatd.scoring_by_structure import Asked, asked
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.cohorts.scoring_input import ScoringInput
from scatd.workflows.predict.output import writing
from scatd.workflows.predict.request import PredictedCells, PredictRequest, PredictResult
from scatd.workflows.predict.totals import Totals

logger = logging.getLogger(__name__)

UNNAMED = "unnamed"
"""In place of a drug key, for a structure without a name."""
MEANING = (
    "relative_response is high for cells that are expected to resist the drug more than others. It "
    "compares cells within this drug, in standard deviations of ln IC50 between the lines of the "
    "training. It is not a probability, and not a concentration."
)


@dataclass(frozen=True, eq=False)
class StructureScorer:
    """A version, and the drug that it is asked about.

    Parameters
    ----------
    ref
        The version; its drug is the key of the drug that is asked about.
    stored
        The model.
    asked
        The drug.
    known_as
        Name of the drug in the training; empty for a drug that was never seen.
    """

    ref: ModelRef
    stored: Artifact
    asked: Asked
    known_as: str


def load_structure_scorer(request: PredictRequest) -> StructureScorer:
    """Find the model of drugs never seen, and the drug of a request.

    Raises
    ------
    InputError
        When there is no model, or the drug has no structure, one that cannot be read, or one that
        is too unlike those of the training.
    """
    _require_sense(request)
    name, smiles, where = request.drug, request.drug_smiles, "--drug-smiles"
    if name is not None:
        refuse_reserved(name, "--drug")
    if smiles is None:
        assert name is not None
        assert request.smiles_table is not None
        _, smiles = structure_of(name, request.smiles_table)
        where = f"{request.smiles_table}: {name}"
    ref = find_anydrug(request.family, request.stage)
    stored = read(ref)
    found = asked(stored, smiles, where)
    names = [] if name is None else find_drug(name, stored.structures)
    known_as = found.nearest[0][0] if found.is_known else next(iter(names), "")
    if known_as:
        logger.warning(
            "The model was trained on this drug, as %s: the drug is known, and a model of its own "
            "may be better (scatd transfer).", known_as,
        )  # fmt: skip
    key = UNNAMED if name is None else drug_key(name)
    return StructureScorer(replace(ref, drug=key), stored, found, known_as)


def _require_sense(request: PredictRequest) -> None:
    """Refuse options that a model of drugs never seen has no use for.

    Raises
    ------
    InputError
        Names the first of them.
    """
    if request.drug_smiles is not None and request.smiles_table is not None:
        what, remedy = "... gives a structure beside --drug-smiles", "Leave one of them out."
        raise InputError(what, where="--smiles-table", remedy=remedy)
    if request.drug is None and request.drug_smiles is None:
        what, expected = "no drug is named", "--drug NAME, a drug of the table"
        raise InputError(what, where="--smiles-table", expected=expected)
    given = {
        "--threshold": request.threshold is not None,
        "--mc-samples": request.mc_samples > 0,
        "--uncertainty": bool(request.uncertainty),
        "--alignment": request.alignment is not None,
        "--stats": request.stats != "reference",
        "--stats-from": request.stats_from is not None,
        "--rows": request.rows is not None,
        "--scheduler": request.machines.scheduler is not None,
    }
    for option, is_given in given.items():
        if is_given:
            what = "... is not for a drug that is given by its structure"
            raise InputError(what, where=option, remedy="Leave it out.")


def predict_by_structure(requests: Sequence[PredictRequest]) -> list[PredictResult]:
    """Score several cohorts for one drug, each into a file of its own.

    Parameters
    ----------
    requests
        They differ in their inputs and outputs only.

    Raises
    ------
    InputError
        When the model, the drug or a cohort cannot be used.
    """
    scorer = load_structure_scorer(requests[0])
    results = []
    for request in requests:
        output = request.output
        assert output is not None
        with (
            open_input(given_or_demo(request.input, "target")) as opened,
            _cells(request, scorer, opened) as given,
            writing(output, given.opened, scorer.ref, given.ids) as file,
        ):
            totals = Totals()
            for table in _tables(scorer, given, totals):
                file.add(table, None)
            result = _result(scorer, given, totals)
            file.finish(result.about)
        results.append(replace(result, output=output))
    return results


def score_opened_by_structure(request: PredictRequest, opened: OpenedInput) -> PredictedCells:
    """Score an input that is open; nothing is written.

    Raises
    ------
    InputError
        As `predict_by_structure`.
    """
    scorer, totals = load_structure_scorer(request), Totals()
    with _cells(request, scorer, opened) as given:
        tables = list(_tables(scorer, given, totals))
        return PredictedCells(_result(scorer, given, totals), pd.concat(tables, ignore_index=True))


@contextmanager
def _cells(
    request: PredictRequest, scorer: StructureScorer, opened: OpenedInput
) -> Iterator[ScoringInput]:
    """The cells as the model reads them; simulated and real are not mixed."""
    ref, card, device = scorer.ref, scorer.stored.card(), pick_device(request.device)
    with scoring_input(opened, ref.family, card, request.preparation, device) as given:
        refuse_mixing(
            {f"model {ref.name}": ref.simulated, str(given.path): given.simulated},
            allowed=request.allow_simulated,
        )
        yield given


def _tables(scorer: StructureScorer, given: ScoringInput, totals: Totals) -> Iterator[pd.DataFrame]:
    """Scores of cells as they are read: barcode, relative_response, reason."""
    model, missing = scorer.asked.model, given.missing
    with console.progress(given.n_obs, f"Scoring {scorer.ref.drug}", "cell") as bar:
        for block in given.blocks(range(given.n_obs)):
            X = block.X.astype(np.float64)
            if missing is not None:
                X[:, missing] = model.mean[missing]  # a gene that is not there tells nothing
            is_scored = block.reasons == ""
            found = np.where(is_scored, scorer.asked.relative_response(X), np.nan)
            ids = given.ids[block.start : block.stop]
            totals.add(Totals(len(X), int((~is_scored).sum()), cells=block.counts or CellCounts()))
            yield pd.DataFrame(
                {"barcode": ids, "relative_response": found, "reason": block.reasons}
            )
            bar.update(len(X))


def _result(scorer: StructureScorer, given: ScoringInput, totals: Totals) -> PredictResult:
    notes = [*given.warnings(totals.cells), *given.notes]
    for note in notes:
        logger.info("%s", note)
    about = {
        **asdict(scorer.ref),
        "meaning": MEANING,
        "known_as": scorer.known_as,
        "nearest": scorer.asked.nearest_in_words,
        "threshold": scorer.asked.model.threshold,
        "versions": artifact.versions(),
        "use": keys.CAVEAT,
    }
    return PredictResult(scorer.ref, totals, about, notes)
