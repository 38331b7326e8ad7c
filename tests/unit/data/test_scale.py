"""The scale of a matrix is recognised from its values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data.expression import as_log1p
from scatd.data.scale import diagnose

RNG = np.random.default_rng(0)
DEPTH = RNG.lognormal(0, 0.5, (200, 1))
COUNTS = RNG.poisson(DEPTH * RNG.lognormal(-1, 1.5, 400)).astype(np.float64)
COUNTS = COUNTS[COUNTS.sum(axis=1) > 0]
TOTALS = COUNTS.sum(axis=1, keepdims=True)
PER_10K = COUNTS / TOTALS * 1e4
VARIABLE = COUNTS.var(axis=0) > np.median(COUNTS.var(axis=0))
BULK = RNG.normal(RNG.normal(7, 2, 400), 0.5, (30, 400)).clip(2)


def scaled(X):
    return (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)


@pytest.mark.parametrize(
    ("values", "scale", "words"),
    [
        (COUNTS, "counts", "counts"),
        (COUNTS / TOTALS * 1e6, "cpm", "CPM or TPM"),
        (PER_10K, "cpm", "values scaled to 10,000 a row"),
        (PER_10K[:, VARIABLE], "cpm", "scaled counts"),
        (np.log1p(PER_10K), "log1p", "log1p of values scaled to 10,000 a row"),
        (np.log1p(PER_10K)[:1], "log1p", "log1p of values scaled to 10,000 a row"),
        (np.log1p(PER_10K)[:, VARIABLE], "log1p", "log1p of scaled counts"),
        (np.log1p(COUNTS), "log1p", "log1p of counts"),
        (np.log2(1 + COUNTS / TOTALS * 1e6), "log1p", "log2(1 + x) of CPM or TPM"),
        (scaled(np.log1p(PER_10K)), "zscore", "z-scores"),
        (scaled(np.log1p(PER_10K)).clip(-10, 3), "zscore", "z-scores"),
        (BULK, "rma", "logarithms of bulk expression, as RMA gives them"),
        (BULK[:1], "rma", "logarithms of bulk expression, as RMA gives them"),
        (np.zeros((3, 4)), "counts", "nothing but zeros"),
    ],
)
def test_scales(values, scale, words):
    found = diagnose(sparse.csr_matrix(values.astype(np.float32)))
    assert (found.scale, found.words) == (scale, words)


def test_values_that_are_not_finite_do_not_confuse():
    values = np.where(RNG.random(COUNTS.shape) < 0.01, np.nan, COUNTS)
    values[0, 0] = np.inf
    assert diagnose(sparse.csr_matrix(values)).scale == "counts"


def test_estimated_counts_are_doubted_and_may_be_called_counts():
    estimated = COUNTS + np.where(COUNTS > 0, RNG.random(COUNTS.shape), 0) * 5
    estimated[:, 0] += 100  # beyond what a logarithm can be
    found = diagnose(sparse.csr_matrix(estimated))
    assert "not whole" in found.doubt
    assert found.agrees_with("counts")
    assert found.agrees_with("cpm")
    assert not found.agrees_with("log1p")


@pytest.mark.parametrize(
    "values",
    [
        np.round(COUNTS / TOTALS * 1e6),
        np.round(COUNTS / TOTALS * 1e4),
        np.round(COUNTS / TOTALS * 1e6)[:, VARIABLE],
        np.round(COUNTS / TOTALS * 1e6)[:1],
    ],
    ids=["CPM", "per 10,000", "CPM of some genes", "CPM of one sample"],
)
def test_rounded_values_are_no_counts_until_the_user_says_so(values):
    found = diagnose(sparse.csr_matrix(values.astype(np.float32)))
    assert found.scale == "cpm"
    assert "rounded" in found.words
    assert not found.shows("counts")
    assert found.agrees_with("counts")


def test_cells_thinned_to_one_depth_are_counts():
    thinned = np.stack([RNG.multinomial(500, row / row.sum()) for row in COUNTS])
    assert diagnose(sparse.csr_matrix(thinned.astype(np.float32))).shows("counts")


def test_counts_of_a_panel_of_abundant_genes_are_counts():
    values = RNG.poisson(RNG.lognormal(6, 1, (30, 300))) + 20
    assert diagnose(sparse.csr_matrix(values.astype(np.float32))).shows("counts")


def test_presence_is_no_counts_until_the_user_says_so():
    found = diagnose(sparse.csr_matrix((COUNTS > 0).astype(np.float32)))
    assert found.presence
    assert not found.shows("counts")
    assert found.agrees_with("counts")


def test_what_a_user_says_must_fit():
    logs = diagnose(sparse.csr_matrix(np.log1p(PER_10K)))
    assert logs.agrees_with("log1p")
    assert not logs.agrees_with("counts")
    bulk = diagnose(sparse.csr_matrix(BULK))
    assert bulk.agrees_with("rma")
    assert bulk.agrees_with("log1p")
    assert not bulk.agrees_with("zscore")


@pytest.mark.parametrize(
    "X",
    [COUNTS, COUNTS / TOTALS * 1e6, np.log2(1 + COUNTS / TOTALS * 1e6), np.log1p(PER_10K)],
    ids=["counts", "TPM", "log2 TPM", "log1p"],
)
def test_what_is_known_is_brought_to_one_scale(X):
    held = diagnose(sparse.csr_matrix(X))
    np.testing.assert_allclose(as_log1p(X, held), np.log1p(PER_10K), rtol=1e-5, atol=1e-7)


def test_what_is_not_known_is_left_alone():
    assert as_log1p(BULK, diagnose(sparse.csr_matrix(BULK))) is None
    centred = PER_10K - PER_10K.mean(axis=0)
    assert as_log1p(centred, diagnose(sparse.csr_matrix(centred))) is None


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("counts/baron_10x19264.csv.gz", "counts"),
        ("counts/bulk_gdsc_10x19264.csv.gz", "rma"),
        ("scc47/expression_z.csv.gz", "zscore"),
        ("jhu006/expression_z.csv.gz", "zscore"),
    ],
)
def test_real_tables(real_data, name, scale):
    table = pd.read_csv(real_data / name, index_col=0)
    assert diagnose(sparse.csr_matrix(table.to_numpy(np.float32))).scale == scale
