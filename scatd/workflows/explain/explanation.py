"""An explanation: the importance of each feature, and the test of the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from scatd.explain.controls import Control, controls_table, label
from scatd.explain.importance import Tally, group_table
from scatd.workflows.explain.attribute import attribute, summed
from scatd.workflows.explain.controls import judge
from scatd.workflows.explain.genes import GeneReader, GeneResult, explain_genes
from scatd.workflows.explain.inputs import Bulk
from scatd.workflows.explain.store import AttributionStore
from scatd.workflows.explain.subject import Subject


@dataclass(frozen=True, eq=False)
class Explanation:
    """An explanation of a subject.

    Parameters
    ----------
    subject, store
        The model and its cells, and their attributions, block by block.
    tally
        Sums of the attributions over all cells.
    importance
        Of `Tally.table`, most important first, with a column `controls`: the list's label.
    by_group
        The same within each group; None without groups.
    convergence
        Of `Sums`.
    controls, control_tables
        The controls, and the table of each by name.
    genes
        Of a model that reads embeddings, where they were asked for.
    """

    subject: Subject
    store: AttributionStore
    tally: Tally
    importance: pd.DataFrame
    by_group: pd.DataFrame | None
    convergence: pd.DataFrame
    controls: list[Control]
    control_tables: dict[str, pd.DataFrame]
    genes: GeneResult | None

    @property
    def label(self) -> str:
        """Either "passed", "failed: ..." or "not run"."""
        return label(self.controls)

    @property
    def controls_table(self) -> pd.DataFrame:
        """One row a control; see `scatd.explain.controls`."""
        return controls_table(self.controls)

    def in_words(self) -> str:
        """The list, its label, and each control."""
        subject = self.subject
        settings: Any = subject.request.settings
        lines = [
            f"Features behind {subject.ref.name} version {subject.ref.version} in "
            f"{int(subject.usable.sum())} cells ({settings.method}, baseline {settings.baseline}).",
            f"**Controls: {self.label}**",
            f"First: {', '.join(self.importance['feature'].head(20))}",
            *(f"- {one.name}: {one.status}. {one.sentence}." for one in self.controls),
        ]
        return "\n\n".join(lines)


def explain_cells(
    subject: Subject,
    store: AttributionStore,
    bulk: Bulk | None = None,
    reader: GeneReader | None = None,
) -> Explanation:
    """Attribute the scores of a subject's cells, rank the features and test the list.

    Parameters
    ----------
    store
        Keeps the attributions; those that it holds already are not computed again.
    bulk
        Labelled samples for the control with permuted labels.
    reader
        Carries attributions to genes, where that was asked for.

    Raises
    ------
    InputError
        When genes were asked for, and no cell has one that the foundation model knows.
    """
    attribute(subject, store)
    sums = summed(subject, store)
    importance = sums.tally.table(subject.names)
    judged = judge(subject, sums.tally, bulk) if subject.request.controls else ([], {})
    importance["controls"] = label(judged[0])
    return Explanation(
        subject=subject,
        store=store,
        tally=sums.tally,
        importance=importance,
        by_group=group_table(sums.groups, subject.names) if sums.groups else None,
        convergence=sums.convergence,
        controls=judged[0],
        control_tables=judged[1],
        genes=None if reader is None else explain_genes(subject, reader),
    )
