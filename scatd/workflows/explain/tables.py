"""Importance tables that `scatd explain -o` wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scatd import keys
from scatd.data.files import check_writable
from scatd.data.io import STORE_SUFFIXES, open_store
from scatd.data.tables import has_suffix, read_table
from scatd.errors import InputError
from scatd.explanation.controls import NOT_RUN


@dataclass(frozen=True, eq=False)
class Importance:
    """An importance table, and the model behind it.

    Parameters
    ----------
    table
        One row a feature.
    label
        Verdict of the controls.
    model
        Tags of drug and model version; empty for a text table, which does not name them.
    """

    table: pd.DataFrame
    label: str
    model: dict[str, str]


def read_importance(path: Path) -> Importance:
    """Read an importance table of any kind.

    Raises
    ------
    InputError
        When there is none in the file.
    """
    if not has_suffix(path, STORE_SUFFIXES):
        table = read_table(path, as_text=False)
        label = str(table["controls"].iloc[0]) if "controls" in table else NOT_RUN
        return Importance(table, label, {})
    from anndata.io import read_elem

    with open_store(path) as store:
        if "importance" not in store.get("varm", {}):
            what = '... has no varm["importance"]'
            expected = "an .h5ad that scatd explain -o wrote"
            raise InputError(what, where=str(path), expected=expected)
        table = read_elem(store["varm"]["importance"])
        about: dict[str, Any] = read_elem(store["uns"][keys.UNS_SCATD])
    explained = {drug: one for drug, one in about.items() if "controls" in one}
    label, model = NOT_RUN, {}
    if explained:
        label = next(iter(explained.values()))["controls"]
        drug, one = list(explained.items())[-1]
        model = {
            keys.TAG_DRUG: str(drug),
            keys.TAG_MODEL: f"{one['model']}/{one['version']}",
        }
    table = table.rename_axis(index="feature").reset_index().assign(controls=label)
    return Importance(table, str(label), model)


def require_targets(output: Path | None, figure: Path | None) -> None:
    """Refuse an output that cannot be written, and a figure that is no PNG.

    Raises
    ------
    InputError
        Names the file.
    """
    if figure is not None and figure.suffix.lower() != ".png":
        what = f"'{figure.name}' does not end in .png"
        raise InputError(what, where="--figure", expected="FILE.png")
    for target in filter(None, (output, figure)):
        check_writable(target)
