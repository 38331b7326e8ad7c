"""Row "scale": the cost of a command grows linearly with the cells, and its memory does not.

Seconds are those of all cores together (user and system), so that other work on the machine counts
little. The start-up, which is what a command needs for a few cells, is subtracted.

    python -m benchmarks.scale [--sizes N ...] [--outputs N N] [--dist N N] [--large] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM

from benchmarks import common
from benchmarks.prepare import N_COLUMNS, write_cohort, write_panel
from benchmarks.registered import register
from scatd.embedding.geneformer_dictionaries import MEDIANS_FILE, TOKENS_FILE

SIZES = [25_000, 50_000, 100_000, 200_000]
FEW = 512
KINDS = ("csv", "parquet", "zarr", "h5ad")
FILLED = {"embed": 0.005, "dist": 0.05}
"""Share of the genes that a cell has, where it is not that of the row "prepare"."""
PREDICT = ("predict", "--drug", "bench", "--stage", "staging", "--family")
ENSEMBL = "ENSG{:011d}"
_BLOCK = 5_000

Run = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A command whose cost is measured over the number of cells.

    Parameters
    ----------
    write
        Writes the input with so many cells into a folder.
    words
        The command.
    source, output
        Files that the command reads and writes.
    is_cached
        True when everything is in the cache before the command is measured.
    """

    write: Callable[[Path, int], None]
    words: tuple[str, ...]
    source: str
    output: str
    is_cached: bool = False


def main() -> None:
    """Measure growth with the cells, the kinds of output, and expression from raw counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="cells of each run")
    parser.add_argument("--outputs", type=int, nargs=2, default=[20_000, 100_000])
    parser.add_argument("--dist", type=int, nargs=2, default=[5_000, 20_000])
    parser.add_argument("--large", action="store_true", help="200,000 and a million; dist 300,000")
    parser.add_argument("--json", type=Path, help="file to keep the numbers in")
    options = parser.parse_args()
    if options.large:
        options.outputs, options.dist = [200_000, 1_000_000], [20_000, 300_000]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["SCATD_CACHE"] = str(folder / "cache")
        _aside(_begin, folder)
        linear = {}
        for name, row in ROWS.items():
            linear[name] = _growth(folder, name, row, options.sizes)
            common.keep(options.json, linear=linear)
        outputs = {kind: _output(folder, kind, options.outputs) for kind in KINDS}
        _report_memory("predict of sf features", outputs, 1.5)
        common.keep(options.json, outputs=outputs)
        dist = [_measure(folder, DIST, n_cells) for n_cells in options.dist]
        _report_memory("predict of raw counts, 5 % full", {"dist, csv": dist}, 2.0)
        common.keep(options.json, dist=dist)


def _growth(folder: Path, name: str, row: Row, sizes: list[int]) -> dict[str, Any]:
    """Measure a command at all sizes, and fit the exponent of its cost."""
    start = _measure(folder, row, FEW)
    runs = []
    for n_cells in sizes:
        run = _measure(folder, row, n_cells)
        run["after_start"] = run["cpu_seconds"] - start["cpu_seconds"]
        run["cells_a_core_second"] = n_cells / run["after_start"]
        runs.append(run)
    seconds = [run["after_start"] for run in runs]
    slope = None
    if len(sizes) > 1 and min(seconds) > 0:  # few cells may need less than the start-up varies
        slope = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    shown = [(f"start-up ({FEW} cells)", f"{start['cpu_seconds']:.1f} s", "")]
    for run in runs:
        rate = f"{run['cells_a_core_second']:,.0f} cells/s"
        value = f"{run['after_start']:.1f} s, {run['peak_gb']:.2f} GB"
        shown.append((f"{run['cells']:,} cells, after start-up", value, rate))
    if slope is not None:
        shown.append(("exponent", f"{slope:.2f}", "0.95 to 1.1"))
    common.report(f"scale: {name}, seconds of a core", shown)
    return {"start_seconds": start["cpu_seconds"], "runs": runs, "exponent": slope}


def _output(folder: Path, kind: str, sizes: list[int]) -> list[Run]:
    words = (*PREDICT, "sf", "empty.npy", "-o", f"scored.{kind}")
    row = Row(write_empty, words, "empty.npy", f"scored.{kind}")
    return [_measure(folder, row, n_cells) for n_cells in sizes]


def _report_memory(what: str, found: dict[str, list[Run]], most: float) -> None:
    """Peak memory of runs at two sizes."""
    shown = []
    for name, runs in found.items():
        for run in runs:
            value = f"{run['peak_gb']:.2f} GB, {run['cpu_seconds']:.0f} s"
            shown.append((f"{name}, {run['cells']:,} cells", value, f"at most {most} GB"))
        ratio = runs[-1]["peak_gb"] / runs[0]["peak_gb"]
        shown.append(("  larger / smaller", f"{ratio:.2f}", "at most 1.1"))
    common.report(f"scale: {what}, peak memory and seconds of a core", shown)


def _measure(folder: Path, row: Row, n_cells: int) -> Run:
    """Run a command on so many cells; its files are removed."""
    _aside(row.write, folder, n_cells)
    if row.is_cached:
        common.run_scatd(folder, *row.words)
        _remove(folder / row.output)
    measured = common.run_scatd(folder, *row.words)
    size = _size(folder / row.output)
    for name in (row.source, row.output, f"{Path(row.output).stem}_files"):
        _remove(folder / name)
    return {
        "cells": n_cells,
        "seconds": measured.seconds,
        "cpu_seconds": measured.cpu_seconds,
        "peak_gb": measured.peak_gb,
        "bytes_a_cell": size / n_cells,
    }


def _aside(function: Callable[..., None], *arguments: Any) -> None:
    """Call in a process of its own: a command starts with the peak memory of what starts it."""
    child = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    child.start()
    child.join()
    if child.exitcode:
        sys.exit(f"{function.__name__} failed")


def _begin(folder: Path) -> None:
    """Register the models, and write the genes and a tiny encoder."""
    logging.getLogger("scatd").setLevel(logging.ERROR)
    register(folder, common.features(1_000, seed=4))
    genes = write_panel(folder / "panel.txt").names
    rows = np.abs(np.random.default_rng(0).standard_normal((64, len(genes)), np.float32))
    register(folder, rows, "dist", genes=genes)
    _write_tiny_geneformer(folder / "weights")


def _write_tiny_geneformer(folder: Path) -> None:
    """Write a model of Geneformer's form with its dictionaries.

    With all cells in the cache, only the input of the model is made. Its size does not matter then.
    """
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=N_COLUMNS + 2,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=2048,
        hidden_act="relu",
    )
    BertForMaskedLM(config).save_pretrained(folder)
    genes = [ENSEMBL.format(number) for number in range(N_COLUMNS)]
    tokens = {"<pad>": 0, "<mask>": 1, **{gene: number + 2 for number, gene in enumerate(genes)}}
    for name, held in ((TOKENS_FILE, tokens), (MEDIANS_FILE, dict.fromkeys(genes, 1.0))):
        (folder / f"{name}.json").write_text(json.dumps(held), encoding="utf-8")


def write_features(folder: Path, n_cells: int) -> None:
    """Write features (n_cells, 3072) as `cells.npy`; every 5,000 cells are the same ones."""
    block = common.features(min(_BLOCK, n_cells), seed=4)
    X = np.lib.format.open_memmap(
        folder / "cells.npy", "w+", np.float32, (n_cells, common.N_FEATURES)
    )
    for start in range(0, n_cells, _BLOCK):
        X[start : start + _BLOCK] = block[: n_cells - start]


def write_empty(folder: Path, n_cells: int) -> None:
    """Write zeros (n_cells, 3072) as `empty.npy`, a file that takes no room on the disk."""
    np.lib.format.open_memmap(folder / "empty.npy", "w+", np.float32, (n_cells, common.N_FEATURES))


def write_counts(folder: Path, n_cells: int) -> None:
    """Write raw counts as those of the row "prepare"."""
    write_cohort(folder / "counts.h5ad", n_cells)


def write_few_counts(folder: Path, n_cells: int) -> None:
    """Write raw counts with few genes a cell, so that the cache is filled soon."""
    write_cohort(folder / "few.h5ad", n_cells, FILLED["embed"], ENSEMBL)


def write_dist_counts(folder: Path, n_cells: int) -> None:
    """Write raw counts for a model of family dist."""
    write_cohort(folder / "dist.h5ad", n_cells, FILLED["dist"])


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


_EMBED = ("embed", "few.h5ad", "--backend", "geneformer", "--weights", "weights")
ROWS = {
    "predict": Row(
        write_features, (*PREDICT, "sf", "cells.npy", "-o", "scored.csv"), "cells.npy", "scored.csv"
    ),
    f"prepare of {N_COLUMNS:,} genes": Row(
        write_counts,
        ("prepare", "counts.h5ad", "--panel", "panel.txt", "-o", "prepared.h5ad"),
        *("counts.h5ad", "prepared.h5ad"),
    ),
    "embed, all cells in the cache": Row(
        write_few_counts,
        (*_EMBED, "-o", "embedded.h5ad"),
        *("few.h5ad", "embedded.h5ad"),
        is_cached=True,
    ),
}
DIST = Row(
    write_dist_counts,
    (*PREDICT, "dist", "dist.h5ad", "-o", "scored.csv"),
    "dist.h5ad",
    "scored.csv",
)


if __name__ == "__main__":
    main()
