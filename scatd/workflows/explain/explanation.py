"""An explanation: the importance of each feature, and the test of the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatd import artifact, keys
from scatd.explanation.controls import Control, controls_table, label
from scatd.explanation.importance import Tally, group_table
from scatd.settings import to_mapping
from scatd.wording import counted
from scatd.workflows.explain.attribute import attribute, summed
from scatd.workflows.explain.controls import judge
from scatd.workflows.explain.genes import GeneReader, GeneResult, explain_genes
from scatd.workflows.explain.inputs import Bulk
from scatd.workflows.explain.store import AttributionStore
from scatd.workflows.explain.subject import Subject

if TYPE_CHECKING:
    from anndata import AnnData


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
        """One row a control; see `scatd.explanation.controls`."""
        return controls_table(self.controls)

    def in_words(self) -> str:
        """The list, its label, and each control."""
        subject = self.subject
        settings: Any = subject.request.settings
        lines = [
            f"Features behind {subject.ref.name} version {subject.ref.version} in "
            f"{counted(int(subject.usable.sum()), 'cell')}.",
            f"Attributions ({subject.candidate.in_words}): {subject.attribution}; baseline "
            f"{settings.baseline}.",
            f"**Controls: {self.label}**",
            f"First: {', '.join(self.importance['feature'].head(20))}",
            *(f"- {one.name}: {one.status}. {one.sentence}." for one in self.controls),
        ]
        return "\n\n".join(lines)

    def annotated(self) -> AnnData:
        """Cells x features: values in X, attributions in layers, importance in varm, rest in uns.

        Rows of cells that could not be scored are NaN. To be asked for while the store is there.
        """
        from anndata import AnnData

        subject = self.subject
        held, drug_key = subject.cells, subject.drug_key
        shape = (held.n_obs, held.n_features)
        cells = AnnData(
            np.full(shape, np.nan, np.float32),
            obs=held.obs().copy(),
            var=pd.DataFrame(index=pd.Index(subject.names)),
        )
        layers = {word: np.full(shape, np.nan, np.float32) for word in subject.classes}
        baselines = np.full(held.n_obs, np.nan)
        for block in self.store.blocks():
            cells.X[block.rows] = np.asarray(held.X[block.rows], np.float32)
            for word, one in block.attributed.items():
                layers[word][block.rows] = one.attributions
            resistant = block.attributed[keys.RESISTANT]
            baselines[block.rows] = subject.baseline_logits(block.rows, resistant)
        for word, layer in layers.items():
            cells.layers[f"attribution_{word}"] = layer
        is_scored = subject.usable
        cells.obs["prob_resistant"] = np.where(is_scored, subject.prob, np.nan)
        cells.obs[keys.BASELINE_LOGIT] = baselines
        cells.obs[keys.prob_column(drug_key)] = cells.obs["prob_resistant"]
        cells.obs[keys.response_column(drug_key)] = pd.Categorical(
            pd.Series(np.array(keys.CALLS)[subject.calls]).where(is_scored)
        )
        ranked = self.importance.drop(columns="controls").set_index("feature")
        cells.varm["importance"] = ranked.loc[list(subject.names)].set_axis(cells.var_names)
        cells.uns[keys.UNS_SCATD] = {
            drug_key: {
                "model": subject.ref.name,
                "version": subject.ref.version,
                "candidate": subject.candidate.in_words,
                "attribution": subject.attribution,
                "settings": to_mapping(subject.request.settings),
                "controls": self.label,
                "controls_table": self.controls_table.astype({"value": float, "bound": float}),
                "versions": artifact.versions(),
                "use": keys.CAVEAT,
            }
        }
        cells.uns[keys.UNS_SIMULATED] = bool(subject.simulated)
        return cells


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
