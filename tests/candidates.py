"""Small candidates of every kind, and the model folders that hold them."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesClassifier

from scatd.artifact import Artifact
from scatd.candidates.candidate import Candidate
from scatd.candidates.linear import Linear
from scatd.candidates.mean import Mean
from scatd.candidates.network import Network
from scatd.candidates.trees import Trees
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.training.candidates.trees import additive

SIZES = Sizes(12, 6, (10, 8), ())
KINDS = ("network", "linear", "linear with latent", "trees", "mean", "mean with network", "deep")


def rows(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 12) and classes (n,) that the first three of them decide."""
    rng = np.random.default_rng(seed)
    X = rng.normal(1.0, 2.0, size=(n, SIZES.n_features)).astype(np.float32)
    return X, (X[:, :3].sum(axis=1) + rng.normal(size=n) > 3).astype(np.int64)


def response_network(seed: int = 3, design: str = "sf") -> ResponseClassifier:
    """A network with random weights and running statistics."""
    torch.manual_seed(seed)
    model = ResponseClassifier(SIZES, DESIGNS[design])
    with torch.no_grad():
        model.train()(torch.randn(64, SIZES.n_features))
    return model.eval()


@cache
def forest(seed: int = 0) -> ExtraTreesClassifier:
    """Trees of scikit-learn, fitted to `rows`."""
    made = ExtraTreesClassifier(20, min_samples_leaf=3, class_weight="balanced", random_state=seed)
    return made.fit(*rows(200, seed))


def linear(seed: int = 0, *, latent: bool = False) -> Linear:
    """A linear model with random weights."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=SIZES.n_features) / 4
    return Linear(weights, 0.25, rng.normal(size=SIZES.n_latent) if latent else None)


def trees(seed: int = 0) -> Trees:
    """The forest, calibrated to log odds."""
    return additive(forest(seed)).scaled(6.0, -3.0)


def candidate(kind: str, network: ResponseClassifier, seed: int = 0) -> Candidate:
    """One of `KINDS`; the network lends its head."""
    if kind == "network":
        return Network(network)
    if kind in ("linear", "linear with latent"):
        return linear(seed, latent=kind != "linear")
    if kind == "trees":
        return trees(seed)
    parts: tuple[Candidate, ...] = (linear(seed), trees(seed))
    if kind == "mean":
        return Mean(parts, 1.5, -0.25)
    if kind == "mean with network":
        return Mean((Network(network), *parts))
    return Mean((candidate("mean with network", network, seed), linear(seed + 1), Mean(parts)))


def stored(one: Candidate, network: ResponseClassifier, design: str = "sf") -> Artifact:
    """A response model whose candidate this is."""
    state = network.state_dict()
    is_network = isinstance(one, Network)
    if not is_network:
        state = {n: v for n, v in state.items() if not n.startswith(HEAD_PREFIXES)}
    return Artifact(
        kind="response",
        family="dist" if design == "dist" else design,
        design=design,
        sizes=SIZES,
        state=state,
        alignment=Alignment("none"),
        threshold=0.5,
        candidate=None if is_network else one,
    )
