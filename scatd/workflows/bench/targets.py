"""The labelled cells of a task, and its source on the features that both have."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scatd.data.drugs import drug_key, find_drug
from scatd.data.features import read_features
from scatd.errors import InputError
from scatd.wording import counted
from scatd.workflows.bench.request import ALL, TargetSpec, TaskSpec
from scatd.workflows.transfer.inputs import Opened, drug_labels, open_inputs
from scatd.workflows.transfer.task import DrugLabels

FEWEST_GENES = 50
"""Genes that a target has to share with the source."""


@dataclass(frozen=True, eq=False)
class OpenTarget:
    """Labelled cells, with the source on the same features.

    Parameters
    ----------
    spec
        What was asked for.
    opened
        Source and target on the features that both have.
    drugs
        Labels of the source and of the cells, by column of the source's label table.
    n_features
        Features that both have.
    """

    spec: TargetSpec
    opened: Opened
    drugs: dict[str, DrugLabels]
    n_features: int


def open_target(
    task: TaskSpec, target: TargetSpec, opened: Opened, columns: Sequence[str]
) -> OpenTarget | None:
    """Source and cells on the features that both have; None where it has no drug of the task."""
    request = opened.request
    cohorts = replace(
        request.cohorts,
        reference=None if task.reference is None else Path(task.reference),
        target=Path(target.cells),
    )
    labelled = replace(request.labelled, target_labels=target.labels)
    with tempfile.TemporaryDirectory() as scratch:
        if request.family == "dist":
            panel = Path(scratch) / "shared-genes.txt"
            panel.write_text("\n".join(_shared_genes(opened, Path(target.cells))) + "\n")
            cohorts = replace(cohorts, panel=str(panel))
        both = open_inputs(replace(request, cohorts=cohorts, labelled=labelled))
    assert both.target_labels is not None
    named = list(target.drugs)
    known = list(map(str, both.target_labels.table.codes.columns))
    chosen: list[str] = []
    for column in columns:
        is_asked = ALL in named or bool(find_drug(column, named))
        if is_asked and find_drug(column, known):
            chosen.append(column)
    wanted = [] if ALL in named else [name for name in named if not find_drug(name, known)]
    if wanted:
        what = f"the labels have no drug {', '.join(wanted)}"
        raise InputError(what, where=target.labels, expected=f"some of {', '.join(known[:10])}")
    if not chosen:
        return None
    drugs = {column: drug_labels(both, column) for column in chosen}
    for column in chosen:
        assert drugs[column].drug_key == drug_key(column)
    return OpenTarget(target, both, drugs, both.cohorts.source.n_features)


def _shared_genes(opened: Opened, cells: Path) -> list[str]:
    """Genes of the source, in its order, that the cells have too."""
    source = opened.cohorts.source
    names = read_features(cells, "dist", scale=opened.request.cohorts.scale).names
    if names is None:
        expected = "an .h5ad, or a table whose columns are genes"
        raise InputError("... has no gene names", where=str(cells), expected=expected)
    held = set(names)
    shared = [name for name in source.names or () if name in held]
    if len(shared) < FEWEST_GENES:
        what = (
            f"source and cells share {counted(len(shared), 'gene')} (source {source.n_features}, "
            f"cells {len(names)})"
        )
        remedy = "Name the genes of both in the same way."
        raise InputError(what, expected=f"at least {FEWEST_GENES}", remedy=remedy)
    return shared
