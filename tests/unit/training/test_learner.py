"""A learner chooses and fits a candidate from the training rows of a fold, and nothing else."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from scatd.artifact import Artifact
from scatd.nn.alignment import feature_stats
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training import baselines
from scatd.training.candidates import trees
from scatd.training.candidates.inner import inner_folds
from scatd.training.fitting import fit_folds
from scatd.training.group_mean import FoldGroups, GroupMean
from scatd.training.jobs import FoldJob, LabelledCells
from scatd.training.learner import Learner, LearnerInputs
from scatd.training.logistic import chosen_C
from scatd.training.logistic import inner_folds as inner_folds_of_logistic
from scatd.training.settings import TransferSettings

SIZES = Sizes(12, 6, (10, 8), (8, 10))
N_SOURCE, N_VAL = 120, 30
CHOICES = ("auto", "network", "linear", "trees", "mean")


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    """A few trees are enough to tell folds apart."""
    for module in (trees, baselines):
        monkeypatch.setattr(module, "FEWEST_TREES", 10)
        monkeypatch.setattr(module, "MOST_TREES", 25)
    monkeypatch.setitem(baselines.BOOSTING, "max_iter", 10)


def matrices():
    """A source on another scale than the cells, with classes, and labelled cells."""
    rng = np.random.default_rng(1)

    def drawn(n):
        X = rng.normal(size=(n, SIZES.n_features))
        return X, (X[:, 0] - X[:, 1] + 0.5 * rng.normal(size=n) > 0.3).astype(np.int64)

    source, codes = drawn(N_SOURCE)
    cells, truth = drawn(80)
    moved = (3 + 0.5 * source) * np.linspace(0.5, 2, SIZES.n_features)
    return moved.astype(np.float32), codes, cells.astype(np.float32), truth


X, CODES, CELLS, TRUTH = matrices()


def learner(model="auto", X=X, **changes):
    torch.manual_seed(0)
    state = ResidualVAE(SIZES, DESIGNS["sf"]).state_dict()
    backbone = Artifact("backbone", "sf", "sf", SIZES, state)
    settings = TransferSettings(
        model=model, epochs=3, min_steps=0, batch_size=32, learning_rate=3e-3, **changes
    )
    cells = torch.from_numpy(CELLS)
    inputs = LearnerInputs(
        X, backbone, feature_stats([cells]), CELLS, settings, torch.device("cpu")
    )
    return Learner(inputs)


def job(number=1, codes=CODES, few=None):
    order = np.random.default_rng(number).permutation(N_SOURCE)
    train, val = np.sort(order[N_VAL:]), np.sort(order[:N_VAL])
    inner = inner_folds(codes[train], None, None if few is None else few.codes, number)
    cells = LabelledCells(np.arange(80), CELLS, TRUTH)
    return FoldJob("drug", number, number, train, val, codes[train], codes[val], inner, few, cells)


@functools.cache
def usual(model):
    """The fold of `job()`, fitted alone; it is only looked at."""
    return learner(model).fit([job()])[0]


@functools.cache
def usual_with_controls(model):
    """The same with its baselines and controls."""
    return fit_folds(learner(model), [job()])[0]


def selected(fitted):
    tensors = fitted.candidate.tensors()
    return fitted.selection.name, fitted.selection.tried, tensors


@pytest.mark.parametrize("model", CHOICES)
def test_validation_rows_have_no_part_in_a_choice(model):
    """Neither their classes nor their features: the folds judge the whole procedure."""
    own = usual(model)
    val = job().val
    turned = CODES.copy()
    turned[val] = 1 - turned[val]
    spoiled = X.copy()
    spoiled[val] = spoiled[val] * 3 + 40
    others = [learner(model).fit([job(codes=turned)]), learner(model, spoiled).fit([job()])]
    for (other,) in others:
        name, tried, tensors = selected(other)
        assert (name, str(tried)) == (own.selection.name, str(own.selection.tried))
        for key, value in own.candidate.tensors().items():
            assert torch.equal(tensors[key], value)
    np.testing.assert_array_equal(others[0][0].prob_val, own.prob_val)


@pytest.mark.parametrize("model", ["auto", "mean"])
def test_training_rows_have(model):
    own = usual(model)
    turned = CODES.copy()
    turned[job().train[:20]] = 1 - turned[job().train[:20]]
    (other,) = learner(model).fit([job(codes=turned)])
    assert str(own.selection.tried) != str(other.selection.tried)


@pytest.mark.parametrize("model", CHOICES)
def test_folds_that_are_fitted_together_are_those_fitted_alone(model):
    jobs = [job(number) for number in (1, 2, 3)]
    together = learner(model).fit(jobs)
    for one, found in zip(jobs, together, strict=True):
        (alone,) = [usual(model)] if one.number == 1 else learner(model).fit([one])
        assert found.selection.name == alone.selection.name
        if model != "auto":
            assert found.candidate.name == model
        np.testing.assert_allclose(found.prob_val, alone.prob_val, atol=1e-4)
        np.testing.assert_allclose(
            found.on_target(one.target), alone.on_target(one.target), atol=1e-4
        )


@pytest.mark.parametrize("alignment", ["adain", "bi-adain", "mmd", "coral"])
@pytest.mark.parametrize("model", ["linear", "trees", "mean"])
def test_the_model_without_adaptation_is_fitted_to_rows_as_they_are(model, alignment):
    """It is not fitted anew where that would give the same function."""
    own = learner(model, alignment=alignment)
    (fold,) = fit_folds(own, [job()])
    unmoved = own.only(model, job(), own.aligned(job(), method="none"))
    found = fold.predictions.prob["no_adaptation"]
    np.testing.assert_allclose(found, unmoved.prob_val, atol=2e-3)
    on_cells = unmoved.on_target(job().target)
    np.testing.assert_allclose(fold.target.prob["no_adaptation"], on_cells, atol=2e-3)
    if alignment != "mmd":
        assert np.abs(fold.target.prob["response_model"] - on_cells).max() > 0.05


@pytest.mark.parametrize("model", ["auto", "linear", "trees", "mean"])
@pytest.mark.parametrize("n", [1, 2, 6])
def test_few_labelled_cells(model, n):
    at = np.concatenate([np.flatnonzero(code == TRUTH)[:n] for code in (0, 1)])
    few = LabelledCells(at, CELLS[at], TRUTH[at])
    (fold,) = fit_folds(learner(model), [job(few=few)])
    without = usual_with_controls(model)
    # Probabilities are those among the rows that inner folds score.
    share = 0.5 if n >= 5 else fold.job.codes_train.mean()
    threshold = 0.5 if fold.selection.name == "network" else share
    assert fold.predictions.threshold == pytest.approx(threshold, abs=0.02)
    assert np.isfinite(fold.target.prob["response_model"]).all()
    assert (fold.target.prob["response_model"] != without.target.prob["response_model"]).any()


def test_baselines_of_a_fold():
    """The mean of the group on source and cells; the model of few-shot cells on cells alone."""
    at = np.concatenate([np.flatnonzero(code == TRUTH)[:6] for code in (0, 1)])
    known = LabelledCells(at, CELLS[at], TRUTH[at])
    one = job()
    tissue = np.array(["skin", "lung", "liver"])[np.arange(N_SOURCE) % 3]
    groups = FoldGroups("tissue", tissue[one.train], tissue[one.val], None, np.array(["skin"] * 80))
    (fold,) = fit_folds(learner("linear"), [replace(one, groups=groups, known=known)])
    plain = usual_with_controls("linear")
    names = {
        "response_model", "no_adaptation",
        "prevalence", "logistic_regression", "gradient_boosting", "random_forest",
    }  # fmt: skip
    assert set(plain.predictions.prob) == set(plain.target.prob) == names
    assert set(fold.predictions.prob) == names | {"group_mean"}
    assert set(fold.target.prob) == names | {"group_mean", "target_only"}
    own = GroupMean.fit("tissue", tissue[one.train], CODES[one.train])
    np.testing.assert_array_equal(
        fold.predictions.prob["group_mean"], own.probabilities(tissue[one.val])
    )
    assert (fold.target.prob["group_mean"] == own.shares["skin"]).all()
    # With adain, cells stay where they are.
    scaler = StandardScaler().fit(CELLS[at])
    C = chosen_C(scaler.transform(CELLS[at]), TRUTH[at], inner_folds_of_logistic(TRUTH[at], 42))
    model = LogisticRegression(C=C, tol=1e-8, max_iter=2000)
    model.fit(scaler.transform(CELLS[at]), TRUTH[at])
    expected = model.predict_proba(scaler.transform(CELLS))[:, 1]
    np.testing.assert_allclose(fold.target.prob["target_only"], expected, atol=1e-4)


def test_few_shot_cells_of_known_groups_count_as_training_samples():
    at = np.concatenate([np.flatnonzero(code == TRUTH)[:6] for code in (0, 1)])
    few = LabelledCells(at, CELLS[at], TRUTH[at])
    one = job(few=few)
    none = np.array([""] * N_SOURCE)
    groups = FoldGroups("patient", none[one.train], none[one.val], np.repeat(["a", "b"], 6), None)
    (fold,) = fit_folds(learner("linear"), [replace(one, groups=groups)])
    p = np.concatenate([CODES[one.train], TRUTH[at]]).mean()
    shares = fold.kept.group_mean.shares
    assert shares == pytest.approx({"a": 2 * p / 8, "b": (6 + 2 * p) / 8})
    assert "group_mean" not in fold.target.prob


def test_what_is_learned_is_as_it_is_recorded():
    fold = usual_with_controls("auto")
    assert set(fold.beside) == {"linear", "trees", "mean"}
    assert {one.candidate for one in fold.selection.tried} == {"linear", "trees", "mean", "network"}
    for model in ("linear", "trees", "mean"):
        alone = usual_with_controls(model)
        assert alone.beside[model] == pytest.approx(fold.beside[model], abs=1e-9)
        assert alone.weights == {}
        assert alone.history == []
    network = usual_with_controls("network")
    assert network.selection.tried == ()
    assert network.beside == {}
    assert network.history
