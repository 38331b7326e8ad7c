"""Sets of drugs that leave the fewest cells of a screened tumour, and what they leave of groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.cards.card import Card
from scatd.errors import InputError
from scatd.evaluation import combinations
from scatd.evaluation.combinations import Cells, lead
from scatd.evaluation.fractions import ALL
from scatd.spelling import nearest
from scatd.wording import LISTED, counted, some_of
from scatd.workflows.screen.request import ScreenRequest
from scatd.workflows.screen.scores import Screened

SIZES = {2: "pair", 3: "triple"}
CAVEATS = (
    "A cell is counted as left by a set when every drug of the set leaves it. The drugs are taken "
    "to act independently of each other (Bliss), and the probabilities of the models are taken as "
    "they are. Synergy, antagonism, doses and toxicity are not part of it.",
    "The interval shows what other cells or patients, and models of other training samples, would "
    "change. It does not show an error that all models share. The two columns of dependence show "
    "the lowest and the highest share if the drugs depend on each other within a cell.",
)


@dataclass(frozen=True, eq=False)
class Combined:
    """What sets of drugs leave of a tumour.

    Parameters
    ----------
    table
        Of `scatd.evaluation.combinations.table`.
    groups
        One row a group: see `group_tables`.
    alone
        (n_groups, n_drugs) share of a group's cells that each drug leaves alone; the drug that
        leaves the fewest cells of the tumour first.
    words, cautions
        The finding, and reasons to trust it less, in sentences.
    """

    table: pd.DataFrame
    groups: pd.DataFrame
    alone: pd.DataFrame
    words: list[str]
    cautions: list[str]

    @property
    def sets(self) -> pd.DataFrame:
        """(n_groups, n_sets) share of a group's cells that each chosen set leaves."""
        chosen = self.table.loc[self.table["chosen"] & (self.table["n_drugs"] > 1), "drugs"]
        by_group = self.groups.set_index("group")
        return pd.DataFrame({drugs: by_group[f"left by {drugs}"] for drugs in chosen})

    @property
    def shares(self) -> pd.Series:
        """(n_groups,) share of each group in the tumour."""
        return self.groups.set_index("group")["share"]


def require_reference_group(request: ScreenRequest, groups: pd.Categorical[str] | None) -> None:
    """Refuse a reference group without groups, one that no cell is in, and one of all cells.

    Raises
    ------
    InputError
        When it is so.
    """
    name = request.reference_group
    if name is None:
        return
    if groups is None:
        what, remedy = "there are no groups", "Add --group-by COLUMN."
        raise InputError(what, where="--reference-group", remedy=remedy)
    known = groups.categories.tolist()
    if name not in known:
        listed = some_of(nearest(name, known) or known, LISTED)
        what = f"no cell of '{request.groups_are}' is in the group '{name}'"
        raise InputError(what, where="--reference-group", expected=f"one of {listed}")
    if len(known) == 1:
        what = f"all cells are in the group '{name}', so that no tumour is left"
        raise InputError(what, where="--reference-group", remedy="Leave it out.")


def combine(request: ScreenRequest, found: Screened, fractions: pd.DataFrame) -> Combined | None:
    """Sets of drugs for a screened cohort; None where fewer than two drugs have scores.

    Parameters
    ----------
    fractions
        Of all drugs, as `scatd.evaluation.fractions` makes them.
    """
    if not request.combines or len(found.drugs) < 2:
        return None
    drugs = tuple(found.drugs)
    prob = np.column_stack([found.drugs[drug].prob for drug in drugs])
    is_scored = np.isfinite(prob).all(axis=1)
    spared = in_reference(request, found)
    of_tumour = is_scored & ~spared
    if not of_tumour.any():
        return None
    patients = None
    if found.patients is not None:
        patients = found.patients.codes[of_tumour].astype(np.intp)
    cells = Cells(
        drugs,
        prob[of_tumour],
        patients,
        said_by_folds(found, of_tumour)[1],
        prob[is_scored & spared] if request.reference_group is not None else None,
        None if found.groups is None else found.groups.codes[of_tumour].astype(np.intp),
        tuple(errors_of(one.card) for one in found.drugs.values()),
    )
    table = combinations.table(cells, request.combinations)
    groups, alone = group_tables(found, cells, of_tumour, fractions, table)
    words = [sentence for size in SIZES for sentence in in_sentences(cells, table, size)]
    return Combined(table, groups, alone, words, _cautions(request, found, int((~is_scored).sum())))


def errors_of(card: Card) -> tuple[float, int] | None:
    """S.d. of the error of a model between groups of labelled cells, and their number."""
    made = card.about.calibration
    held = None if made is None else made.group_errors
    return None if held is None else (held.sd, held.n_groups)


def in_reference(request: ScreenRequest, found: Screened) -> NDArray[np.bool_]:
    """Which cells are in the group that should be spared, (n_obs,)."""
    if request.reference_group is None or found.groups is None:
        return np.zeros(len(found.ids), dtype=bool)
    return np.asarray(found.groups == request.reference_group)


def said_by_folds(
    found: Screened, of_tumour: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], tuple[NDArray[np.float64] | None, ...]]:
    """What the models of folds say of cells of the tumour that all of them have scored.

    Returns
    -------
    Numbers of the cells, ascending, and P(resistant) (n_folds, n_rows) for each drug: None where
    the models of its folds are not stored. Nothing where no drug knows them, or there is no cell.
    """
    known = [one.folds for one in found.drugs.values() if one.folds is not None]
    if not known:
        return np.zeros(0, np.intp), ()
    rows = known[0].rows
    for one in known[1:]:
        rows = np.intersect1d(rows, one.rows)
    rows = rows[of_tumour[rows]]
    if not len(rows):
        return rows, ()
    return rows, tuple(
        None if one.folds is None else one.folds.prob[:, np.isin(one.folds.rows, rows)]
        for one in found.drugs.values()
    )


def group_tables(
    found: Screened,
    cells: Cells,
    of_tumour: NDArray[np.bool_],
    fractions: pd.DataFrame,
    table: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row a group of the tumour, the largest first; and what each drug leaves of it.

    Columns of the first: group, n_cells, share (of the cells of the tumour), left_by and cleared_by
    (drugs whose fraction of resistant cells has its interval above, or below, one half), unclear
    (the other drugs), and `left by ...` (share of the group's cells that the chosen sets leave).
    """
    groups = found.groups
    if groups is None:
        groups = pd.Categorical(np.full(len(of_tumour), ALL))
    codes = groups.codes[of_tumour]
    sizes = np.bincount(codes, minlength=len(groups.categories))
    alone = table.loc[table["n_drugs"] == 1, "drugs"]
    by_drug = {drug: _mean_by_group(cells, drug, codes, sizes) for drug in alone}
    sets = table.loc[table["chosen"] & (table["n_drugs"] > 1), "drugs"]
    by_set = {f"left by {drugs}": _mean_by_group(cells, drugs, codes, sizes) for drugs in sets}
    rows = []
    for code in np.argsort(-sizes, kind="stable"):
        if not sizes[code]:
            continue
        name = groups.categories[code]
        own = fractions[fractions["group"] == name]
        left, cleared = own["ci_low"] > 0.5, own["ci_high"] < 0.5
        rows.append(
            {
                "group": name,
                "n_cells": int(sizes[code]),
                "share": sizes[code] / sizes.sum(),
                "left_by": ", ".join(own.loc[left, "drug"]),
                "cleared_by": ", ".join(own.loc[cleared, "drug"]),
                "unclear": ", ".join(own.loc[~left & ~cleared, "drug"]),
                **{column: values[code] for column, values in by_set.items()},
            }
        )
    groups_found = pd.DataFrame(rows)
    by_name = pd.DataFrame(by_drug, index=groups.categories.rename("group"))
    return groups_found, by_name.loc[groups_found["group"]]


def _mean_by_group(
    cells: Cells, drugs: str, codes: NDArray[np.integer], sizes: NDArray[np.intp]
) -> NDArray[np.float64]:
    product = cells.products(_places(cells, drugs))
    return np.bincount(codes, product, minlength=len(sizes)) / np.where(sizes > 0, sizes, np.nan)


def _places(cells: Cells, drugs: str) -> list[int]:
    return [cells.drugs.index(drug) for drug in drugs.split(combinations.SEPARATOR)]


def in_sentences(cells: Cells, table: pd.DataFrame, size: int) -> list[str]:
    """The chosen set of a size, and what plain ranking would choose, in sentences."""
    some = table[table["n_drugs"] == size]
    if some.empty:
        return []
    best = some[some["chosen"]].iloc[0]
    said = (
        f"The {SIZES[size]} {best['drugs']} leaves the fewest cells: {best['left']:.1%} (90% "
        f"interval {best['ci_low']:.1%} to {best['ci_high']:.1%}"
        f"; with any dependence between the drugs, {best['dependence_low']:.1%} to "
        f"{best['dependence_high']:.1%})."
    )
    plain = some[some["plain_ranking"]].iloc[0]
    if plain["chosen"]:
        return [
            said,
            "It is made of the drugs that leave the fewest cells when each is given alone.",
        ]
    more, low, high = lead(cells, _places(cells, best["drugs"]), _places(cells, plain["drugs"]))
    told = "" if low > 0 else " The data do not tell the two apart."
    return [
        said,
        f"The drugs that leave the fewest cells when each is given alone are {plain['drugs']}. "
        f"Together they would leave {plain['left']:.1%}, which is {more:.1%} of the cells more "
        f"(90% interval {low:.1%} to {high:.1%}).{told}",
    ]


def _cautions(request: ScreenRequest, found: Screened, n_unscored: int) -> list[str]:
    said = []
    plain = [d for d, one in found.drugs.items() if one.card.about.calibration is None]
    if plain:
        said.append(
            "Sets of drugs are made of probabilities. These models were not calibrated on labelled "
            "single cells, so that their probabilities may be too high or too low: "
            f"{', '.join(plain)}."
        )
    ungrouped = [
        drug
        for drug, one in found.drugs.items()
        if one.card.about.calibration is not None and errors_of(one.card) is None
    ]
    if ungrouped:
        said.append(
            f"The models of {', '.join(ungrouped)} were calibrated on cells without groups. The "
            "intervals of sets with them do not show that a model errs more in one clone than in "
            "another. Calibrate with --group-by."
        )
    alone = [drug for drug, one in found.drugs.items() if one.folds is None]
    if alone:
        said.append(
            f"The models of {', '.join(alone)} hold nothing of other folds. The intervals of sets "
            "with them do not show the uncertainty of the model."
        )
    if request.patients is None:
        said.append(
            "Intervals of sets of drugs treat all cells as cells of one patient. Name the column "
            "of the patients, if there are several."
        )
    if n_unscored:
        said.append(f"{counted(n_unscored, 'cell')} without a score of every drug: in no set.")
    return said
