"""Row "transfer" (and with --small "transfer, small"): one drug, 150 epochs, 5 folds.

The plain loop trains the head as the published scripts do: every step runs the whole classifier
with the frozen encoder. A few of its epochs are timed, and the time is extrapolated. It is compared
with one fold of scatd in the same process, with augmentation and Tomek links.

    python -m benchmarks.transfer [--small] [--epochs N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import mlflow
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from benchmarks import common
from scatd import artifact, keys
from scatd.artifact import Artifact
from scatd.nn.alignment import feature_stats
from scatd.nn.classifier import ResponseClassifier
from scatd.training import augment
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.settings import TransferSettings
from scatd.training.trainer import AlignedFold, Trainer

FOLDS = 5
BATCH = 64
PLAIN_EPOCHS = 3
USUAL, MANY = 12, 150
"""Epochs by default, and as published."""


def main() -> None:
    """Measure scatd and the plain loop on the same rows, and print both times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="120 rows instead of 1,280")
    parser.add_argument("--epochs", type=int, default=MANY)
    options = parser.parse_args()
    n_sensitive, n_resistant = (60, 60) if options.small else (813, 467)
    X = common.features(n_sensitive + n_resistant, seed=2)
    codes = common.codes(X, n_resistant)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole, training = _scatd(folder, X, codes, options.epochs)
    _fold(X, codes, 1)  # imports all modules of a fold
    fold, plain = _fold(X, codes, options.epochs), _plain_epoch(X, codes) * options.epochs
    title = "transfer, small" if options.small else "transfer"
    rows: list[tuple[str, str, str]] = []
    if options.small:
        rows = [common.judged("transfer/small", whole.seconds)]
    elif options.epochs == MANY:
        rest = max(0.0, 1 - FOLDS * fold / whole.seconds)
        rows = [
            common.judged("transfer/150", FOLDS * plain / training),
            common.judged("transfer/150/rest", rest),
            common.judged("transfer/150/memory", whole.peak_gb),
        ]
    elif options.epochs == USUAL:
        rows = [
            common.judged("transfer/12", whole.seconds / (FOLDS * plain)),
            common.judged("transfer/12/memory", whole.peak_gb),
        ]
    common.report(
        f"{title}: {len(X)} x {X.shape[1]}, {options.epochs} epochs, {FOLDS} folds",
        [
            ("scatd transfer, whole command", f"{whole.seconds:.1f} s", ""),
            ("  peak memory", f"{whole.peak_gb:.2f} GB", ""),
            ("  training of the folds", f"{training:.1f} s", ""),
            ("one fold, scatd", f"{fold:.2f} s", ""),
            ("  rate", f"{options.epochs / fold:.1f} epochs/s", ""),
            (f"one fold, plain, from {PLAIN_EPOCHS} epochs", f"{plain:.2f} s", ""),
            ("  rate", f"{options.epochs / plain:.1f} epochs/s", ""),
            ("one fold, scatd / plain", f"{fold / plain:.3f}", ""),
            *rows,
        ],
    )


def _scatd(
    folder: Path, X: NDArray[np.float32], codes: NDArray[np.int64], epochs: int
) -> tuple[common.Measured, float]:
    """Time of the whole command, and the training time in the runs of its folds."""
    vae = common.backbone()
    artifact.write(
        folder / "backbone", Artifact("backbone", "sf", "sf", common.SIZES, vae.state_dict())
    )
    np.save(folder / "source.npy", X)
    np.save(folder / "reference.npy", common.features(2000, seed=3) * 1.3 + 0.2)
    words = [keys.RESPONSES[code] for code in codes]
    lines = [f"row{row},{word}" for row, word in enumerate(words)]
    (folder / "labels.csv").write_text("\n".join(["sample,BENCH", *lines]) + "\n")
    whole = common.run_scatd(
        folder,
        *("transfer", "--drug", "BENCH", "--source", "source.npy", "--labels", "labels.csv"),
        *("--reference", "reference.npy", "--backbone", "backbone"),
        *("--folds", str(FOLDS), "--epochs", str(epochs), "--min-steps", "0"),
    )
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiments = [found.experiment_id for found in client.search_experiments()]
    folds = client.search_runs(experiments, f"tags.`{keys.TAG_LEVEL}` = '{keys.LEVEL_FOLD}'")
    return whole, sum(fold.data.metrics["train_seconds"] for fold in folds)


def _fold(X: NDArray[np.float32], codes: NDArray[np.int64], epochs: int) -> float:
    """Seconds of one fold with scatd."""
    n_train = len(X) * (FOLDS - 1) // FOLDS
    rows = torch.from_numpy(X)
    data = FoldData(rows[:n_train], codes[:n_train], rows[n_train:], codes[n_train:])
    reference = feature_stats([torch.from_numpy(common.features(500, seed=3))])
    settings = TransferSettings(epochs=epochs, min_steps=0)
    vae = common.backbone()
    started = time.perf_counter()
    alignment, aligned = align(data, reference, settings)
    Trainer(vae, settings).fit([AlignedFold(alignment, aligned, SeededDraws(0))])
    return time.perf_counter() - started


def _plain_epoch(X: NDArray[np.float32], codes: NDArray[np.int64]) -> float:
    """Seconds of one epoch of the plain loop, on as many rows as a fold has after augmentation."""
    n_train = len(X) * (FOLDS - 1) // FOLDS
    counts = sorted(np.bincount(codes), reverse=True)
    n_new = sum(augment.n_generated(codes[:n_train], augment.multipliers(*map(int, counts))))
    rows = np.concatenate(
        [np.arange(n_train), np.random.default_rng(0).integers(n_train, size=n_new)]
    )
    X_train, y_train = torch.from_numpy(X[rows]), torch.from_numpy(codes[rows])
    X_val, y_val = torch.from_numpy(X[n_train:]), torch.from_numpy(codes[n_train:])
    model = ResponseClassifier.from_backbone(common.backbone())
    for part in model.encoder_parts():
        part.requires_grad_(requires_grad=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=3e-3)
    started = time.perf_counter()
    for _ in range(PLAIN_EPOCHS):
        model.train()
        for batch in torch.randperm(len(X_train)).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(model(X_train[batch]), y_train[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            cross_entropy(model(X_val), y_val)
    return (time.perf_counter() - started) / PLAIN_EPOCHS


if __name__ == "__main__":
    main()
