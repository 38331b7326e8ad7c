"""The folds of many drugs on one frozen encoder: what is shared is computed once.

The encoder is run once over the source as it is, for the model without alignment, and once a fold
where alignment moves the rows. Heads of some drugs then train together. A drug comes to the numbers
that it comes to alone.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.connection import wait

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from scatd.artifact import Artifact
from scatd.data.files import return_freed_memory
from scatd.errors import ScatdError, TrainingError
from scatd.evaluation import evidence
from scatd.evaluation.evidence import FoldPredictions
from scatd.nn.alignment import Alignment, FeatureStats
from scatd.nn.classifier import HEAD_PREFIXES
from scatd.training.baselines import Baselines, LinearBaseline
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.heads import HeadTask, TrainedHead, train_heads
from scatd.training.settings import TransferSettings
from scatd.training.trainer import AlignedFold, Counts, Trainer
from scatd.training.transfer import posterior_of
from scatd.workflows.transfer.inputs import Work

Posterior = tuple[Tensor, Tensor]
Split = tuple[NDArray[np.intp], NDArray[np.intp]]

DRUGS_AT_ONCE = {"cpu": 2, "cuda": 16}
"""More heads fall out of a processor's cache; a GPU waits for its instructions otherwise."""
WORTH_PROCESSES = 4
"""Fewer drugs are done before processes of their own have started."""
MOST_PROCESSES = 8


@dataclass(frozen=True, eq=False)
class DrugTask:
    """One drug: which samples are labelled (n_labelled,), their classes, and its folds."""

    key: str
    rows: NDArray[np.intp]
    codes: NDArray[np.int_]
    splits: list[Split]


@dataclass(frozen=True, eq=False)
class PanelFold:
    """A trained fold of a drug: the head's weights, without the encoder that all share."""

    head: dict[str, Tensor]
    alignment: Alignment
    linear: LinearBaseline
    predictions: FoldPredictions
    history: list[dict[str, float]]
    counts: Counts
    train_rows: list[int]
    seconds: float


Learned = dict[str, list[PanelFold] | ScatdError]
"""By drug key: its folds, or why there are none."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What all drugs of a panel share, as it travels to another process."""

    X: NDArray[np.float32]
    backbone: Artifact
    reference_stats: FeatureStats | None
    reference_sample: NDArray[np.float32] | None
    settings: TransferSettings
    device: torch.device

    @classmethod
    def of(cls, work: Work) -> Ground:
        """The ground of a panel, from any of its drugs."""
        X = np.array(work.source.X, dtype=np.float32)
        settings, stats = work.request.settings, work.reference_stats
        # Only coral needs the cells themselves here.
        cells = work.reference_sample if settings.alignment == "coral" else None
        return cls(X, work.backbone, stats, cells, settings, work.device)


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A fold before its heads are trained: the aligned one first, then without alignment."""

    number: int
    drug: DrugTask
    train_rows: list[int]
    val_rows: NDArray[np.intp]
    codes_val: NDArray[np.int_]
    alignment: Alignment
    linear: LinearBaseline
    baselines: dict[str, NDArray[np.float64]]
    tasks: list[HeadTask]
    counts: Counts
    seconds: float


class SharedEncoder:
    """Trains drugs on one frozen encoder.

    Parameters
    ----------
    ground
        What the drugs share.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._trainer = Trainer(ground.backbone.backbone().to(ground.device), ground.settings)
        self._X = torch.from_numpy(ground.X).to(ground.device)
        cells = ground.reference_sample
        self._cells = None if cells is None else torch.from_numpy(cells).to(ground.device)
        self._unmoved: Posterior | None = None
        if ground.settings.alignment != "none":
            self._unmoved = posterior_of(self._trainer.untrained, self._X)

    def learn(self, drugs: Sequence[DrugTask]) -> Learned:
        """Train all folds of some drugs; a drug that cannot be learned gives its error."""
        return_freed_memory()  # holes of the drugs before would add up to gigabytes
        prepared: list[_Prepared] = []
        found: Learned = {}
        for drug in drugs:
            try:
                prepared += list(self._folds(drug))
            except ScatdError as error:
                found[drug.key] = error
        prepared = [fold for fold in prepared if fold.drug.key not in found]
        ready = [drug for drug in drugs if drug.key not in found]
        if not ready:
            return found
        started = time.monotonic()
        tasks = [task for fold in prepared for task in fold.tasks]
        try:
            trained = iter(train_heads(tasks, self._ground.settings))
        except TrainingError as error:
            if len(ready) == 1:
                return found | {ready[0].key: error}
            # One diverged: each alone, so that the others are not lost.
            for drug in ready:
                found |= self.learn([drug])
            return found
        seconds = (time.monotonic() - started) / len(prepared)
        folds: dict[str, list[PanelFold]] = {drug.key: [] for drug in ready}
        for fold in prepared:
            heads = [next(trained) for _ in fold.tasks]
            folds[fold.drug.key].append(_finished(fold, heads, seconds))
        return found | folds

    def _folds(self, drug: DrugTask) -> Iterator[_Prepared]:
        settings = self._ground.settings
        for number, (train, val) in enumerate(drug.splits, start=1):
            started = time.monotonic()
            rows, held_out = drug.rows[train], drug.rows[val]
            data = FoldData(
                self._X[rows], drug.codes[train], self._X[held_out], drug.codes[val], self._cells
            )
            seed = settings.seed + number
            alignment, aligned = align(data, self._ground.reference_stats, settings)
            draws = SeededDraws(seed, self._ground.device)
            task, counts = self._trainer.task(AlignedFold(alignment, aligned, draws))
            tasks = [task]
            if self._unmoved is not None:
                mu, logvar = self._unmoved
                known = (mu[rows], logvar[rows])
                draws = SeededDraws(seed, self._ground.device)
                plain = AlignedFold(Alignment("none"), data, draws)
                tasks.append(self._trainer.task(plain, known, mu[held_out])[0])
            X_train, X_val = aligned.X_train.cpu().numpy(), aligned.X_val.cpu().numpy()
            baselines = Baselines.fit(X_train, aligned.codes_train, seed=settings.seed)
            yield _Prepared(
                number=number,
                drug=drug,
                train_rows=rows.tolist(),
                val_rows=held_out,
                codes_val=data.codes_val,
                alignment=alignment,
                linear=baselines.linear,
                baselines=baselines.probabilities(X_val),
                tasks=tasks,
                counts=counts,
                seconds=time.monotonic() - started,
            )


def _finished(fold: _Prepared, heads: list[TrainedHead], seconds: float) -> PanelFold:
    prob = {evidence.MODEL: heads[0].prob_val, **fold.baselines}
    if len(heads) > 1:
        prob[evidence.NO_ADAPTATION] = heads[1].prob_val
    state = fold.tasks[0].classifier.state_dict()
    return PanelFold(
        head={name: state[name].cpu() for name in state if name.startswith(HEAD_PREFIXES)},
        alignment=fold.alignment.to(torch.device("cpu")),
        linear=fold.linear,
        predictions=FoldPredictions(fold.number, fold.val_rows, fold.codes_val, prob),
        history=heads[0].history,
        counts=fold.counts,
        train_rows=fold.train_rows,
        seconds=fold.seconds + seconds,
    )


def learn_all(ground: Ground, drugs: Sequence[DrugTask]) -> Iterator[Learned]:
    """Train the folds of all drugs, some drugs at a time; yields those as they are done.

    On a processor each core has a process of its own: the matrices are so small that cores which
    share them wait for each other.
    """
    kind = "cpu" if ground.device.type == "cpu" else "cuda"
    n_processes = 1
    if kind == "cpu" and len(drugs) >= WORTH_PROCESSES:
        n_processes = min(torch.get_num_threads(), MOST_PROCESSES)
    at_once = DRUGS_AT_ONCE[kind]
    chunks = [drugs[start : start + at_once] for start in range(0, len(drugs), at_once)]
    if n_processes == 1:
        shared = SharedEncoder(ground)
        yield from map(shared.learn, chunks)
        return
    pool = ProcessPoolExecutor(
        n_processes,
        mp_context=multiprocessing.get_context("spawn"),  # a fork copies locks of other threads
        initializer=_begin,
        initargs=(ground,),
    )
    try:
        for done in as_completed([pool.submit(_learn, chunk) for chunk in chunks]):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_shared: SharedEncoder


def _begin(ground: Ground) -> None:
    """Make a process ready, and let it end with its parent, however that ends."""
    global _shared
    torch.set_num_threads(1)
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _shared = SharedEncoder(ground)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _learn(drugs: Sequence[DrugTask]) -> Learned:
    return _shared.learn(drugs)
