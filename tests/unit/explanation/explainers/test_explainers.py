"""Explainers of every candidate: what they attribute is what scores, and it adds up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import spearmanr

from scatd.candidates.linear import Linear
from scatd.candidates.mean import Mean
from scatd.candidates.network import Network
from scatd.explanation import controls
from scatd.explanation.attributed import EXACT_TOLERANCE, TOLERANCE
from scatd.explanation.attribution import integrated_gradients
from scatd.explanation.curves import deletion_insertion
from scatd.explanation.explainers.making import explainer_of
from scatd.explanation.explainers.network import NetworkExplainer
from scatd.explanation.linear_path import LinearPath
from scatd.explanation.perturbation import changes_of, perturb
from scatd.explanation.settings import ExplainSettings
from scatd.explanation.shapley import ShapleyTrees
from scatd.explanation.signature import signature
from tests.random_trees import random_trees

N, N_FEATURES, N_LATENT = 40, 12, 6
IG, SHAP = ExplainSettings(steps=50), ExplainSettings(method="gradshap", samples=400)
NAMES = ("linear", "latent", "trees", "mean", "mean with network")


@pytest.fixture
def network(model):
    return model("gf")


@pytest.fixture
def candidates(network):
    rng = np.random.default_rng(7)
    linear = Linear(rng.normal(size=N_FEATURES), 0.4)
    trees = random_trees(2, 20, N_FEATURES, 5)
    return {
        "linear": linear,
        "latent": Linear(linear.weights, 0.4, rng.normal(size=N_LATENT)),
        "trees": trees,
        "mean": Mean((linear, trees), 1.7, -0.2),
        "mean with network": Mean((linear, Mean((trees, Network(network)), 0.8, 0.1)), 1.7, -0.2),
    }


@pytest.fixture
def x():
    return torch.randn(N, N_FEATURES, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def pool():
    return torch.randn(3, N_FEATURES, generator=torch.Generator().manual_seed(5))


def attributed(explainer, x, pool, settings=IG, target=1):
    return explainer.attribute(x, np.arange(len(x)), pool, target, settings)


def log_odds(candidate, network, x):
    with torch.no_grad():
        return candidate.log_odds(x, network.encode(x)[0])


@pytest.mark.parametrize("logits", ["raw", "centred"])
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_the_log_odds_that_score(candidates, network, x, name, logits):
    candidate, scale = candidates[name], {"raw": 1, "centred": 0.5}[logits]
    explainer = explainer_of([candidate], network, logits)
    found, expected = explainer.logits(x), scale * log_odds(candidate, network, x)
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-5)
    np.testing.assert_allclose(found[:, 0], -expected, atol=1e-5)
    prob = explainer.probability(found)
    np.testing.assert_allclose(prob, expit(expected / scale), atol=1e-5)
    if explainer.has_gradients:
        torch.testing.assert_close(explainer.whole(x).double(), found, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("settings", [IG, SHAP], ids=lambda one: one.method)
@pytest.mark.parametrize("name", ["linear", "trees", "mean"])
def test_exact_attributions_add_up_whatever_the_method(
    candidates, network, x, pool, name, settings
):
    candidate = candidates[name]
    explainer = explainer_of([candidate], network, "raw")
    found = attributed(explainer, x, pool, settings)
    start = pool.mean(dim=0, keepdim=True) if settings is IG else pool
    change = log_odds(candidate, network, x) - log_odds(candidate, network, start).mean()
    np.testing.assert_allclose(found.attributions.sum(axis=1), change, atol=1e-9)
    np.testing.assert_allclose(found.change, change, atol=1e-9)
    assert found.attributions.dtype == np.float64
    assert explainer.tolerance == EXACT_TOLERANCE
    assert found.is_within(EXACT_TOLERANCE).all()
    assert (found.n_steps == 0).all()
    other = attributed(explainer, x, pool, settings, target=0)
    np.testing.assert_array_equal(other.attributions, -found.attributions)
    words = explainer.in_words(settings)
    instead = {"ig": "Integrated Gradients", "gradshap": "GradientSHAP"}[settings.method]
    assert words.startswith("log odds by exact")
    assert words.endswith(f"in place of {instead}")


def test_a_mean_has_the_mean_of_its_parts_attributions(candidates, network, x, pool):
    linear, trees = candidates["mean"].parts
    start = pool.mean(dim=0, keepdim=True)
    of_linear = linear.weights * (x.double() - start.double()).numpy()
    of_trees = ShapleyTrees(trees).values(x.numpy(), start.numpy())
    found = attributed(explainer_of([candidates["mean"]], network, "raw"), x, pool)
    np.testing.assert_allclose(found.attributions, 1.7 * (of_linear + of_trees) / 2, atol=1e-10)
    # A network has Integrated Gradients of its log odds, the difference of its two logits.
    path = LinearPath([network])
    both = [integrated_gradients(path, x, start, code, 800).attributions for code in (0, 1)]
    explainer = explainer_of([candidates["mean with network"]], network, "raw")
    expected = 1.7 * (of_linear + 0.8 * (of_trees + both[1] - both[0]) / 2) / 2
    found = attributed(explainer, x, pool, ExplainSettings(steps=800))
    np.testing.assert_allclose(found.attributions, expected, atol=1e-4)
    assert explainer.tolerance == TOLERANCE
    assert found.is_complete.mean() > 0.9
    assert explainer.in_words(IG).endswith("exact Shapley values and Integrated Gradients")


def test_weights_of_the_latent_are_carried_through_the_encoder(candidates, network, x, pool):
    candidate = candidates["latent"]
    explainer = explainer_of([candidate], network, "raw")
    found = attributed(explainer, x, pool)
    start = pool.mean(dim=0, keepdim=True)
    change = log_odds(candidate, network, x) - log_odds(candidate, network, start)
    np.testing.assert_allclose(found.change, change, atol=1e-5)
    assert found.is_complete.mean() > 0.9
    assert explainer.tolerance == TOLERANCE


def test_networks_are_explained_as_they_were(network, x, pool):
    explainer = explainer_of([Network(network)], network, "centred")
    assert isinstance(explainer, NetworkExplainer)
    expected = integrated_gradients(
        LinearPath([network], centred=True), x, pool[:1], 1, n_steps=24
    ).attributions
    np.testing.assert_array_equal(explainer.quick(x, pool[:1], 24), expected)
    assert explainer.in_words(SHAP) == "centred logit by GradientSHAP"


@pytest.mark.parametrize("name", NAMES)
def test_changed_features_are_scored_as_changed_cells(candidates, network, x, name):
    explainer = explainer_of([candidates[name]], network, "raw")
    zero = torch.zeros(1, N_FEATURES)
    is_resistant = np.arange(N) % 2 == 0
    own = signature(explainer, x, zero)
    slopes = {feature: float(own.slope[feature]) for feature in range(N_FEATURES)}
    table = perturb(explainer, x, changes_of(x, zero, is_resistant), slopes, seed=0)
    effects = table.set_index(["to", "feature"])
    odds = log_odds(candidates[name], network, x)
    resistant = torch.from_numpy(is_resistant)
    for feature in range(N_FEATURES):
        moved = x.clone()
        moved[:, feature] = 0
        after = log_odds(candidates[name], network, moved)
        row = effects.loc[("zero", feature)]
        assert row["effect"] == pytest.approx((after - odds).mean(), abs=1e-5)
        assert row["prob_change"] == pytest.approx((expit(after) - expit(odds)).mean(), abs=1e-5)
        moved = x[resistant].clone()
        moved[:, feature] = x[~resistant][:, feature].mean()
        after = log_odds(candidates[name], network, moved)
        row = effects.loc[("level of sensitive cells", feature)]
        assert row["effect"] == pytest.approx((after - odds[is_resistant]).mean(), abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_deleted_features_take_the_baselines_values(candidates, network, x, pool, name):
    explainer = explainer_of([candidates[name]], network, "raw")
    order = np.arange(N_FEATURES)
    curves = deletion_insertion(explainer, x, pool[:1], order, seed=0)
    row = curves[(curves["order"] == "list") & (curves["n_features"] == 5)].iloc[0]
    left, alone = x.clone(), pool[:1].expand_as(x).clone()
    left[:, :5], alone[:, :5] = pool[:1, :5], x[:, :5]
    ends = [log_odds(candidates[name], network, one) for one in (x, left, alone, pool[:1])]
    distance = np.abs(ends[0] - ends[3]).mean()
    assert row["deleted"] == pytest.approx(np.abs(ends[1] - ends[0]).mean() / distance, abs=1e-5)
    inserted = 1 - np.abs(ends[2] - ends[0]).mean() / distance
    assert row["inserted"] == pytest.approx(inserted, abs=1e-5)


def test_random_models_keep_their_numbers_and_lose_their_features(candidates, network, x):
    linear, trees = candidates["linear"], candidates["trees"]
    other = explainer_of([linear], network, "raw").randomised("whole model", 1)
    assert sorted(other.model.weights) == sorted(linear.weights)
    assert not np.array_equal(other.model.weights, linear.weights)
    other = explainer_of([trees], network, "raw").randomised("whole model", 1)
    asks = ~trees.is_leaf
    renamed = set(zip(trees.feature[asks], other.model.feature[asks], strict=True))
    assert len(renamed) == len({old for old, _ in renamed}) == len({new for _, new in renamed})
    assert any(old != new for old, new in renamed)
    np.testing.assert_array_equal(other.model.value, trees.value)
    for name in NAMES:
        explainer = explainer_of([candidates[name]], network, "centred")
        other = explainer.randomised("whole model", 1)
        assert not torch.allclose(other.logits(x), explainer.logits(x))
        ratio = other.logits(x) / other.logits(x)[:, 1:]
        torch.testing.assert_close(ratio[:, 0], torch.full((N,), -1.0).double())


@pytest.mark.parametrize("name", ["linear", "trees", "mean"])
def test_a_random_model_gives_another_list(model, name):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=300)
    trees = random_trees(0, 150, 300, 5)
    linear = Linear(weights, 0.0)
    many = {"linear": linear, "trees": trees, "mean": Mean((linear, trees))}
    x = torch.from_numpy(rng.normal(size=(50, 300)).astype(np.float32))
    centre = x.mean(dim=0, keepdim=True)
    explainer = explainer_of([many[name]], model("sf", n_features=300), "raw")
    own = signature(explainer, x, centre)
    (control,), table = controls.randomised_models(explainer, x, centre, own, 20, 0)
    assert control.status == controls.PASSED
    assert table["stage"].unique().tolist() == ["whole model"]
    other = signature(explainer.randomised("whole model", 0), x, centre)
    expected = spearmanr(own.slope, other.slope).statistic
    assert table["slope_spearman"].iloc[0] == pytest.approx(expected)


def test_gradients_of_linear_models_are_their_weights(candidates, network, x):
    explainer = explainer_of([candidates["linear"]], network, "centred")
    rows = x.clone().requires_grad_()
    explainer.whole(rows)[:, 1].sum().backward()
    expected = np.tile(candidates["linear"].weights / 2, (N, 1))
    np.testing.assert_allclose(rows.grad, expected, rtol=1e-5)
    for name in ("trees", "mean", "mean with network"):
        assert not explainer_of([candidates[name]], network, "raw").has_gradients
    assert explainer_of([candidates["latent"]], network, "raw").has_gradients
