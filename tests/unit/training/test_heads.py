"""Heads that train together are the heads that train alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd.errors import TrainingError
from scatd.nn.alignment import feature_stats
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training import augment
from scatd.training.draws import SeededDraws
from scatd.training.heads import HeadTask, can_share, train_heads
from scatd.training.loop import Silent
from scatd.training.settings import TransferSettings, published_transfer
from scatd.training.transfer import (
    FoldData,
    align,
    balance,
    fit_fold,
    new_classifier,
    posterior_of,
)

SETTINGS = TransferSettings(epochs=4, min_steps=12, batch_size=16, learning_rate=3e-3)


@pytest.fixture(scope="module", params=["sf", "gf"])
def vae(request):
    torch.manual_seed(3)
    return ResidualVAE(Sizes(12, 10, (14, 11), (14,)), DESIGNS[request.param]).eval()


def fold(n_train, seed, n_val=20):
    rng = np.random.default_rng(seed)
    X = torch.from_numpy(rng.normal(size=(n_train + n_val, 12)).astype(np.float32))
    codes = (X[:, 0].numpy() + rng.normal(size=len(X)) > 0.4).astype(np.int64)
    codes[:2] = 0, 1
    return FoldData(X[:n_train], codes[:n_train], X[n_train:], codes[n_train:])


def alone_and_together(vae, settings, sizes):
    """Fits of `fit_fold`, and the same folds trained together."""
    reference = feature_stats([2 * torch.randn(50, 12, generator=torch.Generator().manual_seed(1))])
    alone, tasks = [], []
    for seed, n_train in enumerate(sizes):
        data = fold(n_train, seed)
        alignment, aligned = align(data, reference, settings)
        alone.append(fit_fold(vae, aligned, alignment, settings, SeededDraws(seed), Silent()))
        draws = SeededDraws(seed)
        balanced = balance(vae, aligned, settings, draws)
        classifier = new_classifier(vae, settings).eval()
        tasks.append(
            HeadTask(
                classifier,
                posterior_of(classifier, balanced.X)[0],
                balanced.codes,
                posterior_of(classifier, aligned.X_val)[0],
                aligned.codes_val,
                torch.from_numpy(augment.class_weights(balanced.codes)).float(),
                draws,
            )
        )
    return alone, train_heads(tasks, settings), tasks


@pytest.mark.parametrize("changes", [{}, {"drop_last": True, "schedule": "published-cosine"}])
def test_together_as_alone(vae, changes):
    # 16 rows are one batch; 41 and 60 have a last batch that is short, joined or dropped. Fewer
    # rows mean more epochs: all heads differ in steps an epoch, epochs, or both.
    settings = replace(SETTINGS, **changes)
    alone, together, tasks = alone_and_together(vae, settings, (60, 16, 41, 90, 60))
    assert len({len(head.history) for head in together}) > 1
    for single, head, task in zip(alone, together, tasks, strict=True):
        np.testing.assert_allclose(head.prob_val, single.prob_val, atol=1e-4)
        assert [r["epoch"] for r in head.history] == [r["epoch"] for r in single.history]
        for ours, theirs in zip(head.history, single.history, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-4)
        X = torch.randn(30, 12)
        with torch.no_grad():
            expected = single.classifier(X).softmax(dim=1)
            torch.testing.assert_close(
                task.classifier(X).softmax(dim=1), expected, atol=1e-4, rtol=0
            )


def test_a_head_learns_and_leaves_the_encoder_alone(vae):
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    _, together, tasks = alone_and_together(vae, replace(SETTINGS, epochs=30), (60, 60))
    for name, value in vae.state_dict().items():
        assert torch.equal(value, before[name])
    encoder = {name: before[name] for name in before if not name.startswith(("Dec", "fc4"))}
    for head, task in zip(together, tasks, strict=True):
        assert head.history[-1]["train_loss"] < head.history[0]["train_loss"]
        state = task.classifier.state_dict()
        assert all(torch.equal(state[name], value) for name, value in encoder.items())


def test_divergence_is_an_error(vae):
    _, _, tasks = alone_and_together(vae, replace(SETTINGS, epochs=1, min_steps=0), (30, 30))
    bad = replace(tasks[1], z_train=tasks[1].z_train * float("nan"))
    with pytest.raises(TrainingError, match="epoch 1"):
        train_heads([tasks[0], bad], SETTINGS)


def test_what_can_share():
    assert can_share(TransferSettings())
    assert can_share(TransferSettings(alignment="coral"))
    assert not can_share(published_transfer("sf", TransferSettings()))
    assert not can_share(TransferSettings(train_encoder=True))
    assert not can_share(TransferSettings(post_training=3))


@pytest.mark.parametrize("seed", range(4))
def test_tomek_links_are_those_of_imbalanced_learn(seed):
    from imblearn.under_sampling import TomekLinks

    rng = np.random.default_rng(seed)
    n_features = (2, 3, 40, 300)[seed]
    X = rng.normal(size=(400, n_features)).astype(np.float32) + 100 * (seed % 2)
    codes = (rng.random(400) < (0.5, 0.2, 0.8, 0.4)[seed]).astype(np.int64)
    links = TomekLinks()
    links.fit_resample(X.astype(np.float64), codes)
    kept = augment.without_tomek_links(torch.from_numpy(X), codes)
    assert len(kept) < len(X)
    np.testing.assert_array_equal(kept, np.sort(links.sample_indices_))


def test_nearest_rows_among_copies_and_far_from_zero():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)).astype(np.float32) * 1e-3 + 50
    X[10:30] = X[5]
    exact = np.square(X.astype(np.float64)[:, None] - X.astype(np.float64)[None]).sum(axis=2)
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_array_equal(augment.nearest_rows(torch.from_numpy(X)), exact.argmin(axis=1))
