"""Use case: gene sets behind an importance table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from scatd import keys, tracking
from scatd.data.files import atomic_path
from scatd.data.gene_sets import GeneSets, read_gene_sets
from scatd.data.text.spreadsheets import to_csv
from scatd.errors import InputError
from scatd.explanation.enrichment import over_representation, preranked, restricted, signed_scores
from scatd.keys import artifact_paths, metric_names
from scatd.plots.explain.gene_sets import gene_sets
from scatd.plots.style import save_figure
from scatd.ranges import Count, RandomSets, Seed, check_fields
from scatd.wording import counted
from scatd.workflows.explain.tables import Importance, read_importance, require_targets

_NEEDED = ("feature", "mean_abs_resistant", "mean_resistant")


@dataclass(frozen=True)
class EnrichRequest:
    """The importance table, and the gene sets to test on it.

    Parameters
    ----------
    table
        An importance table of genes, as `scatd explain -o` writes it.
    gene_sets
        A GMT file.
    top
        Length of the list that is tested for over-representation.
    min_size, max_size
        Genes of the model that a set needs, and may have.
    permutations, seed
        Of the ranking's test.
    output, figure
        `.csv` and `.png`; None writes none.
    """

    table: Path
    gene_sets: Path
    top: Count = 100
    min_size: Count = 10
    max_size: Count = 500
    permutations: RandomSets = 1000
    seed: Seed = 0
    output: Path | None = None
    figure: Path | None = None

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True, eq=False)
class Enriched:
    """Both tables of `scatd.explanation.enrichment`, the background's size, sets, and the label."""

    listed: pd.DataFrame
    ranked: pd.DataFrame
    n_background: int
    n_sets: int
    label: str


def enrich(request: EnrichRequest) -> Enriched:
    """Test sets against the list of the most important genes, and against the whole ranking.

    Raises
    ------
    InputError
        For files that cannot be used, a table of no genes, or sets of other genes.
    """
    require_targets(request.output, request.figure)
    importance = read_importance(request.table)
    _require_columns(importance.table, request.table)
    found = enrich_table(request, importance, read_gene_sets(request.gene_sets))
    _write(request, found, importance.model)
    return found


def enrich_table(request: EnrichRequest, importance: Importance, sets: GeneSets) -> Enriched:
    """Test gene sets on an importance table that was read.

    Raises
    ------
    InputError
        When the list is as long as the table, or the sets are of other genes.
    """
    table = importance.table.drop_duplicates("feature", ignore_index=True)
    genes = list(table["feature"].astype(str))
    if request.top >= len(genes):
        what = (
            f"a list of {request.top} of the table's {counted(len(genes), 'gene')} is no selection"
        )
        raise InputError(what, where="--top", expected=f"fewer than {len(genes)}")
    kept = restricted(sets, genes, request.min_size, request.max_size)
    first = table.nlargest(request.top, "mean_abs_resistant", keep="first")["feature"]
    listed = over_representation(list(first), kept, genes)
    ranked = preranked(signed_scores(table), kept, request.permutations, request.seed)
    return Enriched(listed, ranked, len(genes), len(kept), importance.label)


def _require_columns(table: pd.DataFrame, path: Path) -> None:
    missing = [name for name in _NEEDED if name not in table]
    if missing:
        what = f"... has no column {', '.join(missing)}"
        expected = "an importance table that scatd explain -o wrote"
        raise InputError(what, where=str(path), expected=expected)


def _write(request: EnrichRequest, found: Enriched, model: dict[str, str]) -> None:
    whole = combined(found)
    if request.output is not None:
        with atomic_path(request.output) as unfinished:
            to_csv(whole, unfinished)
    if request.figure is not None:
        drawn = gene_sets(found.listed, found.ranked, request.table.stem)
        save_figure(drawn, request.figure.parent, request.figure.stem)
    with tracking.parent_run(
        "explain enrich",
        name=f"gene sets of {request.table.stem}",
        tags={keys.TAG_CONTROLS: found.label, **model},
        settings=asdict(request),
    ) as run:
        run.log_table(whole, artifact_paths.GENE_SETS)
        run.log_metrics(
            {metric_names.N_SETS: found.n_sets, metric_names.N_BACKGROUND: found.n_background}
        )


def combined(found: Enriched) -> pd.DataFrame:
    """Both analyses, one row a set: columns of the ranking begin with `ranked_`."""
    ranked = found.ranked.drop(columns="n_set").set_index("gene_set").add_prefix("ranked_")
    return found.listed.join(ranked, on="gene_set").assign(controls=found.label)
