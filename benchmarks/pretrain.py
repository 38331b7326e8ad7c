"""Row "pretrain": one epoch of one split; with --large, a file that is read in chunks.

Two plain loops run in the same process, on the same rows and with the same network. One has the
anomaly detection of autograd, as in the published scripts, and one does not. The loops run in turn.
The result is the median of the ratios, because the machine may do other work. The lower limit is
the time of the matrix products, forward and backward: no loop in float32 can be faster.

    python -m benchmarks.pretrain [--rows N] [--rounds N]
    python -m benchmarks.pretrain --large [--rows N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import common
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.training.draws import SeededDraws
from scatd.training.loop import Silent
from scatd.training.pretrain import train_vae
from scatd.training.settings import default_pretrain

SETTINGS = replace(default_pretrain("sf"), epochs=1, min_steps=0)
HELD_OUT = 0.1


def main() -> None:
    """Measure scatd and the plain loops, or one epoch of a large file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="default: 20,000, or 500,000 (6 GB) with --large")
    parser.add_argument("--rounds", type=int, default=3, help="number of runs of each loop")
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    if options.large:
        _large(options.rows or 500_000)
    else:
        _epoch(options.rows or 20_000, options.rounds)


def _epoch(n_rows: int, rounds: int) -> None:
    X = torch.from_numpy(common.features(n_rows, seed=2))
    n_val = round(HELD_OUT * n_rows)
    train, val = X[n_val:], X[:n_val]
    loops: dict[str, Callable[[], None]] = {
        "scatd": lambda: _scatd(train, val),
        "plain": lambda: _plain(train, val),
        "published": lambda: _published(train, val),
        "floor": lambda: _floor(train),
    }
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    _plain(train[:256], val[:16])  # starts threads and kernels
    for _ in range(rounds):
        for name, loop in loops.items():
            started = time.perf_counter()
            loop()
            seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(values) for name, values in seconds.items()}

    def ratio(other: str) -> float:
        pairs = zip(seconds["scatd"], seconds[other], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    n_steps = -(-len(train) // SETTINGS.batch_size)
    common.report(
        f"pretrain: {n_rows} x {X.shape[1]}, one epoch of {len(train)} rows, {n_steps} steps",
        [
            *(
                (name, f"{value:.1f} s", f"{1000 * value / n_steps:.0f} ms a step")
                for name, value in median.items()
            ),
            common.judged("pretrain/plain", ratio("plain")),
            common.judged("pretrain/published", ratio("published")),
        ],
    )


def _network() -> ResidualVAE:
    torch.manual_seed(0)
    return ResidualVAE(common.SIZES, DESIGNS["sf"])


def _scatd(train: Tensor, val: Tensor) -> None:
    train_vae(_network(), train, val, SETTINGS, SeededDraws(0), Silent())


def _floor(train: Tensor) -> None:
    """Matrix products of an epoch: one forward, two backward (at the input only one)."""
    x = train[: SETTINGS.batch_size]
    weights = [
        layer.weight.detach()
        for layer in _network().modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    inputs = [torch.ones(len(x), weight.shape[1]) for weight in weights]
    for _ in range(-(-len(train) // SETTINGS.batch_size)):
        for weight, h in zip(weights, inputs, strict=True):
            out = h @ weight.T
            _ = out.T @ h
            if weight.shape[1] != x.shape[1]:
                _ = out @ weight


def _published(train: Tensor, val: Tensor) -> None:
    with torch.autograd.set_detect_anomaly(True):
        _plain(train, val)


def _plain(train: Tensor, val: Tensor) -> None:
    """The plain loop: AdamW with its defaults, and a loss that is read after every step."""
    vae = _network()
    optimizer = torch.optim.AdamW(
        vae.parameters(), lr=SETTINGS.learning_rate, weight_decay=SETTINGS.weight_decay
    )
    total = 0.0
    for batch in torch.randperm(len(train)).split(SETTINGS.batch_size):
        optimizer.zero_grad()
        loss = _loss(vae.train(), train[batch])
        loss.backward()
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        for batch in val.split(SETTINGS.batch_size):
            total += _loss(vae.eval(), batch).item()


def _loss(vae: ResidualVAE, x: Tensor) -> Tensor:
    mu, logvar = vae.encode(x)
    recon = vae.decode(mu + torch.randn_like(mu) * torch.exp(0.5 * logvar))
    kld = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())
    return SETTINGS.rec_beta * torch.nn.functional.mse_loss(recon, x) + kld


def _large(n_rows: int) -> None:
    """One epoch of a .npy file by the whole command. Memory is compared with an idle torch."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # In a new process, because a child starts with the peak memory of its parent.
        writer = get_context("spawn").Process(target=_write, args=(folder / "cells.npy", n_rows))
        writer.start()
        writer.join()
        size = (folder / "cells.npy").stat().st_size / 1e9
        epoch = ("--epochs", "1", "--min-steps", "0", "--device", "cpu")
        whole = common.run_scatd(folder, "pretrain", "--input", "cells.npy", *epoch)
    code = "import resource, torch; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    idle = int(said) * (1 if sys.platform == "darwin" else 1024) / 1e9
    common.report(
        f"pretrain, larger than memory: {n_rows} x {common.N_FEATURES} ({size:.1f} GB), one epoch",
        [
            ("scatd pretrain, whole command", f"{whole.seconds:.0f} s", ""),
            ("  rate", f"{n_rows / whole.seconds:.0f} cells/s", ""),
            ("  peak memory", f"{whole.peak_gb:.2f} GB", ""),
            common.judged("pretrain/memory", whole.peak_gb - idle),
        ],
    )


def _write(path: Path, n_rows: int) -> None:
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, common.N_FEATURES))
    for start in range(0, n_rows, 20_000):
        X[start : start + 20_000] = common.features(min(20_000, n_rows - start), seed=start)


if __name__ == "__main__":
    main()
