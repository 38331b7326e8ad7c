"""Samples with almost the same profile are found, and different samples are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.data.features import read_features
from scatd.evaluation.copies import ALMOST, exact_copies, near_copies
from scatd.evaluation.integrity import REMEDIES, Profiles, findings


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def lines(rng, n=60, n_genes=400):
    """Log expression: genes of different means and s.d., and programmes that lines share."""
    programmes = rng.normal(size=(n, 8)) @ rng.normal(size=(8, n_genes)) / 2
    values = rng.uniform(2, 9, n_genes) + rng.uniform(0.3, 2, n_genes) * (
        programmes + rng.normal(size=(n, n_genes)) / 2
    )
    values[:, ::10] = 0.0437  # genes without variation, which rounding changes
    return values.astype(np.float32)


def rows_of(X):
    return [group.rows for group in near_copies(X, exact_copies(X))]


CHANGES = {
    "noise of 1 %": lambda x, sd, rng: x + 0.01 * sd * rng.normal(size=x.shape),
    "noise of 3 %": lambda x, sd, rng: x + 0.03 * sd * rng.normal(size=x.shape),
    "two digits": lambda x, sd, rng: np.round(x, 2),
    "half precision": lambda x, sd, rng: x.astype(np.float16).astype(np.float32),
    "a scale": lambda x, sd, rng: 1.3 * x,
    "an offset": lambda x, sd, rng: x - 2.0,
    "genes without values": lambda x, sd, rng: np.where(rng.random(x.shape) < 0.01, 0, x),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_that_was_changed_a_little_is_found(rng, change):
    X = lines(rng)
    X[50] = CHANGES[change](X[7], X.std(axis=0), rng)
    assert rows_of(X) == [(7, 50)]


def test_the_correlation_is_what_the_noise_says(rng):
    """Independent noise of share s of the s.d. leaves a correlation of 1 / sqrt(1 + s²)."""
    X = rng.normal(size=(200, 3000)).astype(np.float32)
    X[9] = X[4] + 0.02 * rng.normal(size=3000)
    (found,) = near_copies(X)
    assert found.correlation == pytest.approx(1 / np.sqrt(1 + 0.02**2), abs=2e-5)
    assert found.in_words == f"correlation {found.correlation:.5f}"


def test_noise_of_a_tenth_makes_another_sample(rng):
    X = rng.normal(size=(100, 500)).astype(np.float32)
    X[9] = X[4] + 0.1 * rng.normal(size=500)
    assert near_copies(X) == []


def test_a_group_is_one_finding_with_its_exact_copies(rng):
    X = lines(rng)
    noise = 0.01 * X.std(axis=0)
    X[[3, 20]] = X[11]  # exact
    X[30:42] = X[11] + noise * rng.normal(size=(12, X.shape[1]))  # more than neighbours asked for
    X[55] = X[56] + noise * rng.normal(size=X.shape[1])
    assert rows_of(X) == [(3, 11, 20, *range(30, 42)), (55, 56)]
    assert exact_copies(X) == [[3, 11, 20]]


def test_exact_copies_alone_are_no_near_copies(rng):
    X = lines(rng)
    X[3] = X[11]
    assert rows_of(X) == []


def test_no_false_alarm_where_profiles_hold_little(rng):
    """Few features, few axes, constant columns, empty and constant rows, few samples."""
    assert rows_of(rng.normal(size=(2000, 3)).astype(np.float32)) == []
    axes = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 500))
    assert rows_of(axes + 1e-3 * rng.normal(size=axes.shape)) == []
    X = rng.normal(size=(40, 300)).astype(np.float32)
    X[:, 100:] = 5.0
    X[4], X[5], X[6] = 0.0, 1.0, 2.0
    assert rows_of(X) == []
    for n in (1, 2, 3):
        assert rows_of(rng.normal(size=(n, 300))) == []
    assert rows_of(np.zeros((5, 0))) == []


def test_sparse_counts_of_different_cells_are_no_copies(rng):
    """Most genes are 0 in all cells, so that any two cells agree on most genes."""
    rate = rng.gamma(0.1, 2, 2000)
    counts = rng.poisson(rate * rng.uniform(0.5, 2, (150, 1))).astype(np.float32)
    assert rows_of(counts) == []
    counts[9] = 2 * counts[4]
    assert rows_of(counts) == [(4, 9)]


def test_many_samples_are_compared_on_random_axes(rng):
    """Above 512 features neighbours are looked for on 256 axes; none is lost."""
    X = rng.normal(size=(1000, 1500)).astype(np.float32)
    X[::2] = X[1::2] + 0.01 * rng.normal(size=(500, 1500))
    assert rows_of(X) == [(row, row + 1) for row in range(0, 1000, 2)]


def test_the_finding_names_samples_correlation_and_remedy(rng):
    X = lines(rng)
    X[50] = X[7] + 0.01 * X.std(axis=0) * rng.normal(size=X.shape[1])
    X[52] = X[8] * 1.01
    codes = pd.DataFrame({"D": np.arange(60) % 2, "E": np.arange(60) // 30}, dtype=np.int8)
    codes.loc[8, "E"] = -1
    found = [one for one in findings(codes, profiles=Profiles(X)) if "near" in one.check]
    assert [(one.severity, one.check, one.samples, one.columns) for one in found] == [
        ("serious", "contradicting near copies", ("7", "50"), ("D", "E")),
        ("warning", "near copies", ("8", "52"), ()),
    ]
    assert found[0].found.startswith(
        f"Samples 7, 50 have almost the same profile (correlation {found[0].value:.5f})"
    )
    assert found[0].value > ALMOST
    assert "leakage" in REMEDIES["near copies"]


REAL = {
    "ccle_gdsc/lines.h5ad": "dist",
    "scc47/scfoundation_embedding.npy": "sf",
    "scc47/expression_z.csv.gz": "dist",
    "jhu006/expression_z.csv.gz": "dist",
    "lu451/scfoundation_embedding.npy": "sf",
    "ccle/scfoundation_embedding_maxpool768.npy": "sf",
}


@pytest.mark.parametrize("name", REAL)
def test_no_false_alarm_on_real_samples(real_data, name):
    X = np.asarray(read_features(real_data / name, REAL[name]).X)
    assert near_copies(X, exact_copies(X)) == []
    copy = X[3] + 0.01 * X.std(axis=0) * np.random.default_rng(0).normal(size=X.shape[1])
    copied = np.concatenate([X, copy[None].astype(np.float32)])
    assert rows_of(copied) == [(3, len(X))]
