"""The training loop: what it keeps, when it stops, what it refuses; disk and memory agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.model_selection import KFold

from scatd.errors import InputError, TrainingError
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training import backbone, checkpoint, pretrain
from scatd.training.backbone import UnlabelledCells, fit_backbone, new_vae, splits
from scatd.training.checkpoint import Checkpoint, SaveTo, best_epoch, is_stalled
from scatd.training.draws import SeededDraws
from scatd.training.judge import judge
from scatd.training.loop import Silent
from scatd.training.pretrain import train_vae
from scatd.training.settings import PretrainSettings, default_pretrain

TINY = PretrainSettings(
    epochs=6,
    learning_rate=3e-3,
    weight_decay=1e-3,
    rec_beta=100,
    n_latent=4,
    encoder_hidden=(16, 8),
    decoder_hidden=(16,),
    batch_size=32,
)

OVERFITTING = replace(TINY, epochs=60, learning_rate=0.02, schedule="constant")


def make(sizes):
    return ResidualVAE(sizes, DESIGNS["sf"])


def features(n_obs, seed=0):
    """Four directions of variation in 10 features, far from zero."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(9).normal(size=(4, 10))
    noise = 0.2 * rng.normal(size=(n_obs, 10))
    return (rng.normal(size=(n_obs, 4)) @ loadings + noise + 5).astype(np.float32)


@pytest.fixture(scope="module")
def X():
    return features(400)


def history(*val):
    return [{"epoch": number, "val_total": loss} for number, loss in enumerate(val, start=1)]


# Best, last, stopping -----------------------------------------------------------------------


def test_best_epoch_and_patience():
    assert best_epoch([]) == 0
    assert best_epoch(history(3, 1, 2, 1)) == 2
    assert not is_stalled(history(3, 1, 2), 2)
    assert is_stalled(history(3, 1, 2, 1), 2)
    assert not is_stalled(history(3, 4, 5, 6), 0)
    assert not is_stalled([], 3)


def test_the_best_weights_are_kept_and_the_last_beside_them(X):
    """The network soon overfits fifty rows."""
    seen = {}

    def spy(sizes):
        seen["vae"] = make(sizes)
        return seen["vae"]

    class Watcher(Silent):
        def epoch(self, epoch, values):
            super().epoch(epoch, values)
            state = seen["vae"].state_dict()
            seen[epoch] = {name: value.clone() for name, value in state.items()}

    watcher = Watcher()
    fitted = fit_backbone(UnlabelledCells(X[:50]), OVERFITTING, spy, watcher)
    losses = [record["val_total"] for record in watcher.history]
    best = int(np.argmin(losses)) + 1
    assert best < 60, "the example must overfit"
    assert fitted.summary["epoch"] == best
    assert fitted.summary["epochs"] == 60
    assert fitted.summary["val_loss"] == losses[best - 1]
    for name, value in fitted.vae.state_dict().items():
        torch.testing.assert_close(value, seen[best][name], rtol=0, atol=0)
        torch.testing.assert_close(fitted.last[name], seen[60][name], rtol=0, atol=0)


def test_early_stopping(X):
    fitted = fit_backbone(UnlabelledCells(X[:50]), replace(OVERFITTING, patience=5), make, Silent())
    losses = [record["val_total"] for record in fitted.history]
    assert len(losses) < 60
    assert len(losses) == int(np.argmin(losses)) + 1 + 5


@pytest.mark.parametrize("family", ["sf", "gf", "dist"])
def test_every_family_learns_and_the_summary_is_true(X, family):
    """The reconstruction is judged by scikit-learn."""
    from sklearn.metrics import mean_squared_error, r2_score

    ours = replace(TINY, epochs=25)
    fitted = fit_backbone(
        UnlabelledCells(X), ours, lambda sizes: ResidualVAE(sizes, DESIGNS[family]), Silent()
    )
    _, val = splits(len(X), ours)[0]
    held_out = torch.from_numpy(X[val])
    with torch.no_grad():
        mu, _ = fitted.vae.encode(held_out)
        recon = fitted.vae.decode(mu).numpy()
    assert fitted.summary["mse"] == pytest.approx(mean_squared_error(X[val], recon), rel=1e-4)
    train, _ = splits(len(X), ours)[0]
    spread = ((X[val] - X[train].mean(axis=0)) ** 2).sum()
    assert fitted.summary["r2"] == pytest.approx(
        1 - ((X[val] - recon) ** 2).sum() / spread, rel=1e-4
    )
    assert fitted.summary["r2"] > 0.5
    assert r2_score(X[val], recon, multioutput="variance_weighted") > 0.5
    assert fitted.summary["active_units"] == (mu.numpy().var(axis=0) > 0.01).sum()


# Continuing ---------------------------------------------------------------------------------


class Killed(BaseException):
    """An exception that no code catches, as a kill."""


@pytest.mark.parametrize("in_memory_bytes", [1 << 30, 0], ids=["memory", "disk"])
@pytest.mark.parametrize("killed_in", [1, 3, 6])
def test_a_killed_training_ends_as_if_nothing_had_happened(
    X, tmp_path, killed_in, in_memory_bytes, monkeypatch
):
    ours = replace(TINY, learning_rate=0.03)
    monkeypatch.setattr(backbone, "IN_MEMORY_BYTES", in_memory_bytes)
    whole = fit_backbone(UnlabelledCells(X), ours, make, Silent(), SaveTo(tmp_path / "whole.pt", 1))

    class Dying(Silent):
        def epoch(self, epoch, values):
            if epoch == killed_in:
                raise Killed

    with pytest.raises(Killed):
        fit_backbone(UnlabelledCells(X), ours, make, Dying(), SaveTo(tmp_path / "a.pt", 1))
    assert (tmp_path / "a.pt").exists() == (killed_in > 1)
    watcher = Silent()
    again = fit_backbone(UnlabelledCells(X), ours, make, watcher, SaveTo(tmp_path / "a.pt", 1))
    assert len(again.history) == len(whole.history) == TINY.epochs
    assert again.history == whole.history
    for name, value in whole.vae.state_dict().items():
        assert torch.equal(again.vae.state_dict()[name], value)
    assert watcher.history == again.history, "epochs of the killed run are told of again"
    assert again.summary == whole.summary


def test_a_finished_training_is_not_continued(X, tmp_path):
    path = tmp_path / "a.pt"
    first = fit_backbone(UnlabelledCells(X), TINY, make, Silent(), SaveTo(path, 4))
    written = path.stat().st_mtime_ns
    again = fit_backbone(UnlabelledCells(X), TINY, make, Silent(), SaveTo(path, 4))
    assert path.stat().st_mtime_ns == written
    assert again.history == first.history
    assert again.summary == first.summary


@pytest.mark.parametrize(("every", "saved"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (0, [5])])
def test_when_it_is_saved(X, tmp_path, monkeypatch, every, saved):
    seen = []
    replace_file = Path.replace

    def note(source, target):
        replaced = replace_file(source, target)
        if Path(target).suffix == ".pt":  # and not the hash beside it
            seen.append(len(torch.load(target, weights_only=True)["history"]))
        return replaced

    monkeypatch.setattr(Path, "replace", note)
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", np.inf)  # on a machine that is busy too
    fit_backbone(
        UnlabelledCells(X),
        replace(TINY, epochs=5),
        make,
        Silent(),
        SaveTo(tmp_path / "a.pt", every),
    )
    assert seen == saved


def test_the_best_weights_survive_a_kill(X, tmp_path):
    """They were reached before the kill, and not after it."""
    vae = new_vae(torch.from_numpy(X), TINY, make)
    draws = SeededDraws(0)
    optimizer = torch.optim.AdamW(vae.parameters())
    kept = Checkpoint(draws, SaveTo(tmp_path / "a.pt", every=1))
    best = {name: value.clone() for name, value in vae.state_dict().items()}
    kept.keep(vae, optimizer, history(1.0), last=False)
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(1)
    kept.keep(vae, optimizer, history(1.0, 2.0), last=False)
    other = new_vae(torch.from_numpy(X), TINY, make)
    found = Checkpoint(draws, SaveTo(tmp_path / "a.pt"))
    assert found.restore(other, torch.optim.AdamW(other.parameters())) == history(1.0, 2.0)
    found.keep(other, optimizer, history(1.0, 2.0, 1.5), last=True)
    for name, value in best.items():
        torch.testing.assert_close(found.best[name], value, rtol=0, atol=0)
        assert not torch.equal(other.state_dict()["fc4.bias"], best["fc4.bias"])


# Larger than memory -------------------------------------------------------------------------


def test_a_file_trains_as_well_as_memory_does(tmp_path, monkeypatch):
    X = features(2000)
    X = X[np.argsort(X[:, 0])]  # sorted, as files by sample are
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    ours = replace(TINY, epochs=8)
    here = fit_backbone(UnlabelledCells(X), ours, make, Silent())
    told = []
    monkeypatch.setattr(backbone, "IN_MEMORY_BYTES", 0)
    there = fit_backbone(UnlabelledCells(mapped), ours, make, Silent(), progress=told.append)
    assert sum(told) == 8 * len(splits(len(X), ours)[0][0])
    assert there.summary["r2"] == pytest.approx(here.summary["r2"], abs=0.05)
    assert there.summary["r2"] > 0.5
    assert len(there.history) == len(here.history)
    assert there.summary["val_loss"] == pytest.approx(here.summary["val_loss"], rel=0.15)


@pytest.mark.parametrize("in_memory_bytes", [1 << 30, 0], ids=["memory", "disk"])
def test_validation_rows_are_never_in_training(X, in_memory_bytes, monkeypatch):
    monkeypatch.setattr(backbone, "IN_MEMORY_BYTES", in_memory_bytes)
    train, val = splits(len(X), TINY)[0]
    rows, (held_out, _) = UnlabelledCells(X).rows(TINY)
    place = {tuple(row): number for number, row in enumerate(X.tolist())}
    for epoch in (1, 2):
        batches = rows.batches(epoch, SeededDraws(0), TINY.batch_size)
        seen = [place[tuple(row)] for x, _ in batches for row in x.tolist()]
        assert sorted(seen) == train.tolist()
    assert [place[tuple(row)] for row in held_out.tolist()] == val.tolist()


def test_rows_that_are_in_memory_are_not_copied(X):
    """And they give the numbers of a copy."""
    held = X.copy()
    rows, _ = UnlabelledCells(held).rows(TINY)
    assert rows._X.data_ptr() == held.ctypes.data
    frozen = X.copy()
    frozen.setflags(write=False)  # torch does not take it as it is
    here = fit_backbone(UnlabelledCells(held), TINY, make, Silent())
    there = fit_backbone(UnlabelledCells(frozen), TINY, make, Silent())
    assert here.history == there.history
    assert here.summary == there.summary


def test_held_out_rows_that_would_not_fit_are_sampled(X, monkeypatch):
    monkeypatch.setattr(backbone, "HELD_OUT_BYTES", 20 * 10 * 4)
    seen = []
    monkeypatch.setattr(backbone, "judge", lambda vae, held_out, *more: seen.append(held_out) or {})
    ours = replace(TINY, epochs=1)
    fit_backbone(UnlabelledCells(X), ours, make, Silent())
    rows = {tuple(row) for row in X[splits(len(X), ours)[0][1]].tolist()}
    assert len(seen[0][0]) == 20
    assert {tuple(row) for row in seen[0][0].tolist()} <= rows


# Splits -------------------------------------------------------------------------------------


def test_folds_are_those_of_scikit_learn():
    expected = KFold(10, shuffle=True, random_state=42).split(np.zeros(63))
    for ours, theirs in zip(splits(63, replace(TINY, folds=10)), expected, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_one_split_holds_out_the_share():
    ((train, val),) = splits(50, replace(TINY, val_fraction=0.2))
    assert len(val) == 10
    np.testing.assert_array_equal(np.sort(np.concatenate([train, val])), np.arange(50))


# Bad input, bad runs ------------------------------------------------------------------------


@pytest.mark.parametrize("n_obs", [3, 20, 36, 37, 73])
def test_fewer_rows_than_a_batch_and_one_over_a_multiple(n_obs):
    """33 and 65 training rows leave a batch of one, which BatchNorm cannot take (D25)."""
    fitted = fit_backbone(UnlabelledCells(features(n_obs)), replace(TINY, epochs=2), make, Silent())
    assert len(fitted.history) == 2
    assert np.isfinite(fitted.summary["mse"])


@pytest.mark.parametrize("n_obs", [1, 2])
def test_too_few_rows(n_obs):
    with pytest.raises(InputError, match="too few to pretrain on"):
        fit_backbone(UnlabelledCells(features(n_obs)), TINY, make, Silent())


def test_more_folds_than_rows():
    with pytest.raises(InputError, match="5 rows cannot be split into 8 folds"):
        splits(5, replace(TINY, folds=8))


@pytest.mark.parametrize("in_memory_bytes", [1 << 30, 0])
def test_constant_features(in_memory_bytes, monkeypatch):
    monkeypatch.setattr(backbone, "IN_MEMORY_BYTES", in_memory_bytes)
    X = np.ones((50, 10), np.float32) * np.arange(10, dtype=np.float32)
    with pytest.raises(InputError, match="all 10 features are constant over"):
        fit_backbone(UnlabelledCells(X), TINY, make, Silent())


def test_one_constant_feature_is_no_fault(X):
    X = X.copy()
    X[:, 3] = 2
    assert np.isfinite(fit_backbone(UnlabelledCells(X), TINY, make, Silent()).summary["r2"])


def test_a_diverging_run_names_epoch_loss_and_cause(X):
    wild = replace(TINY, learning_rate=1e18, start="published", schedule="constant")
    message = r"(train|val)_total became (nan|inf) in epoch \d+.* learning rate that is too high"
    with pytest.raises(TrainingError, match=message):
        fit_backbone(UnlabelledCells(X), wild, make, Silent())


def test_weights_that_are_not_finite_are_refused(X):
    """An infinite BatchNorm variance turns every cell into the same answer (defect D10)."""
    seen = []

    class Spoiling(Silent):
        def epoch(self, epoch, values):
            seen[0].Encoder_resblocks[0].bn.running_var.fill_(float("inf"))

    def spy(sizes):
        seen.append(make(sizes))
        return seen[0]

    with pytest.raises(TrainingError, match=r"bn.running_var of the pretrained backbone"):
        fit_backbone(UnlabelledCells(X), replace(TINY, epochs=1), spy, Spoiling())


@pytest.mark.parametrize(
    ("field", "value"),
    [("folds", 0), ("patience", -1), ("min_steps", -1), ("weight_decay", -0.1), ("epochs", 0)],
)
def test_settings_that_cannot_train(field, value):
    with pytest.raises(InputError, match=f"{field} is {value}"):
        replace(TINY, **{field: value})


# Teacher, precision -------------------------------------------------------------------------


@pytest.mark.parametrize("in_memory_bytes", [1 << 30, 0])
def test_a_student_comes_to_resemble_its_teacher(in_memory_bytes, monkeypatch):
    monkeypatch.setattr(backbone, "IN_MEMORY_BYTES", in_memory_bytes)
    X = features(900)
    z = np.tanh((X - 5) @ np.random.default_rng(3).normal(size=(10, 4))).astype(np.float32)
    ours = replace(TINY, epochs=20, cosine_beta=50)
    fitted = fit_backbone(UnlabelledCells(X, z), ours, make, Silent())
    _, val = splits(len(X), ours)[0]
    with torch.no_grad():
        mu = fitted.vae.encode(torch.from_numpy(X[val]))[0].numpy()
    norms = np.linalg.norm(mu, axis=1) * np.linalg.norm(z[val], axis=1)
    expected = ((mu * z[val]).sum(axis=1) / norms).mean()
    assert fitted.summary["cosine"] == pytest.approx(expected, abs=1e-4)
    assert fitted.summary["cosine"] > 0.8
    assert fitted.summary["cosine_shuffled"] < 0.3


def test_without_a_teacher_there_is_no_cosine(X):
    vae = new_vae(torch.from_numpy(X), TINY, make).eval()
    record = {"epoch": 1, "train_total": 1.0, "val_total": 1.0}
    summary = judge(vae, (torch.from_numpy(X), None), torch.zeros(10), [record], 0)
    assert not {"cosine", "cosine_shuffled"} & set(summary)


@pytest.mark.parametrize("family", ["sf", "gf", "dist"])
def test_bfloat16_learns_as_float32_does(X, family, monkeypatch):
    """On CUDA matrix products are in bfloat16; here the CPU is told to do so too."""
    ours = replace(TINY, epochs=18)
    of_family = lambda sizes: ResidualVAE(sizes, DESIGNS[family])  # noqa: E731
    full = fit_backbone(UnlabelledCells(X), ours, of_family, Silent())
    monkeypatch.setattr(pretrain, "_is_lowered", lambda *_: True)
    lowered = fit_backbone(UnlabelledCells(X), ours, of_family, Silent())
    assert lowered.history != full.history
    assert lowered.summary["r2"] == pytest.approx(full.summary["r2"], abs=0.1)
    assert {value.dtype for value in lowered.vae.parameters()} == {torch.float32}


def test_autocast_is_for_cuda_only():
    assert not pretrain._is_lowered(TINY, torch.device("cpu"))
    assert not pretrain._is_lowered(replace(TINY, precision="float32"), torch.device("cuda"))


def test_a_sample_stands_for_rows_that_train(X):
    """Memory and disk start from the same network where the sample is everything."""
    whole = new_vae(torch.from_numpy(X), TINY, make)
    np.testing.assert_allclose(whole.fc4.bias.detach(), X.mean(axis=0), rtol=1e-5)
    assert whole.sizes == Sizes(10, 4, (16, 8), (16,))


def test_train_vae_trains_on_tensors(X):
    vae = new_vae(torch.from_numpy(X[:300]), TINY, make)
    curve = train_vae(
        vae,
        torch.from_numpy(X[:300]),
        torch.from_numpy(X[300:]),
        TINY,
        SeededDraws(0),
        Silent(),
    )
    assert [record["epoch"] for record in curve] == [1, 2, 3, 4, 5, 6]
    assert curve[-1]["val_total"] < curve[0]["val_total"]
    assert not vae.training


def test_defaults_of_every_family_can_be_made():
    assert {default_pretrain(family).start for family in DESIGNS if family != "dist_script"} == {
        "calm"
    }
