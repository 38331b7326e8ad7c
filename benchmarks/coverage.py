"""Row "coverage": how often the intervals of AUROC hold the truth, beside the percentile bootstrap.

Scores are drawn from distributions whose AUROC is known: normals of equal width, normals of which
the resistant one is twice as wide, and exponentials (a long tail of resistant scores).

    python -m benchmarks.coverage --write
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks import coverage_tables
from scatd.evaluation.delong import interval_of_mean, ranking
from scatd.evaluation.intervals import Bootstrap
from scatd.evaluation.leads import lead_interval
from scatd.evaluation.resampling import fold_means, resampled

AUROCS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)
SIZES = tuple(
    (n_resistant, n - n_resistant)
    for n in (30, 50, 66, 100, 200, 500)
    for n_resistant in (10, n // 2)
)
LEAD_SIZES = ((33, 33), (10, 56), (226, 226), (90, 362))
PAIRS = ((0.6, 0.6), (0.8, 0.7), (0.9, 0.6), (0.97, 0.6), (0.9, 0.9), (0.97, 0.9), (0.97, 0.97))
CORRELATIONS = (0.0, 0.5, 0.9)
KINDS = ("normal", "wide", "exponential")
N_BOOT = 400

Floats = NDArray[np.float64]
Scores = list[tuple[NDArray[np.int_], Floats]]
"""Codes (n_obs,) and scores (n_draws, n_obs) of each fold."""


@dataclass(frozen=True)
class Case:
    """One population, one design, and how often it is drawn."""

    kind: str
    sizes: tuple[int, int]
    n_folds: int
    auroc: float
    other: float | None = None
    correlation: float = 0.0
    n_draws: int = 0
    n_bootstraps: int = 0
    seed: int = 0


def main() -> None:
    """Measure every case, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=4000)
    parser.add_argument("--bootstraps", type=int, default=200, help="simulations with resampling")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write the tables into the page")
    options = parser.parse_args()
    cases = list(_cases(options.simulations, options.bootstraps, options.seed))
    rows = []
    with ProcessPoolExecutor(options.processes) as pool:
        for number, row in enumerate(pool.map(measure, cases), start=1):
            rows.append(row)
            if number % 20 == 0 or number == len(cases):
                print(f"{number} of {len(cases)} cases", flush=True)
    lines = list(
        coverage_tables.render(pd.DataFrame(rows), options.simulations, options.bootstraps)
    )
    print("\n".join(lines))
    if options.write:
        coverage_tables.write(lines)


def _cases(n_draws: int, n_bootstraps: int, seed: int) -> Iterator[Case]:
    """Every case, with a seed of its own."""
    plans = [
        *((kind, sizes, 1, auroc) for kind in KINDS for sizes in SIZES for auroc in AUROCS),
        *(("normal", sizes, 5, auroc) for sizes in LEAD_SIZES for auroc in AUROCS),
    ]
    leads = [
        ("normal", sizes, n_folds, *pair, correlation)
        for sizes in LEAD_SIZES
        for n_folds in (1, 5)
        for correlation in CORRELATIONS
        for pair in PAIRS
    ]
    for number, plan in enumerate(plans):
        n_boot = n_bootstraps if plan[0] == "normal" else n_bootstraps // 2
        yield Case(*plan, n_draws=n_draws, n_bootstraps=n_boot, seed=1000 * seed + number)
    for number, plan in enumerate(leads, start=len(plans)):
        n_half, n_boot = n_draws // 2, n_bootstraps // 2
        yield Case(*plan, n_draws=n_half, n_bootstraps=n_boot, seed=1000 * seed + number)


def measure(case: Case) -> dict[str, object]:
    """Coverage and mean width of a case, by both intervals."""
    rng = np.random.default_rng(case.seed)
    models = draw(case, rng)
    ranked = [[ranking(codes, scores) for codes, scores in folds] for folds in models]
    if case.other is None:
        (low, high), truth = interval_of_mean(ranked[0]), case.auroc
    else:
        (low, high), truth = lead_interval(*ranked), case.auroc - case.other
    bounds = np.array([_by_bootstrap(models, draw) for draw in range(case.n_bootstraps)])
    return {
        "kind": case.kind,
        "n": sum(case.sizes),
        "n_resistant": case.sizes[0],
        "folds": case.n_folds,
        "correlation": case.correlation,
        "auroc": case.auroc,
        "other": case.other,
        "coverage": np.mean((low <= truth) & (truth <= high)),
        "width": np.mean(high - low),
        "bootstrap_coverage": np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])),
        "bootstrap_width": np.mean(bounds[:, 1] - bounds[:, 0]),
    }


def draw(case: Case, rng: np.random.Generator) -> list[Scores]:
    """Scores of the model, and of the other model where the case has one."""
    resistant, sensitive = (_parts(size, case.n_folds) for size in case.sizes)
    models: list[Scores] = [[], []] if case.other is not None else [[]]
    for n_resistant, n_sensitive in zip(resistant, reversed(sensitive), strict=True):
        codes = np.repeat([1, 0], [n_resistant, n_sensitive])
        shape = (case.n_draws, len(codes))
        first = rng.normal(size=shape)
        second = rng.normal(size=shape)
        mixed = case.correlation * first + np.sqrt(1 - case.correlation**2) * second
        for folds, noise, auroc in zip(
            models, (first, mixed), (case.auroc, case.other), strict=False
        ):
            assert auroc is not None
            folds.append((codes, _scores(case.kind, codes, noise, auroc)))
    return models


def _scores(kind: str, codes: NDArray[np.int_], noise: Floats, auroc: float) -> Floats:
    """Scores with a known AUROC, (n_draws, n_obs), from standard normal noise."""
    if kind == "exponential":
        return -norm.logsf(noise) * np.where(codes == 1, auroc / (1 - auroc), 1.0)
    width = 2.0 if kind == "wide" else 1.0
    shift = norm.ppf(auroc) * np.sqrt(1 + width**2)
    return np.where(codes == 1, shift + width * noise, noise)


def _parts(size: int, n_folds: int) -> list[int]:
    return [len(part) for part in np.array_split(np.arange(size), n_folds)]


def _by_bootstrap(models: Sequence[Scores], number: int) -> tuple[float, float]:
    """Percentile interval of one simulation, as scatd computed it before."""
    bootstrap = Bootstrap(n_boot=N_BOOT, seed=number)
    # Ranks are enough for an AUROC, and the metrics take probabilities.
    folds = [
        [(codes, _as_probabilities(scores[number])) for codes, scores in of_model]
        for of_model in models
    ]
    if len(folds) == 1 and len(folds[0]) == 1:
        codes, prob = folds[0][0]
        weights = bootstrap.weights(len(codes), None)
        return bootstrap.bounds(resampled(codes, prob, ["auroc"], 0.5, weights)["auroc"])
    drawn = fold_means(folds, "auroc", 0.5, bootstrap)
    return bootstrap.bounds(drawn[0] - drawn[1] if len(drawn) == 2 else drawn[0])


def _as_probabilities(scores: Floats) -> Floats:
    return scores.argsort().argsort() / len(scores)


if __name__ == "__main__":
    main()
