"""Use case: importance tables of several cohorts side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scatd.data.files import atomic_path
from scatd.data.text.spreadsheets import to_csv
from scatd.errors import InputError
from scatd.explanation.compare import asked_for, correlations, pairs, ranked
from scatd.plots.agreement import rank_agreement
from scatd.plots.style import save_figure
from scatd.wording import counted
from scatd.workflows.explain.tables import Importance, read_importance, require_targets


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of cohorts about the importance of features.

    Parameters
    ----------
    pairs
        Of `scatd.explanation.compare.pairs`.
    asked
        Ranks of the queried features, or None.
    first
        Ranks that the figure shows.
    labels
        Verdict of the controls of each table.
    """

    pairs: pd.DataFrame
    asked: pd.DataFrame | None
    first: pd.DataFrame
    labels: dict[str, str]


def compare(
    paths: Sequence[Path],
    *,
    features: Sequence[str] = (),
    top: int = 50,
    output: Path | None = None,
    figure: Path | None = None,
) -> Agreement:
    """Compare importance tables; nothing is written unless all can be read.

    Raises
    ------
    InputError
        For fewer than two tables, tables of the same name, or a file without an importance table.
    """
    if len(paths) < 2:
        raise InputError(
            f"{counted(len(paths), 'table', 'is')} to be compared", expected="at least 2"
        )
    require_targets(output, figure)
    read = {name: read_importance(path) for name, path in _named(paths).items()}
    found = compare_tables(read, features, top)
    if output is not None:
        with atomic_path(output) as unfinished:
            to_csv(found.pairs, unfinished)
    if figure is not None:
        drawn = rank_agreement(correlations(found.pairs), found.first)
        save_figure(drawn, figure.parent, figure.stem)
    return found


def compare_tables(
    tables: Mapping[str, Importance], features: Sequence[str] = (), top: int = 50
) -> Agreement:
    """Compare importance tables that were read.

    Raises
    ------
    InputError
        When one is no importance table, or a queried feature is in none.
    """
    ranks = {name: ranked(one.table, name) for name, one in tables.items()}
    return Agreement(
        pairs=pairs(ranks, top),
        asked=asked_for(ranks, features) if features else None,
        first=_first_ranks(ranks, features),
        labels={name: one.label for name, one in tables.items()},
    )


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Short names: the file's, with its folder where that is not enough."""
    stems = [path.stem for path in paths]
    names = [
        path.stem if stems.count(path.stem) == 1 else f"{path.absolute().parent.name}/{path.stem}"
        for path in paths
    ]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two tables are called '{twice}'", remedy="Rename one of the files.")
    return dict(zip(names, paths, strict=True))


def _first_ranks(tables: dict[str, pd.DataFrame], features: Sequence[str]) -> pd.DataFrame:
    """Ranks (by the sum over classes) of the queried features, or of those best over all tables."""
    ranks = pd.DataFrame({name: table["sum"] for name, table in tables.items()})
    if features:
        return ranks.reindex(list(features))
    return ranks.loc[ranks.dropna().mean(axis=1).sort_values(kind="stable").index[:20]]
