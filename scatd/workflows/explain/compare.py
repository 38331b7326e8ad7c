"""Use case: importance tables of several cohorts side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scatd.data.files import atomic_path, check_writable
from scatd.data.io import STORE_SUFFIXES, open_store
from scatd.data.tables import has_suffix, read_table
from scatd.errors import InputError
from scatd.explain.compare import asked_for, correlations, pairs, ranked
from scatd.explain.controls import NOT_RUN
from scatd.plots.agreement import rank_agreement
from scatd.plots.style import save_figure


@dataclass(frozen=True, eq=False)
class Agreement:
    """How alike cohorts rank the features.

    Parameters
    ----------
    pairs
        Of `scatd.explain.compare.pairs`.
    asked
        Ranks of the queried features, or None.
    labels
        What the controls said of each table.
    """

    pairs: pd.DataFrame
    asked: pd.DataFrame | None
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
        For fewer than two tables, tables of the same name, or what is no importance table.
    """
    if len(paths) < 2:
        raise InputError(f"{len(paths)} table to compare", expected="at least 2")
    if figure is not None and figure.suffix.lower() != ".png":
        what = f"'{figure.name}' does not end in .png"
        raise InputError(what, where="--figure", expected="FILE.png")
    for target in filter(None, (output, figure)):
        check_writable(target)
    read = {name: read_importance(path) for name, path in _named(paths).items()}
    tables = {name: ranked(table, name) for name, table in read.items()}
    found = pairs(tables, top)
    asked = asked_for(tables, features) if features else None
    if output is not None:
        with atomic_path(output) as unfinished:
            found.to_csv(unfinished, index=False)
    if figure is not None:
        drawn = rank_agreement(correlations(found), _first_ranks(tables, features))
        save_figure(drawn, figure.parent, figure.stem)
    return Agreement(found, asked, {name: label_of(table) for name, table in read.items()})


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


def read_importance(path: Path) -> pd.DataFrame:
    """An importance table that `scatd explain -o` wrote, of any kind.

    Raises
    ------
    InputError
        When there is none in the file.
    """
    if not has_suffix(path, STORE_SUFFIXES):
        return read_table(path, as_text=False)
    from anndata.io import read_elem

    with open_store(path) as store:
        if "importance" not in store.get("varm", {}):
            what = 'has no varm["importance"]'
            expected = "an .h5ad that scatd explain -o wrote"
            raise InputError(what, where=str(path), expected=expected)
        table: pd.DataFrame = read_elem(store["varm"]["importance"])
        about = read_elem(store["uns"]["scatd"])
    verdict = next((one["controls"] for one in about.values() if "controls" in one), NOT_RUN)
    return table.rename_axis(index="feature").reset_index().assign(controls=verdict)


def label_of(table: pd.DataFrame) -> str:
    """What the controls said of an importance table."""
    return str(table["controls"].iloc[0]) if "controls" in table else NOT_RUN


def _first_ranks(tables: dict[str, pd.DataFrame], features: Sequence[str]) -> pd.DataFrame:
    """Ranks (by the sum over classes) of the queried features, or of those best over all tables."""
    ranks = pd.DataFrame({name: table["sum"] for name, table in tables.items()})
    if features:
        return ranks.reindex(list(features))
    return ranks.loc[ranks.dropna().mean(axis=1).sort_values(kind="stable").index[:20]]
