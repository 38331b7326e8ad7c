"""A regression beside a response model: numbers such as ln IC50, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.candidates.candidate import Candidate, Values
from scatd.candidates.conformal import LEVEL, NO_GROUP, Residuals, cv_plus
from scatd.candidates.storing import Said, Stored, Widths, read, require, said_of
from scatd.errors import InputError
from scatd.keys import NumberUnits
from scatd.nn.recognise import require_tensor, under
from scatd.wording import counted


@dataclass(frozen=True)
class RegressionSaid:
    """What a card says of a regression.

    Parameters
    ----------
    units
        What its numbers mean.
    members
        What predicts, a fold each.
    level
        Coverage of its intervals.
    column, groups
        Column of the groups whose lines have intervals of their own, and their names; empty where
        there are none.
    """

    units: NumberUnits
    members: tuple[Said, ...]
    level: float = LEVEL
    column: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Regression:
    """Models of all folds, and what they missed their own lines by.

    Parameters
    ----------
    said
        Units, level and groups.
    members
        A fold each; what they call log odds are numbers.
    residuals
        Of the training lines.
    """

    said: RegressionSaid
    members: tuple[Candidate, ...]
    residuals: Residuals

    def estimates(
        self, x: Tensor, z: Tensor, groups: NDArray[np.int32] | None = None, n: int | None = None
    ) -> Values:
        """Mean of the numbers that the folds predict, with its interval, (n, 3).

        Parameters
        ----------
        x, z
            Aligned features (n_obs, n_features) and their latent (n_obs, n_latent).
        groups
            (n,), places of groups in `said.groups`; `NO_GROUP` is unknown.
        n
            Rows that are wanted, the first ones; None is all. All are computed, so that a number
            does not depend on how many there are.
        """
        predicted = np.column_stack([member.log_odds(x, z)[:n] for member in self.members])
        low, high = cv_plus(predicted, self.residuals, groups, self.said.level)
        return np.column_stack([predicted.mean(axis=1), low, high])

    def codes(self, words: NDArray[np.str_]) -> NDArray[np.int32]:
        """Places of groups by their names, (n_obs,)."""
        place = {name: number for number, name in enumerate(self.said.groups)}
        return np.array([place.get(word, NO_GROUP) for word in words.tolist()], dtype=np.int32)

    def tensors(self) -> dict[str, Tensor]:
        """The numbers that it is stored as; those of a member have its place before them."""
        own = self.residuals
        held = {
            "missed": torch.from_numpy(own.missed),
            "is_least": torch.from_numpy(own.is_least),
            "fold": torch.from_numpy(own.fold),
            "group": torch.from_numpy(own.group),
        }
        return held | {
            f"member{number}.{name}": value
            for number, member in enumerate(self.members)
            for name, value in member.tensors().items()
        }

    def to(self, device: torch.device) -> Regression:
        """The same where it is computed on."""
        return Regression(self.said, tuple(one.to(device) for one in self.members), self.residuals)


_LINES: dict[str, torch.dtype] = {
    "missed": torch.float64,
    "is_least": torch.bool,
    "fold": torch.int32,
    "group": torch.int32,
}


def said_of_members(members: tuple[Candidate, ...]) -> tuple[Said, ...]:
    """What a card says of the models of the folds."""
    return tuple(said_of(member) for member in members)


def require_regression(said: RegressionSaid, tensors: Stored, widths: Widths, where: str) -> None:
    """Refuse tensors that are no such regression: each is needed, in its shape and type, finite.

    Raises
    ------
    InputError
        Names the first tensor that is wrong.
    """
    left = set(tensors) - set(_LINES)
    n_lines = len(require_tensor(tensors, "missed", (None,), where, torch.float64))
    for name, dtype in _LINES.items():
        require_tensor(tensors, name, (n_lines,), where, dtype)
    limits = {"fold": (0, len(said.members)), "group": (NO_GROUP, len(said.groups))}
    for name, (least, end) in limits.items():
        value = tensors[name]
        if not n_lines or int(value.min()) < least or int(value.max()) >= end:
            what = f"tensor '{name}' names a {name} that is not there"
            raise InputError(what, where=where, expected=f"{counted(n_lines, 'line')} of its folds")
    for number, member in enumerate(said.members):
        own = under(tensors, f"member{number}.")
        require(member, own, widths, f"{where}: model of fold {number + 1} ({member.in_words})")
        left -= {f"member{number}.{name}" for name in own}
    if left:
        raise InputError(f"... holds tensor '{min(left)}', which is unknown", where=where)


def read_regression(said: RegressionSaid, tensors: Stored) -> Regression:
    """The regression that some checked tensors are. No member of it is a network."""
    members = tuple(
        read(member, under(tensors, f"member{number}."), None)
        for number, member in enumerate(said.members)
    )
    arrays: dict[str, Any] = {name: tensors[name].numpy() for name in _LINES}
    return Regression(said, members, Residuals(**arrays))
