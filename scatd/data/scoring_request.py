"""The part that all requests for scores share."""

from __future__ import annotations

from dataclasses import dataclass, field

from scatd import keys
from scatd.data.preparation import Preparation
from scatd.ranges import check_fields


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """The registered models that score, and how the cells are read.

    Parameters
    ----------
    family
        Family of the model; None takes the first family in the drug's configuration with a model.
    stage
        production, staging, previous, archived, or a version number.
    preparation
        How counts become features, if the cohort does not have the features.
    device, allow_simulated
        Device of the computation; True allows to mix simulated and real data.
    """

    family: str | None = None
    stage: str = keys.PRODUCTION
    preparation: Preparation = field(default_factory=Preparation)
    device: str = "auto"
    allow_simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)
