"""Integrated Gradients and GradientSHAP of a class logit, at the posterior mean.

Sources: Sundararajan et al. 2017 (Integrated Gradients); Lundberg and Lee 2017, Erion et al. 2021
(GradientSHAP, expected gradients); scATD (bbaf268), whose quadrature (Gauss-Legendre) and number of
steps are the defaults. captum computes the gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import IntegratedGradients, Saliency
from numpy.typing import NDArray
from torch import Tensor

from scatd.explanation.attributed import Attributed
from scatd.explanation.linear_path import LinearPath
from scatd.nn.memory import Pieces, fitting_bytes
from scatd.nn.moving import doubles, like
from scatd.nn.products import fast_products

MAX_STEPS = 1600
_BATCH_BYTES = 192 << 20
_COPIES = 8
"""Tensors as large as the path that are alive at once in a backward pass."""


_Gradients = Callable[[Tensor], Tensor]
"""Gradients of one logit by u, at points (n_points, width)."""


@dataclass(frozen=True, eq=False)
class ShapDraws:
    """The random numbers of GradientSHAP for n cells and S samples a cell.

    Parameters
    ----------
    baseline
        (n, S), row in the pool of baselines.
    position
        (n, S), position on the segment, from 0 to 1.
    noise
        (n, S, n_features), added to the cell; None adds nothing.
    """

    baseline: NDArray[np.int64]
    position: NDArray[np.float32]
    noise: NDArray[np.float32] | None = None


def shap_draws(
    rows: NDArray[np.int64], n_samples: int, n_pool: int, n_features: int, noise: float, seed: int
) -> ShapDraws:
    """Draw for these cells; each cell has its own generator, so blocks do not matter."""
    drawn = [np.random.default_rng([seed, row]) for row in rows]
    picked = np.stack([np.sort(rng.integers(n_pool, size=n_samples)) for rng in drawn])
    return ShapDraws(
        picked,
        np.stack([_spread(one, rng) for one, rng in zip(picked, drawn, strict=True)]),
        None
        if noise == 0
        else np.stack(
            [rng.normal(0, noise, (n_samples, n_features)).astype(np.float32) for rng in drawn]
        ),
    )


def _spread(picked: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """A uniform position for each sample; the samples of one baseline are spread evenly.

    One sample falls into each of equal intervals. Each position alone is uniform, as published;
    together they cover the path better.
    """
    first = np.searchsorted(picked, picked)
    n_same = np.searchsorted(picked, picked, side="right") - first
    place = np.arange(len(picked)) - first
    return ((place + rng.random(len(picked))) / n_same).astype(np.float32)


def integrated_gradients(
    path: LinearPath, x: Tensor, baseline: Tensor, target: int, n_steps: int = 100
) -> Attributed:
    """Integrated Gradients of aligned cells against one baseline.

    Parameters
    ----------
    x, baseline
        Aligned rows (n_obs, n_features) and (1, n_features).
    target
        Class, 0 sensitive or 1 resistant.
    n_steps
        Points of the Gauss-Legendre quadrature.
    """
    # With multiply_by_inputs=False, captum returns the mean gradient along the path.
    captum = IntegratedGradients(path, multiply_by_inputs=False)

    def mean_gradient(u: Tensor, u0: Tensor) -> Tensor:
        return captum.attribute(u, u0.expand_as(u), target=target, n_steps=n_steps)

    with fast_products():
        u, u0 = path.project(x), path.project(baseline)
        gradients = _batched(mean_gradient, u, u0, n_steps)
        values = path.carry(gradients) * (x - baseline)
        change = doubles(path(u)[:, target]) - doubles(path(u0)[:, target])
    return _attributed(values, change, n_steps)


def complete_integrated_gradients(
    path: LinearPath, x: Tensor, baseline: Tensor, target: int, n_steps: int = 100
) -> Attributed:
    """Double the steps, up to `MAX_STEPS`, for cells whose attributions are not complete."""
    done = integrated_gradients(path, x, baseline, target, n_steps)
    while n_steps < MAX_STEPS and not done.is_complete.all():
        n_steps = min(2 * n_steps, MAX_STEPS)
        again = np.flatnonzero(~done.is_complete)
        finer = integrated_gradients(path, x[again], baseline, target, n_steps)
        for name in ("attributions", "change", "delta", "n_steps"):
            getattr(done, name)[again] = getattr(finer, name)
    return done


def gradient_shap(
    path: LinearPath, x: Tensor, pool: Tensor, draws: ShapDraws, target: int
) -> Attributed:
    """GradientSHAP of aligned cells against a distribution of baselines.

    Parameters
    ----------
    x, pool
        Aligned rows (n_obs, n_features) and baselines (n_pool, n_features).
    draws
        Random numbers for the cells of `x`; see `shap_draws`.
    """
    captum = Saliency(path)

    def gradients(points: Tensor) -> Tensor:
        return captum.attribute(points.requires_grad_(), target=target, abs=False)

    each = _noisy if draws.noise is not None else _on_segments
    n_samples = draws.baseline.shape[1]
    width = path.width + (0 if draws.noise is None else x.shape[1])
    n_rows = _rows_a_batch(x.device, width, n_samples)
    pieces = Pieces("cells")

    def values(rows: range) -> Tensor:
        some = slice(rows.start, rows.stop)
        return each(path, x[some], pool, _of(draws, some), gradients)

    with fast_products():
        parts = [
            part
            for start in range(0, len(x), n_rows)
            for part in pieces.compute(values, range(len(x))[start : start + n_rows])
        ]
        at_pool = doubles(path.logits(pool)[:, target])
        change = doubles(path.logits(x)[:, target])
        change -= at_pool[torch.from_numpy(draws.baseline)].mean(dim=1)
    return _attributed(torch.cat(parts), change, n_samples)


def _on_segments(
    path: LinearPath, x: Tensor, pool: Tensor, draws: ShapDraws, gradients: _Gradients
) -> Tensor:
    """Without noise: gradients by u are summed for each baseline, then carried to the features."""
    u, u0 = path.project(x), path.project(pool)
    picked = torch.from_numpy(draws.baseline).to(x.device)
    position = like(draws.position, x)[..., None]
    start = u0[picked]
    points = start + position * (u[:, None] - start)
    found = gradients(points.flatten(0, 1)).view_as(points)
    values = torch.zeros_like(x)
    for number in picked.unique().tolist():
        own = (picked == number).to(found)[..., None]
        values += path.carry((found * own).sum(dim=1)) * (x - pool[number])
    return values / picked.shape[1]


def _noisy(
    path: LinearPath, x: Tensor, pool: Tensor, draws: ShapDraws, gradients: _Gradients
) -> Tensor:
    """With noise: each sample has its own end point, so each gradient is carried separately."""
    assert draws.noise is not None
    start = pool[torch.from_numpy(draws.baseline).to(x.device)]
    ends = x[:, None] + like(draws.noise, x)
    position = like(draws.position, x)[..., None]
    points = (start + position * (ends - start)).flatten(0, 1)
    found = path.carry(gradients(path.project(points)))
    return (found.view_as(ends) * (ends - start)).mean(dim=1)


def _of(draws: ShapDraws, rows: slice) -> ShapDraws:
    noise = None if draws.noise is None else draws.noise[rows]
    return ShapDraws(draws.baseline[rows], draws.position[rows], noise)


def _batched(
    mean_gradient: Callable[[Tensor, Tensor], Tensor], u: Tensor, u0: Tensor, n_steps: int
) -> Tensor:
    pieces = Pieces("cells")
    found = [
        gradient
        for part in u.split(_rows_a_batch(u.device, u.shape[1], n_steps))
        for gradient in pieces.compute(lambda rows: mean_gradient(rows, u0), part)
    ]
    return torch.cat(found)


def _rows_a_batch(device: torch.device, width: int, n_steps: int) -> int:
    most = fitting_bytes(device, _BATCH_BYTES)
    return max(1, most // (4 * _COPIES * width * n_steps))


def _attributed(values: Tensor, change: Tensor, n_steps: int) -> Attributed:
    values = values.cpu()
    delta = doubles(values).sum(dim=1) - change
    return Attributed(
        values.numpy(),
        change.numpy(),
        delta.numpy(),
        np.full(len(values), n_steps, dtype=np.int64),
    )
