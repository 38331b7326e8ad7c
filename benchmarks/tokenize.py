"""Row "tokenize": Geneformer's ranks of 5,000 cells x 20,000 genes, 7% full.

The whole path goes from the file to tokens: it reads, checks, finds the genes and ranks. The plain
loop only ranks the same cells one by one, with the default sort of numpy; the cells are in memory
already. What the whole path does before it ranks is measured by itself, and so is reading alone.

    python -m benchmarks.tokenize [--cells N] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from benchmarks import common
from scatd.data.genes import Panel
from scatd.data.io import open_cohort
from scatd.data.preflight import look
from scatd.embedding.geneformer_dictionaries import GeneVocabulary
from scatd.embedding.geneformer_tokens import MAX_TOKENS, RankTokenizer
from scatd.workflows.cohorts.token_rows import CohortRanks

N_GENES, N_KNOWN = 20_000, 18_000
FILLED = 0.07


def main() -> None:
    """Measure ranking, the whole path and the plain loop in turn, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    X, genes, vocabulary = _cells(options.cells)
    n_counts = np.asarray(X.sum(axis=1), np.float64).ravel()
    tokenizer = RankTokenizer(genes, vocabulary)
    whole, ranking, plain, checking, reading = [], [], [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "cells.h5ad"
        ad.AnnData(X, var=pd.DataFrame(index=genes)).write_h5ad(path)
        for _ in range(options.repeats):
            whole.append(options.cells / _seconds(lambda: _end_to_end(path, vocabulary)))
            checking.append(_seconds(lambda: _checked(path, vocabulary)))
            reading.append(_seconds(lambda: _read(path)))
            ranking.append(options.cells / _seconds(lambda: tokenizer.tokenize(X, n_counts)))
            plain.append(
                options.cells / _seconds(lambda: _plain_loop(X, genes, n_counts, vocabulary))
            )
    rates = [statistics.median(rates) for rates in (whole, ranking, plain)]
    common.report(
        f"tokenize: {options.cells} x {N_GENES}, median of {options.repeats}",
        [
            ("from the file to tokens", f"{rates[0]:,.0f} cells/s", ""),
            ("  opening and checking alone", f"{statistics.median(checking):.3f} s", ""),
            ("  reading alone", f"{statistics.median(reading):.3f} s", ""),
            ("  ranking alone, stable ties", f"{rates[1]:,.0f} cells/s", ""),
            ("plain loop, ranking alone", f"{rates[2]:,.0f} cells/s", ""),
            ("ranking, scatd / plain", f"{rates[1] / rates[2]:.2f}", ""),
            common.judged("tokenize/plain", rates[0] / rates[2]),
        ],
    )


def _cells(n_cells: int) -> tuple[sparse.csr_matrix, list[str], GeneVocabulary]:
    """Counts as skewed as real ones, Ensembl ids, and a vocabulary with most of these ids."""
    rng = np.random.default_rng(0)
    X = sparse.random(n_cells, N_GENES, FILLED, format="csr", dtype=np.float32, rng=rng)
    X.data = rng.geometric(0.4, X.nnz).astype(np.float32)
    genes = [f"ENSG{number:011d}" for number in range(N_GENES)]
    medians = np.exp(rng.normal(0, 1, N_KNOWN)).tolist()
    known = genes[:N_KNOWN]
    tokens = {gene: number + 2 for number, gene in enumerate(known)}
    return X, genes, GeneVocabulary(tokens, dict(zip(known, medians, strict=True)))


def _end_to_end(path: Path, vocabulary: GeneVocabulary) -> None:
    with open_cohort(path) as cohort:
        report = look(cohort, {"gf": Panel(vocabulary.genes, "Geneformer")})
        report.faults.raise_if_any()
        ranks = CohortRanks(report.matches["gf"], vocabulary)
        for _, block in cohort.matrices[report.layer].blocks():
            ranks.tokenize(block)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _checked(path: Path, vocabulary: GeneVocabulary) -> None:
    with open_cohort(path) as cohort:
        look(cohort, {"gf": Panel(vocabulary.genes, "Geneformer")})


def _read(path: Path) -> None:
    with open_cohort(path) as cohort:
        for _ in cohort.matrices["X"].blocks():
            pass


def _plain_loop(
    X: sparse.csr_matrix,
    genes: list[str],
    n_counts: NDArray[np.float64],
    vocabulary: GeneVocabulary,
) -> None:
    known = np.array([gene in vocabulary.tokens for gene in genes])
    tokens = np.array([vocabulary.tokens[gene] for gene in genes if gene in vocabulary.tokens])
    medians = np.array([vocabulary.medians[gene] for gene in genes if gene in vocabulary.medians])
    scaled = X[:, known].multiply(1 / n_counts[:, None]).multiply(10_000).multiply(1 / medians)
    scaled = scaled.tocsr()
    for cell in range(X.shape[0]):
        row = slice(scaled.indptr[cell], scaled.indptr[cell + 1])
        order = np.argsort(-scaled.data[row])
        tokens[scaled.indices[row][order]][:MAX_TOKENS]


if __name__ == "__main__":
    main()
