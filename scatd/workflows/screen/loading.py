"""The models that are loaded at the same time: as many as fit into a fixed amount of memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from scatd import registry
from scatd.errors import ScatdError
from scatd.scoring import Scorer
from scatd.workflows.screen.inputs import DrugModel

BUDGET_BYTES = 512 << 20
"""Weights that are held at once: eight models of family sf, or more where they share an encoder."""


def load_some(
    models: Mapping[str, DrugModel], device: torch.device
) -> tuple[dict[str, Scorer], dict[str, str]]:
    """Load models in their order, as many as `BUDGET_BYTES` allows and at least one.

    Returns
    -------
    What was loaded, and the reason why a model cannot be, by drug. Drugs in neither are to be
    loaded later.
    """
    loaded: dict[str, Scorer] = {}
    failed: dict[str, str] = {}
    weights = _Weights()
    for drug, model in models.items():
        try:
            scorer = Scorer(model.folder or registry.read(model.ref), str(device))
        except ScatdError as error:
            failed[drug] = str(error)
            continue
        weights.add(scorer)
        if loaded and weights.n_bytes > BUDGET_BYTES:
            break
        loaded[drug] = scorer
    return loaded, failed


class _Weights:
    """The weights of loaded models. Equal tensors, such as those of one encoder, are held once."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._held: dict[tuple[object, ...], Tensor] = {}

    def add(self, scorer: Scorer) -> None:
        """Count the weights of a model that are not held yet; it takes the others from here."""
        for tensor in scorer.network.state_dict(keep_vars=True).values():
            content = tensor.detach().cpu().contiguous().numpy()
            key = (tensor.dtype, tensor.shape, hashlib.sha256(content.data).digest())
            if key not in self._held:
                self._held[key] = tensor.data
                self.n_bytes += content.nbytes
            tensor.data = self._held[key]
        for member in scorer.members:
            self.n_bytes += sum(tensor.nbytes for tensor in member.tensors().values())
