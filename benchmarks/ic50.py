"""Row "ic50": ln IC50 of real lines, predicted for lines that were left out, and its intervals.

Every choice is made by inner folds of the training lines: candidate, strength and mean. Nothing is
chosen on the lines that are scored. There is no backbone here, so that the ridge on its latent has
no part in it.

    python -m benchmarks.ic50 ../shared/data/ccle_gdsc
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks import common
from scatd.candidates.candidate import Candidate
from scatd.candidates.conformal import NO_GROUP, Residuals, cv_plus
from scatd.data.drugs import substance_key
from scatd.data.splits import shuffled_folds, whole_groups
from scatd.evaluation.naive import LINE_MEAN
from scatd.evaluation.numbers import coverage, models_table, naive_numbers
from scatd.training.numbers.choosing import choose
from scatd.training.numbers.filling import Numbers
from scatd.training.numbers.recipes import RECIPES, RIDGE
from scatd.training.numbers.rows import NumberRows

DRUGS = (
    *("AFATINIB", "GEFITINIB", "DABRAFENIB", "PLX.4720", "TRAMETINIB", "VORINOSTAT"),
    *("VENETOCLAX", "NAVITOCLAX", "PACLITAXEL", "CYTARABINE", "DASATINIB", "TALAZOPARIB"),
)
"""Those of the comparison of candidates: see docs/tasks/shared-tasks.yaml."""
N_FOLDS, INNER_FOLDS, SEED = 5, 3, 42
MODEL = "chosen by inner folds"
KNOWING = "line mean, knowing the other drugs of the line that is left out"

Rows = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lines:
    """Real lines: features, numbers (n_lines, n_drugs) by drug, and tissues ("" is unknown)."""

    X: NDArray[np.float32]
    given: Floats
    drugs: tuple[str, ...]
    tissues: NDArray[np.str_]

    @property
    def numbers(self) -> Numbers:
        """None of them is censored."""
        return Numbers(self.given, np.zeros(self.given.shape, dtype=bool))

    def columns(self, names: Sequence[str]) -> list[int]:
        """Columns of some drugs, by any of their names."""
        own = [substance_key(name) for name in self.drugs]
        return [own.index(substance_key(name)) for name in names]


@cache
def read(folder: Path) -> Lines:
    """The lines of a folder with lines.h5ad and ln_ic50.csv."""
    import anndata

    cohort = anndata.read_h5ad(folder / "lines.h5ad")
    table = pd.read_csv(folder / "ln_ic50.csv", index_col=0)
    table = table.reindex(cohort.obs_names)
    words = cohort.obs["tissue"].astype(object)
    tissues = words.where(words.notna() & (words.astype(str) != "nan"), "").to_numpy(dtype=str)
    X = np.asarray(cohort.X, dtype=np.float32)
    return Lines(X, table.to_numpy(dtype=float), tuple(map(str, table.columns)), tissues)


def training_rows(lines: Lines, train: Rows, seed: int) -> NumberRows:
    """Training lines with inner folds."""
    inner = shuffled_folds(len(train), INNER_FOLDS, seed)
    return NumberRows(lines.X[train], lines.numbers.of(train), inner, seed)


def predict(model: Candidate, X: NDArray[np.float32]) -> Floats:
    """Numbers of rows (n_rows,), by a model that does not read the latent."""
    x = torch.from_numpy(X)
    return model.log_odds(x, x)


def one_fold(folder: Path, train: Rows, val: Rows) -> dict[str, Floats]:
    """Predictions (n_val, n_drugs) for lines that are left out, by model."""
    lines = read(folder)
    rows, shape = training_rows(lines, train, SEED), (len(val), len(lines.drugs))
    known = np.zeros(lines.given.shape, dtype=bool)
    known[train] = True
    substances = [substance_key(name) for name in lines.drugs]
    found: dict[str, Floats] = {}
    for drug in range(len(lines.drugs)):
        both = {MODEL: choose(rows, drug), RIDGE: choose(rows, drug, RECIPES[:1])}
        made = {name: predict(one.model, lines.X[val]) for name, one in both.items()}
        naive = naive_numbers(lines.given, known, drug, substances, lines.tissues)
        others = np.ones_like(known)
        others[val, drug] = False
        more = naive_numbers(lines.given, others, drug, substances)[LINE_MEAN]
        made |= {name: values[val] for name, values in naive.items()} | {KNOWING: more[val]}
        for name, values in made.items():
            found.setdefault(name, np.empty(shape))[:, drug] = values
    return found


def one_split(
    folder: Path, train: Rows, val: Rows, seed: int
) -> list[tuple[str, int, int, int, float]]:
    """What intervals of training lines hold of lines that are left out.

    Returns
    -------
    Of each of `DRUGS`: its name, lines that the interval holds, lines that the interval of their
    tissue holds, lines, and the median width.
    """
    lines = read(folder)
    columns = lines.columns(DRUGS)
    of_val = np.empty((len(columns), len(val), N_FOLDS))
    missed = np.full((len(columns), len(train)), np.nan)
    fold = np.empty(len(train), dtype=np.int32)
    for number, (own, out) in enumerate(shuffled_folds(len(train), N_FOLDS, seed)):
        rows = training_rows(lines, train[own], seed + number)
        fold[out] = number
        for place, drug in enumerate(columns):
            model = choose(rows, drug).model
            of_val[place, :, number] = predict(model, lines.X[val])
            made = predict(model, lines.X[train[out]])
            missed[place, out] = lines.given[train[out], drug] - made
    names = np.unique(lines.tissues[lines.tissues != ""])
    group = np.where(lines.tissues == "", NO_GROUP, np.searchsorted(names, lines.tissues))
    group = group.astype(np.int32)
    found = []
    for place, drug in enumerate(columns):
        known, true = np.isfinite(missed[place]), lines.given[val, drug]
        none = np.zeros(len(train), dtype=bool)
        residuals = Residuals(missed[place], none, fold, group[train]).of(known)
        exact = np.zeros(len(val), dtype=bool)
        low, high = cv_plus(of_val[place], residuals)
        held, n = coverage(true, exact, low, high)
        held_tissue, _ = coverage(true, exact, *cv_plus(of_val[place], residuals, group[val]))
        found.append((DRUGS[place], held, held_tissue, n, float(np.median(high - low))))
    return found


def splits(lines: Lines, n: int) -> Iterator[tuple[Rows, Rows]]:
    """Random fifths of the lines that are left out, `n` of them, from partitions of their own."""
    for number in range(n):
        yield shuffled_folds(len(lines.X), N_FOLDS, SEED + number // N_FOLDS)[number % N_FOLDS]


def tissue_splits(lines: Lines) -> Iterator[tuple[Rows, Rows]]:
    """Whole tissues that are left out, about a fifth of the lines each time."""
    known = np.flatnonzero(lines.tissues != "")
    part = whole_groups(lines.tissues[known], N_FOLDS, SEED)
    for number in range(1, N_FOLDS + 1):
        yield known[part != number], known[part == number]


def main() -> None:
    """Measure what is asked for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds lines.h5ad and ln_ic50.csv")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--only", choices=("regression", "coverage", "tissues"), help="measure one part"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = read(options.folder)
    with ProcessPoolExecutor(options.processes, initializer=torch.set_num_threads,
                             initargs=(1,)) as pool:  # fmt: skip
        if options.only in (None, "regression"):
            print(_regression(pool, options.folder, lines).to_string(float_format="{:.4f}".format))
        if options.only in (None, "coverage"):
            parts = list(splits(lines, options.splits))
            what = f"90 % intervals, {options.splits} splits, lines left out"
            _coverage(pool, options.folder, parts, what)
        if options.only in (None, "tissues"):
            parts = list(tissue_splits(lines))
            _coverage(pool, options.folder, parts, "90 % intervals, tissues left out")
    print(common.processor())


def _regression(pool: ProcessPoolExecutor, folder: Path, lines: Lines) -> pd.DataFrame:
    """Means over drugs of the metrics within a drug, by model, on the same folds."""
    parts = shuffled_folds(len(lines.X), N_FOLDS, SEED)
    made: dict[str, Floats] = {}
    fold = np.empty(len(lines.X), dtype=int)
    jobs = pool.map(one_fold, repeat(folder), *zip(*parts, strict=True))
    for number, ((_, val), of_fold) in enumerate(zip(parts, jobs, strict=True)):
        fold[val] = number
        for name, values in of_fold.items():
            made.setdefault(name, np.full(lines.given.shape, np.nan))[val] = values
    tables = [
        models_table(given, {name: values[:, drug] for name, values in made.items()}, fold)
        for drug, given in enumerate(lines.given.T)
    ]
    return pd.concat(tables).groupby("model", sort=False).mean()


def _coverage(
    pool: ProcessPoolExecutor, folder: Path, parts: Sequence[tuple[Rows, Rows]], what: str
) -> None:
    """Print the share of lines that intervals hold: over drugs and splits, and by drug."""
    seeds = range(SEED, SEED + len(parts))
    found = pool.map(one_split, repeat(folder), *zip(*parts, strict=True), seeds)
    columns = ["drug", "held", "held_by_tissue", "n", "width"]
    table = pd.DataFrame([row for rows in found for row in rows], columns=columns)
    sums = table.groupby("drug", sort=False)[["held", "held_by_tissue", "n"]].sum()
    shares = sums[["held", "held_by_tissue"]].div(sums["n"], axis=0)
    shares["width"] = table.groupby("drug", sort=False)["width"].mean()
    mean = shares.mean()
    print(
        f"\n{what}: {mean['held']:.1%} held, {mean['held_by_tissue']:.1%} with intervals by tissue"
    )
    print(shares.to_string(float_format="{:.3f}".format), flush=True)


if __name__ == "__main__":
    main()
