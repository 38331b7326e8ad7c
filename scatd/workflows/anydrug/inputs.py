"""The inputs of a model of drugs never seen: lines, their responses, and structures."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from scatd import keys
from scatd.data.drugs import refuse_reserved
from scatd.data.response_numbers import ResponseNumbers, read_response_numbers
from scatd.data.simulated import refuse_mixing
from scatd.data.structures import fingerprints, require_rdkit, structures_for, tanimoto
from scatd.errors import InputError
from scatd.training.anydrug.judging import Table, families
from scatd.wording import counted
from scatd.workflows.anydrug.request import AnyDrugRequest
from scatd.workflows.cohorts.training import Cohorts, read_embeddings, read_expression

logger = logging.getLogger(__name__)

FEWEST_DRUGS, FEWEST_LINES = 10, 20
"""Fewer teach nothing about a further one."""
FEWEST_OF_DRUG = 10
"""Lines with a response; a drug with fewer is left out."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Opened and checked.

    Parameters
    ----------
    cohorts
        The lines as source, and the reference.
    numbers
        The table of responses as it was read.
    table
        Responses of drugs that are learned, without lines that have none.
    lines
        Names of the lines of the table.
    structures
        SMILES by name of the drugs that are learned.
    """

    cohorts: Cohorts
    numbers: ResponseNumbers
    table: Table
    lines: tuple[str, ...]
    structures: dict[str, str]


def read_inputs(request: AnyDrugRequest) -> Inputs:
    """Read lines, responses and structures.

    Raises
    ------
    InputError
        When a file cannot be used, RDKit is missing, or drugs, lines or groups of analogues are too
        few.
    """
    require_rdkit("scatd anydrug")
    if request.family in keys.BACKENDS:
        cohorts = read_embeddings(request.source, request.reference, None, request.family)
    else:
        cohorts = read_expression(
            request.source, request.reference, None, panel=request.panel, scale=request.scale
        )
    simulated = {str(cohort.path): cohort.simulated for cohort in cohorts.all}
    refuse_mixing(simulated, allowed=request.allow_simulated)
    numbers = read_response_numbers(request.ic50, cohorts.source)
    for drug in numbers.drugs:
        refuse_reserved(drug, str(request.ic50))
    return _of(request, cohorts, numbers)


def _of(request: AnyDrugRequest, cohorts: Cohorts, numbers: ResponseNumbers) -> Inputs:
    where = str(request.smiles_table)
    structures = structures_for(numbers.drugs, request.smiles_table)
    _tell(where, "has no structure of", [d for d in numbers.drugs if d not in structures])
    n_known = np.isfinite(numbers.values).sum(axis=0)
    few = {d for d, n in zip(numbers.drugs, n_known, strict=True) if n < FEWEST_OF_DRUG}
    _tell(str(request.ic50), f"has under {FEWEST_OF_DRUG} responses to", sorted(few))
    kept = {drug: text for drug, text in structures.items() if drug not in few}
    places = [place for place, drug in enumerate(numbers.drugs) if drug in kept]
    values = numbers.values[:, places].astype(np.float64)
    used = np.isfinite(values).any(axis=1)
    for found, least, noun in (
        (len(kept), FEWEST_DRUGS, "drug"),
        (int(used.sum()), FEWEST_LINES, "line"),
    ):
        if found < least:
            what = f"{counted(found, noun)} can be learned from"
            expected = f"at least {counted(least, noun)} with responses and structures"
            raise InputError(what, where=str(request.ic50), expected=expected)
    bits = fingerprints(kept, where)
    n_groups = len(np.unique(families(tanimoto(bits, bits))))
    if n_groups < request.folds:
        what = f"the drugs make {counted(n_groups, 'group')} of close analogues"
        expected = f"at least {request.folds}, one a fold"
        raise InputError(what, where=where, expected=expected, remedy="Use fewer --folds.")
    table = Table(np.asarray(cohorts.source.X)[used], values[used], bits)
    ids = np.asarray(cohorts.source.ids)[used]
    return Inputs(cohorts, numbers, table, tuple(map(str, ids)), kept)


def _tell(where: str, what: str, drugs: list[str]) -> None:
    if drugs:
        some = ", ".join(drugs[:3]) + (", ..." if len(drugs) > 3 else "")
        said = counted(len(drugs), "drug", "is")
        logger.warning("%s %s %s: %s left out.", where, what, some, said)
