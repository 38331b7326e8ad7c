"""The part that every request for scores has in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from scatd import keys
from scatd.data.preparation import Preparation
from scatd.ranges import check_fields


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """Which registered models score, and how the cells are read for them.

    Parameters
    ----------
    family
        Of the model; None takes the first family of the drug's configuration that has one.
    stage
        production, staging, previous, archived, or a version number.
    preparation
        How counts become features, where the cohort holds no others.
    device, allow_simulated
        Where to compute; whether simulated and real may mix.
    """

    family: str | None = None
    stage: str = keys.PRODUCTION
    preparation: Preparation = field(default_factory=Preparation)
    device: str = "auto"
    allow_simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)
