"""The cohorts of a transfer by role, on one scale and one panel of genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scatd.cards.card import About
from scatd.data.expression import LOG1P, holds_counts, log_normalised, on_panel
from scatd.data.features import Features, read_features
from scatd.data.genes import Panel, read_panel
from scatd.data.given import GivenCohort
from scatd.errors import InputError
from scatd.keys import InputScale
from scatd.wording import counted
from scatd.workflows.cohorts.shared import shared_panel

SHARED = "shared"
"""`--panel shared`: the genes that all cohorts have."""
HIGHEST_LOG = 30.0
"""No log1p of counts is higher: exp(30) molecules are in no cell."""


@dataclass(frozen=True)
class ExpressionRead:
    """Expression as a backbone of family dist reads it.

    Parameters
    ----------
    genes
        In order; None where there is no backbone yet.
    scale
        log1p, or counts for a published backbone.
    """

    genes: Sequence[str] | None = None
    scale: str = LOG1P

    @classmethod
    def of(cls, about: About) -> ExpressionRead:
        """Genes and scale from the card of a model or a backbone."""
        return cls(about.genes, "counts" if about.input_scale == "counts" else LOG1P)


ANY_GENES = ExpressionRead()


@dataclass(frozen=True, eq=False)
class Cohorts:
    """Cohorts of a transfer by role.

    The source holds bulk samples, of which some or all are labelled.

    Parameters
    ----------
    reference
        Unlabelled single cells whose style the source takes: the target where no reference was
        given; None where there is neither.
    target
        Single cells to score, where they are given.
    input_scale
        Scale of expression; None for embeddings.
    """

    source: Features
    reference: Features | None
    target: Features | None
    input_scale: str | None = None

    @property
    def all(self) -> list[Features]:
        """Each cohort once."""
        others = [self.reference, self.target]
        distinct = [cohort for cohort in others if cohort is not None]
        if self.reference is self.target:
            distinct = distinct[:1]
        return [self.source, *distinct]

    @property
    def is_transductive(self) -> bool:
        """True where the target itself, without its labels, takes part in training."""
        return self.target is not None and self.reference is self.target


def read_embeddings(
    source: GivenCohort,
    reference: GivenCohort | None,
    target: GivenCohort | None,
    family: str,
) -> Cohorts:
    """Cohorts of family sf or gf."""
    labelled = read_features(source, family)
    n_features = labelled.n_features
    found = {
        path: read_features(path, family, n_features=n_features, mmap=path == reference)
        for path in (reference, target)
        if path is not None
    }
    return Cohorts(labelled, *_roles(found, reference, target))


def read_expression(
    source: GivenCohort,
    reference: GivenCohort | None,
    target: GivenCohort | None,
    *,
    panel: str | None = None,
    scale: InputScale | None = None,
    reads: ExpressionRead = ANY_GENES,
) -> Cohorts:
    """Cohorts of family dist, on the genes and the scale that its backbone reads.

    Parameters
    ----------
    panel
        "shared" (the genes that all cohorts have, in the source's order) or a file of gene names.
        None takes the backbone's genes, or those of the cohorts where they agree.
    scale
        Scale of the values, where they are not counts or log1p.
    reads
        Genes and scale of the backbone that was asked for, if any: it can read no others.

    Raises
    ------
    InputError
        For cohorts without gene names, of unclear scale, or that share too few genes.
    """
    paths = [path for path in (source, reference, target) if path is not None]
    found = {
        path: read_features(path, "dist", mmap=path == reference, scale=scale) for path in paths
    }
    for cohort in found.values():
        if cohort.names is None:
            what = "... has no gene names"
            expected = "an .h5ad, or a table whose columns are genes"
            raise InputError(what, where=str(cohort.path), expected=expected)
    chosen = _panel(panel, list(found.values()), reads.genes)
    ready = {path: _prepared(cohort, chosen, scale, reads.scale) for path, cohort in found.items()}
    roles = _roles(ready, reference, target)
    on_scale = reads.scale if scale in (None, "counts") else scale
    return Cohorts(ready[source], *roles, input_scale=on_scale)


def _roles(
    found: Mapping[GivenCohort, Features],
    reference: GivenCohort | None,
    target: GivenCohort | None,
) -> tuple[Features | None, Features | None]:
    scored = None if target is None else found[target]
    return (scored if reference is None else found[reference]), scored


def _prepared(cohort: Features, panel: Panel, scale: InputScale | None, reads: str) -> Features:
    """A cohort on the panel and on the scale that the backbone reads."""
    if not _are_counts(cohort, scale, reads):
        return on_panel(cohort, panel, "mean")
    counts = on_panel(cohort, panel, "sum")
    return counts if reads == "counts" else log_normalised(counts)[0]


def _are_counts(cohort: Features, scale: InputScale | None, reads: str) -> bool:
    """Believe a stated scale, check the values where none is stated, and refuse other values."""
    if scale is not None and scale != "counts":
        return False
    if holds_counts(cohort.X):
        return True
    if reads == "counts":
        what = "... holds no counts, which the backbone reads"
        raise InputError(what, where=str(cohort.path), expected="whole numbers of 0 and more")
    step = max(cohort.n_obs // 1000, 1)
    seen = np.asarray(cohort.X[::step])
    if scale == "counts":
        what = "... holds values that are not whole numbers of 0 and more"
        raise InputError(what, where=str(cohort.path), expected="counts, as --scale says")
    if seen.min() < 0 or seen.max() > HIGHEST_LOG:
        raise InputError(
            f"... holds values from {seen.min():g} to {seen.max():g}, which are no counts and no "
            "log1p",
            where=str(cohort.path),
            remedy="If all cohorts are z-scored in the same way, say so: --scale zscore",
        )
    return False


def _panel(
    panel: str | None, cohorts: Sequence[Features], backbone_genes: Sequence[str] | None
) -> Panel:
    if panel == SHARED:
        chosen = shared_panel(cohorts)
    elif panel is not None:
        chosen = Panel(tuple(read_panel(Path(panel))), panel)
    elif backbone_genes is not None:
        return Panel(tuple(backbone_genes), "the backbone")
    elif len({cohort.names for cohort in cohorts}) == 1:
        return Panel(cohorts[0].names or (), "the cohorts")
    else:
        files = [cohort.path for cohort in cohorts if cohort.path.exists()]
        remedy = "Add --panel shared for the genes that all have, or --panel FILE."
        if files:
            commands = (f"scatd prepare {file} -o {_prepared_name(file)}" for file in files)
            remedy += "\n".join([" Or bring them to the same genes:", *commands])
        raise InputError("the cohorts have different genes", expected="a panel", remedy=remedy)
    if backbone_genes is not None and tuple(backbone_genes) != chosen.names:
        what = (
            f"the backbone reads {counted(len(backbone_genes), 'gene')}, and not those of the panel"
        )
        raise InputError(what, where="--panel", remedy="Leave --panel or --backbone out.")
    return chosen


def _prepared_name(file: Path) -> str:
    return f"{file.name.partition('.')[0]}-prepared.h5ad"


def pooled(cohorts: Sequence[Features]) -> Features:
    """All rows of some cohorts as one, for pretraining where there is no reference.

    The last cohort's path and genes stand for all.
    """
    last = cohorts[-1]
    X = np.concatenate([np.asarray(cohort.X, dtype=np.float32) for cohort in cohorts])
    ids = np.arange(len(X)).astype(str)
    return replace(
        last,
        X=X,
        ids=ids,
        has_ids=False,
        obs=last.obs.iloc[:0],
        simulated=any(cohort.simulated for cohort in cohorts),
    )
