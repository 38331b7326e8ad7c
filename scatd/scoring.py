"""Probabilities from a model folder and an array of features.

Rows are scored in blocks of one fixed size, padded with zeros. Matrix kernels choose their order of
summation by shape: without fixed blocks, the score of a cell would depend on the number of cells
beside it. With fixed blocks the difference is at most 1e-7 (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd import artifact
from scatd.artifact import Artifact
from scatd.candidates.candidate import Candidate, mean_probability
from scatd.candidates.mean import Mean
from scatd.data.limits import BLOCK
from scatd.errors import InputError
from scatd.keys import AlignmentMethod, StatsSource
from scatd.nn.alignment import (
    COHORT_MINIMUM,
    Alignment,
    FeatureStats,
    feature_stats,
    shrink,
)
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import sample_latent


@dataclass(frozen=True)
class ScoreOptions:
    """How cells are aligned, and which further results are wanted.

    Parameters
    ----------
    alignment
        Replaces the stored method.
    stats
        "reference" uses the stored statistics: the score of a cell does not depend on the other
        cells. "cohort" re-centres on the cohort itself.
    shrunk
        Pull the cohort's statistics towards the stored ones (not as published), and refuse cohorts
        that are too small to have statistics.
    seed
        For the posterior draws.
    fold_sd
        Also compute how far the models of all folds disagree, at the posterior mean.
    keep_latent
        Also return the posterior means: 1.7 GB for a million cells of sf.
    """

    alignment: AlignmentMethod | None = None
    stats: StatsSource = "reference"
    shrunk: bool = True
    seed: int = 0
    fold_sd: bool = False
    keep_latent: bool = False


DEFAULTS = ScoreOptions()


@dataclass(frozen=True)
class Scores:
    """The scores of n cells for one response model.

    Parameters
    ----------
    prob_resistant
        (n_obs,), P(resistant); high means that the cell resists the drug.
    prob_sd
        (n_obs,), its s.d. over posterior draws; None when no draws were asked for.
    latent
        (n_obs, n_latent), the posterior mean; None unless `keep_latent`.
    responses
        (n_obs,), "sensitive", "resistant" or, where the version may abstain, "abstain".
    threshold
        A cell is resistant strictly above it.
    own
        (n_obs,), P(resistant) before the version's calibration. It equals `prob_resistant` where
        the version has no calibration.
    prob_sd_folds
        (n_obs,), its s.d. over the models of all folds; None unless `fold_sd`.
    ood_p
        (n_obs,), conformal p-value: the fraction of training cells that lie at least as far out.
        A low value means that the cell is unlike the training cells. None when the model does not
        store its training domain.
    """

    prob_resistant: NDArray[np.float64]
    prob_sd: NDArray[np.float64] | None
    latent: NDArray[np.float32] | None
    responses: NDArray[np.str_]
    threshold: float
    own: NDArray[np.float64]
    prob_sd_folds: NDArray[np.float64] | None = None
    ood_p: NDArray[np.float64] | None = None


class Scorer:
    """A response model that is loaded and can score cells.

    Parameters
    ----------
    model
        Model folder, or its content where it was read already.
    device
        Where to compute.
    """

    def __init__(self, model: Path | Artifact, device: str = "cpu") -> None:
        stored = model if isinstance(model, Artifact) else artifact.read(model)
        self.device = torch.device(device)
        self.card = stored.card()
        self.n_features = stored.sizes.n_features
        self.n_latent = stored.sizes.n_latent
        self.decision = self.card.decision
        self.alignment = (stored.alignment or Alignment("none")).to(self.device)
        self.domain = None if stored.domain is None else stored.domain.to(self.device)
        self.network = stored.classifier().to(self.device)
        self.members = [one.to(self.device) for one in stored.members(self.network)]
        self._folds = [one.to(self.device) for one in stored.fold_members(self.network)]

    def score(
        self,
        X: NDArray[np.float32],
        *,
        threshold: float | None = None,
        mc_samples: int = 0,
        options: ScoreOptions = DEFAULTS,
        progress: Callable[[int], object] = int,
    ) -> Scores:
        """Score cells.

        The scripts that MLflow stored with older versions call this with `threshold` and
        `mc_samples`, so both stay parameters of their own.

        Parameters
        ----------
        X
            Features (n_obs, n_features), as the cohort holds them (not aligned). A memory map is
            read block by block.
        threshold
            Replaces the stored one; no cell then abstains.
        mc_samples
            Posterior draws a cell; with any, `prob_resistant` is their mean. 0 scores the posterior
            mean and is deterministic.
        options
            How cells are aligned, and which further results are wanted.
        progress
            Called with the number of rows done since the last call.

        Raises
        ------
        InputError
            When the number of features is wrong, the cohort is too small for `stats="cohort"`, the
            model holds nothing of other folds for `fold_sd`, or a score is not finite.
        """
        move = self.mover(X, options)
        folds = self._all_folds() if options.fold_sd else []
        self.require_draws(mc_samples)
        n_obs = len(X)
        found = {"prob": np.empty(n_obs), "own": np.empty(n_obs)}
        latent = np.empty((n_obs, self.n_latent), np.float32) if options.keep_latent else None
        generator = torch.Generator(self.device).manual_seed(options.seed)
        with torch.inference_mode(), fast_products():
            for start, n_rows, block in self._blocks(X):
                rows = slice(start, start + n_rows)
                moved = move(block)
                mu, logvar = self.network.encode(moved)
                if latent is not None:
                    latent[rows] = mu[:n_rows].cpu().numpy()
                draws = self._draws(mu, logvar, mc_samples, generator)
                results = self._judged(moved, mu, draws, folds) | self._outlying(moved, mu)
                for name, values in results.items():
                    found.setdefault(name, np.empty(n_obs))[rows] = values[:n_rows]
                progress(n_rows)
        return self._scores(found, latent, threshold)

    def _scores(
        self,
        found: dict[str, NDArray[np.float64]],
        latent: NDArray[np.float32] | None,
        threshold: float | None,
    ) -> Scores:
        prob = found["prob"]
        if not np.isfinite(prob).all():
            n_bad = int((~np.isfinite(prob)).sum())
            remedy = "Check the scale of the features."
            raise InputError(f"{n_bad} of {len(prob)} scores are not finite", remedy=remedy)
        return Scores(
            prob_resistant=prob,
            prob_sd=found.get("sd"),
            latent=latent,
            responses=self.decision.responses(prob, threshold),
            threshold=self.decision.threshold if threshold is None else threshold,
            own=found["own"],
            prob_sd_folds=found.get("sd_folds"),
            ood_p=found.get("ood_p"),
        )

    def _judged(
        self, moved: Tensor, mu: Tensor, draws: Sequence[Tensor], folds: Sequence[Candidate]
    ) -> dict[str, NDArray[np.float64]]:
        """Compute the probabilities of a block and their s.d., each (BLOCK,).

        Parameters
        ----------
        moved
            Aligned features (BLOCK, n_features).
        mu, draws
            Posterior mean (BLOCK, n_latent) and draws around it, if any.
        folds
            What scores in all folds when their disagreement is wanted, else empty.
        """
        own = np.stack([mean_probability(self.members, moved, z) for z in draws or [mu]])
        # Trees answer to NaN too, and a linear model to infinity.
        own[:, ~mu.isfinite().all(dim=1).cpu().numpy()] = np.nan
        prob = self.decision.probabilities(own)
        found = {"own": own.mean(axis=0), "prob": prob.mean(axis=0)}
        if draws:
            found["sd"] = prob.std(axis=0)
        if folds:
            each = np.stack([member.probability(moved, mu) for member in folds])
            found["sd_folds"] = self.decision.probabilities(each).std(axis=0)
        return found

    def _outlying(self, moved: Tensor, mu: Tensor) -> dict[str, NDArray[np.float64]]:
        """Compute the p-value of a block, (BLOCK,), when the model stores its training domain."""
        if self.domain is None:
            return {}
        return {"ood_p": self.domain.p_value(moved, mu).cpu().numpy()}

    def require_draws(self, n_draws: int) -> None:
        """Refuse draws from the posterior of a network, where something else scores.

        Raises
        ------
        InputError
            When draws are asked for, and the model cannot make them.
        """
        if n_draws and not all(member.draws for member in self.members):
            name = self.card.candidate.in_words
            what = f"draws from the posterior need a network, and this model is: {name}"
            remedy = "Leave --mc-samples out, and take --uncertainty folds in place of posterior."
            where = "--mc-samples or --uncertainty posterior"
            raise InputError(what, where=where, expected="a network", remedy=remedy)

    def _all_folds(self) -> list[Candidate]:
        members = [*self.members, *self._folds]
        if self.card.about.select == "mean-of-folds" and isinstance(members[0], Mean):
            members = list(members[0].parts)
        if len(members) < 2:
            what = "the model holds nothing of other folds"
            remedy = "Learn the drug again with a frozen encoder."
            raise InputError(what, where="--uncertainty folds", remedy=remedy)
        return members

    def mover(
        self, X: NDArray[np.float32], options: ScoreOptions = DEFAULTS
    ) -> Callable[[Tensor], Tensor]:
        """Make the function that aligns rows of `X` before the network reads them.

        Returns
        -------
        A function of any rows (n_rows, n_features): it shifts and scales each feature, or returns
        the rows unchanged.

        Raises
        ------
        InputError
            When the number of features is wrong, or the cohort is too small for `stats="cohort"`.
        """
        if X.ndim != 2 or X.shape[1] != self.n_features:
            what = f"features of shape {X.shape}"
            raise InputError(what, expected=f"(n_obs, {self.n_features})")
        aligned = self._alignment(options.alignment)
        cohort = None
        if options.stats == "cohort":
            cohort = self._cohort_stats(X, aligned, shrunk=options.shrunk)
        return lambda rows: aligned.move_target(rows, cohort)

    def _alignment(self, method: AlignmentMethod | None) -> Alignment:
        if method is None or method == self.alignment.method:
            return self.alignment
        if method != "none" and self.alignment.source is None:
            what = f"alignment '{method}' needs statistics that this model does not hold"
            raise InputError(what, expected="none")
        return Alignment(method, self.alignment.source, self.alignment.reference)

    def _cohort_stats(
        self, X: NDArray[np.float32], aligned: Alignment, *, shrunk: bool
    ) -> FeatureStats | None:
        if aligned.reference is None:
            return None
        if shrunk and len(X) < COHORT_MINIMUM:
            what = f"{len(X)} cells have no statistics of their own"
            remedy = "Use --stats reference."
            raise InputError(what, expected=f"at least {COHORT_MINIMUM}", remedy=remedy)
        cohort = feature_stats(block[:n_rows] for _, n_rows, block in self._blocks(X))
        return shrink(cohort, aligned.reference) if shrunk else cohort

    def _blocks(self, X: NDArray[np.float32]) -> Iterator[tuple[int, int, Tensor]]:
        """Yield start, number of true rows, and the block (BLOCK, n_features) padded with zeros."""
        for start in range(0, len(X), BLOCK):
            rows = np.asarray(X[start : start + BLOCK], dtype=np.float32)
            if len(rows) < BLOCK:
                padded = np.zeros((BLOCK, self.n_features), dtype=np.float32)
                padded[: len(rows)] = rows
            else:
                padded = np.ascontiguousarray(rows)
            # A memory map opened read-only has to be copied before torch may hold it.
            tensor = torch.from_numpy(padded if padded.flags.writeable else padded.copy())
            yield start, len(rows), tensor.to(self.device)

    def _draws(
        self, mu: Tensor, logvar: Tensor, n_draws: int, generator: torch.Generator
    ) -> list[Tensor]:
        """Draw from the posterior of a block, (BLOCK, n_latent) each."""
        shape, dtype = mu.shape, mu.dtype
        return [
            sample_latent(
                mu, logvar, torch.randn(shape, generator=generator, device=self.device, dtype=dtype)
            )
            for _ in range(n_draws)
        ]


def artifact_probability(stored: Artifact, X: Tensor) -> NDArray[np.float64]:
    """P(resistant) (n_obs,) of aligned rows, as a stored response model gives it."""
    network = stored.classifier()
    with torch.inference_mode(), fast_products():
        return mean_probability(stored.members(network), X, network.encode(X)[0])
