"""Heads that are trained together equal heads that are trained alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd.errors import TrainingError
from scatd.nn.alignment import feature_stats
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training import stacked_heads
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.heads import can_share, train_heads
from scatd.training.loop import Silent
from scatd.training.settings import TransferSettings, published_transfer
from scatd.training.trainer import AlignedFold, Trainer
from scatd.training.transfer import fit_fold

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
    """Fits of `fit_fold`, and the same folds trained together; also what those were trained on."""
    reference = feature_stats([2 * torch.randn(50, 12, generator=torch.Generator().manual_seed(1))])
    trainer = Trainer(vae, settings)
    alone, tasks = [], []
    for seed, n_train in enumerate(sizes):
        data = fold(n_train, seed)
        alignment, aligned = align(data, reference, settings)
        alone.append(fit_fold(vae, aligned, alignment, settings, SeededDraws(seed), Silent()))
        task, counts = trainer.task(AlignedFold(alignment, aligned, SeededDraws(seed)))
        assert counts == alone[-1].counts
        tasks.append(task)
    return alone, train_heads(tasks, settings), tasks


@pytest.mark.parametrize(
    ("changes", "small"),
    [({}, 10_000), ({}, 30), ({"drop_last": True, "schedule": "published-cosine"}, 10_000)],
    ids=["weights of heads together", "large weights each by itself", "as published"],
)
def test_together_as_alone(vae, changes, small, monkeypatch):
    monkeypatch.setattr(stacked_heads, "_SMALL_WEIGHT", small)
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


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_one_that_fails_stops_the_others(vae):
    _, _, tasks = alone_and_together(vae, replace(SETTINGS, epochs=1, min_steps=0), (30, 30))
    bad = replace(tasks[0], z_train=tasks[0].z_train * float("nan"))
    long = replace(tasks[1], reporter=Silent())
    with pytest.raises(TrainingError, match="epoch 1"):
        train_heads([bad, long], replace(SETTINGS, epochs=100_000))
    assert len(long.reporter.history) < 1000


def test_what_can_share():
    assert can_share(TransferSettings())
    assert can_share(TransferSettings(alignment="coral"))
    assert not can_share(published_transfer("sf", TransferSettings()))
    assert not can_share(TransferSettings(train_encoder=True))
    assert not can_share(TransferSettings(post_training=3))


def test_a_trainer_trains_folds_as_they_are_trained_alone(vae):
    reference = feature_stats([2 * torch.randn(50, 12, generator=torch.Generator().manual_seed(1))])
    for settings in (SETTINGS, replace(SETTINGS, post_training=2)):
        folds, alone = [], []
        for seed, n_train in enumerate((60, 41)):
            for method in ("adain", "none"):
                own = replace(settings, alignment=method)
                alignment, aligned = align(fold(n_train, seed), reference, own)
                folds.append(AlignedFold(alignment, aligned, SeededDraws(seed), Silent()))
                draws = SeededDraws(seed)
                alone.append(fit_fold(vae, aligned, alignment, own, draws, Silent()))
        fitted = Trainer(vae, settings).fit(iter(folds))
        for ours, theirs, asked in zip(fitted, alone, folds, strict=True):
            np.testing.assert_allclose(ours.prob_val, theirs.prob_val, atol=1e-4)
            assert ours.alignment.method == theirs.alignment.method
            assert asked.reporter.history == ours.history
