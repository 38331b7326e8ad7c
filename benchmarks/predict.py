"""Row "predict": score 20,000 cells of 3,072 features with a registered model.

The plain loop only runs the same network over blocks of the same cells. The start-up of the command
is what it needs for a few cells.

    python -m benchmarks.predict [--cells N] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import common
from benchmarks.registered import register
from scatd import artifact
from scatd.data.limits import BLOCK
from scatd.nn.classifier import ResponseClassifier
from scatd.scoring import Scorer

FEW = 64
PREDICT = ("predict", "--drug", "bench", "--stage", "staging", "-o", "scored.csv")


def main() -> None:
    """Measure the whole command, its scoring and the plain loop in turn, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    X = common.features(options.cells, seed=4)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.save(folder / "cells.npy", X)
        np.save(folder / "few.npy", X[:FEW])
        register(folder, X)
        scorer = Scorer(folder / "model")
        model = artifact.read(folder / "model").classifier()
        whole, few, scoring, bare = [], [], [], []
        for _ in range(options.repeats):
            whole.append(common.run_scatd(folder, *PREDICT, "cells.npy"))
            few.append(common.run_scatd(folder, *PREDICT, "few.npy").seconds)
            started = time.perf_counter()
            scorer.score(X)
            scoring.append(options.cells / (time.perf_counter() - started))
            bare.append(options.cells / _bare_loop(model, X))
    rate, bare_rate = statistics.median(scoring), statistics.median(bare)
    seconds = statistics.median(measured.seconds for measured in whole)
    start = statistics.median(few)
    least = start + options.cells / bare_rate
    peak = max(measured.peak_gb for measured in whole)
    common.report(
        f"predict: {options.cells} x {X.shape[1]}, median of {options.repeats}",
        [
            ("scatd predict, whole command", f"{seconds:.1f} s", ""),
            ("  peak memory", f"{peak:.2f} GB", ""),
            (f"  start-up ({FEW} cells)", f"{start:.1f} s", ""),
            ("  scoring", f"{rate:,.0f} cells/s", ""),
            ("bare loop over the network", f"{bare_rate:,.0f} cells/s", ""),
            common.judged("predict/whole", seconds / least),
            common.judged("predict/rate", rate / bare_rate),
        ],
    )


def _bare_loop(model: ResponseClassifier, X: NDArray[np.float32]) -> float:
    started = time.perf_counter()
    with torch.inference_mode():
        for block in torch.from_numpy(X).split(BLOCK):
            model(block)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
