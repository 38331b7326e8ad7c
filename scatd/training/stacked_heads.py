"""The arithmetic of heads that train side by side, without autograd.

A head is small: most of a step of one head alone is not its products, but the hundred operations
around them. Here the gradient is written out, an operation serves all heads, and all weights of a
head lie in one row, so that the optimiser sees one tensor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import log_softmax
from torch.optim.adamw import adamw

from scatd.nn.blocks import POWER_ITERATIONS
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier

_NORM_EPSILON = 1e-12
"""Of torch's spectral norm."""
_SMALL_WEIGHT = 10_000
"""Numbers of a weight of which a processor's cache holds many."""


class StackedHeads:
    """Heads of one shape, their tensors stacked: (n_heads, ...).

    Units come before rows: activations are (n_heads, n_units, n_rows), and the gradient of a weight
    then lies in memory as the weight does.

    Parameters
    ----------
    models
        Their heads are copied.
    class_weights
        (n_heads, 2), of the cross-entropy.
    weight_decay
        Of AdamW.
    """

    def __init__(
        self, models: Sequence[ResponseClassifier], class_weights: Tensor, weight_decay: float
    ) -> None:
        momentum, self._eps = models[0].bn3.momentum, models[0].bn3.eps
        assert momentum is not None
        self._momentum, self._weight_decay = momentum, weight_decay
        self._class_weights = class_weights
        states = [model.state_dict() for model in models]
        device = class_weights.device
        stacked = {
            name: torch.stack([state[name] for state in states]).to(device)
            for name in states[0]
            if name.startswith(HEAD_PREFIXES)
        }
        trained = [name for name, _ in models[0].named_parameters() if name in stacked]
        self._flat = torch.cat([stacked[name].reshape(len(models), -1) for name in trained], 1)
        shapes = {name: stacked[name].shape[1:] for name in trained}
        self._weights = _views(self._flat, shapes)
        self._gradient = torch.zeros_like(self._flat)
        self._gradients = _views(self._gradient, shapes)
        self._means, self._squares = torch.zeros_like(self._flat), torch.zeros_like(self._flat)
        self._n_steps = [0] * len(models)
        self._count = torch.zeros((), device=device)
        self._buffers = {name: value for name, value in stacked.items() if name not in shapes}

    def state_of(self, place: int) -> dict[str, Tensor]:
        """Tensors of one head by state key."""
        return {name: value[place] for name, value in {**self._weights, **self._buffers}.items()}

    @torch.no_grad()
    def step(self, heads: slice, z: Tensor, codes: Tensor, rate: float) -> Tensor:
        """Take one step of neighbouring heads that have taken as many steps so far.

        Parameters
        ----------
        z, codes
            Latent (n_heads, n_rows, n_latent) and classes (n_heads, n_rows) of a batch of each.
        rate
            Learning rate.

        Returns
        -------
        Weighted mean cross-entropy of each batch before the step, (n_heads,).
        """
        losses = self._backward(heads, z, codes)
        done = self._n_steps[heads.start]
        self._count.fill_(done)
        adamw(
            *([self._flat[heads]], [self._gradient[heads]]),
            *([self._means[heads]], [self._squares[heads]], [], [self._count]),
            fused=True,  # without the class of torch, which loads its compiler
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate,
            weight_decay=self._weight_decay,
            eps=1e-8,
            maximize=False,
        )
        self._n_steps[heads] = [done + 1] * (heads.stop - heads.start)
        return losses

    def _backward(self, heads: slice, z: Tensor, codes: Tensor) -> Tensor:
        """Write the gradient of the losses, which are returned.

        Forward: x = (W3/s3) z' + b3, y = BatchNorm(x), a = y * sigmoid(beta * y), and logits =
        (W4/s4) a + b4. The norms s are those of the weights after some power iterations.
        """
        weights = {name: value[heads] for name, value in self._weights.items()}
        gradients = {name: value[heads] for name, value in self._gradients.items()}
        shape = (1, -1, z.shape[1])  # BatchNorm sees the units of all heads as channels
        scale, shift = weights["bn3.weight"].flatten(), weights["bn3.bias"].flatten()
        running_mean = self._buffers["bn3.running_mean"][heads].view(-1)
        running_var = self._buffers["bn3.running_var"][heads].view(-1)
        beta = weights["swish.beta"][:, None, None]

        of_fc3 = self._spectral("fc3", heads)
        raw3 = torch.bmm(weights["fc3.weight_orig"], z.mT)
        x = torch.addcdiv(weights["fc3.bias"][:, :, None], raw3, of_fc3[2])
        y, mean, inverse = torch.native_batch_norm(
            x.view(shape),
            scale,
            shift,
            running_mean,
            running_var,
            training=True,
            momentum=self._momentum,
            eps=self._eps,
        )
        self._buffers["bn3.num_batches_tracked"][heads] += 1
        y = y.view_as(x)
        gate = torch.sigmoid(beta * y)
        a = y * gate
        of_fc4 = self._spectral("fc4", heads)
        raw4 = torch.bmm(weights["fc4.weight_orig"], a)
        logits = torch.addcdiv(weights["fc4.bias"][:, :, None], raw4, of_fc4[2])

        log_prob, share = log_softmax(logits, dim=1), self._shares(heads, codes)
        is_class = torch.zeros_like(logits).scatter_(1, codes[:, None], 1)
        losses = -(log_prob * is_class * share).sum(dim=(1, 2))
        by_logits = (log_prob.exp() - is_class) * share
        by_a = _through(by_logits, a.mT, raw4, of_fc4, gradients, "fc4")
        by_a = torch.bmm(weights["fc4.weight_orig"].mT, by_a)
        closed = torch.addcmul(a, a, gate, value=-1)  # a * (1 - gate)
        gradients["swish.beta"].copy_((by_a * closed * y).sum(dim=(1, 2)))
        by_y = by_a * torch.addcmul(gate, beta, closed)
        by_x, by_scale, by_shift = torch.ops.aten.native_batch_norm_backward(
            *(by_y.view(shape), x.view(shape), scale, running_mean, running_var, mean, inverse),
            train=True,
            eps=self._eps,
            output_mask=[True, True, True],
        )
        gradients["bn3.weight"].copy_(by_scale.view_as(weights["bn3.weight"]))
        gradients["bn3.bias"].copy_(by_shift.view_as(weights["bn3.bias"]))
        _through(by_x.view_as(x), z, raw3, of_fc3, gradients, "fc3")
        return losses

    def _spectral(self, layer: str, heads: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Iterate the singular vectors of a weight; they, and the norm (n_heads, 1, 1)."""
        weight = self._weights[f"{layer}.weight_orig"][heads]
        u, v = (self._buffers[f"{layer}.weight_{side}"][heads][:, None] for side in "uv")
        # On a processor a large weight then stays in the cache, and takes half of the time.
        is_alone = weight.device.type == "cpu" and weight[0].numel() > _SMALL_WEIGHT
        n = 1 if is_alone else len(weight)
        parts = zip(weight.split(n), u.split(n), v.split(n), strict=True)
        return u, v, torch.cat([_iterated(*part) for part in parts])

    def _shares(self, heads: slice, codes: Tensor) -> Tensor:
        """Weight of each row in the mean over its batch, (n_heads, 1, n_rows)."""
        weight = self._class_weights[heads].gather(1, codes)
        return (weight / weight.sum(dim=1, keepdim=True))[:, None]

    @torch.no_grad()
    def validation_losses(self, heads: slice, z: Tensor, codes: Tensor, is_row: Tensor) -> Tensor:
        """Weighted mean cross-entropy (n_heads,) in eval mode: nothing is iterated or updated.

        Parameters
        ----------
        z, codes, is_row
            Latent, classes, and 0 where a row only fills up: (n_heads, n_rows, ...).
        """
        log_prob = log_softmax(self._logits(heads, z), dim=1)
        weight = self._class_weights[heads].gather(1, codes) * is_row
        each = -log_prob.gather(1, codes[:, None])[:, 0]
        return (each * weight).sum(dim=1) / weight.sum(dim=1)

    def _logits(self, heads: slice, z: Tensor) -> Tensor:
        """Logits (n_heads, 2, n_rows) with the running statistics."""
        state = {n: value[heads] for n, value in {**self._weights, **self._buffers}.items()}

        def linear(layer: str, x: Tensor) -> Tensor:
            weight, u, v = (state[f"{layer}.weight_{part}"] for part in ("orig", "u", "v"))
            sigma = torch.bmm(torch.bmm(u[:, None], weight), v[:, :, None])
            return torch.bmm(weight, x) / sigma + state[f"{layer}.bias"][:, :, None]

        scale = state["bn3.weight"] * (state["bn3.running_var"] + self._eps).rsqrt()
        h = (linear("fc3", z.mT) - state["bn3.running_mean"][:, :, None]) * scale[:, :, None]
        h = h + state["bn3.bias"][:, :, None]
        return linear("fc4", h * torch.sigmoid(state["swish.beta"][:, None, None] * h))


def _through(
    by_out: Tensor,
    inputs: Tensor,
    raw: Tensor,
    spectral: tuple[Tensor, Tensor, Tensor],
    gradients: Mapping[str, Tensor],
    layer: str,
) -> Tensor:
    """Write the gradients of a spectrally normed layer, out = W in / s + b with s = u' W v.

    Parameters
    ----------
    by_out
        Gradient of its output (n_heads, n_out, n_rows).
    inputs, raw
        Its input (n_heads, n_rows, n_in), and W in (n_heads, n_out, n_rows).
    spectral
        u, v and s.

    Returns
    -------
    The gradient of W in, (n_heads, n_out, n_rows).
    """
    u, v, sigma = spectral
    torch.sum(by_out, dim=2, out=gradients[f"{layer}.bias"])
    by_raw = by_out / sigma
    by_weight = gradients[f"{layer}.weight_orig"]
    torch.bmm(by_raw, inputs, out=by_weight)
    by_sigma = (by_raw * raw).sum(dim=(1, 2), keepdim=True) / sigma
    by_weight.baddbmm_(u.mT * by_sigma, v, alpha=-1)
    return by_raw


def _iterated(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Iterate the singular vectors of weights; the norms (n_heads, 1, 1).

    Vectors are rows: products with a column take three to eight times as long.
    """
    for left in reversed(range(POWER_ITERATIONS)):
        torch.bmm(u, weight, out=v)
        if not left:  # its length does not matter before
            v.div_(_length(v))
        torch.bmm(v, weight.mT, out=u)
        if left % 2 == 0:  # five steps in a row could leave the range of float32
            norm = _length(u)  # at last u' W v, of u that has length 1 then
            u.div_(norm)
    return norm


def _length(rows: Tensor) -> Tensor:
    """Length of each row vector, (n_heads, 1, 1)."""
    return torch.linalg.vector_norm(rows, dim=2, keepdim=True).clamp_min_(_NORM_EPSILON)


def _views(flat: Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Tensors (n_heads, *shape) that lie side by side in the rows of `flat`, by name."""
    parts = flat.split([math.prod(shape) for shape in shapes.values()], dim=1)
    return {
        name: part.view(len(flat), *shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }
