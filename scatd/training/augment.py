"""Balancing the classes of one training fold.

Source: scATD (bbaf268), multipliers and folds of the transfer. The published code decides the
multipliers on all rows before the folds are cut; scatd decides them on the training fold (defect
D6) and shares only the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.nn.moving import like
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import ResidualVAE, sample_latent
from scatd.training.draws import Draws
from scatd.training.folds import FoldData
from scatd.training.settings import MultiplierMode, TransferSettings
from scatd.training.tomek import without_tomek_links

SMOTE_NEIGHBOURS = 5


@dataclass(frozen=True)
class Multipliers:
    """How many times its rows each class shall have, the majority and the minority."""

    majority: float
    minority: float


def multipliers(
    n_majority: int,
    n_minority: int,
    *,
    mode: MultiplierMode = "auto",
    preset: Multipliers = Multipliers(1.0, 1.5),
) -> Multipliers:
    """Published rule for how much to augment.

    A gap under 30 % of the majority is closed exactly, in both modes. Otherwise `preset` is taken,
    or (auto) 1.5 for the majority and the minority brought level, at most fourfold; if the minority
    then still has less than half of the majority, the majority is left as it is.
    """
    if n_majority - n_minority < 0.3 * n_majority:
        return Multipliers(1.0, n_majority / n_minority)
    if mode == "preset":
        return preset
    minority = float(np.clip(1.5 * n_majority / n_minority, 1.2, 4))
    if n_minority * minority < 0.5 * n_majority * 1.5:
        return Multipliers(1.0, float(np.clip(n_majority / n_minority, 1.2, 4)))
    return Multipliers(1.5, minority)


def n_generated(codes: NDArray[np.int_], wanted: Multipliers) -> tuple[int, int]:
    """Number of rows to generate for class 0 and class 1; the larger class is the majority."""
    counts = np.bincount(codes, minlength=2)
    majority = int(counts[1] > counts[0])
    return (
        int(((wanted.majority if majority == 0 else wanted.minority) - 1) * counts[0]),
        int(((wanted.majority if majority == 1 else wanted.minority) - 1) * counts[1]),
    )


def generate(
    vae: ResidualVAE,
    X: Tensor,
    codes: NDArray[np.int_],
    wanted: Multipliers,
    draws: Draws,
    posterior: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, NDArray[np.int_]]:
    """New rows decoded from posterior draws of real rows of the same class.

    Parameters
    ----------
    vae
        In eval mode.
    X
        Aligned training rows (n_obs, n_features).
    codes
        Their classes (n_obs,).
    posterior
        Mean and log-variance of the rows, where they are known already.

    Returns
    -------
    Generated rows, sensitive first, and their classes.
    """
    new_rows, new_codes = [X[:0]], [codes[:0]]
    with torch.no_grad(), fast_products():
        for code, n_new in enumerate(n_generated(codes, wanted)):
            if n_new == 0:
                continue
            of_class = torch.from_numpy(np.flatnonzero(codes == code)).to(X.device)
            if posterior is None:
                mu, logvar = vae.encode(X[of_class])
            else:
                mu, logvar = (part[of_class] for part in posterior)
            picks = draws.rows(len(of_class), n_new)
            z = sample_latent(mu[picks], logvar[picks], draws.normal(n_new, mu.shape[1]))
            new_rows.append(vae.decode(z))
            new_codes.append(np.full(n_new, code, dtype=codes.dtype))
    return torch.cat(new_rows), np.concatenate(new_codes)


def smote(
    X: NDArray[np.float32], codes: NDArray[np.int_], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int_]]:
    """Interpolate between minority neighbours until the classes are level (imbalanced-learn)."""
    from imblearn.over_sampling import SMOTE

    if len(set(np.bincount(codes))) == 1:
        return X, codes
    neighbours = min(SMOTE_NEIGHBOURS, int(np.bincount(codes).min()) - 1)
    if neighbours < 1:
        return X, codes
    return SMOTE(k_neighbors=neighbours, random_state=seed).fit_resample(X, codes)


def class_weights(codes: NDArray[np.int_]) -> NDArray[np.float64]:
    """Balanced weights n / (2 n_c), as scikit-learn names them."""
    counts = np.bincount(codes, minlength=2)
    return len(codes) / (2 * counts)


@dataclass(frozen=True, eq=False)
class Balanced:
    """A training fold as a head learns it.

    Parameters
    ----------
    X, codes
        Rows (n_obs, n_features) and classes (n_obs,): first those of the fold, then generated ones.
    kept
        Which rows of the fold the first ones are, (n_kept,), ascending.
    counts
        Sensitive and resistant rows after each step.
    """

    X: Tensor
    codes: NDArray[np.int_]
    kept: NDArray[np.intp]
    counts: dict[str, tuple[int, int]]


def balance(
    backbone: ResidualVAE,
    data: FoldData,
    settings: TransferSettings,
    draws: Draws,
    posterior: tuple[Tensor, Tensor] | None = None,
) -> Balanced:
    """Augment the training rows of a fold, then remove Tomek links.

    Parameters
    ----------
    backbone
        Pretrained VAE in eval mode.
    data
        Aligned rows.
    posterior
        What the encoder says of the training rows, where that is known already.
    """
    X, codes = data.X_train, data.codes_train
    n_given = len(X)
    counts = {"before": _counts(codes)}
    if settings.augmentation == "vae":
        counted = codes
        if settings.statistics == "all":
            counted = np.concatenate([codes, data.codes_val])
        wanted = multipliers(
            *sorted(_counts(counted), reverse=True),
            mode=settings.multiplier,
            preset=Multipliers(settings.majority_multiplier, settings.minority_multiplier),
        )
        new_rows, new_codes = generate(backbone, X, codes, wanted, draws, posterior)
        X, codes = torch.cat([X, new_rows]), np.concatenate([codes, new_codes])
    elif settings.augmentation == "smote":
        rows, codes = smote(X.cpu().numpy(), codes, settings.seed)
        X = like(rows, X)
    counts["augmented"] = _counts(codes)
    kept = np.arange(len(codes))
    if settings.augmentation != "none" and settings.tomek:
        kept = without_tomek_links(X, codes)
        X, codes = X[torch.from_numpy(kept).to(X.device)], codes[kept]
    counts["trained"] = _counts(codes)
    return Balanced(X, codes, kept[kept < n_given], counts)


def _counts(codes: NDArray[np.int_]) -> tuple[int, int]:
    n_sensitive, n_resistant = np.bincount(codes, minlength=2)
    return int(n_sensitive), int(n_resistant)
