"""The scores of a drug in an AnnData, found by any name of the drug."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.drugs import find_drug, resolve_drug
from scatd.data.groups import group_words
from scatd.data.storable import mapping
from scatd.errors import InputError
from scatd.spelling import nearest
from scatd.wording import counted, some_of

if TYPE_CHECKING:
    from anndata import AnnData

WHERE = "AnnData"
_NAMES = 10
"""Most names that a message lists."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of one drug.

    Parameters
    ----------
    drug
        Its key.
    prob
        P(resistant), (n_obs,); NaN where a cell has no score.
    calls
        (n_obs,) sensitive, resistant or abstain; empty where a cell has no score.
    about
        Where the scores come from, of `uns["scatd"]`; empty where the AnnData does not say it.
    """

    drug: str
    prob: NDArray[np.float64]
    calls: NDArray[np.str_]
    about: Mapping[str, Any]

    @property
    def subject(self) -> str:
        """Drug and family, for a title."""
        return f"{self.drug} ({self.about['family']})" if "family" in self.about else self.drug

    @property
    def threshold(self) -> float:
        """Above it, a cell is called resistant.

        Raises
        ------
        InputError
            When the AnnData does not say it.
        """
        if "threshold" not in self.about:
            what = f"... does not say the threshold of the scores of {self.drug}"
            where = f"{WHERE}: uns['{keys.UNS_SCATD}']"
            remedy = f"{_run(self.drug)} again. (anndata.concat keeps uns with uns_merge='first'.)"
            raise InputError(what, where=where, remedy=remedy)
        return float(self.about["threshold"])


def scored(adata: AnnData, drug: str | None = None) -> Scored:
    """The scores of a drug.

    Parameters
    ----------
    drug
        In any spelling; None where only one drug is scored.

    Raises
    ------
    InputError
        When this is no AnnData, or the drug is not scored.
    """
    known = scored_drugs(adata)
    if not known:
        what = "... has no scores" if drug is None else f"... has no scores of '{drug}'"
        raise InputError(what, where=WHERE, remedy=f"{_run(drug or '...')} first.")
    key = _only(known) if drug is None else _found(drug, known)
    obs = adata.obs
    return Scored(
        key,
        obs[keys.prob_column(key)].to_numpy(dtype=float),
        group_words(column(adata, keys.response_column(key))),
        mapping(mapping(adata.uns.get(keys.UNS_SCATD)).get(key)),
    )


def scored_drugs(adata: AnnData) -> list[str]:
    """Keys of the drugs that an AnnData has scores of, in the order of their columns.

    Raises
    ------
    InputError
        When this is no AnnData.
    """
    require_anndata(adata)
    before, after = keys.prob_column("|").split("|")
    return [
        name.removeprefix(before).removesuffix(after)
        for name in map(str, adata.obs.columns)
        if name.startswith(before) and name.endswith(after)
    ]


def require_anndata(data: object) -> None:
    """Refuse what is no AnnData.

    Raises
    ------
    InputError
        When it is something else.
    """
    from anndata import AnnData

    if not isinstance(data, AnnData):
        what = f"... cannot draw the scores of a {type(data).__name__}"
        remedy = "Read a file first: anndata.read_h5ad(PATH)."
        raise InputError(what, expected="an AnnData", remedy=remedy)


def column(adata: AnnData, name: str, remedy: str = "") -> pd.Series:
    """A column of obs.

    Parameters
    ----------
    remedy
        What else the user can do where there is none.

    Raises
    ------
    InputError
        When there is none, with the nearest names.
    """
    if name not in adata.obs:
        held = [str(one) for one in adata.obs.columns]
        listed = some_of(nearest(name, held) or held, _NAMES)
        expected = f"one of {listed}" if listed else "a column of obs"
        what, where = f"... has no column '{name}'", f"{WHERE}: obs"
        raise InputError(what, where=where, expected=expected, remedy=remedy)
    return adata.obs[name]


def _found(drug: str, known: list[str]) -> str:
    if not find_drug(drug, known):
        what, expected = f"... has no scores of '{drug}'", f"one of {', '.join(known[:_NAMES])}"
        remedy = f"{_run(drug)} first."
        raise InputError(what, where=WHERE, expected=expected, remedy=remedy)
    return resolve_drug(drug, known, where=WHERE)


def _only(known: list[str]) -> str:
    if len(known) > 1:
        what, listed = f"... has scores of {counted(len(known), 'drug')}", ", ".join(known[:_NAMES])
        raise InputError(what, where=WHERE, remedy=f"Say which one: drug= one of {listed}.")
    return known[0]


def _run(drug: str) -> str:
    return f"Run scatd.predict(adata, drug={drug!r})"
