"""Many response models at once: heads of many drugs and folds on one frozen encoder.

Each head trains as `scatd.training.transfer.train_classifier` trains it alone: same initialisation,
same order of rows, same schedule, same optimiser. Only the arithmetic is shared
(`scatd.training.stacked_heads`).
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scatd.nn.classifier import ResponseClassifier, resistant_probability
from scatd.nn.products import fast_products
from scatd.training.cores import one_thread
from scatd.training.draws import Draws, batch_sizes
from scatd.training.loop import (
    Reporter,
    Silent,
    learning_rate,
    n_epochs,
    require_finite,
)
from scatd.training.settings import TransferSettings
from scatd.training.stacked_heads import StackedHeads

AT_ONCE = 8
"""Most heads that train side by side. The weights of more do not fit into a processor's cache. With
fewer, Python's own work between two operations takes much of the time."""


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

    On a processor a few heads train side by side, and further threads train the next few: the
    matrices are so small that threads which shared one would wait for each other.

    Raises
    ------
    TrainingError
        When the loss of any head is no longer finite.
    """
    on_processor = tasks[0].z_train.device.type == "cpu"
    n_threads = torch.get_num_threads() if on_processor else 1
    hands = _hands(tasks) if on_processor else [tasks]
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
    return [head for hand in dealt for head in hand]


def _hands(tasks: Sequence[HeadTask]) -> list[Sequence[HeadTask]]:
    """Neighbouring heads that train side by side.

    Their number is even, so that two cores have as much to do. It does not depend on the cores:
    the last digits depend on how many heads share a product.
    """
    n_hands = min(2 * math.ceil(len(tasks) / (2 * AT_ONCE)), len(tasks))
    ends = [len(tasks) * number // n_hands for number in range(n_hands + 1)]
    return [tasks[start:end] for start, end in itertools.pairwise(ends)]


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
    """The epochs of some heads.

    Heads are kept in an order in which those that take a given step stand side by side: by number
    of steps an epoch, falling; who has fewer steps has more epochs. Neighbours that have as many
    steps, as many epochs, and as many rows in a step take it as one.
    """

    def __init__(self, tasks: Sequence[HeadTask], settings: TransferSettings) -> None:
        self._settings = settings
        sizes = [_sizes(task, settings) for task in tasks]
        self.n_epochs = [
            n_epochs(settings.epochs, settings.min_steps, settings.batch_size, len(t.codes_train))
            for t in tasks
        ]
        order = sorted(
            range(len(tasks)), key=lambda i: (-len(sizes[i]), self.n_epochs[i], sizes[i])
        )
        self._tasks = [tasks[i] for i in order]
        self._epochs = [self.n_epochs[i] for i in order]
        self._sizes = [sizes[i] for i in order]
        self.histories: list[list[dict[str, float]]] = [[] for _ in tasks]
        self._by_place = [self.histories[i] for i in order]
        device = tasks[0].z_train.device
        self._z = torch.cat([task.z_train for task in self._tasks])
        codes = np.concatenate([task.codes_train for task in self._tasks])
        self._codes = torch.from_numpy(codes.astype(np.int64)).to(device)
        lengths = [len(task.codes_train) for task in self._tasks]
        self._first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self._z_val = pad_sequence([task.z_val for task in self._tasks], batch_first=True)
        codes_val = [torch.from_numpy(t.codes_val.astype(np.int64)) for t in self._tasks]
        self._codes_val = pad_sequence(codes_val, batch_first=True).to(device)
        n_val = torch.tensor([len(codes) for codes in codes_val])
        is_row = torch.arange(self._z_val.shape[1]) < n_val[:, None]
        self._is_row = is_row.to(self._z)
        self._stacked = StackedHeads(
            [task.classifier for task in self._tasks],
            torch.stack([t.class_weights for t in self._tasks]).to(self._z),
            settings.weight_decay,
        )

    def train_epoch(self, epoch: int) -> None:
        """Take one pass over the rows of every head that has this epoch, then validate it."""
        settings = self._settings
        live = [place for place, last in enumerate(self._epochs) if epoch <= last]
        heads = slice(live[0], live[-1] + 1)
        rates = {
            place: learning_rate(
                settings.schedule, epoch, self._epochs[place], settings.learning_rate
            )
            for place in live
        }
        totals = self._take_steps(live, rates)
        val_losses = self._stacked.validation_losses(
            heads, self._z_val[heads], self._codes_val[heads], self._is_row[heads]
        )
        # One wait for the device an epoch, and none a head.
        both = torch.stack([totals[heads], val_losses]).tolist()
        for place, total, val_loss in zip(live, *both, strict=True):
            train_loss = total / sum(self._sizes[place])
            require_finite(train_loss, epoch=epoch, name="the training loss")
            record = {"epoch": epoch, "learning_rate": rates[place]}
            record |= {"train_loss": train_loss, "val_loss": val_loss}
            self._by_place[place].append(record)
            self._tasks[place].reporter.epoch(epoch, record)

    def _take_steps(self, live: Sequence[int], rates: Mapping[int, float]) -> Tensor:
        """Take all steps of an epoch; sums of the losses over rows, (n_heads,)."""
        orders = {place: self._order(place) for place in live}
        totals = torch.zeros(len(self._tasks), device=self._z.device)
        taken = dict.fromkeys(live, 0)  # rows
        for step in range(len(self._sizes[live[0]])):
            taking = [place for place in live if step < len(self._sizes[place])]
            for n_rows, places in self._together(taking, step):
                heads = slice(places[0], places[-1] + 1)
                rows = torch.stack(
                    [orders[place][taken[place] : taken[place] + n_rows] for place in places]
                )
                z = self._z.index_select(0, rows.flatten()).view(*rows.shape, -1)
                rate = rates[places[0]]
                totals[heads] += self._stacked.step(heads, z, self._codes[rows], rate) * n_rows
                for place in places:
                    taken[place] += n_rows
        return totals

    def _together(self, taking: Sequence[int], step: int) -> Iterator[tuple[int, list[int]]]:
        """Neighbours that take a step as one, with their rows in it; all are as far in training."""
        for (n_rows, _, _), places in itertools.groupby(
            taking,
            lambda place: (self._sizes[place][step], len(self._sizes[place]), self._epochs[place]),
        ):
            yield n_rows, list(places)

    def _order(self, place: int) -> Tensor:
        """The rows of an epoch, batch after batch, as positions among those of all heads."""
        task, settings = self._tasks[place], self._settings
        n_rows = len(task.codes_train)
        drawn = task.draws.batches(n_rows, settings.batch_size, drop_last=settings.drop_last)
        return torch.cat(drawn) + int(self._first[place])

    def write_back(self) -> None:
        """Put each head's weights into its classifier."""
        for place, task in enumerate(self._tasks):
            task.classifier.load_state_dict(self._stacked.state_of(place), strict=False)


def _sizes(task: HeadTask, settings: TransferSettings) -> list[int]:
    """Rows of each batch of an epoch."""
    n_rows = len(task.codes_train)
    return batch_sizes(n_rows, settings.batch_size, drop_last=settings.drop_last)
