"""Simulated foundation-model features: a fixed nonlinear map of expression.

The map replaces a pretrained network. Its weights depend only on constant seeds and the genes, so
it is the same for every cohort and every demo seed. It reads log-normalised expression as scores:
one for each programme, and a few random mixtures of all genes. The scores are centred and scaled
once, on calibration cells that belong to no cohort. They pass saturating hidden units. Sparse
mixtures of these are the features; their mean and s.d. differ as in the real models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from scatd import keys
from scatd.data.demo.world import Floats, World
from scatd.data.expression import log_normalise

FEATURE_WIDTHS = {keys.OBSM_FEATURES["sf"]: 3072, keys.OBSM_FEATURES["gf"]: 512}
_SEED = 20_250_802
_N_MIXTURES = 8
_N_HIDDEN = 320
_HIDDEN_PER_FEATURE = 2


@dataclass(frozen=True)
class FeatureMap:
    """Weights of the simulated foundation models.

    Parameters
    ----------
    read
        Gene weights of each score, (n_genes, n_scores).
    centre, spread
        Mean and s.d. of the scores over the calibration cells, (n_scores,).
    hidden, bias
        Scores to hidden units, (n_scores, n_hidden) and (n_hidden,).
    out, offset
        For each slot of `obsm`: hidden units to features, (n_hidden, n_features), and the
        features' offsets, (n_features,).
    """

    read: Floats
    centre: Floats
    spread: Floats
    hidden: Floats
    bias: Floats
    out: dict[str, Floats]
    offset: dict[str, Floats]

    def __call__(self, counts: sparse.csr_matrix) -> dict[str, Floats]:
        """Features of raw counts for each slot, (n_obs, n_features) float32."""
        scores = (log_normalise(counts) @ self.read - self.centre) / self.spread
        active = np.tanh(scores @ self.hidden + self.bias)
        return {
            slot: (active @ weights + self.offset[slot]).astype(np.float32)
            for slot, weights in self.out.items()
        }


def make_feature_map(world: World, calibration: sparse.csr_matrix) -> FeatureMap:
    """Draw the fixed map for the genes of `world`.

    Parameters
    ----------
    world
        Its programmes determine the scores.
    calibration
        Raw counts of cells that belong to no cohort, (n_cells, n_genes).
    """
    rng = np.random.default_rng(_SEED)
    mixtures = rng.normal(size=(_N_MIXTURES, world.n_genes))
    read = np.vstack([world.programmes, mixtures]).astype(np.float32).T
    scores = log_normalise(calibration) @ read
    n_scores = read.shape[1]
    # Each hidden unit reads one score strongly and three others weakly.
    hidden = np.zeros((n_scores, _N_HIDDEN))
    for unit in range(_N_HIDDEN):
        hidden[unit % n_scores, unit] = rng.choice([-1, 1]) * rng.uniform(0.35, 0.65)
        others = rng.choice(n_scores, 3, replace=False)
        hidden[others, unit] += rng.normal(0, 0.2, 3)
    centre, spread = scores.mean(axis=0), scores.std(axis=0)
    bias = rng.normal(0, 0.3, _N_HIDDEN)
    active = np.tanh((scores - centre) / spread @ hidden + bias)
    out, offset = {}, {}
    for slot, width in FEATURE_WIDTHS.items():
        weights = np.zeros((_N_HIDDEN, width))
        for column in weights.T:
            units = rng.choice(_N_HIDDEN, _HIDDEN_PER_FEATURE, replace=False)
            column[units] = rng.choice([-1, 1], units.size) * rng.uniform(0.1, 1.0, units.size)
        sd = np.clip(rng.lognormal(np.log(0.3), 0.5, width), 0.1, 1.0)
        weights *= sd / (active @ weights).std(axis=0)
        out[slot] = weights.astype(np.float32)
        offset[slot] = rng.normal(0.4, 0.9, width).astype(np.float32)
    return FeatureMap(
        read=read,
        centre=centre,
        spread=spread,
        hidden=hidden.astype(np.float32),
        bias=bias.astype(np.float32),
        out=out,
        offset=offset,
    )
