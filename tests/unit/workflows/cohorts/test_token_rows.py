"""Rows of a cohort as tokens: columns by any name, in any order, in blocks of any size."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data.genes import Panel, match
from scatd.data.io import open_cohort
from scatd.embedding.geneformer_dictionaries import GeneVocabulary
from scatd.workflows.cohorts.token_rows import CohortRanks, RowEmbedder

GENES = [f"ENSG{number:011d}" for number in range(30)]
VOCABULARY = GeneVocabulary(
    {gene: number + 2 for number, gene in enumerate(GENES)}, dict.fromkeys(GENES, 2.0)
)
PANEL = Panel(VOCABULARY.genes, "Geneformer")


def counts(n_cells=12):
    rng = np.random.default_rng(0)
    return sparse.csr_matrix(rng.integers(0, 3, (n_cells, 30)).astype(np.float32))


def lists(X, names):
    cells = CohortRanks(match(names, PANEL), VOCABULARY).tokenize(X)
    return [cells.ids[a:b].tolist() for a, b in zip(cells.indptr, cells.indptr[1:], strict=False)]


def by_hand(X):
    """All medians are equal: more counts first, then the order of the vocabulary."""
    return [
        [int(gene) + 2 for gene in np.lexsort((np.arange(30), -row)) if row[gene]]
        for row in X.toarray()
    ]


def test_the_order_of_the_columns_does_not_matter():
    X = counts()
    assert lists(X, GENES) == by_hand(X)
    order = np.random.default_rng(1).permutation(30)
    assert lists(X[:, order], [GENES[column] for column in order]) == by_hand(X)


def test_columns_of_one_gene_are_added_up():
    X = counts()
    names = [*GENES[:29], f"{GENES[3]}.7"]  # the last column is gene 3 once more
    added = X.toarray()
    added[:, 3] += added[:, 29]
    added[:, 29] = 0
    assert lists(X, names) == by_hand(sparse.csr_matrix(added))


def test_columns_that_the_model_does_not_know_are_passed_over():
    X = counts()
    known = X.toarray()
    known[:, 5] = 0
    assert lists(X, [*GENES[:5], "ENSG99999999999", *GENES[6:]]) == by_hand(
        sparse.csr_matrix(known)
    )


class Counting:
    """An encoder of the tokens' number and sum."""

    width, tokens_per_batch, max_tokens = 2, 50, 2048

    def encode(self, cells):
        sums = np.add.reduceat(cells.ids, cells.indptr[:-1])
        return np.stack([cells.lengths, sums], axis=1).astype(np.float32)


class FakeEmbedder:
    """The part of an `Embedder` that `RowEmbedder` uses, for bulk samples or given totals."""

    slot, vocabulary, store = "X_scfoundation", None, None
    encoder = Counting()

    def __init__(self, settings):
        self.settings = settings


@pytest.fixture
def cohort_file(tmp_path):
    rng = np.random.default_rng(2)
    X = sparse.csr_matrix(rng.integers(0, 9, (7, 30)).astype(np.float32))
    var = pd.DataFrame(index=GENES)
    ad.AnnData(X, var=var).write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


@pytest.mark.parametrize("size", [1, 3, 7])
def test_blocks_of_any_size_give_the_same(cohort_file, size):
    from scatd.data.preflight import look
    from scatd.embedding.settings import ScFoundationSettings

    # The median over all samples is known before the first block is embedded.
    embedder = FakeEmbedder(ScFoundationSettings("bulk"))
    with open_cohort(cohort_file) as cohort:
        report = look(cohort, {embedder.slot: PANEL})
        rows = RowEmbedder(embedder, cohort, report)
        matrix = cohort.matrices[report.layer]
        blocks = range(0, 7, size)
        found = [rows.embed(start, matrix.rows(start, min(start + size, 7))) for start in blocks]
        X = matrix.rows(0, 7).toarray()
    embedding = np.concatenate([part for part, _ in found])
    assert all((reasons == "").all() for _, reasons in found)
    np.testing.assert_array_equal(embedding[:, 0], (X > 0).sum(axis=1) + 2)
