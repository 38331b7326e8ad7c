"""The request of a search."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from scatd.errors import InputError
from scatd.ranges import Count, Folds, Seconds, Seed, ShareOfSome, check_fields
from scatd.scheduling.address import Machines


@dataclass(frozen=True)
class TuneRequest:
    """A search of the settings of pretraining.

    Parameters
    ----------
    input
        Unlabelled cells; None is the demo reference.
    trials
        Trials of the whole study, by all its workers.
    timeout
        No trial begins after so many seconds.
    epochs
        Fixed; None searches them.
    folds, subsample
        Each trial is cross-validated on this share of the cells.
    space
        File; None is the published space of the family.
    study, storage
        Name, and journal file or database URL; None makes both from what is searched.
    output
        Where the best settings go.
    machines
        Where the folds of a trial are computed.
    """

    family: str = "sf"
    input: Path | None = None
    trials: Count = 10
    timeout: Seconds | None = None
    epochs: Count | None = None
    folds: Folds = 3
    subsample: ShareOfSome = 0.3
    space: Path | None = None
    study: str | None = None
    storage: str | None = None
    seed: Seed = 42
    device: str = "auto"
    output: Path = Path("best_params.yaml")
    machines: Machines = field(default_factory=Machines)

    def __post_init__(self) -> None:
        """Refuse what cannot be searched."""
        check_fields(self)
        if self.study is not None and not re.fullmatch(r"[\w.-]+", self.study):
            what = f"--study is '{self.study}'"
            raise InputError(what, expected="letters, digits, points, - and _")
