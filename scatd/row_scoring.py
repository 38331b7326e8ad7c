"""The scores of a cohort, block by block.

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
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.candidates.candidate import Candidate
from scatd.data.limits import BLOCK
from scatd.errors import FaultKind, InputError
from scatd.nn.moving import Arriving
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import sample_latent
from scatd.scores import ScoreOptions, Scores, joined
from scatd.scoring_model import ScoringModel
from scatd.wording import counted

_SEED_STEP = 0x9E3779B97F4A7C15
"""Large and odd, so that blocks of neighbouring seeds have different draws."""
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

    scorer: ScoringModel
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
