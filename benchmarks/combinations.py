"""Row "combinations": is the chosen pair the best in truth, and does its interval hold the truth?

For each tumour, the pair is chosen by the shares left, as `scatd screen --combinations 2` does. The
models are used as they are; calibrated on the cells of another tumour of the same world (Platt);
and calibrated with groups, whose errors are then part of the interval. The truth is the share of
tumour cells of the world, over all patients, that resist both drugs.

    python -m benchmarks.combinations [--seeds 0 1 2 3 4] [--draws 20] [--keep FOLDER]
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from benchmarks import clones
from benchmarks.clones import Tumour
from scatd.decision import Platt
from scatd.evaluation.calibration import error_between_groups, fit_platt
from scatd.evaluation.combinations import Cells, left_by, mean_products

WAYS = ("not calibrated", "calibrated", "calibrated with groups")


def main() -> None:
    """Print a table for each world, and for all of them."""
    options = clones.arguments(__doc__).parse_args()
    drawn = clones.tumours(options.keep, options.seeds, 2 * options.draws)
    rows = []
    for seed, some in drawn.items():
        judged, labelled = some[: options.draws], some[options.draws :]
        for tumour, other in zip(judged, labelled, strict=True):
            rows += [_of(tumour, other, seed, way) for way in WAYS]
    table = pd.DataFrame(rows)
    print("\n".join(clones.markdown(_summary(table, ["world", "models"]))))
    print("\n".join(clones.markdown(_summary(table, ["models"]))))


def _of(tumour: Tumour, other: Tumour, seed: int, way: str) -> dict[str, object]:
    """The pair of a tumour: whether it is the best, and whether its interval holds the truth.

    Parameters
    ----------
    other
        The labelled tumour.
    """
    n_drugs = tumour.prob.shape[1]
    curves = [Platt(1.0, 0.0)] * n_drugs
    errors: tuple[tuple[float, int], ...] = ()
    if way != WAYS[0]:
        truth = other.truth.astype(np.float64)
        curves = [fit_platt(truth[:, one], other.prob[:, one]) for one in range(n_drugs)]
    if way == WAYS[2]:
        errors = tuple(_error(other, one, curve) for one, curve in enumerate(curves))
    prob = np.column_stack([curve(tumour.prob[:, one]) for one, curve in enumerate(curves)])
    folds = tuple(curve(tumour.folds[:, :, one]) for one, curve in enumerate(curves))
    cells = Cells(clones.DRUGS, prob, tumour.patient, folds, None, tumour.clone, errors)
    shares = mean_products(prob, 2)
    pairs = list(combinations(range(n_drugs), 2))
    chosen = min(pairs, key=lambda pair: shares[pair])
    truth_of = {pair: clones.true_left(seed, pair) for pair in pairs}
    left = left_by(cells, chosen)
    low, high = left.interval()
    return {
        "world": seed,
        "models": way,
        "right": truth_of[chosen] == min(truth_of.values()),
        "held": low <= truth_of[chosen] <= high,
        "truth": truth_of[chosen],
        "left": left.share,
        "low": low,
        "high": high,
    }


def _error(labelled: Tumour, drug: int, curve: Platt) -> tuple[float, int]:
    prob = curve(labelled.prob[:, drug])
    sd = error_between_groups(labelled.truth[:, drug], prob, labelled.clone)
    return sd, len(np.unique(labelled.clone))


def _summary(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    found = rows.groupby(by, sort=False).agg(
        tumours=("held", "size"),
        best=("right", "sum"),
        held=("held", "sum"),
        **{name: (name, "mean") for name in ("truth", "left", "low", "high")},
    )
    for name in ("truth", "left", "low", "high"):
        found[name] = found[name].map("{:.1%}".format)
    names = {
        "best": "best pair chosen",
        "held": "interval holds the truth",
        "low": "mean lower end",
        "high": "mean upper end",
    }
    return found.reset_index().rename(columns=names)


if __name__ == "__main__":
    main()
