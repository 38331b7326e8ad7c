"""Row "explain": attribute 2,000 demo cells of 19,264 genes; compare captum on the whole network.

The plain loop runs captum's Integrated Gradients over the same network and the same path, on a few
cells. Its time for all cells is extrapolated, and the output says so. The network has the published
layer sizes of family dist and random weights, because the time does not depend on the weights.

    python -m benchmarks.explain [--cells N] [--genes N] [--plain-cells N] [--controls]
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import torch
from captum.attr import IntegratedGradients

from benchmarks import common
from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.data.demo import DemoSettings, simulate
from scatd.data.expression import log_normalise
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.training.settings import default_pretrain

STEPS = 100


def main() -> None:
    """Measure the whole command, then the plain loop on a few cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--genes", type=int, default=19_264)
    parser.add_argument("--plain-cells", type=int, default=4)
    parser.add_argument("--controls", action="store_true")
    options = parser.parse_args()
    cells = _cells(options.cells, options.genes)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cells.write_h5ad(folder / "cells.h5ad")
        _register(folder, cells)
        words = [] if options.controls else ["--no-controls"]
        measured = common.run_scatd(
            folder,
            *("explain", "--drug", "bench", "--family", "dist", "--stage", "staging"),
            *("cells.h5ad", "--steps", str(STEPS), "-o", "importance.csv", *words),
        )
        plain = _plain_seconds_a_cell(folder, cells, options.plain_cells)
    common.report(
        f"explain: {options.cells} cells x {options.genes} genes, {STEPS} steps, one class",
        [
            ("scatd explain, whole command", f"{measured.seconds:.0f} s", ""),
            (f"plain captum, {options.plain_cells} cells", f"{plain:.2f} s a cell", ""),
            (
                f"plain captum, {options.cells} cells (extrapolated)",
                f"{plain * options.cells:.0f} s",
                "",
            ),
            common.judged("explain/plain", plain * options.cells / measured.seconds),
            common.judged("explain/memory", measured.peak_gb),
        ],
    )


def _cells(n_cells: int, n_genes: int) -> ad.AnnData:
    settings = DemoSettings(
        n_genes=n_genes, n_source=10, n_reference=10, n_target=n_cells, n_foreign=10
    )
    return simulate(settings)["target"]


def _register(folder: Path, cells: ad.AnnData) -> None:
    """Register a response model with random weights at staging, in the store of `folder`."""
    widths = default_pretrain("dist")
    sizes = Sizes(cells.n_vars, widths.n_latent, widths.encoder_hidden, widths.decoder_hidden)
    torch.manual_seed(0)
    classifier = ResponseClassifier(sizes, DESIGNS["dist"])
    rows = torch.from_numpy(log_normalise(cells.X[:64].toarray().astype(np.float32)))
    with torch.no_grad():
        for _ in range(5):  # sets the spectral norms and batch statistics of the new network
            classifier.train()(rows)
    artifact.write(
        folder / "model",
        Artifact(
            kind="response",
            family="dist",
            design="dist",
            sizes=sizes,
            state=classifier.state_dict(),
            alignment=Alignment("adain", feature_stats([rows]), feature_stats([rows])),
            threshold=0.5,
            simulated=True,
            about=About(
                features=FeaturesRead(cells.n_vars, "X", tuple(cells.var_names)),
                input_scale="log1p",
            ),
        ),
    )
    with (
        contextlib.chdir(folder),
        tracking.parent_run("transfer", name="bench", tags={}, settings={}) as run,
    ):
        registry.register_artifact(
            folder / "model",
            keys.response_model_name("dist", "bench"),
            run.run_id,
            metrics={},
            description="random weights, for timing",
            tags={keys.TAG_DRUG: "bench"},
        )


def _plain_seconds_a_cell(folder: Path, cells: ad.AnnData, n: int) -> float:
    model = artifact.read(folder / "model").classifier()
    x = torch.from_numpy(log_normalise(cells.X[:n].toarray().astype(np.float32)))
    captum = IntegratedGradients(model)
    started = time.perf_counter()
    with fast_products():
        for row in x.split(1):
            captum.attribute(row, torch.zeros_like(row), target=1, n_steps=STEPS)
    return (time.perf_counter() - started) / n


if __name__ == "__main__":
    main()
