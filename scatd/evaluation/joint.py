"""Many models on many drugs, folds and seeds of the same lines: means, leads and their intervals.

One line is in the folds of many drugs and seeds. So lines are resampled, and a resample holds for
all models, drugs, folds and seeds at once: what is hard for two models cancels in their lead.

Where all models scored each sample once (one drug with one seed, or the cells of a target), nothing
has to be resampled jointly. The intervals are then those of `intervals`, which also cover where
samples are few or a ranking is perfect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scatd.evaluation.intervals import (
    DEFAULT,
    Bootstrap,
    Estimate,
    Fold,
    compare_models,
    fold_mean_interval,
)
from scatd.evaluation.metrics import Array, weighted_metrics

Pair = tuple[str, str]
"""Two models: the first leads, or does not."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What all models say of the validation samples of one drug in one fold.

    Parameters
    ----------
    drug
        Of the samples.
    units
        (n_val,), what each sample is resampled with: its line, or its tissue.
    codes
        (n_val,), 0 sensitive, 1 resistant.
    prob
        P(resistant) by model, (n_val,) each.
    """

    drug: str
    units: NDArray[np.intp]
    codes: NDArray[np.int_]
    prob: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Joint:
    """AUROC by model and drug, as measured and in every resample.

    Parameters
    ----------
    drugs
        In order.
    values
        By model, (n_drugs,): the mean over folds and seeds; NaN where no fold has both classes.
    draws
        By model, (n_boot, n_drugs).
    bootstrap
        How they were drawn.
    once
        The folds, where they are of one drug and each unit is one sample of one fold; else empty.
    """

    drugs: tuple[str, ...]
    values: dict[str, Array]
    draws: dict[str, Array]
    bootstrap: Bootstrap
    once: tuple[Scored, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(self.values)

    def mean(self, model: str) -> Estimate:
        """Mean AUROC over the drugs, with its interval."""
        if self.once:
            return self._of_once(model)
        draws = _mean(self.draws[model])
        return Estimate(float(_mean(self.values[model])), *self.bootstrap.bounds(draws))

    def of_drug(self, model: str, drug: str) -> Estimate:
        """AUROC of one drug, with its interval."""
        if self.once:
            return self._of_once(model)
        place = self.drugs.index(drug)
        draws = self.draws[model][:, place]
        return Estimate(float(self.values[model][place]), *self.bootstrap.bounds(draws))

    def leads(self, pairs: Sequence[Pair]) -> dict[Pair, Estimate]:
        """Leads in mean AUROC with intervals that hold for all pairs together (max-t).

        The interval of a pair is its lead plus and minus q times the s.d. of its draws. q is the
        quantile, over the draws, of the largest distance of any pair from its lead in such s.d. So
        the best of many pairs may be picked afterwards. Where each sample was scored once, they are
        intervals of `compare_models`, whose levels make them hold together (Bonferroni).
        """
        if self.once:
            return self._leads_of_once(pairs)
        lead = {
            (ours, other): float(_mean(self.values[ours]) - _mean(self.values[other]))
            for ours, other in pairs
        }
        drawn = {
            (ours, other): _mean(self.draws[ours]) - _mean(self.draws[other])
            for ours, other in pairs
        }
        spread = {pair: _sd(values) for pair, values in drawn.items()}
        distances = [
            np.abs(drawn[pair] - lead[pair]) / spread[pair] for pair in lead if spread[pair] > 0
        ]
        reach = 0.0
        if distances:
            largest = np.max(np.nan_to_num(distances, nan=0.0), axis=0)
            reach = float(np.quantile(largest, self.bootstrap.level))
        return {
            pair: Estimate(value, value - reach * spread[pair], value + reach * spread[pair])
            for pair, value in lead.items()
        }

    def _folds_of(self, model: str) -> list[Fold]:
        return [(fold.codes, fold.prob[model]) for fold in self.once]

    def _of_once(self, model: str) -> Estimate:
        bounds = fold_mean_interval(self._folds_of(model), bootstrap=self.bootstrap)
        return Estimate(float(_mean(self.values[model])), *bounds)

    def _leads_of_once(self, pairs: Sequence[Pair]) -> dict[Pair, Estimate]:
        level = 1 - (1 - self.bootstrap.level) / len(pairs)
        bootstrap = replace(self.bootstrap, level=level)
        folds = {model: self._folds_of(model) for model in self.models}
        compared = {
            ours: compare_models(folds, ours, bootstrap=bootstrap)
            for ours in dict.fromkeys(ours for ours, _ in pairs)
        }
        return {(ours, other): compared[ours][other].lead for ours, other in pairs}


def joint_auroc(scored: Sequence[Scored], n_units: int, bootstrap: Bootstrap = DEFAULT) -> Joint:
    """AUROC of every model, drug by drug, with resamples of the units.

    Parameters
    ----------
    scored
        All drugs, folds and seeds; every one has the same models.
    n_units
        Units are numbered from 0; those that no sample has are drawn too.
    """
    models, drugs = tuple(scored[0].prob), tuple(dict.fromkeys(one.drug for one in scored))
    once = np.ones((1, n_units))
    values = _by_drug(scored, models, drugs, once)
    blocks = [
        _by_drug(scored, models, drugs, weights) for weights in bootstrap.weights(n_units, None)
    ]
    draws = {model: np.concatenate([block[model] for block in blocks]) for model in models}
    measured = {model: values[model][0] for model in models}
    return Joint(drugs, measured, draws, bootstrap, _scored_once(scored))


def _scored_once(scored: Sequence[Scored]) -> tuple[Scored, ...]:
    """The folds that count, if they are of one drug and no unit has two samples; else nothing."""
    units = np.concatenate([one.units for one in scored])
    if len({one.drug for one in scored}) > 1 or len(np.unique(units)) < len(units):
        return ()
    return tuple(one for one in scored if len(np.unique(one.codes)) == 2)


def _by_drug(
    scored: Sequence[Scored], models: Sequence[str], drugs: Sequence[str], weights: Array
) -> dict[str, Array]:
    """Mean over folds and seeds by model, (n_draws, n_drugs), for weights (n_draws, n_units)."""
    found: dict[str, list[Array]] = {model: [] for model in models}
    for drug in drugs:
        some = [one for one in scored if one.drug == drug]
        for model in models:
            folds = [
                weighted_metrics(one.codes, one.prob[model], weights[:, one.units], ["auroc"])
                for one in some
            ]
            found[model].append(_mean(np.column_stack([fold["auroc"] for fold in folds])))
    return {model: np.column_stack(columns) for model, columns in found.items()}


def _mean(values: Array) -> Array:
    """Mean of the last axis over what is defined; NaN where nothing is."""
    defined = ~np.isnan(values)
    n = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1), np.nan))


def _sd(values: Array) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else 0.0
