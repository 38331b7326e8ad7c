"""The request of a model of drugs never seen, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scatd.data.given import GivenCohort
from scatd.evaluation.gate import Verdict
from scatd.keys import InputScale
from scatd.ranges import Folds, Seed, check_fields
from scatd.registry import ModelRef
from scatd.training.anydrug.judging import Judged


@dataclass(frozen=True)
class AnyDrugRequest:
    """Lines with responses to many drugs, and the structures of the drugs.

    Parameters
    ----------
    source
        Lines with the features of the family.
    ic50
        Table of numbers such as ln IC50, one row a line, one column a drug; high is resistant.
    smiles_table
        Table with the columns drug and smiles.
    family
        Which features.
    reference
        Unlabelled cells, by whose mean and s.d. the cells to score are standardised; None takes
        those of the lines.
    panel, scale
        As in `TransferRequest.cohorts`.
    folds, seed
        Folds of drugs that are left out, and the seed by which they are drawn.
    no_promote
        Leave the model at staging.
    allow_simulated
        Let simulated and real cohorts be mixed.
    """

    source: GivenCohort
    ic50: Path
    smiles_table: Path
    family: str = "sf"
    reference: GivenCohort | None = None
    panel: str | None = None
    scale: InputScale | None = None
    folds: Folds = 10
    seed: Seed = 0
    no_promote: bool = False
    allow_simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True, eq=False)
class AnyDrugResult:
    """What was registered, and how good it is.

    Parameters
    ----------
    ref
        The version.
    judged
        What leaving out drugs shows.
    threshold
        Similarity under which the registered model refuses a drug.
    verdict
        Of the gate.
    run_id
        The run.
    """

    ref: ModelRef
    judged: Judged
    threshold: float
    verdict: Verdict
    run_id: str
