"""Many response models at once: heads of many drugs and folds on one frozen encoder.

Each head trains as `scatd.training.transfer.train_classifier` trains it alone: same initialisation,
same order of rows, same schedule, same optimiser. Only the arithmetic is shared: a step of all
heads is a handful of batched products instead of as many small ones.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from torch.nn.utils.rnn import pad_sequence
from torch.optim.adamw import adamw

from scatd.nn.blocks import POWER_ITERATIONS
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier, resistant_probability
from scatd.nn.products import fast_products
from scatd.training.draws import Draws, batch_sizes
from scatd.training.loop import (
    Reporter,
    Silent,
    learning_rate,
    n_epochs,
    one_thread,
    require_finite,
)
from scatd.training.settings import TransferSettings

_NORM_EPSILON = 1e-12
"""Of torch's spectral norm."""


@dataclass(frozen=True, eq=False)
class HeadTask:
    """One head and what it is trained on.

    Parameters
    ----------
    classifier
        Its head is trained in place.
    z_train, z_val
        Posterior means (n_obs, n_latent) of aligned and balanced rows, and of validation rows.
    codes_train, codes_val
        Their classes (n_obs,).
    class_weights
        (2,), of the cross-entropy.
    draws
        Source of shuffles.
    reporter
        Is told its epochs.
    """

    classifier: ResponseClassifier
    z_train: Tensor
    codes_train: NDArray[np.int_]
    z_val: Tensor
    codes_val: NDArray[np.int_]
    class_weights: Tensor
    draws: Draws
    reporter: Reporter = field(default_factory=Silent)


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """One record an epoch, and P(resistant) (n_val,) of the validation rows after the last."""

    history: list[dict[str, float]]
    prob_val: NDArray[np.float64]


def can_share(settings: TransferSettings) -> bool:
    """Whether heads with these settings can train together: only on an encoder that never moves."""
    return (
        not settings.trains_encoder
        and settings.latent == "mean"
        and settings.encoder_norm == "frozen"
        and settings.alignment != "mmd"
    )


def train_heads(tasks: Sequence[HeadTask], settings: TransferSettings) -> list[TrainedHead]:
    """Train all heads, each as if it were alone.

    On a processor they are dealt out to as many threads as torch may use: the matrices are so small
    that threads which shared one would wait for each other.

    Raises
    ------
    TrainingError
        When the loss of any head is no longer finite.
    """
    on_processor = tasks[0].z_train.device.type == "cpu"
    n_threads = min(torch.get_num_threads(), len(tasks)) if on_processor else 1
    hands = [list(tasks[start::n_threads]) for start in range(n_threads)]
    with (
        one_thread(when=on_processor),
        fast_products(),
        ThreadPoolExecutor(n_threads) as pool,
    ):
        stop = threading.Event()
        try:
            dealt = list(pool.map(partial(_train, settings=settings, stop=stop), hands))
        except BaseException:
            stop.set()  # or the pool would wait for what nobody wants any more
            raise
    return [dealt[place % n_threads][place // n_threads] for place in range(len(tasks))]


def _train(
    tasks: Sequence[HeadTask], settings: TransferSettings, stop: threading.Event
) -> list[TrainedHead]:
    heads = _Heads(tasks, settings)
    for epoch in range(1, max(heads.n_epochs) + 1):
        if stop.is_set():
            return []
        heads.train_epoch(epoch)
    heads.write_back()
    return [
        TrainedHead(history, _prob(task))
        for task, history in zip(tasks, heads.histories, strict=True)
    ]


def _prob(task: HeadTask) -> NDArray[np.float64]:
    task.classifier.eval()
    with torch.no_grad():
        return resistant_probability(task.classifier.head(task.z_val)).numpy()


class _Heads:
    """Stacked weights of all heads, (n_heads, ...).

    Heads are kept in an order in which those that take a given step stand side by side, so that
    they are a view: by number of steps an epoch, falling; who has fewer steps has more epochs.
    Those that have as many of both keep in step: they are a block, which is stepped as one.
    """

    def __init__(self, tasks: Sequence[HeadTask], settings: TransferSettings) -> None:
        self._settings = settings
        steps = [_n_steps(task, settings) for task in tasks]
        self.n_epochs = [
            n_epochs(settings.epochs, settings.min_steps, settings.batch_size, len(t.codes_train))
            for t in tasks
        ]
        order = sorted(range(len(tasks)), key=lambda i: (-steps[i], self.n_epochs[i]))
        self._tasks = [tasks[i] for i in order]
        self._epochs = [self.n_epochs[i] for i in order]
        self.histories: list[list[dict[str, float]]] = [[] for _ in tasks]
        self._by_place = [self.histories[i] for i in order]
        models = [task.classifier for task in self._tasks]
        device = tasks[0].z_train.device
        self._z = torch.cat([task.z_train for task in self._tasks])
        codes = np.concatenate([task.codes_train for task in self._tasks])
        self._codes = torch.from_numpy(codes.astype(np.int64)).to(device)
        sizes = [len(task.codes_train) for task in self._tasks]
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._class_weights = torch.stack([t.class_weights for t in self._tasks]).to(self._z)
        self._z_val = pad_sequence([task.z_val for task in self._tasks], batch_first=True)
        codes_val = [torch.from_numpy(t.codes_val.astype(np.int64)) for t in self._tasks]
        self._codes_val = pad_sequence(codes_val, batch_first=True).to(device)
        n_val = torch.tensor([len(codes) for codes in codes_val])
        is_row = torch.arange(self._z_val.shape[1]) < n_val[:, None]
        self._mask_val = is_row[:, None].to(self._z)
        self._state = {
            name: torch.stack([model.state_dict()[name] for model in models]).to(device)
            for name in _names(models[0])
        }
        trained = [name for name, _ in models[0].named_parameters() if name in self._state]
        self._trained = {name: self._state[name] for name in trained}
        in_step = groupby(range(len(order)), key=lambda i: (steps[order[i]], self._epochs[i]))
        blocks = [list(places) for _, places in in_step]
        self._optimizers = [
            _AdamW(self._trained, slice(block[0], block[-1] + 1), settings.weight_decay)
            for block in blocks
        ]

    def train_epoch(self, epoch: int) -> None:
        """Take one pass over the rows of every head that has this epoch, then validate it."""
        settings = self._settings
        live = [place for place, last in enumerate(self._epochs) if epoch <= last]
        batches: dict[int, list[Tensor]] = {}
        rates: dict[int, float] = {}
        for place in live:
            rates[place] = learning_rate(
                settings.schedule, epoch, self._epochs[place], settings.learning_rate
            )
            batches[place] = self._batches(place)
        totals = torch.zeros(len(self._tasks), device=self._z.device)
        for step in range(len(batches[live[0]])):
            taking = [place for place in live if step < len(batches[place])]
            rows = [batches[place][step] for place in taking]
            losses = self._step(slice(taking[0], taking[-1] + 1), rows, rates)
            lengths = torch.tensor([len(some) for some in rows], device=losses.device)
            totals[taking[0] : taking[-1] + 1] += losses * lengths
        summed = totals.tolist()  # once an epoch: reading one number waits for a GPU
        for place in live:
            n_seen = sum(map(len, batches[place]))
            train_loss = summed[place] / n_seen
            require_finite(train_loss, epoch=epoch, name="the training loss")
            record = {
                "epoch": epoch,
                "learning_rate": rates[place],
                "train_loss": train_loss,
            }
            self._by_place[place].append(record)
        self._validate(slice(live[0], live[-1] + 1), live)

    def _batches(self, place: int) -> list[Tensor]:
        task, first = self._tasks[place], int(self._first[place])
        settings = self._settings
        drawn = task.draws.batches(
            len(task.codes_train), settings.batch_size, drop_last=settings.drop_last
        )
        return [rows + first for rows in drawn]

    def _step(self, heads: slice, rows: list[Tensor], rates: Mapping[int, float]) -> Tensor:
        """One step of neighbouring heads; returns each one's loss (n_heads,)."""
        lengths = [len(some) for some in rows]
        n_rows = max(lengths)
        if min(lengths) == n_rows:
            picked, mask = torch.stack(rows), None
        else:
            picked = torch.zeros(len(rows), n_rows, dtype=torch.int64, device=self._z.device)
            mask = torch.zeros(len(rows), 1, n_rows, device=self._z.device)
            for head, some in enumerate(rows):
                picked[head, : len(some)] = some
                mask[head, 0, : len(some)] = 1
        z = self._z[picked.flatten()].view(*picked.shape, -1)
        weights = {
            name: value[heads].detach().requires_grad_() for name, value in self._trained.items()
        }
        logits = self._forward(z, heads, weights, mask)
        losses = self._losses(logits, self._codes[picked], heads, mask)
        gradients = torch.autograd.grad(losses.sum(), list(weights.values()))
        # The fused optimiser reads memory, whatever the strides say.
        by_name = [gradient.contiguous() for gradient in gradients]
        for optimizer in self._optimizers:
            first = optimizer.heads.start
            if heads.start <= first < heads.stop:
                own = slice(first - heads.start, optimizer.heads.stop - heads.start)
                optimizer.step([gradient[own] for gradient in by_name], rates[first])
        return losses.detach()

    def _forward(
        self, z: Tensor, heads: slice, weights: dict[str, Tensor], mask: Tensor | None
    ) -> Tensor:
        """Logits (n_heads, 2, n_rows) in training: batch statistics, power iterations.

        Units come before rows, so that the gradient of a weight lies in memory as the weight does.
        """
        h = self._linear("fc3", z.mT, heads, weights)
        h = _swish(self._normed(h, heads, weights, mask), weights["swish.beta"])
        return self._linear("fc4", h, heads, weights)

    def _linear(self, layer: str, x: Tensor, heads: slice, weights: dict[str, Tensor]) -> Tensor:
        """Spectrally normed linear layer; the weight's singular vectors are iterated first."""
        weight = weights[f"{layer}.weight_orig"]
        u, v = (self._state[f"{layer}.weight_{side}"][heads] for side in "uv")
        with torch.no_grad():
            fixed = weight.detach()
            for _ in range(POWER_ITERATIONS):
                torch.bmm(u[:, None], fixed, out=v[:, None])
                v.copy_(normalize(v, dim=1, eps=_NORM_EPSILON))
                # As rows: products with a column take three to eight times as long.
                torch.bmm(v[:, None], fixed.mT, out=u[:, None])
                u.copy_(normalize(u, dim=1, eps=_NORM_EPSILON))
        sigma = _largest_singular(weight, u.clone(), v.clone())
        return torch.bmm(weight, x) / sigma + weights[f"{layer}.bias"][:, :, None]

    def _normed(
        self, h: Tensor, heads: slice, weights: dict[str, Tensor], mask: Tensor | None
    ) -> Tensor:
        """BatchNorm of (n_heads, n_hidden, n_rows) over real rows; running statistics follow."""
        norm = self._tasks[0].classifier.bn3
        if mask is None:
            n: Tensor | int = h.shape[2]
            mean = h.mean(dim=2, keepdim=True)
            centred = h - mean
        else:
            n = mask.sum(dim=2, keepdim=True)
            mean = (h * mask).sum(dim=2, keepdim=True) / n
            centred = (h - mean) * mask
        variance = centred.square().sum(dim=2, keepdim=True) / n
        momentum = norm.momentum
        assert momentum is not None
        with torch.no_grad():
            unbiased = variance * n / (n - 1)
            self._state["bn3.running_mean"][heads].lerp_(mean[:, :, 0], momentum)
            self._state["bn3.running_var"][heads].lerp_(unbiased[:, :, 0], momentum)
            self._state["bn3.num_batches_tracked"][heads] += 1
        scale = weights["bn3.weight"][:, :, None] * (variance + norm.eps).rsqrt()
        return centred * scale + weights["bn3.bias"][:, :, None]

    def _losses(self, logits: Tensor, codes: Tensor, heads: slice, mask: Tensor | None) -> Tensor:
        """Weighted mean cross-entropy of each head, (n_heads,)."""
        weight = self._class_weights[heads].gather(1, codes)
        if mask is not None:
            weight = weight * mask[:, 0]
        each = cross_entropy(logits, codes, reduction="none")
        return (each * weight).sum(dim=1) / weight.sum(dim=1)

    def _validate(self, heads: slice, live: list[int]) -> None:
        """Append each head's validation loss to its newest record, and tell its reporter."""
        with torch.no_grad():
            logits = self._frozen_forward(self._z_val[heads], heads)
            losses = self._losses(logits, self._codes_val[heads], heads, self._mask_val[heads])
        for place, loss in zip(live, losses.tolist(), strict=True):
            record = self._by_place[place][-1]
            record["val_loss"] = loss
            self._tasks[place].reporter.epoch(int(record["epoch"]), record)

    def _frozen_forward(self, z: Tensor, heads: slice) -> Tensor:
        """Logits (n_heads, 2, n_rows) as in eval mode: running statistics, nothing iterated."""
        state = {name: value[heads] for name, value in self._state.items()}

        def linear(layer: str, x: Tensor) -> Tensor:
            weight, u, v = (state[f"{layer}.weight_{part}"] for part in ("orig", "u", "v"))
            product = torch.bmm(weight, x) / _largest_singular(weight, u, v)
            return product + state[f"{layer}.bias"][:, :, None]

        eps = self._tasks[0].classifier.bn3.eps
        scale = state["bn3.weight"] * (state["bn3.running_var"] + eps).rsqrt()
        h = (linear("fc3", z.mT) - state["bn3.running_mean"][:, :, None]) * scale[:, :, None]
        h = _swish(h + state["bn3.bias"][:, :, None], state["swish.beta"])
        return linear("fc4", h)

    def write_back(self) -> None:
        """Put each head's weights into its classifier."""
        for place, task in enumerate(self._tasks):
            own = {name: value[place] for name, value in self._state.items()}
            task.classifier.load_state_dict(own, strict=False)


class _AdamW:
    """Steps the weights of heads that keep in step.

    It is torch's fused AdamW without its class, which loads torch's compiler: that takes longer
    than a fold of a few hundred rows.
    """

    def __init__(self, stacked: Mapping[str, Tensor], heads: slice, weight_decay: float) -> None:
        self.heads = heads
        self._weight_decay = weight_decay
        self._weights = [weights[heads] for weights in stacked.values()]
        self._means = [torch.zeros_like(weights) for weights in self._weights]
        self._squares = [torch.zeros_like(weights) for weights in self._weights]
        self._steps = [torch.zeros((), device=weights.device) for weights in self._weights]

    def step(self, gradients: list[Tensor], rate: float) -> None:
        """Take one step; gradients are in the order of the weights."""
        with torch.no_grad():
            adamw(
                *(self._weights, gradients, self._means, self._squares, [], self._steps),
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=rate,
                weight_decay=self._weight_decay,
                eps=1e-8,
                maximize=False,
            )


def _names(model: ResponseClassifier) -> list[str]:
    """State keys of the head."""
    return [name for name in model.state_dict() if name.startswith(HEAD_PREFIXES)]


def _n_steps(task: HeadTask, settings: TransferSettings) -> int:
    n_rows = len(task.codes_train)
    return len(batch_sizes(n_rows, settings.batch_size, drop_last=settings.drop_last))


def _largest_singular(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Product u' W v of each head, (n_heads, 1, 1)."""
    return torch.bmm(torch.bmm(u[:, None], weight), v[:, :, None])


def _swish(x: Tensor, beta: Tensor) -> Tensor:
    return x * torch.sigmoid(beta[:, None, None] * x)
