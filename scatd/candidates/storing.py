"""Candidates as tensors of a model folder, and back. No tensor is used before it is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scatd.candidates.candidate import Candidate
from scatd.candidates.linear import Linear
from scatd.candidates.mean import Mean
from scatd.candidates.network import Network
from scatd.candidates.trees import Trees
from scatd.errors import InputError
from scatd.keys import CandidateName
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier
from scatd.nn.recognise import require_tensor, tensors_of, under
from scatd.nn.residual_vae import Sizes
from scatd.wording import counted

Stored = Mapping[str, Tensor]
_MOST_PARTS = 100


@dataclass(frozen=True)
class Said:
    """What a card says of a candidate: its name, and those of its parts."""

    name: CandidateName = "network"
    parts: tuple[Said, ...] = ()

    @property
    def needs_network(self) -> bool:
        """Whether it, or a part of it, is a network."""
        return self.name == "network" or any(part.needs_network for part in self.parts)

    @property
    def in_words(self) -> str:
        """Name with its parts: `mean of linear and trees`, or `mean of trees (3 times) and ...`."""
        words = (f"({part.in_words})" if part.parts else part.name for part in self.parts)
        names = [
            name if n == 1 else f"{name} ({counted(n, 'time')})"
            for name, n in Counter(words).items()
        ]
        return f"{self.name} of {' and '.join(names)}" if names else self.name


@dataclass(frozen=True)
class Widths:
    """The network that a candidate stands beside: its design and sizes."""

    design: str
    sizes: Sizes


def said_of(candidate: Candidate) -> Said:
    """What a card says of a candidate."""
    parts = candidate.parts if isinstance(candidate, Mean) else ()
    return Said(candidate.name, tuple(said_of(part) for part in parts))


def require(said: Said, tensors: Stored, widths: Widths, where: str) -> None:
    """Refuse tensors that are no such candidate: each is needed, in its shape and type, finite.

    Raises
    ------
    InputError
        Names the first tensor that is wrong.
    """
    if said.name == "mean":
        _require_parts(said, tensors, widths, where)
        return
    optional: dict[str, tuple[torch.dtype, tuple[int | None, ...]]] = {}
    needed = _OWN[said.name](widths)
    if said.name == "linear":
        optional["latent_weights"] = (torch.float64, (widths.sizes.n_latent,))
    for name, (dtype, shape) in needed.items():
        require_tensor(tensors, name, shape, where, dtype)
    for name, (dtype, shape) in optional.items():
        if name in tensors:
            require_tensor(tensors, name, shape, where, dtype)
    if unknown := sorted(set(tensors) - set(needed) - set(optional)):
        raise InputError(f"... holds tensor '{unknown[0]}', which is unknown", where=where)
    if said.name == "trees":
        _require_paths(tensors, widths.sizes.n_features, where)


def read(said: Said, tensors: Stored, base: ResponseClassifier | None) -> Candidate:
    """The candidate that some checked tensors are.

    Parameters
    ----------
    base
        A response model with the encoder, for networks.
    """
    if said.name == "mean":
        own = [under(tensors, f"part{number}.") for number in range(len(said.parts))]
        parts = (read(part, some, base) for part, some in zip(said.parts, own, strict=True))
        slope, intercept = tensors["calibration"].tolist()
        return Mean(tuple(parts), slope, intercept)
    if said.name == "network":
        assert base is not None
        return Network(base.with_head(tensors))
    if said.name == "linear":
        latent = tensors.get("latent_weights")
        return Linear(
            tensors["weights"].numpy(),
            float(tensors["bias"]),
            None if latent is None else latent.numpy(),
        )
    arrays: dict[str, Any] = {name: tensors[name].numpy() for name in _NODES if name != "bias"}
    return Trees(**arrays, bias=float(tensors["bias"]))


def _linear(widths: Widths) -> dict[str, tuple[torch.dtype, tuple[int | None, ...]]]:
    return {
        "weights": (torch.float64, (widths.sizes.n_features,)),
        "bias": (torch.float64, ()),
    }


_NODES: dict[str, tuple[torch.dtype, tuple[int | None, ...]]] = {
    "roots": (torch.int32, (None,)),
    "left": (torch.int32, (None,)),
    "right": (torch.int32, (None,)),
    "feature": (torch.int32, (None,)),
    "threshold": (torch.float32, (None,)),
    "value": (torch.float64, (None,)),
    "bias": (torch.float64, ()),
}


def _trees(widths: Widths) -> dict[str, tuple[torch.dtype, tuple[int | None, ...]]]:  # noqa: ARG001
    return _NODES


def _network(widths: Widths) -> dict[str, tuple[torch.dtype, tuple[int | None, ...]]]:
    return {name: (value.dtype, tuple(value.shape)) for name, value in head_shapes(widths).items()}


_OWN = {"linear": _linear, "trees": _trees, "network": _network}


def head_shapes(widths: Widths) -> dict[str, Tensor]:
    """Tensors without memory, as the head of a network has them."""
    state = tensors_of("response", widths.sizes, widths.design)
    return {name: value for name, value in state.items() if name.startswith(HEAD_PREFIXES)}


def _require_parts(said: Said, tensors: Stored, widths: Widths, where: str) -> None:
    n_parts = len(said.parts)
    if not 2 <= n_parts <= _MOST_PARTS:
        raise InputError(
            f"its mean has {counted(n_parts, 'part')}", where=where, expected="at least 2"
        )
    require_tensor(tensors, "calibration", (2,), where, torch.float64)
    left = set(tensors) - {"calibration"}
    for number, part in enumerate(said.parts):
        own = under(tensors, f"part{number}.")
        require(part, own, widths, f"{where}: part {number} ({part.name})")
        left -= {f"part{number}.{name}" for name in own}
    if left:
        raise InputError(f"... holds tensor '{min(left)}', which is unknown", where=where)


def _require_paths(tensors: Stored, n_features: int, where: str) -> None:
    """Refuse what is no trees: paths that leave the arrays, that meet, or that never end."""
    roots, left, right, feature = (
        tensors[name].numpy() for name in ("roots", "left", "right", "feature")
    )
    n_nodes = len(left)
    lengths = {len(tensors[name]) for name in ("right", "feature", "threshold", "value")}
    if lengths != {n_nodes} or not n_nodes or not len(roots):
        raise InputError("its trees have arrays of different lengths, or no node", where=where)
    places = np.arange(n_nodes)
    is_leaf = (left == places) & (right == places)
    goes_on = (left > places) & (right > places)
    inside = (left < n_nodes) & (right < n_nodes) & (feature >= 0) & (feature < n_features)
    rising = roots[0] == 0 and (np.diff(roots) > 0).all() and roots[-1] < n_nodes
    if not (rising and inside.all() and (is_leaf | goes_on).all()):
        raise InputError("a node of its trees leads nowhere", where=where)
    # Where paths meet, their number may double with each step.
    before = np.concatenate([roots, left[goes_on], right[goes_on]])
    tree = np.searchsorted(roots, places, side="right")
    if (np.bincount(before, minlength=n_nodes) != 1).any():
        raise InputError("a node of its trees follows no node, or more than one", where=where)
    if (tree[left] != tree).any() or (tree[right] != tree).any():
        raise InputError("a node of its trees leads to another tree", where=where)
