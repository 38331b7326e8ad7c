"""Row "suggest": is the drug chosen better after suggested labels than after as many random ones?

Tumours are drawn from simulated worlds of clones, whose true responses are known. The models score
them as they are learned from bulk samples, without calibration. After labels of cells, the drugs of
the choice are those that leave the fewest cells as far as is known. Regret is the share of cells
that they leave in truth more than the best ones.

    python -m benchmarks.suggest [--seeds 0 1 2 3 4] [--draws 20] [--keep FOLDER]
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks import clones
from benchmarks.clones import Tumour
from scatd.data.demo.clones import SHARES
from scatd.evaluation.suggesting import Belief, after_labels, before_labels, suggest_labels

N_LABELS = (5, 10, 20, 40)
N_ROUNDS = 4
"""Of `in rounds`: labels are suggested anew after each quarter of them."""
N_BOOT = 2000


def main() -> None:
    """Print the table."""
    options = clones.arguments(__doc__).parse_args()
    drawn = clones.tumours(options.keep, options.seeds, options.draws)
    rows = [
        row
        for seed, some in drawn.items()
        for number, tumour in enumerate(some)
        for size in (1, 2)
        for row in _of(tumour, seed, number, size)
    ]
    print("\n".join(clones.markdown(_summary(pd.DataFrame(rows)))))


def _of(tumour: Tumour, seed: int, number: int, size: int) -> list[dict[str, object]]:
    """Right or not, and the regret, of every way to choose labels."""
    n_drugs = tumour.prob.shape[1]
    sets = list(combinations(range(n_drugs), size))
    own = np.bincount(tumour.clone, minlength=len(SHARES)) / len(tumour.clone)
    true = {some: clones.true_prob(seed)[:, some].prod(axis=1) @ own for some in sets}
    folds = [tumour.folds[:, :, drug] for drug in range(n_drugs)]
    belief = before_labels(tumour.prob, tumour.clone, folds, tumour.clone)
    rng = np.random.default_rng([seed, number, size])
    rows = []
    for n in (0, *N_LABELS):
        ways = {"suggested": 1, "in rounds": N_ROUNDS, "random": 0, "least sure": -1}
        for way, n_rounds in ways.items() if n else [("no labels", 1)]:
            found = _labelled(belief, tumour, size, n, n_rounds, rng) if n else belief
            chosen = min(sets, key=lambda some: found.prob[:, some].prod(axis=1).mean())
            regret = true[chosen] - min(true.values())
            rows.append(
                {"drugs": size, "labels": n, "chosen": way, "right": regret == 0, "regret": regret}
            )
    return rows


def _labelled(
    belief: Belief, tumour: Tumour, size: int, n: int, n_rounds: int, rng: np.random.Generator
) -> Belief:
    """What is known after labels: suggested in rounds; 0 draws them, -1 takes the least sure."""
    if n_rounds == 0:
        return _told(
            *(belief, tumour, rng.permutation(len(tumour.prob))[:n]),
            rng.integers(tumour.prob.shape[1], size=n),
        )
    if n_rounds < 0:
        unsure = np.abs(belief.odds)
        cells = np.argsort(unsure.min(axis=1), kind="stable")[:n]
        return _told(belief, tumour, cells, unsure[cells].argmin(axis=1))
    tested = np.zeros(0, np.intp)
    for part in np.array_split(np.arange(n), min(n_rounds, n)):
        plan = suggest_labels(belief, size, len(part), tested=tested).labels
        cells = np.array([one.cell for one in plan], np.intp)
        tested = np.concatenate([tested, cells])
        belief = _told(belief, tumour, cells, np.array([one.drug for one in plan], np.intp))
    return belief


def _told(
    belief: Belief, tumour: Tumour, cells: NDArray[np.intp], drugs: NDArray[np.intp]
) -> Belief:
    return after_labels(belief, cells, drugs, tumour.truth[cells, drugs])


def _summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means with 95 % intervals, over tumours; the lead of each way over random labels, paired."""
    rng, found = np.random.default_rng(0), []
    for (size, n), some in rows.groupby(["drugs", "labels"]):
        by_way = {
            str(way): own.reset_index(drop=True) for way, own in some.groupby("chosen", sort=False)
        }
        for way, own in by_way.items():
            draws = rng.integers(len(own), size=(N_BOOT, len(own)))
            row = {"drugs": size, "labels": n, "labels are": way}
            row["best named"] = _shown(own["right"].to_numpy(float), draws, ".0%")
            row["regret"] = _shown(own["regret"].to_numpy(float), draws, ".2%")
            if way not in ("random", "no labels"):
                less = by_way["random"]["regret"] - own["regret"]
                row["less regret than random"] = _shown(less.to_numpy(float), draws, ".2%")
            found.append(row)
    return pd.DataFrame(found).fillna("")


def _shown(values: NDArray[np.float64], draws: NDArray[np.intp], form: str) -> str:
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return f"{values.mean():{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main()
