"""KL divergence per feature against numpy's histogram, feature by feature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from scatd.errors import InputError
from scatd.evaluation.divergence import kl_per_feature


def one_feature(source: np.ndarray, style: np.ndarray, n_bins: int) -> float:
    pooled = np.concatenate([source, style])
    edges = np.linspace(pooled.min(), pooled.max(), n_bins + 1)
    p, q = (np.histogram(values, edges)[0] / len(values) + 1e-10 for values in (source, style))
    return float(entropy(p, q))


@pytest.mark.parametrize("n_bins", [30, 7])
@pytest.mark.parametrize("kind", ["normal", "counts", "tenths"])
def test_equal_to_numpy_histograms(kind: str, n_bins: int) -> None:
    """Counts and tenths put many values exactly on bin edges."""
    rng = np.random.default_rng(0)
    source = rng.normal(size=(200, 150)) if kind == "normal" else rng.poisson(7, (200, 150))
    style = rng.normal(0.5, 2, (90, 150)) if kind == "normal" else rng.poisson(9, (90, 150))
    if kind == "tenths":
        source, style = source / 10, style / 10
    expected = [one_feature(source[:, j], style[:, j], n_bins) for j in range(150)]
    np.testing.assert_allclose(kl_per_feature(source, style, n_bins), expected, atol=1e-10)


def test_identical_cohorts_do_not_diverge_and_separate_ones_do_most() -> None:
    rng = np.random.default_rng(1)
    values = rng.random((100, 3))
    np.testing.assert_allclose(kl_per_feature(values, values[::-1]), 0, atol=1e-12)
    assert (kl_per_feature(values, values + 100) > 20).all()


def test_constant_and_nearly_constant_features_are_zero_not_a_crash() -> None:
    ones = np.ones((50, 1))
    ulp = np.nextafter(1.0, 2.0)
    nearly = np.where(np.arange(50)[:, None] % 2, 1.0, ulp)
    moving = np.linspace(0, 1, 50)[:, None]
    source = np.hstack([ones, ones, moving])
    style = np.hstack([ones, nearly, moving + 0.5])
    found = kl_per_feature(source, style)
    assert list(found[:2]) == [0, 0]
    assert found[2] > 1


def test_constant_in_one_cohort_only_is_a_divergence() -> None:
    source, style = np.full((20, 1), 5.0), np.linspace(0, 10, 20)[:, None]
    assert kl_per_feature(source, style)[0] == pytest.approx(
        one_feature(source[:, 0], style[:, 0], 30)
    )


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_scales_change_nothing(scale: float) -> None:
    rng = np.random.default_rng(2)
    source, style = rng.random((40, 2)), rng.random((60, 2))
    found = kl_per_feature(source * scale, style * scale)
    np.testing.assert_allclose(found, kl_per_feature(source, style), rtol=1e-6)


def test_float32_tables_are_binned_in_double_precision() -> None:
    rng = np.random.default_rng(3)
    source, style = (rng.normal(size=(n, 5)).astype(np.float32) for n in (80, 120))
    assert np.array_equal(
        kl_per_feature(source, style), kl_per_feature(source.astype(float), style.astype(float))
    )


@pytest.mark.parametrize(
    ("source", "style", "message"),
    [
        (np.ones((3, 4)), np.ones((3, 5)), r"\(3, 4\) and \(3, 5\)"),
        (np.ones((0, 4)), np.ones((3, 4)), "without rows"),
        (np.full((3, 4), np.nan), np.ones((3, 4)), "NaN or infinite"),
        (np.ones((3, 4)), np.full((3, 4), np.inf), "NaN or infinite"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    source: np.ndarray, style: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        kl_per_feature(source, style)
