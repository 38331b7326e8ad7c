"""Rates of a device, and the memory that each kind of work takes there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks import device_work as work
from scatd.embedding.runner import embed
from scatd.embedding.settings import Precision
from scatd.explanation.explainers.explainer import RESISTANT
from scatd.explanation.explainers.making import explainer_of
from scatd.explanation.settings import ExplainSettings
from scatd.nn.alignment import feature_stats
from scatd.scoring import Scorer
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.loop import Silent
from scatd.training.pretrain import train_vae
from scatd.training.settings import TransferSettings, default_pretrain
from scatd.training.trainer import AlignedFold, Trainer

LONGEST = 20.0
"""Seconds for which a row is repeated, at most."""


@dataclass(frozen=True)
class Rate:
    """A kind of work.

    Parameters
    ----------
    name, unit
        What is done, and what is counted in a second.
    prepare
        Makes the work on a device; what it returns does it once and gives how much was done. The
        second argument is a folder for its files.
    """

    name: str
    unit: str
    prepare: Callable[[str, Path], Callable[[], int]]


@dataclass(frozen=True)
class Measured:
    """How fast a kind of work was done: None where there was no time, or the reason in `what`."""

    name: str
    unit: str
    rate: float | None
    peak_gb: float | None
    what: str = ""


def measure(rate: Rate, device: str, folder: Path, seconds: float) -> Measured:
    """Do the work again and again for some seconds; the first time is not counted."""
    until = time.perf_counter() + seconds
    try:
        once = rate.prepare(device, folder)
        once()
        _synchronise(device)
        _reset_peak(device)
        n_done, started = 0, time.perf_counter()
        while not n_done or time.perf_counter() < until:
            n_done += once()
            _synchronise(device)
        found = n_done / (time.perf_counter() - started)
    except Exception as error:  # noqa: BLE001 - whatever a device raises is said in the table
        first_line = str(error).splitlines()[0] if str(error) else ""
        return Measured(rate.name, rate.unit, None, None, f"{type(error).__name__}: {first_line}")
    return Measured(rate.name, rate.unit, found, _peak_gb(device))


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device.startswith("mps"):
        torch.mps.synchronize()


def _reset_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def _peak_gb(device: str) -> float | None:
    """Most memory of the device that tensors took; MPS tells what it holds now."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 1e9
    if device.startswith("mps"):
        return torch.mps.driver_allocated_memory() / 1e9
    return None


def _score(mc_samples: int) -> Callable[[str, Path], Callable[[], int]]:
    def prepare(device: str, _: Path) -> Callable[[], int]:
        scorer = Scorer(work.response_model("sf"), device)
        cells = work.rows(8192, scorer.n_features, 5)

        def once() -> int:
            scorer.score(cells, mc_samples=mc_samples)
            return len(cells)

        return once

    return prepare


def _pretrain(precision: Precision) -> Callable[[str, Path], Callable[[], int]]:
    def prepare(device: str, _: Path) -> Callable[[], int]:
        settings = replace(default_pretrain("sf"), epochs=1, min_steps=0, precision=precision)
        X = torch.from_numpy(work.rows(2048, work.WIDTHS["sf"], 8)).to(device)
        vae = work.backbone("sf").to(device)

        def once() -> int:
            train_vae(vae, X, X[:128], settings, SeededDraws(0, device), Silent())
            return len(X)

        return once

    return prepare


def _transfer(device: str, _: Path) -> Callable[[], int]:
    """Five heads together, with augmentation and Tomek links; an epoch of one head counts once."""
    settings = TransferSettings(epochs=12, min_steps=0)
    X = work.rows(1280, work.WIDTHS["sf"], 6)
    codes, tensor = work.labels(X), torch.from_numpy(X).to(device)
    reference = feature_stats([torch.from_numpy(work.rows(300, X.shape[1], 7))])
    trainer = Trainer(work.backbone("sf").to(device), settings)
    data = FoldData(tensor[:1024], codes[:1024], tensor[1024:], codes[1024:])
    alignment, aligned = align(data, reference.to(tensor.device), settings)

    def once() -> int:
        trainer.fit(AlignedFold(alignment, aligned, SeededDraws(seed, device)) for seed in range(5))
        return 5 * settings.epochs

    return once


def _explain(device: str, _: Path) -> Callable[[], int]:
    scorer = Scorer(work.response_model("dist"), device)
    explainer = explainer_of(scorer.members, scorer.network, "centred")
    x = torch.from_numpy(work.rows(64, scorer.n_features, 9)).to(scorer.device)
    pool = x[:1] * 0

    def once() -> int:
        explainer.attribute(x, np.arange(len(x)), pool, RESISTANT, ExplainSettings())
        return len(x)

    return once


def _embed(name: str, precision: Precision) -> Callable[[str, Path], Callable[[], int]]:
    def prepare(device: str, folder: Path) -> Callable[[], int]:
        make = work.scfoundation if name == "scFoundation" else work.geneformer
        encoder = make(folder, device, tiny=False, precision=precision)
        cells = work.cells_for(encoder, 3 if device == "cpu" else 512)

        def once() -> int:
            embed(cells, encoder)
            return len(cells)

        return once

    return prepare


RATES = [
    Rate("score, 3,072 features", "cells", _score(0)),
    Rate("score, 10 posterior draws", "cells", _score(10)),
    Rate("pretrain sf, float32", "rows", _pretrain("float32")),
    Rate("pretrain sf, mixed", "rows", _pretrain("mixed")),
    Rate("transfer, 5 folds of 1,024 rows, 12 epochs", "epochs of a head", _transfer),
    Rate("explain, 19,264 genes, 100 steps", "cells", _explain),
    *(
        Rate(f"embed, {name}, {precision}", "cells", _embed(name, precision))
        for name in ("scFoundation", "Geneformer 12L")
        for precision in ("float32", "mixed")
    ),
]
