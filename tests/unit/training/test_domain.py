"""The distance of a cell from the training domain, and its p-value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from scatd.nn.domain import Domain, TooFewCells
from scatd.training.domain import FEWEST, clusters, fit_domain, principal_axes

N_LATENT = 12


def cells(n, seed, shift=0.0):
    """Correlated rows that are no Gaussian."""
    mixing = np.random.default_rng(7).normal(size=(N_LATENT, N_LATENT))
    rng = np.random.default_rng(seed)
    rows = rng.standard_t(6, size=(n, N_LATENT)) @ mixing + shift
    return torch.from_numpy(rows.astype(np.float32))


def features(n, seed, shift=0.0, mixing_seed=8, rank=5):
    """Rows of 30 features that vary along a few directions, and a little everywhere."""
    mixing = np.random.default_rng(mixing_seed).normal(size=(rank, 30))
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, rank)) @ mixing + 0.1 * rng.normal(size=(n, 30)) + shift
    return torch.from_numpy(rows.astype(np.float32))


def test_axes_are_the_principal_ones():
    x = features(500, 1)
    axes = principal_axes(x, seed=0)
    expected = PCA(5).fit(x.numpy()).components_
    assert axes.shape == (30, 5), "0.95 of the variance lies in five directions"
    np.testing.assert_allclose(axes @ axes.T, expected.T @ expected, atol=1e-3)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(4)
    before = torch.get_rng_state()
    fit_domain(features(200, 1), cells(200, 2), "source", seed=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_clusters_are_found():
    rng = np.random.default_rng(1)
    centres = rng.normal(scale=20, size=(4, 3))
    member = np.arange(200) % 4  # so many cells make four clusters
    place = torch.from_numpy((centres[member] + rng.normal(size=(200, 3))).astype(np.float32))
    found, nearest = clusters(place, seed=0)
    np.testing.assert_allclose(found[nearest], centres[member], atol=1.0)


@pytest.fixture(scope="module")
def domain():
    return fit_domain(features(4000, 4), cells(4000, 4), "reference", seed=0)


def test_distances_by_their_definitions(domain):
    x, z = features(5, 9, mixing_seed=3), cells(5, 3, shift=4.0)
    latent, place, residual = domain.distances(x, z)
    inverse = (domain.latent_whitening @ domain.latent_whitening.T).double().numpy()
    mean = domain.latent_mean.double()
    expected = [mahalanobis(row.double(), mean, inverse) for row in z]
    np.testing.assert_allclose(latent, expected, rtol=1e-4)
    axes, centred = domain.axes.double(), (x - domain.feature_mean).double()
    inverse = (domain.place_whitening @ domain.place_whitening.T).double().numpy()
    expected = [
        min(mahalanobis(row, centre, inverse) for centre in domain.centres.double())
        for row in centred @ axes
    ]
    np.testing.assert_allclose(place, expected, rtol=1e-4)
    fitted, *_ = np.linalg.lstsq(axes.numpy(), centred.numpy().T, rcond=None)
    expected = np.linalg.norm(centred.numpy().T - axes.numpy() @ fitted, axis=0)
    np.testing.assert_allclose(residual, expected, rtol=1e-4)


def test_latent_covariance_is_ledoit_and_wolfs():
    x, z = features(240, 1), cells(240, 2)
    order = torch.randperm(240, generator=torch.Generator().manual_seed(5))[:120]
    expected = LedoitWolf().fit(z[order].double().numpy()).covariance_
    whitening = fit_domain(x, z, "source", seed=5).latent_whitening.double()
    np.testing.assert_allclose(torch.linalg.inv(whitening @ whitening.T), expected, rtol=1e-3)


def test_p_value_by_hand():
    one, ranked = torch.ones(1, 1), torch.tensor([1.0, 2.0, 3.0, 4.0]).repeat(3, 1)
    axes, nothing = torch.tensor([[1.0], [0.0]]), torch.zeros(1)
    shares = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64)
    domain = Domain("reference", nothing, one, torch.zeros(2), axes, one, one, ranked, shares)
    x = torch.tensor([[1.5, 0.5], [1.5, 0.5], [1.5, 3.5], [6.0, 0.5]])
    z = torch.tensor([[0.5], [-2.5], [0.5], [0.5]])
    # Latent, distance from the centre at 1, off the axis: (0.5, 0.5, 0.5), (2.5, 0.5, 0.5), ...
    np.testing.assert_allclose(domain.distances(x, z)[:, 3], [0.5, 5.0, 0.5])
    assert domain.rarity(x, z).tolist() == [1.0, 0.5, 0.25, 0.0]
    assert domain.p_value(x, z).tolist() == [5 / 5, 4 / 5, 3 / 5, 2 / 5]


def test_new_cells_of_the_domain_are_marked_as_often_as_said(domain):
    p = domain.p_value(features(4000, 5), cells(4000, 5)).numpy()
    for level in (0.05, 0.2):
        assert (p < level).mean() == pytest.approx(level, rel=0.4)


@pytest.mark.parametrize(
    ("latent_shift", "spread", "mixing_seed"),
    [(40.0, 1, 8), (0.0, 9, 8), (0.0, 1, 3)],
    ids=["latent", "place", "residual"],
)
def test_each_way_of_being_foreign_is_enough(domain, latent_shift, spread, mixing_seed):
    x = features(500, 6, mixing_seed=mixing_seed) * spread
    p = domain.p_value(x, cells(500, 6, shift=latent_shift)).numpy()
    assert (p < 0.01).mean() > 0.95


def test_equal_seeds_give_equal_domains():
    given = features(300, 8), cells(300, 8), "source"
    first, again, other = (fit_domain(*given, seed) for seed in (1, 1, 2))
    for name, value in first.tensors().items():
        assert torch.equal(value, getattr(again, name))
    assert not torch.equal(first.latent_whitening, other.latent_whitening)


def test_too_few_cells_are_no_domain():
    def fitted(n):
        return fit_domain(features(n, 9), cells(n, 9), "source", seed=0)

    assert fitted(FEWEST - 1) == TooFewCells("source", FEWEST - 1)
    assert (fitted(FEWEST).p_value(features(20, 1) + 90, cells(20, 1)) < 0.05).all()


def test_what_never_varies_does_no_harm():
    x, z = features(400, 10), cells(400, 10)
    x[:, 3] = z[:, 3] = 0.0
    p = fit_domain(x, z, "reference", seed=0).p_value(features(10, 11), cells(10, 11))
    assert torch.isfinite(p).all()
