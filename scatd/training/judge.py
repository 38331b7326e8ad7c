"""Quality of a pretrained backbone, on rows that it was not trained on."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from scatd.errors import TrainingError
from scatd.nn.moving import doubles
from scatd.nn.residual_vae import ResidualVAE
from scatd.training.checkpoint import best_epoch
from scatd.training.rows import Batch

ACTIVE_UNIT_VARIANCE = 0.01
"""A latent unit whose posterior mean varies less carries nothing (Burda et al., 2016)."""
_BLOCK = 1024
_REMEDY = "Lower --learning-rate, or check the scale of the input."


def judge(
    vae: ResidualVAE, held_out: Batch, mean: Tensor, history: list[dict[str, float]], seed: int
) -> dict[str, float]:
    """Held-out reconstruction, use of the latent space, and likeness to a teacher.

    Parameters
    ----------
    held_out
        Features (n_obs, n_features), and the teacher's latent (n_obs, n_latent) or None.
    mean
        Feature means over training rows, (n_features,): the reconstruction to beat.
    history
        Of the training; its best epoch is the one that `vae` holds.
    seed
        Of the shuffle of cells for `cosine_shuffled`.

    Returns
    -------
    `r2`: 1 is a perfect reconstruction from the posterior mean, 0 is as good as `mean`. `mse`.
    `active_units`: latent units that vary. `epoch`, `epochs`: the one that is held, and how many
    there were. `train_loss`, `val_loss`: of that epoch. With a teacher, `cosine`: mean cosine
    similarity of student and teacher, high is good, and `cosine_shuffled`: that of cells paired at
    random, which a student that has learned nothing of a cell reaches too.

    Raises
    ------
    TrainingError
        When the reconstruction is not finite.
    """
    X, teacher_z = held_out
    with torch.no_grad():
        mu = torch.cat([vae.encode(x)[0] for x in X.split(_BLOCK)])
        error = sum(
            float(doubles(vae.decode(z) - x).square().sum())
            for z, x in zip(mu.split(_BLOCK), X.split(_BLOCK), strict=True)
        )
        spread = sum(float(doubles(x - mean).square().sum()) for x in X.split(_BLOCK))
    if not torch.isfinite(torch.tensor(error)):
        what = "the pretrained backbone reconstructs no finite numbers"
        raise TrainingError(what, remedy=_REMEDY)
    kept = history[best_epoch(history) - 1]
    summary = {
        "r2": 1 - error / spread if spread else float("nan"),
        "mse": error / X.numel(),
        "active_units": float((mu.var(dim=0, correction=0) > ACTIVE_UNIT_VARIANCE).sum()),
        "epoch": kept["epoch"],
        "epochs": history[-1]["epoch"],
        "train_loss": kept["train_total"],
        "val_loss": kept["val_total"],
    }
    if teacher_z is not None:
        others = torch.randperm(len(mu), generator=torch.Generator().manual_seed(seed))
        shuffled = teacher_z[others.to(mu.device)]
        summary["cosine"] = float(cosine_similarity(mu, teacher_z).mean())
        summary["cosine_shuffled"] = float(cosine_similarity(mu, shuffled).mean())
    return summary


def require_finite_weights(vae: ResidualVAE) -> None:
    """Refuse a network with infinite or undefined numbers in it: it answers nonsense for all cells.

    Raises
    ------
    TrainingError
        Names the first such entry.
    """
    for name, value in vae.state_dict().items():
        if not torch.isfinite(value).all():
            what = f"{name} of the pretrained backbone is not finite"
            raise TrainingError(what, remedy=_REMEDY)
