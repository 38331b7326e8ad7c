"""A simulated tumour of clones: which clone resists which drug is known.

No drug kills every clone. The two drugs that leave the fewest cells when each is given alone leave
a clone that resists both, and another pair leaves no clone at all. Which drug has which pattern
depends on the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatd.data.demo.world import HOME_TYPES, N_STATES, Floats

CLONE_DRUGS = (
    "ERLOTINIB",
    "TRAMETINIB",
    "PALBOCICLIB",
    "OLAPARIB",
    "PACLITAXEL",
    "GEMCITABINE",
    "VORINOSTAT",
    "DASATINIB",
)
NORMAL = "normal"
"""The group of the cells that are no tumour cells."""
SHARES = {"clone A": 0.40, "clone B": 0.25, "clone C": 0.15, "clone D": 0.12, "clone E": 0.08}
"""Mean share of each clone among tumour cells."""
_PATTERNS = ("CD", "CE", "AD", "AC", "BCDE", "ACE", "ABC", "ABCDE")
"""The clones that resist a drug, by the last letter of their names; a pattern for each drug."""
_TOXIC = (3, 6)
"""Numbers of the patterns whose drugs kill normal cells too."""
_NORMAL_SHARE = 0.25
_EVENNESS = 40.0
"""How near the shares of clones in a patient are to their means: Dirichlet's concentration."""
WITHIN_CLONE = 0.5
"""S.d. of the activity of the programme of a drug within a clone."""
ACTIVITY = 1.5
"""Mean activity of the programme of a drug in cells that resist it; of the others, the negative."""
_STATE = 0.8
"""S.d. of the level of a state programme between clones."""


@dataclass(frozen=True, eq=False)
class Clones:
    """The clones of a tumour.

    Parameters
    ----------
    resists
        (n_groups, n_drugs), whether a group resists a drug: the clones, then normal cells.
    """

    resists: NDArray[np.bool_]

    @classmethod
    def of_seed(cls, seed: int) -> Clones:
        """The clones of a seed: it decides which drug has which pattern."""
        order = np.random.default_rng([seed, len(_PATTERNS)]).permutation(len(_PATTERNS))
        clones = [[name[-1] in _PATTERNS[one] for one in order] for name in SHARES]
        return cls(np.array([*clones, [one not in _TOXIC for one in order]]))

    def resisted(self, drug_keys: tuple[str, ...]) -> dict[str, list[str]]:
        """The drugs that each clone, and the normal cells, resist."""
        return {
            name: [drug for drug, resists in zip(drug_keys, row, strict=True) if resists]
            for name, row in zip(self.names, self.resists, strict=True)
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Clones, then the normal cells."""
        return (*SHARES, NORMAL)

    def draw(
        self, patient: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
        """Draw the clone of each cell, its cell type, and the means of its programmes.

        Parameters
        ----------
        patient
            (n_obs,) number of the patient of each cell.

        Returns
        -------
        Clone (number in `names`) and cell type, (n_obs,) each; mean activity of the programmes of
        drugs, (n_obs, n_drugs), and of states, (n_obs, n_states).
        """
        n_patients = int(patient.max(initial=0)) + 1
        tumour = rng.dirichlet(_EVENNESS * np.array([*SHARES.values()]), size=n_patients)
        shares = np.column_stack([(1 - _NORMAL_SHARE) * tumour, np.full(n_patients, _NORMAL_SHARE)])
        group = np.array([rng.choice(len(self.names), p=shares[one]) for one in patient], dtype=int)
        is_normal = group == len(self.names) - 1
        types = np.where(is_normal, rng.integers(1, len(HOME_TYPES), size=len(group)), 0)
        activity = np.where(self.resists, ACTIVITY, -ACTIVITY)[group]
        levels = _STATE * rng.normal(size=(len(self.names), N_STATES))
        return group, types, activity.astype(np.float32), levels[group].astype(np.float32)
