"""From a model folder and an array to probabilities.

Rows are scored in blocks of one fixed, padded size: matrix kernels choose their order of summation
by shape, so that a cell scored alone and in a crowd would otherwise differ by more than the last
bit (measured: at most 1e-7 with fixed blocks).
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
from scatd.errors import InputError
from scatd.keys import AlignmentMethod, StatsSource
from scatd.nn.alignment import (
    COHORT_MINIMUM,
    Alignment,
    FeatureStats,
    feature_stats,
    shrink,
)
from scatd.nn.classifier import ResponseClassifier, resistant_probability
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import sample_latent

BLOCK = 512


@dataclass(frozen=True)
class Scores:
    """What a response model says about n cells.

    Parameters
    ----------
    prob_resistant
        (n_obs,), P(resistant); high means that the cell resists the drug.
    prob_sd
        (n_obs,), its s.d. over posterior draws, or None when none were asked for.
    latent
        (n_obs, n_latent), the posterior mean, or None when it was not to be kept.
    responses
        (n_obs,), "sensitive", "resistant" or, where the version has a band for it, "abstain".
    threshold
        A cell is resistant strictly above it.
    own
        (n_obs,), P(resistant) before the version's calibration; the same where there is none.
    prob_sd_folds
        (n_obs,), its s.d. over the heads of all folds, or None when it was not asked for.
    ood_p
        (n_obs,), how common it is among training cells to lie so far out; low means that the cell
        is foreign to the model. None for a model that does not know its training domain.
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
    """A response model, ready to score.

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
        self.models = [model.to(self.device) for model in stored.classifiers()]
        self._folds = [model.to(self.device) for model in stored.fold_classifiers()]

    def score(
        self,
        X: NDArray[np.float32],
        *,
        threshold: float | None = None,
        mc_samples: int = 0,
        seed: int = 0,
        alignment: AlignmentMethod | None = None,
        stats: StatsSource = "reference",
        shrunk: bool = True,
        fold_sd: bool = False,
        keep_latent: bool = False,
        progress: Callable[[int], object] = int,
    ) -> Scores:
        """Score cells.

        Parameters
        ----------
        X
            Features (n_obs, n_features), as the cohort holds them (not aligned); may be a memory
            map, which is read block by block.
        threshold
            In place of the stored one; no cell then abstains.
        mc_samples
            Posterior draws a cell; with any, `prob_resistant` is their mean. 0 scores the posterior
            mean and is deterministic.
        seed
            For the draws.
        alignment
            In place of the stored method.
        stats
            "reference" uses stored statistics: a cell's score does not depend on its neighbours.
            "cohort" re-centres on `X` itself.
        shrunk
            Pull cohort statistics towards the stored ones (not as published), and refuse cohorts
            that are too small to have any.
        fold_sd
            Also ask the heads of the other folds how far they disagree, at the posterior mean.
        keep_latent
            Also return the posterior means: 1.7 GB for a million cells of sf.
        progress
            Called with the number of rows done since the last call.

        Raises
        ------
        InputError
            When the number of features is wrong, the cohort is too small for `stats="cohort"`, or
            the model holds no heads of other folds for `fold_sd`.
        """
        move = self.mover(X, alignment=alignment, stats=stats, shrunk=shrunk)
        heads = self._all_heads() if fold_sd else []
        n_obs = len(X)
        found = {"prob": np.empty(n_obs), "own": np.empty(n_obs)}
        latent = np.empty((n_obs, self.n_latent), np.float32) if keep_latent else None
        generator = torch.Generator(self.device).manual_seed(seed)
        with torch.inference_mode(), fast_products():
            for start, n_rows, block in self._blocks(X):
                rows = slice(start, start + n_rows)
                moved = move(block)
                mu, logvar = self.models[0].encode(moved)
                if latent is not None:
                    latent[rows] = mu[:n_rows].cpu().numpy()
                draws = self._draws(mu, logvar, mc_samples, generator)
                for name, values in self._judged(mu, draws, heads).items():
                    found.setdefault(name, np.empty(n_obs))[rows] = values[:n_rows]
                if self.domain is not None:
                    p_value = self.domain.p_value(moved, mu)[:n_rows].cpu().numpy()
                    found.setdefault("ood_p", np.empty(n_obs))[rows] = p_value
                progress(n_rows)
        prob = found["prob"]
        if not np.isfinite(prob).all():
            n_bad = int((~np.isfinite(prob)).sum())
            remedy = "Check the scale of the features."
            raise InputError(f"{n_bad} of {n_obs} scores are not finite", remedy=remedy)
        responses = self.decision.responses(prob, threshold)
        cut = self.decision.threshold if threshold is None else threshold
        return Scores(
            prob_resistant=prob,
            prob_sd=found.get("sd"),
            latent=latent,
            responses=responses,
            threshold=cut,
            own=found["own"],
            prob_sd_folds=found.get("sd_folds"),
            ood_p=found.get("ood_p"),
        )

    def _judged(
        self, mu: Tensor, draws: Sequence[Tensor], heads: Sequence[ResponseClassifier]
    ) -> dict[str, NDArray[np.float64]]:
        """What there is to say of a block, each (BLOCK,).

        Parameters
        ----------
        mu, draws
            Posterior mean (BLOCK, n_latent) and draws around it, if any.
        heads
            Of all folds, where their disagreement is asked for.
        """
        own = np.stack([_of_heads(self.models, z) for z in draws or [mu]])
        prob = self.decision.probabilities(own)
        found = {"own": own.mean(axis=0), "prob": prob.mean(axis=0)}
        if draws:
            found["sd"] = prob.std(axis=0)
        if heads:
            each = np.stack([_of_heads([model], mu) for model in heads])
            found["sd_folds"] = self.decision.probabilities(each).std(axis=0)
        return found

    def _all_heads(self) -> list[ResponseClassifier]:
        heads = [*self.models, *self._folds]
        if len(heads) < 2:
            what = "the model holds no heads of other folds"
            remedy = "Learn the drug again with a frozen encoder, or take --uncertainty posterior."
            raise InputError(what, where="--uncertainty folds", remedy=remedy)
        return heads

    def mover(
        self,
        X: NDArray[np.float32],
        *,
        alignment: AlignmentMethod | None = None,
        stats: StatsSource = "reference",
        shrunk: bool = True,
    ) -> Callable[[Tensor], Tensor]:
        """How rows of `X` are aligned before the networks read them.

        Parameters
        ----------
        X, alignment, stats, shrunk
            As in `score`.

        Returns
        -------
        A function of any rows (n_rows, n_features): each feature is shifted and scaled, or stays.

        Raises
        ------
        InputError
            As `score` does.
        """
        if X.ndim != 2 or X.shape[1] != self.n_features:
            what = f"features of shape {X.shape}"
            raise InputError(what, expected=f"(n_obs, {self.n_features})")
        aligned = self._alignment(alignment)
        cohort = self._cohort_stats(X, aligned, shrunk=shrunk) if stats == "cohort" else None
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
        """Start, number of true rows, and the block (BLOCK, n_features) padded with zeros."""
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
        """Draws from the posterior of a block, (BLOCK, n_latent) each."""
        shape, dtype = mu.shape, mu.dtype
        return [
            sample_latent(
                mu, logvar, torch.randn(shape, generator=generator, device=self.device, dtype=dtype)
            )
            for _ in range(n_draws)
        ]


def mean_probability(models: Sequence[ResponseClassifier], X: Tensor) -> NDArray[np.float64]:
    """P(resistant) (n_obs,) of aligned rows: the mean over models that share one encoder."""
    with torch.inference_mode(), fast_products():
        return _of_heads(models, models[0].encode(X)[0])


def _of_heads(models: Sequence[ResponseClassifier], z: Tensor) -> NDArray[np.float64]:
    prob = [resistant_probability(model.head(z)).cpu().numpy() for model in models]
    return np.mean(prob, axis=0)
