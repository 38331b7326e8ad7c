"""Nested selection: inner folds of the training rows choose strength and candidate.

Nothing here sees a validation row of the outer fold, so that the outer folds judge the whole
procedure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatd.candidates.candidate import Candidate, Values
from scatd.candidates.mean import Mean
from scatd.decision import logit
from scatd.evaluation.calibration import platt_of_odds
from scatd.evaluation.delong import auroc_variance
from scatd.keys import CandidateName, ModelChoice
from scatd.training.candidates import multi_drug
from scatd.training.candidates.linear import RIDGE, TARGET_ONLY, LinearRecipe, TargetOnlyRecipe
from scatd.training.candidates.recipe import Recipe, Setting, Split, TrainingRows
from scatd.training.candidates.trees import EXTRA_TREES, TreesRecipe

NETWORK_MARGIN = 0.002
"""The network, which all else of a model is made for, is taken when it is this near the best."""
_Z = 1.959964
_ALONE = 5
"""Fewest samples of a class in an inner fold that has an AUROC of its own."""
_LEAST_SLOPE = 1e-3
"""Log odds for one s.d. of the score, where inner folds find that it ranks at random or worse."""
_ROUNDING = 1e-9
"""Scores that differ by less than this share of them are equal."""

_STRENGTH_WORDS = {
    RIDGE: "alpha",
    EXTRA_TREES: "leaves of at least",
    f"with {multi_drug.NAME}": "penalty",
}
"""What the strength of a variant is; that of others is C of logistic regression."""

_LINEAR, _TREES, _TARGET_ONLY = LinearRecipe(), TreesRecipe(), TargetOnlyRecipe()


@dataclass(frozen=True)
class Tried:
    """A setting that inner folds have scored.

    Parameters
    ----------
    candidate, variant, strength
        What was tried; a candidate without settings has an empty variant and no strength.
    auroc, se
        Mean AUROC of the inner folds, and its standard error (DeLong 1988).
    is_strength
        Whether it is the setting that was chosen within its candidate.
    is_chosen
        Whether it is the candidate that was chosen.
    """

    candidate: CandidateName
    variant: str
    strength: float
    auroc: float
    se: float
    is_strength: bool = False
    is_chosen: bool = False

    def row(self) -> dict[str, Any]:
        """The row of a table, with the 95 % interval."""
        return {
            "candidate": self.candidate,
            "variant": self.variant,
            "strength": self.strength,
            "inner_auroc": self.auroc,
            "inner_auroc_se": self.se,
            "inner_auroc_ci_low": max(self.auroc - _Z * self.se, 0.0),
            "inner_auroc_ci_high": min(self.auroc + _Z * self.se, 1.0),
            "strength_chosen": self.is_strength,
            "candidate_chosen": self.is_chosen,
        }


TRIED = (
    "candidate",
    "variant",
    "strength",
    "inner_auroc",
    "inner_auroc_se",
    "inner_auroc_ci_low",
    "inner_auroc_ci_high",
    "strength_chosen",
    "candidate_chosen",
)
"""Columns of `Tried.row`."""


@dataclass(frozen=True, eq=False)
class Scored:
    """A candidate at the setting that was chosen for it, with its calibrated inner log odds."""

    tried: Tried
    odds: Values
    slope: float
    intercept: float


Part = tuple[Scored, Candidate]
"""What inner folds say of a candidate, and the candidate fitted to all rows and calibrated."""


@dataclass(frozen=True, eq=False)
class Selection:
    """What inner folds chose.

    Parameters
    ----------
    name
        Of the candidate.
    candidate
        Fitted to all training rows and calibrated; None for the network, which is trained apart.
    tried
        Everything that was scored.
    reason
        A sentence.
    """

    name: CandidateName
    candidate: Candidate | None
    tried: tuple[Tried, ...] = ()
    reason: str = "Model network was asked for."

    @property
    def strength(self) -> str:
        """The settings of the candidate, or of its parts, in words."""
        own = [one for one in self.tried if one.is_strength and one.variant]
        if self.name != "mean":
            # With few-shot cells there are two linear models, of which the better one is meant.
            own = [one for one in own if one.candidate == self.name]
            own = sorted(own, key=_merit)[-1:]
        return "; ".join(
            f"{one.variant}, {_STRENGTH_WORDS.get(one.variant, 'C')} {one.strength:g}"
            for one in own
        )


NETWORK = Selection("network", None)
"""Of settings that want the network: nothing is compared."""


@dataclass(frozen=True, eq=False)
class Contest:
    """Candidates fitted to the training rows of a fold, and what inner folds say of them.

    It holds no rows, so that it may wait for the networks of the inner folds.

    Parameters
    ----------
    choice
        "auto", or the candidate that is wanted.
    codes, inner
        Of the training rows.
    fitted
        Each candidate at its strength, calibrated; the network is not among them.
    scored
        What inner folds say of each of them.
    tried
        All that was scored.
    """

    choice: ModelChoice
    codes: NDArray[np.int_]
    inner: Sequence[Split]
    fitted: Mapping[CandidateName, Candidate]
    scored: Mapping[CandidateName, Tried]
    tried: tuple[Tried, ...]

    @property
    def share(self) -> float:
        """Share of resistant rows among those that the probabilities are calibrated on."""
        scored = [val for _, val in self.inner]
        return float(self.codes[np.concatenate(scored) if scored else slice(None)].mean())

    def decide(self, network: Values | None = None) -> Selection:
        """Choose a candidate.

        Parameters
        ----------
        network
            (n_obs,) P(resistant) of every row by networks of the inner folds; NaN for rows that
            they do not score. None where they have no part in it.
        """
        if not self.inner:
            (name,) = self.fitted
            reason = "Too few training samples, or groups, for inner folds: usual penalty."
            return Selection(name, self.fitted[name], (), reason)
        scored, tried = dict(self.scored), self.tried
        if network is not None:
            auroc = _auroc(self.codes, self.inner, logit(network))
            scored["network"] = Tried("network", "", math.nan, *auroc, is_strength=True)
            tried = (*tried, scored["network"])
        name = _best(scored)
        return Selection(
            name=name,
            candidate=self.fitted.get(name),
            tried=tuple(replace(one, is_chosen=_competes_as(one, scored[name])) for one in tried),
            reason=_reason(self.choice, name, scored),
        )


def contest(rows: TrainingRows, choice: ModelChoice) -> Contest:
    """Choose the strength of each candidate by inner folds, and fit it to all rows.

    Without inner folds, `linear` is fitted at its fallback, or `trees` where they are wanted.

    Parameters
    ----------
    rows
        Of a fold.
    choice
        "auto", or the candidate that is wanted; not "network", which needs no contest.
    """
    if not rows.inner:
        recipe: Recipe[Any] = _TREES if choice == "trees" else _LINEAR
        fitted = recipe.fit_unjudged(rows)
        return Contest(choice, rows.codes, (), {recipe.name: fitted}, {}, ())
    is_mean = choice in ("auto", "mean")
    recipes: list[Recipe[Any]] = [_LINEAR, _TREES]
    if rows.is_few[rows.judged].any():
        recipes.append(_TARGET_ONLY)
    tried: list[Tried] = []
    parts: list[Part] = []
    for recipe in recipes:
        if is_mean or recipe.name == choice:
            own, best = _strength(rows, recipe)
            tried += own
            setting = Setting(best.tried.variant, best.tried.strength)
            fitted = recipe.fit(rows, setting).scaled(best.slope, best.intercept)
            parts.append((best, fitted))
    # Of two linear models, the better one is the candidate.
    by_merit = sorted(parts, key=lambda part: _merit(part[0].tried))
    entries = {scored.tried.candidate: (scored, fitted) for scored, fitted in by_merit}
    if is_mean:
        own, mean = _mean(rows, parts)
        tried += own
        entries["mean"] = mean
    wanted = {name: entry for name, entry in entries.items() if choice in ("auto", name)}
    return Contest(
        choice=choice,
        codes=rows.codes,
        inner=rows.inner,
        fitted={name: fitted for name, (_, fitted) in wanted.items()},
        scored={name: scored.tried for name, (scored, _) in wanted.items()},
        tried=tuple(tried),
    )


def _merit(tried: Tried) -> tuple[float, bool]:
    """What the better one of two linear models has more of; a tie goes to what knows the source."""
    return tried.auroc, tried.variant != TARGET_ONLY


def _competes_as(tried: Tried, chosen: Tried) -> bool:
    """Whether it was tried for the model that was chosen: there may be two linear ones."""
    are_alike = (tried.variant == TARGET_ONLY) == (chosen.variant == TARGET_ONLY)
    return tried.candidate == chosen.candidate and are_alike


def _mean(rows: TrainingRows, parts: Sequence[Part]) -> tuple[list[Tried], Part]:
    """All that is tried as the mean of the log odds of all parts; and the best, calibrated.

    Where the responses to other drugs are known, a ridge of many drugs is one more part, if inner
    folds rank higher with it.
    """
    chosen = _tried_mean(rows, parts, "")
    tried: list[Tried] = []
    if (known := rows.many_drugs) is not None:
        penalty, name = known.strength.penalty, multi_drug.NAME
        scores = multi_drug.inner_scores(rows, known)
        auroc = _auroc(rows.codes, rows.inner, scores)
        alone = _calibrated(rows, Tried("mean", f"{name} alone", penalty, *auroc), scores)
        ridge = multi_drug.fit(rows, known).scaled(alone.slope, alone.intercept)
        joined = [*parts, (alone, ridge)]
        more = _tried_mean(rows, joined, f"with {name}", penalty)
        tried = [alone.tried, chosen if more.auroc > chosen.auroc else more]
        if more.auroc > chosen.auroc:
            chosen, parts = more, joined
    chosen = replace(chosen, is_strength=True)
    scored = _calibrated(rows, chosen, _mean_odds(parts))
    mean = Mean(tuple(part for _, part in parts), scored.slope, scored.intercept)
    return [*tried, chosen], (scored, mean)


def _mean_odds(parts: Sequence[Part]) -> Values:
    return np.asarray(np.mean([scored.odds for scored, _ in parts], axis=0))


def _tried_mean(
    rows: TrainingRows, parts: Sequence[Part], variant: str, strength: float = math.nan
) -> Tried:
    auroc = _auroc(rows.codes, rows.inner, _mean_odds(parts))
    return Tried("mean", variant, strength, *auroc)


def _strength(rows: TrainingRows, recipe: Recipe[Any]) -> tuple[list[Tried], Scored]:
    """All settings of a recipe, and the one that is chosen.

    Of the variants whose best is within one standard error of the best of all, the first is taken:
    the plainest. Within it the strongest penalty is taken whose mean is within one standard error
    of its best: it transfers better to cells that are unlike the source.
    """
    scores = recipe.inner_scores(rows)
    tried = {
        setting: Tried(
            recipe.name,
            setting.variant,
            setting.strength,
            *_auroc(rows.codes, rows.inner, odds),
        )
        for setting, odds in scores.items()
    }
    settings = list(tried)
    top = max(tried.values(), key=lambda one: one.auroc)
    variant = next(s.variant for s in settings if tried[s].auroc >= top.auroc - top.se)
    own = [setting for setting in settings if setting.variant == variant]
    top = max((tried[setting] for setting in own), key=lambda one: one.auroc)
    strongest = next(setting for setting in own if tried[setting].auroc >= top.auroc - top.se)
    tried[strongest] = replace(tried[strongest], is_strength=True)
    return list(tried.values()), _calibrated(rows, tried[strongest], scores[strongest])


def _auroc(codes: NDArray[np.int_], inner: Sequence[Split], odds: Values) -> tuple[float, float]:
    """Mean AUROC over the inner folds, and its standard error."""
    scored = [val for _, val in inner]
    if min(np.bincount(codes[val], minlength=2).min() for val in scored) < _ALONE:
        scored = [np.concatenate(scored)]
    found = [auroc_variance(codes[val], odds[val]) for val in scored]
    n = len(found)
    return sum(value for value, _ in found) / n, math.sqrt(sum(var for _, var in found)) / n


def _calibrated(rows: TrainingRows, tried: Tried, score: Values) -> Scored:
    """Platt's calibration of inner scores; the slope is positive, so that no order is reversed."""
    codes, judged = rows.codes[rows.judged], score[rows.judged]
    spread = float(judged.std())
    if spread <= _ROUNDING * (1 + np.abs(judged).max()):  # as where all rows are alike
        spread = 1.0
    curve = platt_of_odds(codes.astype(np.float64), judged / spread)
    slope, intercept = curve.slope / spread, curve.intercept
    if curve.slope < _LEAST_SLOPE:
        slope = _LEAST_SLOPE / spread
        intercept = float(logit(codes.mean()) - slope * judged.mean())
    return Scored(tried, slope * score + intercept, slope, intercept)


def _best(scored: Mapping[CandidateName, Tried]) -> CandidateName:
    best = max(scored, key=lambda name: scored[name].auroc)
    network = scored.get("network")
    if network is not None and network.auroc >= scored[best].auroc - NETWORK_MARGIN:
        return "network"
    return best


def _reason(
    choice: ModelChoice, chosen: CandidateName, scored: Mapping[CandidateName, Tried]
) -> str:
    if choice != "auto":
        return f"Model {choice} was asked for."
    others = ", ".join(f"{name} {one.auroc:.3f}" for name, one in scored.items() if name != chosen)
    own = scored[chosen].auroc
    best = max(one.auroc for one in scored.values())
    why = "best" if own == best else f"within {NETWORK_MARGIN} of the best"
    return f"Inner folds: {chosen} is {why} (AUROC {own:.3f}; {others})."
