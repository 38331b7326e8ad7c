"""How well the model does for drugs that it never saw: drugs are left out with close analogues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.stats import rankdata

from scatd.data.structures import Bits, tanimoto
from scatd.evaluation.resampling import Bootstrap
from scatd.training.anydrug.model import (
    GRID,
    Lines,
    Strengths,
    kernel_of_drugs,
    kernel_of_lines,
    relative,
)
from scatd.training.anydrug.solver import Eigen, Floats, solve

CLOSE = 0.5
"""Tanimoto similarity from which two drugs are close analogues: they are left out together."""
INNER_FOLDS, LINE_FOLDS = 5, 5
LEAST_PART = 0.2
"""Share of inner drugs that must be over a threshold, and under it."""
_LEVEL_SPREAD = 1.96
_ROUNDING = 1e-9

Integers = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Table:
    """What is learned from.

    Parameters
    ----------
    X
        (n_lines, n_features).
    responses
        (n_lines, n_drugs), NaN where there is none; high is resistant.
    bits
        (n_drugs, n_bits) fingerprints.
    """

    X: NDArray[np.floating]
    responses: Floats
    bits: Bits

    @property
    def n_drugs(self) -> int:
        """Number of drugs."""
        return self.responses.shape[1]


def families(alike: Floats, close: float = CLOSE) -> Integers:
    """Number of each drug's group of close analogues, (n_drugs,), by single linkage."""
    return connected_components(alike >= close, directed=False)[1].astype(np.intp)


def folds_of(groups: Integers, n_folds: int, seed: int) -> Integers:
    """Fold of each drug, (n_drugs,): a group is never split, and folds are of like sizes."""
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    fold, load = np.zeros(len(sizes), dtype=np.intp), np.zeros(min(n_folds, len(sizes)))
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold[group] = load.argmin()
        load[fold[group]] += sizes[group]
    return fold[groups]


def within_drug(predicted: Floats, responses: Floats) -> Floats:
    """Spearman correlation over lines within each drug, (n_drugs,); NaN where it is not defined."""
    found = np.full(responses.shape[1], np.nan)
    for drug, (ours, own) in enumerate(zip(predicted.T, responses.T, strict=True)):
        seen = np.isfinite(own) & np.isfinite(ours)
        if seen.sum() > 2 and np.ptp(own[seen]) > 0 and np.ptp(ours[seen]) > 0:
            found[drug] = np.corrcoef(rankdata(ours[seen]), rankdata(own[seen]))[0, 1]
    return found


def beyond(predicted: Floats, baseline: Floats, responses: Floats) -> Floats:
    """Correlation within each drug that the baseline does not explain, (n_drugs,).

    It is the partial Spearman correlation of prediction and response, given the baseline.
    """
    score, other = within_drug(predicted, responses), within_drug(baseline, responses)
    shared = within_drug(np.where(np.isfinite(responses), predicted, np.nan), baseline)
    left = (1 - shared**2) * (1 - other**2)
    top = score - shared * other
    return np.divide(top, np.sqrt(left), out=np.full(len(top), np.nan), where=left > _ROUNDING)


def line_means(responses: Floats) -> Floats:
    """The baseline: mean relative response of each line over drugs, (n_lines,), 0 for no drug."""
    values = relative(responses)
    seen = np.isfinite(values)
    return np.where(seen, values, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


def nearest_outside(alike: Floats, fold: Integers) -> Floats:
    """Similarity of each drug to the nearest one of another fold, (n_drugs,)."""
    other = fold[:, None] != fold[None]
    return np.where(other, alike, 0.0).max(axis=1)


Leaving = Callable[[NDArray[np.bool_]], Floats]
"""From drugs that are left out, (n_drugs,), to predictions for them, (n_lines, n_left)."""


def _left_out(table: Table, fold: Integers, predict: Leaving) -> Floats:
    """Predictions of every drug by a model that saw no drug of its fold, (n_lines, n_drugs)."""
    found = np.full(table.responses.shape, np.nan)
    for number in np.unique(fold):
        left = fold == number
        found[:, left] = predict(left)
    return found


def baseline_left_out(table: Table, fold: Integers) -> Floats:
    """The mean of each line over the drugs of other folds, (n_lines, n_drugs)."""

    def predict(left: NDArray[np.bool_]) -> Floats:
        means = line_means(table.responses[:, ~left])
        return np.repeat(means[:, None], left.sum(), axis=1)

    return _left_out(table, fold, predict)


@dataclass(frozen=True, eq=False)
class Chosen:
    """What inner leave-out chose.

    Parameters
    ----------
    strengths
        With the highest mean within-drug correlation.
    threshold
        Similarity under which a drug is refused: see `threshold_of`.
    scores
        One row for each of `GRID`: its strengths, and the mean correlation.
    """

    strengths: Strengths
    threshold: float
    scores: pd.DataFrame


def choose(table: Table, alike_lines: Floats, seed: int) -> Chosen:
    """Choose strengths and threshold by leaving out drugs, with close analogues, in folds.

    Parameters
    ----------
    alike_lines
        (n_lines, n_lines), as `Lines.kernel`.
    """
    alike = tanimoto(table.bits, table.bits)
    fold = folds_of(families(alike), INNER_FOLDS, seed)
    truth = table.responses
    found = {one: np.full(truth.shape, np.nan) for one in GRID}
    by_line = {own: Eigen.of(kernel_of_lines(alike_lines, Strengths(0, own, 1)))
               for own in {one.own for one in GRID}}  # fmt: skip
    for number in np.unique(fold):
        left = fold == number
        values, own_alike = relative(truth[:, ~left]), alike[np.ix_(~left, ~left)]
        weights, before = None, None
        for one in GRID:
            if before is None or (one.common, one.own) != (before.common, before.own):
                drugs, weights = Eigen.of(kernel_of_drugs(own_alike, one)), None
            lines, before = by_line[one.own], one
            weights = solve(lines, drugs, values, one.penalty, start=weights, tolerance=1e-3)
            to = kernel_of_drugs(alike[np.ix_(~left, left)], one)
            found[one][:, left] = lines.kernel @ weights @ to
    scores = {one: within_drug(made, truth) for one, made in found.items()}
    means = np.array([np.nanmean(score) for score in scores.values()])
    best = GRID[int(means.argmax())]
    baseline = within_drug(baseline_left_out(table, fold), truth)
    near = nearest_outside(alike, fold)
    threshold = threshold_of(near, scores[best] - baseline)
    rows = [(one.common, one.own, one.penalty, mean) for one, mean in zip(GRID, means, strict=True)]
    columns = ["common", "own", "penalty", "within_drug"]
    return Chosen(best, threshold, pd.DataFrame(rows, columns=columns))


def threshold_of(near: Floats, lead: Floats) -> float:
    """The similarity that best tells drugs apart for which structures helped, of drugs left out.

    The drugs from it on must have a mean lead over the line mean whose interval is over 0. Of such
    similarities, it is the one with the largest difference in lead, in standard errors, from the
    drugs under it. Where there is none, it is 1: only a structure that is known is answered for.

    Parameters
    ----------
    near, lead
        (n_drugs,) similarity to the nearest drug that was not left out, and the lead over the line
        mean.
    """
    known = np.isfinite(lead)
    near, lead = near[known], lead[known]
    enough = max(2, int(np.ceil(LEAST_PART * len(near))))
    found = []
    for limit in np.unique(near):
        over = near >= limit
        own, other = lead[over], lead[~over]
        if min(len(own), len(other)) < enough:
            continue
        error, error_other = (part.std(ddof=1) / np.sqrt(len(part)) for part in (own, other))
        if own.mean() > _LEVEL_SPREAD * error:
            apart = (own.mean() - other.mean()) / max(np.hypot(error, error_other), 1e-12)
            found.append((apart, float(limit)))
    return max(found)[1] if found else 1.0


@dataclass(frozen=True, eq=False)
class Judged:
    """What leaving out drugs shows.

    Parameters
    ----------
    drugs
        One row a drug: fold, family, nearest (similarity), refused, within_drug and line_mean
        (correlations, on lines of the training), lead, beyond (the correlation that the line mean
        does not explain), and the same four with `_new` on lines that
        were left out, too.
    summary
        Means, with 95 % intervals over families of drugs, by name of the metric.
    """

    drugs: pd.DataFrame
    summary: dict[str, float]


def judge(table: Table, n_folds: int, seed: int, progress: Callable[[], object] = int) -> Judged:
    """Judge the whole procedure: nothing of a left-out drug or its analogues is seen by choices.

    Parameters
    ----------
    n_folds
        Folds of drugs.
    progress
        Called after each fold.
    """
    alike = tanimoto(table.bits, table.bits)
    groups = families(alike)
    fold = folds_of(groups, n_folds, seed)
    whole = Lines.of(table.X)
    truth = table.responses
    made, made_new, base_new = (np.full(truth.shape, np.nan) for _ in range(3))
    threshold = np.ones(table.n_drugs)
    line_fold = np.random.default_rng(seed).permutation(len(truth)) % LINE_FOLDS
    for number in np.unique(fold):
        left = fold == number
        rest = Table(table.X, truth[:, ~left], table.bits[~left])
        chosen = choose(rest, whole.kernel, seed)
        threshold[left] = chosen.threshold
        own_alike, to_alike = alike[np.ix_(~left, ~left)], alike[np.ix_(~left, left)]
        strengths = chosen.strengths
        lines = Eigen.of(kernel_of_lines(whole.kernel, strengths))
        drugs = Eigen.of(kernel_of_drugs(own_alike, strengths))
        weights = solve(lines, drugs, relative(rest.responses), strengths.penalty)
        made[:, left] = lines.kernel @ weights @ kernel_of_drugs(to_alike, strengths)
        for part in range(LINE_FOLDS):
            new = line_fold == part
            known = Lines.of(table.X[~new])
            places = ((table.X[new] - known.mean) / known.spread) @ known.axes
            to_lines = (1 - strengths.own) * places @ known.places.T
            by_line = Eigen.of(kernel_of_lines(known.kernel, strengths))
            values = relative(rest.responses[~new])
            weights = solve(by_line, drugs, values, strengths.penalty)
            to = kernel_of_drugs(to_alike, strengths)
            made_new[np.ix_(new, left)] = to_lines @ weights @ to
            # The line mean of a line that was never seen: the same model, blind to structures.
            blind = np.ones_like(own_alike)
            weights = solve(by_line, Eigen.of(blind), values, strengths.penalty)
            base_new[np.ix_(new, left)] = (to_lines @ weights).sum(axis=1)[:, None]
        progress()
    near, base = nearest_outside(alike, fold), baseline_left_out(table, fold)
    frame = pd.DataFrame(
        {
            "fold": fold,
            "family": groups,
            "nearest": near,
            "threshold": threshold,
            "refused": near < threshold,
            "within_drug": within_drug(made, truth),
            "line_mean": within_drug(base, truth),
            "beyond": beyond(made, base, truth),
            "within_drug_new": within_drug(made_new, truth),
            "line_mean_new": within_drug(base_new, truth),
            "beyond_new": beyond(made_new, base_new, truth),
        }
    )
    for end in ("", "_new"):
        frame[f"lead{end}"] = frame[f"within_drug{end}"] - frame[f"line_mean{end}"]
    return Judged(frame, summarised(frame, Bootstrap(seed=seed)))


def summarised(drugs: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, float]:
    """Means of a table of `Judged.drugs`, with intervals over families of drugs.

    Names are those of the columns, with `_mean`, `_ci_low` and `_ci_high`; with `_answered` or
    `_refused` behind a column they are of the drugs that are not refused, or are.
    """
    refused = drugs["refused"].to_numpy(bool)
    parts = {"": np.ones(len(drugs), bool), "_answered": ~refused, "_refused": refused}
    columns = ["within_drug", "line_mean", "lead", "beyond"]
    columns += [f"{name}_new" for name in columns]
    found: dict[str, float] = {"n_drugs": len(drugs), "n_refused": int(refused.sum())}
    drawn = np.concatenate(list(bootstrap.weights(len(drugs), drugs["family"].to_numpy())))
    for column in columns:
        values = drugs[column].to_numpy(float)
        for part, rows in parts.items():
            used = rows & np.isfinite(values)
            if not used.any():
                continue
            weights = drawn[:, used]
            totals = weights.sum(axis=1)
            means = np.divide(weights @ values[used], totals, out=np.full(len(totals), np.nan),
                              where=totals > 0)  # fmt: skip
            low, high = bootstrap.bounds(means)
            name = f"{column}{part}"
            found |= {f"{name}_mean": float(values[used].mean()),
                      f"{name}_ci_low": low, f"{name}_ci_high": high}  # fmt: skip
    return found
