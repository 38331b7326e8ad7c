"""Probabilities from a model folder and an array of features.

Rows are scored in blocks of one fixed size, padded with zeros. The blocks start at multiples of
that size. Matrix kernels choose their order of summation by shape: without fixed blocks, the score
of a cell would depend on the number of cells beside it. What is promised:

- A cell at its place in a cohort gets the same bits, whatever the other cells are, and whether it
  is scored in the whole cohort or in a part, with one thread or many (same kind of processor).
- At another place, or alone, its score differs by at most 1e-7. With networks of the published
  sizes it did not differ at all where this was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd import artifact
from scatd.artifact import Artifact
from scatd.candidates.candidate import Candidate, mean_probability
from scatd.candidates.mean import Mean
from scatd.data.limits import BLOCK
from scatd.errors import FaultKind, InputError
from scatd.keys import AlignmentMethod, StatsSource
from scatd.nn.alignment import (
    COHORT_MINIMUM,
    Alignment,
    FeatureStats,
    feature_stats,
    shrink,
)
from scatd.nn.moving import Arriving, on_device
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import sample_latent
from scatd.wording import counted

_SEED_STEP = 0x9E3779B97F4A7C15
"""Large and odd, so that blocks of neighbouring seeds have different draws."""


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
        For the posterior draws. Each block has draws of its own.
    fold_sd
        Also compute how far the models of all folds disagree, at the posterior mean.
    keep_folds
        With `fold_sd`: also return what the model of each fold says.
    keep_latent
        Also return the posterior means: 1.7 GB for a million cells of sf.
    numbers
        Also return the numbers, such as ln IC50, of a model that predicts them.
    """

    alignment: AlignmentMethod | None = None
    stats: StatsSource = "reference"
    shrunk: bool = True
    seed: int = 0
    fold_sd: bool = False
    keep_folds: bool = False
    keep_latent: bool = False
    numbers: bool = False


DEFAULTS = ScoreOptions()

_READ_BYTES = 48 << 20
"""About so much of the features is scored together."""
_LEAST_BLOCKS = 4
"""So many blocks are scored together, however wide, where as many threads score them."""


def rows_at_once(n_features: int) -> int:
    """Rows that are read and scored together, a multiple of `BLOCK`.

    A thread scores one block. So there must be some blocks for each thread, also wide ones,
    although they take memory.
    """
    n_blocks = _READ_BYTES // (4 * n_features * BLOCK)
    return max(n_blocks, min(torch.get_num_threads(), _LEAST_BLOCKS)) * BLOCK


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
    prob_folds
        (n_obs, n_folds), P(resistant) of the model of each fold; None unless `keep_folds`.
    ood_p
        (n_obs,), conformal p-value: the fraction of training cells that lie at least as far out.
        A low value means that the cell is unlike the training cells. None when the model does not
        store its training domain.
    numbers
        (n_obs, 3), predicted number, such as ln IC50, and the ends of its interval; None unless
        `numbers`, and when the model predicts none.
    """

    prob_resistant: NDArray[np.float64]
    prob_sd: NDArray[np.float64] | None
    latent: NDArray[np.float32] | None
    responses: NDArray[np.str_]
    threshold: float
    own: NDArray[np.float64]
    prob_sd_folds: NDArray[np.float64] | None = None
    prob_folds: NDArray[np.float64] | None = None
    ood_p: NDArray[np.float64] | None = None
    numbers: NDArray[np.float64] | None = None


def joined(parts: Sequence[Scores]) -> Scores:
    """Scores of consecutive cells by one model as one; at least one part."""
    whole: dict[str, Any] = {"threshold": parts[0].threshold}
    for name in (field.name for field in fields(Scores) if field.name not in whole):
        values = [getattr(part, name) for part in parts]
        whole[name] = None if values[0] is None else np.concatenate(values)
    return Scores(**whole)


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
        regression = stored.regression
        self.regression = None if regression is None else regression.to(self.device)
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
        self.require_width(X)
        cohort = self.cohort_stats(X, options)
        rows = self.by_rows(
            threshold=threshold, mc_samples=mc_samples, options=options, cohort=cohort
        )
        parts, at_once = [], rows_at_once(self.n_features)
        for start in range(0, max(len(X), 1), at_once):
            parts.append(rows.score(start, X[start : start + at_once]))
            progress(len(parts[-1].own))
        return joined(parts)

    def by_rows(
        self,
        *,
        threshold: float | None = None,
        mc_samples: int = 0,
        options: ScoreOptions = DEFAULTS,
        cohort: FeatureStats | None = None,
        groups: NDArray[np.int32] | None = None,
    ) -> RowScorer:
        """Make what scores a cohort block by block, so that it is never in memory.

        Parameters
        ----------
        threshold, mc_samples, options
            As in `score`.
        cohort
            From `cohort_stats`.
        groups
            (n_obs,), groups of all cells of the cohort, as the regression numbers them; their
            numbers get the intervals of their groups.

        Raises
        ------
        InputError
            When the model cannot align as asked, cannot make draws, or holds nothing of other folds
            for `fold_sd`.
        """
        self.require_draws(mc_samples)
        aligned = self._alignment(options.alignment)
        return RowScorer(
            *(self, threshold, mc_samples, options),
            move=lambda block: aligned.move_target(block, cohort),
            folds=self._all_folds() if options.fold_sd else [],
            groups=groups,
        )

    def judged(
        self, moved: Tensor, mu: Tensor, draws: Sequence[Tensor], folds: Sequence[Candidate]
    ) -> Callable[[], dict[str, NDArray[np.float64]]]:
        """Start to compute the probabilities of a block, their s.d., and those of the folds.

        What is returned waits for them and gives them.

        Parameters
        ----------
        moved
            Aligned features (BLOCK, n_features).
        mu, draws
            Posterior mean (BLOCK, n_latent) and draws around it, if any.
        folds
            What scores in all folds when their disagreement is wanted, else empty.
        """
        asked = [[member.asked(moved, z) for member in self.members] for z in draws or [mu]]
        of_folds = [member.asked(moved, mu) for member in folds]
        is_finite = Arriving(mu.isfinite().all(dim=1))
        n_farther = None if self.domain is None else Arriving(self.domain.n_farther(moved, mu))

        def answers() -> dict[str, NDArray[np.float64]]:
            own = np.stack([np.mean([answer() for answer in each], axis=0) for each in asked])
            # Trees answer to NaN too, and a linear model to infinity.
            own[:, ~is_finite.wait().numpy()] = np.nan
            prob = self.decision.probabilities(own)
            found = {"own": own.mean(axis=0), "prob": prob.mean(axis=0)}
            if draws:
                found["sd"] = prob.std(axis=0)
            if of_folds:
                each_fold = np.stack([answer() for answer in of_folds])
                by_fold = self.decision.probabilities(each_fold)
                found |= {"sd_folds": by_fold.std(axis=0), "folds": by_fold.T}
            if self.domain is not None and n_farther is not None:
                found["ood_p"] = self.domain.p_of(n_farther.wait()).numpy()
            return found

        return answers

    def require_draws(self, n_draws: int) -> None:
        """Refuse draws from the posterior of a network, where something else scores.

        Raises
        ------
        InputError
            When draws are asked for, and the model cannot make them.
        """
        if n_draws and not all(member.draws for member in self.members):
            name = self.card.candidate.in_words
            what = f"... draws from the posterior need a network, and this model is: {name}"
            remedy = "Leave --mc-samples out, and take --uncertainty folds in place of posterior."
            where = "--mc-samples or --uncertainty posterior"
            raise InputError(what, where=where, expected="a network", remedy=remedy)

    @property
    def knows_folds(self) -> bool:
        """Whether the version stores the models of other folds."""
        return len(self._of_folds()) > 1

    def _of_folds(self) -> list[Candidate]:
        members = [*self.members, *self._folds]
        if self.card.about.select == "mean-of-folds" and isinstance(members[0], Mean):
            members = list(members[0].parts)
        return members

    def _all_folds(self) -> list[Candidate]:
        if not self.knows_folds:
            what = "the model holds nothing of other folds"
            remedy = "Learn the drug again with a frozen encoder."
            raise InputError(what, where="--uncertainty folds", remedy=remedy)
        return self._of_folds()

    def require_width(self, X: Any) -> None:
        """Refuse features of another number than the model reads.

        Raises
        ------
        InputError
            Names the shape that is expected.
        """
        if X.ndim != 2 or X.shape[1] != self.n_features:
            what = f"the features have shape {X.shape}"
            raise InputError(what, expected=f"(n_obs, {self.n_features})", kind=FaultKind.WIDTH)

    def _alignment(self, method: AlignmentMethod | None) -> Alignment:
        if method is None or method == self.alignment.method:
            return self.alignment
        if method != "none" and self.alignment.source is None:
            what = f"alignment '{method}' needs statistics that this model does not hold"
            raise InputError(what, expected="none")
        return Alignment(method, self.alignment.source, self.alignment.reference)

    def cohort_stats(
        self, X: NDArray[np.float32], options: ScoreOptions = DEFAULTS
    ) -> FeatureStats | None:
        """The statistics of a cohort (n_obs, n_features) by which it is re-centred.

        None where `options` or the alignment use none.

        Raises
        ------
        InputError
            When the cohort is too small, or the number of features is wrong.
        """
        reference = self._alignment(options.alignment).reference
        if options.stats != "cohort" or reference is None:
            return None
        self.require_width(X)
        if options.shrunk and len(X) < COHORT_MINIMUM:
            what = f"{counted(len(X), 'cell', 'has')} no statistics of their own"
            remedy = "Use --stats reference."
            raise InputError(what, expected=f"at least {COHORT_MINIMUM}", remedy=remedy)
        blocks = (X[start : start + BLOCK] for start in range(0, len(X), BLOCK))
        found = feature_stats(torch.tensor(np.asarray(rows, np.float32)) for rows in blocks)
        found = found.to(self.device)
        return shrink(found, reference) if options.shrunk else found

    def padded(self, rows: NDArray[np.float32]) -> Tensor:
        """At most `BLOCK` rows as a block (BLOCK, n_features) on the device, padded with zeros."""
        rows = np.asarray(rows, dtype=np.float32)
        if len(rows) < BLOCK:
            block = np.zeros((BLOCK, self.n_features), dtype=np.float32)
            block[: len(rows)] = rows
        else:
            block = np.ascontiguousarray(rows)
        # A memory map opened read-only has to be copied before torch may hold it.
        return on_device(block if block.flags.writeable else block.copy(), self.device)


@dataclass(frozen=True, eq=False)
class RowScorer:
    """Scores the blocks of one cohort, in any order. `Scorer.by_rows` makes it.

    Parameters
    ----------
    scorer
        The model.
    threshold, mc_samples, options
        As in `Scorer.score`.
    move
        Aligns rows (n_rows, n_features).
    folds
        What scores in all folds when their disagreement is wanted, else empty.
    groups
        As in `Scorer.by_rows`.
    """

    scorer: Scorer
    threshold: float | None
    mc_samples: int
    options: ScoreOptions
    move: Callable[[Tensor], Tensor]
    folds: Sequence[Candidate]
    groups: NDArray[np.int32] | None = None

    def score(self, start: int, X: NDArray[np.float32]) -> Scores:
        """Scores of rows of the cohort.

        Parameters
        ----------
        start
            Number of the first row in the cohort, a multiple of `BLOCK`.
        X
            (n_rows, n_features), not aligned; any number of rows.

        Raises
        ------
        InputError
            When the number of features is wrong, or a score is not finite.
        """
        self.scorer.require_width(X)
        starts = range(0, max(len(X), 1), BLOCK)
        blocks = [(start + at, X[at : at + BLOCK]) for at in starts]
        if self.scorer.device.type != "cpu":
            return joined([*_one_ahead(self._begun, blocks)])
        return joined([*_threads().map(lambda block: self._begun(*block)(), blocks)])

    def _begun(self, start: int, rows: NDArray[np.float32]) -> Callable[[], Scores]:
        """Start to score a block; what is returned waits for the scores and gives them."""
        scorer = self.scorer
        with torch.inference_mode(), fast_products():
            moved = self.move(scorer.padded(rows))
            mu, logvar = scorer.network.encode(moved)
            draws = list(self._draws(start, mu, logvar))
            answers = scorer.judged(moved, mu, draws, self.folds)
            latent = Arriving(mu[: len(rows)]) if self.options.keep_latent else None
            numbers = partial(self._numbers, start, len(rows), moved, mu)
        return partial(self._finished, start, len(rows), answers, latent, numbers)

    def _numbers(
        self, start: int, n_rows: int, moved: Tensor, mu: Tensor
    ) -> NDArray[np.float64] | None:
        """Numbers of the first rows of a block; None where they are not wanted, or not known."""
        if self.scorer.regression is None or not self.options.numbers:
            return None
        groups = None if self.groups is None else self.groups[start : start + n_rows]
        return self.scorer.regression.estimates(moved, mu, groups, n_rows)

    def _finished(
        self,
        start: int,
        n_rows: int,
        answers: Callable[[], dict[str, NDArray[np.float64]]],
        latent: Arriving | None,
        numbers: Callable[[], NDArray[np.float64] | None],
    ) -> Scores:
        """The scores of a block of which `n_rows` are cells, once they are here."""
        decision = self.scorer.decision
        with torch.inference_mode(), fast_products():
            found = {name: values[:n_rows] for name, values in answers().items()}
        prob = found["prob"]
        if not np.isfinite(prob).all():
            n_bad = int((~np.isfinite(prob)).sum())
            what = f"{counted(n_bad, 'score', 'is', of=n_rows)} not finite"
            where = f"rows {start} to {start + n_rows - 1}, counted from 0"
            remedy = "Check the scale of the features."
            raise InputError(what, where=where, remedy=remedy, kind=FaultKind.VALUES)
        return Scores(
            prob_resistant=prob,
            prob_sd=found.get("sd"),
            latent=None if latent is None else latent.wait().numpy(),
            responses=decision.responses(prob, self.threshold),
            threshold=decision.threshold if self.threshold is None else self.threshold,
            own=found["own"],
            prob_sd_folds=found.get("sd_folds"),
            prob_folds=found.get("folds") if self.options.keep_folds else None,
            ood_p=found.get("ood_p"),
            numbers=numbers(),
        )

    def _draws(self, start: int, mu: Tensor, logvar: Tensor) -> Iterator[Tensor]:
        """Draw from the posterior of a block, (BLOCK, n_latent) each.

        A generator of each block, and on the processor: the draws of a cell do not depend on the
        rows that were scored before it, nor on the device.
        """
        seed = (self.options.seed + start * _SEED_STEP) % (1 << 63)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(self.mc_samples):
            noise = torch.randn(mu.shape, generator=generator, dtype=mu.dtype)
            yield sample_latent(mu, logvar, noise.to(mu.device))


def _one_ahead(
    begin: Callable[[int, NDArray[np.float32]], Callable[[], Scores]],
    blocks: Iterable[tuple[int, NDArray[np.float32]]],
) -> Iterator[Scores]:
    """Scores of blocks; a device computes the next block while those of this one are judged."""
    waiting: Callable[[], Scores] | None = None
    for block in blocks:
        begun = begin(*block)
        if waiting is not None:
            yield waiting()
        waiting = begun
    if waiting is not None:
        yield waiting()


@cache
def _threads() -> ThreadPoolExecutor:
    """Threads that score one block each.

    A product that several threads share is added up in an order that depends on their number. With
    one thread a block, a score is the same on one core and on many, and no thread waits for others.
    """
    n_threads = torch.get_num_threads()
    return ThreadPoolExecutor(n_threads, "scatd-score", initializer=torch.set_num_threads,
                              initargs=(1,))  # fmt: skip


def artifact_probability(stored: Artifact, X: Tensor) -> NDArray[np.float64]:
    """P(resistant) (n_obs,) of aligned rows, as a stored response model gives it."""
    network = stored.classifier()
    with torch.inference_mode(), fast_products():
        return mean_probability(stored.members(network), X, network.encode(X)[0])
