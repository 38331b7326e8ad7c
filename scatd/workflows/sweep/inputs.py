"""Which drugs a sweep learns, and their labels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from scatd.data.drugs import drug_key, repeated_drugs, resolve_drug
from scatd.errors import Faults, InputError
from scatd.wording import counted
from scatd.workflows.transfer.inputs import Opened, basis_of, drug_labels
from scatd.workflows.transfer.task import Basis, DrugLabels, DrugTask

logger = logging.getLogger(__name__)

Counts = tuple[int, int]
"""Sensitive and resistant samples."""


def chosen_drugs(
    opened: Opened, names: Sequence[str] | None, min_sensitive: int
) -> dict[str, Counts]:
    """Columns of the label table, the drug with most of its rarer class first.

    Parameters
    ----------
    names
        Drugs, in any spelling; None takes every column of responses.
    min_sensitive
        Without names: leave out drugs with fewer sensitive samples.

    Raises
    ------
    InputError
        When a name is no drug of the table, two columns are one drug, or none is left.
    """
    labels = opened.labels
    if labels.column is not None:
        what = f"'{opened.request.labelled.labels}' names one column"
        raise InputError(what, where="--labels", expected="a table, for many drugs")
    table = labels.table.of(labels.features)
    codes, where = table.codes, table.origin
    if names is not None:
        if min_sensitive:
            what = "... chooses among all drugs, not among named ones"
            raise InputError(what, where="--min-sensitive", remedy="Use it with --drug all.")
        codes = codes[_resolved(names, list(map(str, codes.columns)), where)]
    _refuse_repeated(list(map(str, codes.columns)), where)
    target = opened.target_labels
    if target is not None and target.column is not None and len(codes.columns) > 1:
        what = f"'{target.column}' is one column, and would be the truth of every drug"
        raise InputError(what, where="--target-labels", expected="a table with a column a drug")
    sensitive, resistant = (codes == 0).sum(), (codes == 1).sum()
    codes = codes.loc[:, sensitive >= min_sensitive]
    if codes.shape[1] == 0:
        what = f"no drug has {counted(min_sensitive, 'sensitive sample')}"
        raise InputError(what, where=where, remedy="Lower --min-sensitive.")
    counts = {str(name): (int(sensitive[name]), int(resistant[name])) for name in codes.columns}
    return dict(sorted(counts.items(), key=lambda item: -min(item[1])))


def _resolved(names: Sequence[str], columns: Sequence[str], where: str) -> list[str]:
    """Columns of the drugs that are named, each once."""
    faults, chosen = Faults(), []
    for name in names:
        try:
            chosen.append(resolve_drug(name, columns, where=where))
        except InputError as error:
            faults.take(error)
    faults.raise_if_any()
    return list(dict.fromkeys(chosen))


def _refuse_repeated(columns: Sequence[str], where: str) -> None:
    """Refuse columns of one drug key: their models would have one name. Synonyms are said."""
    for names in repeated_drugs(columns):
        listed = ", ".join(names)
        if len({drug_key(name) for name in names}) == len(names):
            logger.warning("%s: %s are one drug by several names.", where, listed)
            continue
        what = f"{counted(len(names), 'column', 'is')} one drug: {listed}"
        raise InputError(what, where=where, remedy="Keep one of them, or rename the other.")


def open_tasks(
    opened: Opened, drugs: Sequence[str]
) -> tuple[Basis, dict[str, DrugTask], dict[str, InputError]]:
    """The basis of all drugs, the task of each drug, and why some drugs have none.

    Parameters
    ----------
    drugs
        Columns of the label table. When the first one cannot be learned, none can: no drug has
        better labels.

    Raises
    ------
    InputError
        When the first drug or the backbone cannot be used.
    """
    labelled: dict[str, DrugLabels] = {}
    failed: dict[str, InputError] = {}
    for drug in drugs:
        try:
            labels = drug_labels(opened, drug)
        except InputError as error:
            if not labelled:
                raise
            failed[drug] = error
            continue
        twins = [name for name, other in labelled.items() if other.drug_key == labels.drug_key]
        if twins:
            failed[drug] = InputError(f"... names the same drug as {twins[0]}", where=drug)
        else:
            labelled[drug] = labels
    for drug, fault in failed.items():
        logger.warning("%s is left out: %s", drug, fault)
    basis = replace(basis_of(opened), shares_labels=True)
    return basis, {drug: DrugTask(basis, labels) for drug, labels in labelled.items()}, failed
