"""Geneformer tokens and embeddings equal those of the published code."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

from scatd.embedding.cells import Cells, offsets
from scatd.embedding.geneformer import Geneformer
from scatd.embedding.geneformer_dictionaries import read_vocabulary
from scatd.embedding.geneformer_tokens import RankTokenizer
from scatd.embedding.runner import embed

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def vocabulary(reference_tables):
    return read_vocabulary(reference_tables / "geneformer")


@pytest.fixture(scope="module")
def model(golden, vocabulary):
    return Geneformer(str(golden / "geneformer" / "tiny_model"), vocabulary)


@pytest.fixture(scope="module", params=["real_cells", "synthetic"])
def case(request, golden):
    """Expression, its Ensembl ids and totals, and what is expected."""
    folder = golden / "geneformer"
    given = dict(np.load(folder / f"{request.param}_input.npz"))
    expected = dict(np.load(folder / f"{request.param}_expected.npz"))
    indices = given["indices"].astype(np.int32)
    X = sparse.csr_matrix((given["data"], indices, given["indptr"]), tuple(given["shape"]))
    source = given if "ensembl_ids" in given else expected
    return X, [str(gene) for gene in source["ensembl_ids"]], source["n_counts"], expected


def test_vocabulary(vocabulary):
    assert len(vocabulary.tokens) == len(vocabulary.medians) == 25_424
    assert sorted(vocabulary.tokens.values()) == list(range(2, 25_426))
    medians = list(vocabulary.medians.values())
    assert (min(medians), max(medians)) == (pytest.approx(0.0947, abs=1e-4),
                                            pytest.approx(634.3, abs=0.1))  # fmt: skip


def test_totals_are_row_sums(case):
    X, _, n_counts, _ = case
    np.testing.assert_array_equal(np.asarray(X.sum(axis=1)).ravel(), n_counts)


def test_tokens(case, vocabulary):
    X, genes, n_counts, expected = case
    cells = RankTokenizer(genes, vocabulary, max_tokens=10**6).tokenize(X, n_counts)
    np.testing.assert_array_equal(cells.lengths, expected["lengths"])
    np.testing.assert_array_equal(cells.ids, expected["token_ids_stable"])
    assert (expected["lengths"] == 0).tolist() == [bool(reason) for reason in cells.reasons]
    starts = offsets(expected["lengths"])
    clear = np.flatnonzero(expected["order_unambiguous"])
    assert len(clear)
    for cell in clear:  # here the reference's own order is defined
        tokens = slice(starts[cell], starts[cell + 1])
        np.testing.assert_array_equal(cells.ids[tokens], expected["token_ids"][tokens])


def test_truncated_tokens(case, vocabulary):
    X, genes, n_counts, expected = case
    cells = RankTokenizer(genes, vocabulary).tokenize(X, n_counts)
    np.testing.assert_array_equal(cells.lengths, expected["lengths_truncated"])


def test_embedding_from_counts(case, vocabulary, model):
    X, genes, n_counts, expected = case
    cells = RankTokenizer(genes, vocabulary).tokenize(X, n_counts)
    found = embed(cells, model)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected["embeddings_stable"]))
    np.testing.assert_allclose(found, expected["embeddings_stable"], rtol=0, atol=1e-5)


def test_embedding_from_the_tokens_of_the_reference(case, model):
    *_, expected = case
    lengths, kept = expected["lengths"], expected["lengths_truncated"]
    starts = offsets(lengths)
    lists = [expected["token_ids"][a : a + n] for a, n in zip(starts, kept, strict=False)]
    reasons = np.where(lengths > 0, "", "none").astype(object)
    cells = Cells(np.concatenate(lists).astype(np.int32), None, offsets(kept), reasons)
    np.testing.assert_allclose(embed(cells, model), expected["embeddings"], rtol=0, atol=1e-5)


def test_padded_batches_equal_single_cells(case, vocabulary, model):
    X, genes, n_counts, _ = case
    cells = RankTokenizer(genes, vocabulary).tokenize(X[:9], n_counts[:9])
    alone = np.concatenate([model.encode(cells.take(np.array([cell]))) for cell in range(9)])
    np.testing.assert_allclose(model.encode(cells), alone, rtol=0, atol=1e-5)


def test_designed_cells(golden, vocabulary):
    folder = golden / "geneformer"
    special = json.loads((folder / "special_cells.json").read_text())
    given = dict(np.load(folder / "synthetic_input.npz"))
    indices = given["indices"].astype(np.int32)
    X = sparse.csr_matrix((given["data"], indices, given["indptr"]), tuple(given["shape"]))
    tokenizer = RankTokenizer([str(gene) for gene in given["ensembl_ids"]], vocabulary)
    lengths = tokenizer.tokenize(X, given["n_counts"]).lengths
    assert lengths[special["exactly_2048"]] == lengths[special["exactly_2049"]] == 2048
    assert lengths[special["one_token"]] == 1
    assert lengths[[special["only_out_of_vocabulary"], special["all_zero_row"]]].tolist() == [0, 0]
