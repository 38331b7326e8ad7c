"""Row "prepare": 5,000 cells x 20,000 genes, 7% full, into the order of 19,264 genes.

The plain loop makes the matrix dense, takes one column for each gene of the panel, and writes it.
With `--large`, a large input is written block by block, and the memory of the command is measured.

    python -m benchmarks.prepare [--cells N] [--large N] [--repeats N]
"""

from __future__ import annotations

import argparse
import gc
import logging
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from benchmarks import common
from scatd.data.cell_findings import judge_cells, quality_of
from scatd.data.genes import Panel
from scatd.data.io import open_cohort
from scatd.data.preflight import look
from scatd.data.writing import writing_cohort
from scatd.workflows.prepare.rows import Recipe, prepared_rows

N_COLUMNS, N_PANEL, DENSITY = 20_000, 19_264, 0.07
BLOCK = 5_000


def main() -> None:
    """Measure the computation, the command, the plain loop and, on request, a large cohort."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=5_000)
    parser.add_argument("--large", type=int, default=0, help="cells of a larger run")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    logging.getLogger("scatd").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        panel = write_panel(folder / "panel.txt")
        arguments = ("prepare", "cells.h5ad", "--panel", "panel.txt", "-o", "prepared.h5ad")
        # First, because a command starts with the peak memory of the process that starts it.
        if options.large:
            write_cohort(folder / "cells.h5ad", options.large)
            large = common.run_scatd(folder, *arguments)
            common.report(
                f"prepare: {options.large} x {N_COLUMNS}, {DENSITY:.0%} full",
                [
                    ("scatd prepare, whole command", f"{large.seconds:.0f} s", ""),
                    common.judged("prepare/large", large.peak_gb),
                ],
            )
        write_cohort(folder / "cells.h5ad", options.cells)
        before = _peak_memory()
        work, plain = [], []
        for _ in range(options.repeats):
            started = time.perf_counter()
            _work(folder, panel)
            work.append(time.perf_counter() - started)
            gc.collect()
        on_top = _peak_memory() - before
        whole = common.run_scatd(folder, *arguments)
        size = (folder / "prepared.h5ad").stat().st_size / 1e6
        for _ in range(options.repeats):
            started = time.perf_counter()
            _plain(folder, panel)
            plain.append(time.perf_counter() - started)
            gc.collect()
        plain_size = (folder / "plain.h5ad").stat().st_size / 1e6
        common.report(
            f"prepare: {options.cells} x {N_COLUMNS}, {DENSITY:.0%} full, to {N_PANEL} genes",
            [
                ("read, check, align, write", f"{statistics.median(work):.2f} s", ""),
                ("  file", f"{size:.0f} MB", "sparse"),
                ("scatd prepare, with start and figures", f"{whole.seconds:.1f} s", ""),
                ("  peak memory", f"{whole.peak_gb:.2f} GB", ""),
                ("dense, the plain way", f"{statistics.median(plain):.1f} s", "13.2 s published"),
                ("  file", f"{plain_size:.0f} MB", "770 MB published"),
                common.judged("prepare/dense", statistics.median(plain) / statistics.median(work)),
                common.judged("prepare/memory", on_top),
            ],
        )


def _work(folder: Path, panel: Panel) -> None:
    """The computation of `scatd prepare`, without its start and its figures."""
    with open_cohort(folder / "cells.h5ad") as cohort:
        report = look(cohort, {"panel": panel})
        with writing_cohort(folder / "prepared.h5ad", len(panel)) as writer:
            matrix = cohort.matrices[report.layer]
            recipe = Recipe(report, report.matches["panel"], None)
            quality = quality_of(report, matrix)
            for part in prepared_rows(recipe, matrix, range(cohort.n_obs)):
                writer.add(part.X)
                quality.add_part(part.cells, part.found)
            judge_cells(report, quality)
            writer.finish(cohort.obs, pd.DataFrame(index=pd.Index(panel.names)), {})


def _plain(folder: Path, panel: Panel) -> None:
    """The plain loop: a dense matrix, one column at a time."""
    adata = ad.read_h5ad(folder / "cells.h5ad")
    frame = pd.DataFrame(adata.X.toarray(), index=adata.obs_names, columns=adata.var_names)
    missing = [gene for gene in panel.names if gene not in frame.columns]
    zeros = pd.DataFrame(0.0, index=frame.index, columns=missing)
    picked = pd.concat([frame, zeros], axis=1)[list(panel.names)]
    ad.AnnData(picked).write_h5ad(folder / "plain.h5ad")


def write_panel(path: Path) -> Panel:
    """Write most genes of the cohort in another order, and some that the cohort lacks."""
    order = np.random.default_rng(0).permutation(N_COLUMNS + 264)[:N_PANEL]
    path.write_text("\n".join(f"GENE{number}" for number in order) + "\n")
    return Panel.read(path)


def write_cohort(path: Path, n_cells: int, density: float = DENSITY, gene: str = "GENE{}") -> None:
    """Write simulated counts block by block.

    Parameters
    ----------
    density
        The share of the genes that a cell has.
    gene
        Name of a gene, with a place for its number.
    """
    rng = np.random.default_rng(1)
    with writing_cohort(path, N_COLUMNS) as writer:
        for start in range(0, n_cells, BLOCK):
            writer.add(_counts(min(BLOCK, n_cells - start), density, rng))
        obs = pd.DataFrame(index=pd.Index([f"cell{number}" for number in range(n_cells)]))
        var = pd.DataFrame(index=pd.Index([gene.format(number) for number in range(N_COLUMNS)]))
        writer.finish(obs, var, {})


def _counts(n_cells: int, density: float, rng: np.random.Generator) -> sparse.csr_matrix:
    n_genes = int(density * N_COLUMNS)
    step = N_COLUMNS / n_genes
    starts = (np.arange(n_genes) * step).astype(np.int32)
    columns: NDArray[np.int32] = starts + rng.integers(0, int(step), (n_cells, n_genes), np.int32)
    values = rng.poisson(0.6, n_cells * n_genes).astype(np.float32) + 1
    indptr = np.arange(n_cells + 1) * n_genes
    return sparse.csr_matrix((values, columns.ravel(), indptr), (n_cells, N_COLUMNS))


def _peak_memory() -> float:
    """Largest resident memory of this process so far, GB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


if __name__ == "__main__":
    main()
