"""Rows of a cohort as tokens: columns by any name, in any order, in blocks of any size."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data import cohort as cohort_module
from scatd.data.genes import Panel, match
from scatd.data.io import open_cohort
from scatd.data.preflight import look
from scatd.embedding.geneformer_dictionaries import GeneVocabulary
from scatd.embedding.settings import ScFoundationSettings
from scatd.embedding.store import EmbeddingStore
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


class Neighbours:
    """An encoder whose values depend on the other cells of a batch, as rounding does."""

    width, tokens_per_batch, max_tokens = 1, 60, 2048

    def encode(self, cells):
        own = np.add.reduceat(cells.ids, cells.indptr[:-1])
        return (own + cells.ids.sum() * 1e-5).astype(np.float32)[:, None]


class CountsEmbedder:
    """Single cells of counts, with a store."""

    slot, vocabulary = "X_scfoundation", None
    encoder = Neighbours()

    def __init__(self, folder):
        self.settings = ScFoundationSettings()
        self.store = EmbeddingStore(folder, 1)


N = 1300


@pytest.fixture
def large(tmp_path):
    rng = np.random.default_rng(5)
    X = (rng.integers(1, 1000, (N, 30)) * (rng.random((N, 30)) < 0.5)).astype(np.float32)
    X[[3, 700]] = 0
    ad.AnnData(sparse.csr_matrix(X), var=pd.DataFrame(index=GENES)).write_h5ad(tmp_path / "n.h5ad")
    return tmp_path / "n.h5ad"


def embedded(path, store, rows=None, most=None):
    embedder = CountsEmbedder(store)
    with open_cohort(path) as cohort:
        report = look(cohort, {embedder.slot: PANEL})
        found = {}
        for start, X, reasons in RowEmbedder(embedder, cohort, report).blocks(rows):
            assert (np.isnan(X[:, 0]) == (reasons != "")).all()
            found[start] = X[:, 0]
            if most is not None and len(found) == most:
                break
    return found


def joined(*parts):
    found = {start: X for part in parts for start, X in part.items()}
    return np.concatenate([found[start] for start in sorted(found)])


@pytest.mark.parametrize("piece", [1, 1 << 14, 1 << 22])
def test_blocks_start_at_multiples_and_do_not_depend_on_what_is_read_at_once(
    large, tmp_path, monkeypatch, piece
):
    monkeypatch.setattr(cohort_module, "BLOCK_VALUES", piece)
    found = embedded(large, tmp_path / "store")
    assert [(start, len(X)) for start, X in found.items()] == [(0, 512), (512, 512), (1024, 276)]
    assert np.flatnonzero(np.isnan(joined(found))).tolist() == [3, 700]
    monkeypatch.undo()
    np.testing.assert_array_equal(joined(found), joined(embedded(large, tmp_path / "other")))


def test_parts_and_a_run_that_went_on_give_the_bits_of_the_whole(large, tmp_path):
    whole = joined(embedded(large, tmp_path / "whole"))
    parts = [
        embedded(large, tmp_path / f"part{start}", rows)
        for start, rows in enumerate([slice(512, 1024), range(1024, N), slice(0, 512)])
    ]
    np.testing.assert_array_equal(joined(*parts), whole)
    embedded(large, tmp_path / "again", most=1)
    # Some rows of the second block, as a killed run leaves them.
    store = EmbeddingStore(tmp_path / "whole", 1)
    some = np.concatenate([shard.names(len(shard))[::7] for shard in opened_shards(store)])
    EmbeddingStore(tmp_path / "again", 1).append(some, store.get(some)[0])
    np.testing.assert_array_equal(joined(embedded(large, tmp_path / "again")), whole)
    one = embedded(large, tmp_path / "again")
    np.testing.assert_array_equal(joined(one), whole)


def opened_shards(store):
    len(store)
    return store._shards
