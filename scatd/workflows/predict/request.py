"""The request of a prediction, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.given import GivenCohort
from scatd.data.scoring_request import ScoringRequest
from scatd.errors import InputError
from scatd.evaluation.domain import CohortShift
from scatd.keys import AlignmentMethod, StatsSource, Uncertainty
from scatd.parts.files import require_files
from scatd.parts.rows import RowSpan
from scatd.ranges import CountOrNone, Seed, ShareInside
from scatd.registry import ModelRef
from scatd.scheduling.address import Machines
from scatd.workflows.predict.totals import Totals

POSTERIOR_DRAWS = 50
"""Draws for `--uncertainty posterior` where `--mc-samples` names no number."""


@dataclass(frozen=True)
class PredictRequest(ScoringRequest):
    """Which cells to score with which model.

    Parameters
    ----------
    drug
        In any spelling; None for a structure without a name.
    input
        Cohort or feature matrix; None takes the demo target.
    output
        A file that ends in one of `output.OUTPUT_SUFFIXES`; None writes nothing, and the result
        holds all.
    threshold, alignment
        In place of those stored with the model.
    mc_samples, seed
        Posterior draws a cell; 0 scores at the posterior mean.
    uncertainty
        S.d. to report beside each score: over the models of all "folds", over draws of the
        "posterior" (`POSTERIOR_DRAWS` of them where `mc_samples` is 0).
    stats
        "reference": a cell's score does not depend on the others. "cohort": re-centre (published).
    stats_from
        The cohort whose statistics "cohort" means; None is the input. Rows of a cohort need it.
    rows
        Score these rows only, as a part; None scores all.
    machines
        Where the cells are scored.
    drug_smiles, smiles_table
        Structure of the drug, or a table of structures: the model of drugs never seen scores.
    """

    drug: str | None
    input: GivenCohort | None
    output: Path | None
    threshold: ShareInside | None = None
    mc_samples: CountOrNone = 0
    seed: Seed = 0
    uncertainty: tuple[Uncertainty, ...] = ()
    alignment: AlignmentMethod | None = None
    stats: StatsSource = "reference"
    stats_from: GivenCohort | None = None
    rows: RowSpan | None = None
    machines: Machines = field(default_factory=Machines)
    drug_smiles: str | None = None
    smiles_table: Path | None = None

    def __post_init__(self) -> None:
        """Refuse no drug, parts of what is in memory, and a part re-centred on itself.

        Raises
        ------
        InputError
            When parts could not be kept in files, or workers not read the cells; or when
            `stats_from` is missing.
        """
        super().__post_init__()
        if self.drug is None and not self.is_by_structure:
            expected = "--drug NAME, or a structure: --drug-smiles SMILES"
            raise InputError("no drug is named", where="--drug", expected=expected)
        require_files(self.input, self.output, self.rows, self.machines)
        if self.rows is not None and self.stats == "cohort" and self.stats_from is None:
            what = "with --stats cohort, each part would be re-centred on itself"
            remedy = "Use --stats reference, or name the whole cohort: --stats-from INPUT"
            raise InputError(what, where="--rows", remedy=remedy)

    @property
    def is_by_structure(self) -> bool:
        """Whether the drug is given by its structure."""
        return self.drug_smiles is not None or self.smiles_table is not None

    @property
    def named_drug(self) -> str:
        """The drug of a model of its own."""
        assert self.drug is not None
        return self.drug

    @property
    def keeps_latent(self) -> bool:
        """Whether the result needs the posterior means."""
        return self.output is None or self.output.suffix in keys.ANNOTATED_SUFFIXES

    @property
    def n_draws(self) -> int:
        """Posterior draws that are needed."""
        wanted = POSTERIOR_DRAWS if "posterior" in self.uncertainty else 0
        return self.mc_samples or wanted


@dataclass(frozen=True, eq=False)
class PredictResult:
    """The numbers of a prediction.

    Parameters
    ----------
    ref
        The model version that scored.
    totals
        Numbers of cells.
    about
        Provenance of the scores, as plain values.
    notes
        Findings about the cohort, in sentences.
    shift
        Position of the cohort relative to the training domain; None where the model does not know
        its domain, or no cell has a score.
    not_assessed
        Reason why the model does not know its domain; empty where it does.
    output
        The file that was written, if one was.
    """

    ref: ModelRef
    totals: Totals
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    shift: CohortShift | None = None
    not_assessed: str = ""
    output: Path | None = None

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return self.totals.n_obs

    @property
    def n_failed(self) -> int:
        """Number of cells without a score."""
        return self.totals.n_failed

    @property
    def n_resistant(self) -> int:
        """Number of cells that are called resistant."""
        return self.totals.n_resistant

    @property
    def n_abstained(self) -> int:
        """Number of cells without a call, because their score lies too near the threshold."""
        return self.totals.n_abstained


@dataclass(frozen=True, eq=False)
class PredictedCells:
    """A prediction that is kept in memory.

    Parameters
    ----------
    result
        Its numbers.
    table
        One row a cell: barcode, prob_resistant, response, ood, reason; prob_sd, prob_sd_folds,
        ood_p and the numbers of a regression where they are known.
    latent
        Posterior means, (n_obs, n_latent), NaN for a cell without a score; None where none were
        wanted.
    """

    result: PredictResult
    table: pd.DataFrame
    latent: NDArray[np.float32] | None = None

    @property
    def ref(self) -> ModelRef:
        """The model version that scored."""
        return self.result.ref

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.table)

    @property
    def is_scored(self) -> NDArray[np.bool_]:
        """(n_obs,) whether a cell has a score."""
        return (self.table["reason"] == "").to_numpy()

    @property
    def table_in_words(self) -> pd.DataFrame:
        """The table as text files hold it: see `in_words`."""
        return in_words(self.table, self.result.not_assessed)


def in_words(table: pd.DataFrame, not_assessed: str) -> pd.DataFrame:
    """A table of scores as csv and jsonl hold it: where `ood` was not assessed, it has the reason.

    Files with a place for the model say it there, once (`domain.not_assessed`); `ood` is then true,
    false or missing.
    """
    if not not_assessed:
        return table
    return table.assign(ood=np.where(table["reason"] == "", not_assessed, ""))
