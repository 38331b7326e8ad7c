"""The inputs of a search: the cells and folds that trials train on, and the space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import keys, tracking
from scatd.data.demo_files import given_or_demo
from scatd.data.features import Features, read_features
from scatd.errors import InputError
from scatd.nn.devices import pick_device
from scatd.settings import to_mapping
from scatd.training.settings import PretrainSettings, default_pretrain
from scatd.training.space import Space, read_space
from scatd.wording import counted
from scatd.workflows.tune.request import TuneRequest


@dataclass(frozen=True, eq=False)
class Search:
    """A search whose inputs are checked and loaded.

    Parameters
    ----------
    features
        The whole cohort.
    X
        The rows that trials train on, (n_rows, n_features), on the device.
    folds
        Training and validation rows of each fold.
    space
        The settings that may be chosen.
    base
        The settings that the space does not name.
    identity
        By name, all that makes trials comparable.
    """

    request: TuneRequest
    features: Features
    X: torch.Tensor
    folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]]
    space: Space
    base: PretrainSettings
    identity: dict[str, Any]

    @property
    def study_name(self) -> str:
        """The name that was given, or one made from what is searched."""
        return self.request.study or f"{self.request.family}-{tracking.resume_key(self.identity)}"

    @property
    def resume_key(self) -> str:
        """Hash of the search: a run continues those with the same key."""
        return tracking.resume_key("tune", self.study_name, self.identity)

    def tags(self, level: str) -> dict[str, str]:
        """Tags of a run of this search."""
        return {
            keys.TAG_FAMILY: self.request.family,
            keys.TAG_LEVEL: level,
            keys.TAG_SIMULATED: str(self.features.simulated).lower(),
        }


def read_search(request: TuneRequest) -> Search:
    """Read cells and search space of a request.

    Raises
    ------
    InputError
        For any input that cannot be used.
    """
    device = pick_device(request.device)
    space = read_space(request.space, request.family)
    if request.epochs is not None:
        space = space.fixed(epochs=request.epochs)
    # A trial trains for the epochs that it chose; the seed is that of its folds.
    base = replace(default_pretrain(request.family), min_steps=0, seed=request.seed)
    path = given_or_demo(request.input, "reference")
    features = read_features(path, request.family, mmap=True)
    rows = _subsample(features.n_obs, request)
    X = torch.tensor(np.asarray(features.X[rows]), device=device)
    return Search(
        request=request,
        features=features,
        X=X,
        folds=_folds(len(rows), request),
        space=space,
        base=base,
        identity={
            "family": request.family,
            "data": features.sha256(),
            "folds": request.folds,
            "subsample": request.subsample,
            "seed": request.seed,
            "space": space.to_mapping(),
            "settings": to_mapping(base),
        },
    )


def _subsample(n_obs: int, request: TuneRequest) -> NDArray[np.intp]:
    n_rows = round(request.subsample * n_obs)
    if n_rows < 2 * request.folds:
        what = (
            f"{counted(n_rows, 'row', 'is', of=n_obs)} too few for {counted(request.folds, 'fold')}"
        )
        remedy = "Raise --subsample, or use fewer --folds."
        raise InputError(what, where=str(request.input or ""), remedy=remedy)
    return np.sort(np.random.default_rng(request.seed).choice(n_obs, n_rows, replace=False))


def _folds(n_rows: int, request: TuneRequest) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    from sklearn.model_selection import KFold

    splitter = KFold(request.folds, shuffle=True, random_state=request.seed)
    return list(splitter.split(np.zeros((n_rows, 1))))
