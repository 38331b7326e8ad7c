"""The stored model of drugs never seen: from features and a fingerprint to a relative response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.data.structures import N_BITS, Bits, tanimoto
from scatd.errors import InputError
from scatd.nn.recognise import require_tensor

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AnyDrug:
    """Kernel ridge regression of all drugs at once.

    Parameters
    ----------
    mean, scale
        (n_features,) features become (x - mean) x scale.
    axes
        (n_features, n_axes), components of standardised features.
    weights
        (n_axes, n_drugs), what each drug that was learned adds.
    bits
        (n_drugs, N_BITS) their fingerprints.
    common
        Share of a drug's response that all drugs have in common, 0 to 1.
    threshold
        Similarity to the nearest drug under which a drug is refused.
    """

    mean: Floats
    scale: Floats
    axes: Floats
    weights: Floats
    bits: Bits
    common: float
    threshold: float

    def similarities(self, bits: Bits) -> Floats:
        """(n_drugs,) Tanimoto similarity of a drug (N_BITS,) to those that were learned."""
        return tanimoto(bits[None], self.bits)[0]

    def relative_response(self, X: NDArray[np.floating], bits: Bits) -> Floats:
        """Relative strength of response of cells to one drug, (n_obs,); high is resistant.

        It is in standard deviations of ln IC50 between the lines of the training, within a drug,
        and pulled to 0. It is not a probability, and not a concentration.

        Parameters
        ----------
        X
            (n_obs, n_features).
        bits
            (N_BITS,) fingerprint of the drug.
        """
        alike = self.common + (1 - self.common) * self.similarities(bits)
        gene = self.scale * (self.axes @ (self.weights @ alike))
        # One sum a row, in one order: a cell's number does not depend on the cells beside it.
        return ((np.asarray(X, dtype=np.float64) - self.mean) * gene).sum(axis=1)

    def tensors(self) -> dict[str, Tensor]:
        """The numbers that it is stored as."""
        held = {"mean": self.mean, "scale": self.scale, "axes": self.axes, "weights": self.weights}
        found = {name: torch.from_numpy(np.ascontiguousarray(own)) for name, own in held.items()}
        said = {"common": self.common, "threshold": self.threshold}
        found |= {name: torch.tensor(own, dtype=torch.float64) for name, own in said.items()}
        return found | {"bits": torch.from_numpy(np.ascontiguousarray(self.bits))}


def require(
    tensors: Mapping[str, Tensor], n_features: int, n_axes: int, n_drugs: int, where: str
) -> None:
    """Refuse tensors that are no such model: each is needed, in its shape and type, finite.

    Raises
    ------
    InputError
        Names the first tensor that is wrong.
    """
    shapes = {
        "mean": (n_features,),
        "scale": (n_features,),
        "axes": (n_features, n_axes),
        "weights": (n_axes, n_drugs),
        "common": (),
        "threshold": (),
    }
    for name, shape in shapes.items():
        require_tensor(tensors, name, shape, where, torch.float64)
    require_tensor(tensors, "bits", (n_drugs, N_BITS), where, torch.bool)
    if unknown := sorted(set(tensors) - set(shapes) - {"bits"}):
        raise InputError(f"... holds tensor '{unknown[0]}', which is unknown", where=where)
    for name in ("common", "threshold"):
        if not 0 <= float(tensors[name]) <= 1:
            raise InputError(f"tensor '{name}' is {float(tensors[name])}", where=where,
                             expected="0 to 1")  # fmt: skip
    if bool((tensors["scale"] < 0).any()):
        raise InputError("tensor 'scale' is negative", where=where, expected="0 or more")


def read(tensors: Mapping[str, Tensor]) -> AnyDrug:
    """The model that some checked tensors are."""
    names = ("mean", "scale", "axes", "weights", "bits")
    arrays = {name: tensors[name].numpy() for name in names}
    return AnyDrug(**arrays, common=float(tensors["common"]), threshold=float(tensors["threshold"]))
