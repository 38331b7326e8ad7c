"""A response model that is loaded: from a block of rows to probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd import artifact
from scatd.artifact import Artifact
from scatd.candidates.candidate import Candidate
from scatd.candidates.mean import Mean
from scatd.data.limits import BLOCK
from scatd.errors import FaultKind, InputError
from scatd.keys import AlignmentMethod
from scatd.nn.alignment import (
    Alignment,
)
from scatd.nn.moving import Arriving, on_device


class ScoringModel:
    """A response model that is loaded, and what it says of one block of rows.

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
