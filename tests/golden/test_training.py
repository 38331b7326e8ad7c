"""Training follows the published traces step by step, in float64, with the recorded draws."""

from __future__ import annotations

import csv
import json
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.training import augment
from scatd.training.augment import Multipliers
from scatd.training.folds import FoldData
from scatd.training.loop import Silent, learning_rate
from scatd.training.pretrain import train_vae
from scatd.training.settings import PUBLISHED_PRETRAIN, TransferSettings, published_transfer
from scatd.training.tomek import without_tomek_links
from scatd.training.transfer import train_classifier

pytestmark = pytest.mark.golden


class RecordedDraws:
    """Replays the shuffles and the noise that the published code consumed, in its order."""

    def __init__(self, batches, noise, rows=(), subsets=()):
        self._batches = deque(torch.from_numpy(epoch) for epoch in batches)
        self._noise = deque(torch.from_numpy(eps) for eps in noise)
        self._rows = deque(torch.from_numpy(picks) for picks in rows)
        self._subsets = deque(torch.from_numpy(order) for order in subsets)

    def batches(self, n_rows, batch_size, *, drop_last):
        return list(self._batches.popleft())

    def normal(self, n_rows, n_latent):
        eps = self._noise.popleft()
        assert eps.shape == (n_rows, n_latent)
        return eps

    def noise(self, sizes, n_latent):
        for n_rows in sizes:
            yield self.normal(n_rows, n_latent)

    def rows(self, n_rows, n_picks):
        picks = self._rows.popleft()
        assert len(picks) == n_picks
        return picks

    def subset(self, n_rows, n_picks):
        order = self._subsets.popleft()
        assert len(order) == n_rows
        return order[:n_picks]

    def used_up(self):
        return not (self._batches or self._noise or self._rows or self._subsets)


@pytest.mark.parametrize("family", ["sf", "gf", "dist", "dist_script"])
def test_pretrain_trace(family, golden_sizes, load_state, load_arrays, scatd_golden):
    folder = f"{family}/pretrain_trace"
    io = load_arrays(f"{folder}/inputs.npz")
    trace = json.loads((scatd_golden / folder / "trace.json").read_text())
    vae = ResidualVAE(golden_sizes(family), DESIGNS[family]).double()
    vae.load_state_dict(load_state(f"{family}/vae_state.pth"))
    settings = replace(
        PUBLISHED_PRETRAIN["gf" if trace["scheduler"] else "sf"],
        epochs=trace["epochs"],
        learning_rate=trace["lr"],
        weight_decay=trace["weight_decay"],
        rec_beta=trace["rec_beta"],
        cosine_beta=trace["cosine_beta"] or 0.0,
        batch_size=16,
    )
    noise = []
    for train_epoch, val_epoch in zip(io["eps_train"], io["eps_val"], strict=True):
        noise += [*train_epoch, val_epoch]
    draws = RecordedDraws(io["batch_idx"], noise)
    teacher = None
    if "teacher_train" in io:
        teacher = (torch.from_numpy(io["teacher_train"]), torch.from_numpy(io["teacher_val"]))
    history = train_vae(
        vae,
        torch.from_numpy(io["X_train"]),
        torch.from_numpy(io["X_val"]),
        settings,
        draws,
        Silent(),
        teacher=teacher,
    )
    assert draws.used_up()
    assert len(history) == len(trace["float64"]) == trace["epochs"]
    for ours, published_epoch in zip(history, trace["float64"], strict=True):
        assert ours["learning_rate"] == pytest.approx(published_epoch["lr"], rel=1e-9)
        assert ours["train_total"] == pytest.approx(published_epoch["train_loss"], rel=1e-8)
        assert ours["val_total"] == pytest.approx(published_epoch["val_loss"], rel=1e-8)
        for name, value in published_epoch["val_parts"].items():
            assert ours[f"val_{name}"] == pytest.approx(value, rel=1e-8)
    final = load_state(f"{folder}/final_state.pth")
    for name, tensor in vae.state_dict().items():
        torch.testing.assert_close(tensor.float(), final[name].float(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", ["sf", "gf", "dist"])
def test_transfer_trace(family, golden_sizes, load_state, load_arrays, scatd_golden):
    folder = f"{family}/transfer_trace"
    io = load_arrays(f"{folder}/inputs.npz")
    trace = json.loads((scatd_golden / folder / "trace.json").read_text())
    vae = ResidualVAE(golden_sizes(family), DESIGNS[family])
    vae.load_state_dict(load_state(f"{family}/vae_state.pth"))
    model = ResponseClassifier.from_backbone(vae).double()
    missing, unexpected = model.load_state_dict(load_state(f"{folder}/head_init.pth"), strict=False)
    assert not unexpected
    assert not any(name.startswith(("fc3.", "bn3.", "swish.", "fc4.")) for name in missing)
    settings = replace(
        published_transfer(family, TransferSettings()),
        epochs=trace["epochs"],
        learning_rate=trace["lr"],
        weight_decay=trace["weight_decay"],
        batch_size=16,
        post_training=trace["post_training_epoch_num"],
        mmd_weight=trace.get("mmd_weight", 1.0),
    )
    noise = []
    for train_epoch, val_epoch in zip(io["eps_train"], io["eps_val"], strict=True):
        noise += [*train_epoch.reshape(-1, *train_epoch.shape[2:]), val_epoch]
    subsets = [order for epoch in io.get("sc_perm", ()) for order in epoch]
    draws = RecordedDraws(io["batch_idx"], [*noise, io["eps_final"]], subsets=subsets)
    weights = torch.tensor(trace["class_weights"], dtype=torch.float64)
    rows = FoldData(
        torch.from_numpy(io["X_train"]),
        io["y_train"],
        torch.from_numpy(io["X_val"]),
        io["y_val"],
        torch.from_numpy(io["sc"]) if "sc" in io else None,
    )
    before_unfreeze = {}

    class Watcher(Silent):
        def epoch(self, epoch, values):
            super().epoch(epoch, values)
            if epoch == trace["epochs"] - trace["post_training_epoch_num"]:
                before_unfreeze.update({k: v.clone() for k, v in model.state_dict().items()})

    history, prob = train_classifier(model, rows, weights, settings, draws, Watcher())
    assert draws.used_up()
    for ours, published_epoch in zip(history, trace["float64"], strict=True):
        assert ours["learning_rate"] == pytest.approx(published_epoch["lr"], rel=1e-9)
        assert ours["train_loss"] == pytest.approx(published_epoch["train_loss"], abs=1e-8)
        assert ours["val_loss"] == pytest.approx(published_epoch["val_loss"], abs=1e-8)
        for name in ("train_ce", "train_mmd"):
            assert (name in ours) == (name in published_epoch)
            if name in ours:
                assert ours[name] == pytest.approx(published_epoch[name], abs=1e-8)
    np.testing.assert_allclose(prob, trace["final_val_prob_class1_f64"], atol=1e-8)
    for state, name in (
        (before_unfreeze, "state_before_unfreeze"),
        (model.state_dict(), "state_final"),
    ):
        expected = load_state(f"{folder}/{name}.pth")
        assert set(state) == set(expected)
        for key, tensor in state.items():
            torch.testing.assert_close(tensor.float(), expected[key].float(), rtol=0, atol=1e-6)


def test_learning_rates(scatd_golden):
    schedules = {
        "transfer_150": (150, 2e-5),
        "transfer_20": (20, 2e-5),
        "gf_pretrain_39": (39, None),
        "gf_pretrain_55": (55, None),
    }
    with (scatd_golden / "common/lr_schedule.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["schedule"] in schedules]
    assert len(rows) == 150 + 20 + 39 + 55
    first = {row["schedule"]: float(row["lr"]) for row in rows if row["epoch"] == "1"}
    for row in rows:
        n_epochs, _ = schedules[row["schedule"]]
        ours = learning_rate(
            "published-cosine", int(row["epoch"]), n_epochs, first[row["schedule"]]
        )
        assert ours == pytest.approx(float(row["lr"]), rel=1e-9)


def test_multipliers(scatd_golden):
    cases = json.loads((scatd_golden / "common/multipliers.json").read_text())
    drugs = json.loads((scatd_golden / "common/multipliers_83_drugs_auto.json").read_text())
    assert len(drugs) == 83
    for case in [*cases, *drugs]:
        ours = augment.multipliers(
            case["majority_count"],
            case["minority_count"],
            mode="preset" if case.get("mode") == "from_presetting" else "auto",
            preset=Multipliers(case.get("preset_majority", 1.0), case.get("preset_minority", 1.5)),
        )
        assert (ours.majority, ours.minority) == (
            case["majority_multiplier"],
            case["minority_multiplier"],
        )


def test_augmentation_sizes(scatd_golden):
    cases = json.loads((scatd_golden / "common/augmentation_sizes.json").read_text())
    assert cases
    for case in cases:
        codes = np.repeat([0, 1], [case["fold_n_class0"], case["fold_n_class1"]])
        wanted = Multipliers(case["majority_multiplier"], case["minority_multiplier"])
        assert augment.n_generated(codes, wanted) == (case["n_new_class0"], case["n_new_class1"])


def test_augmented_rows(golden_sizes, load_state, load_arrays):
    io = load_arrays("common/augmentation_run.npz")
    vae = ResidualVAE(golden_sizes("sf"), DESIGNS["sf"])
    vae.load_state_dict(load_state("sf/vae_state.pth"))
    wanted = Multipliers(float(io["majority_multiplier"]), float(io["minority_multiplier"]))
    n_sensitive, _ = augment.n_generated(io["y"], wanted)
    parts = [part for part in np.split(io["eps"], [n_sensitive]) if len(part)]
    picks = [part for part in np.split(io["within_class_index"], [n_sensitive]) if len(part)]
    draws = RecordedDraws([], parts, picks)
    rows, codes = augment.generate(vae.eval(), torch.from_numpy(io["X"]), io["y"], wanted, draws)
    assert draws.used_up()
    np.testing.assert_array_equal(codes, io["y_new"])
    np.testing.assert_allclose(rows.numpy(), io["X_new"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("case", ["imbalanced", "swapped", "tied"])
def test_tomek_links_and_weights(case, load_arrays):
    io = load_arrays("common/tomek_class_weights.npz")
    kept = without_tomek_links(torch.from_numpy(io[f"{case}/X"]), io[f"{case}/y"])
    np.testing.assert_array_equal(kept, np.sort(io[f"{case}/kept_index"]))
    weights = augment.class_weights(io[f"{case}/y"][kept])
    np.testing.assert_array_equal(weights, io[f"{case}/class_weights"])


def test_smote_then_tomek(load_arrays):
    io = load_arrays("common/tomek_class_weights.npz")
    X, codes = augment.smote(io["smote/X"], io["smote/y"], seed=42)
    kept = without_tomek_links(torch.from_numpy(X), codes)
    np.testing.assert_allclose(X[kept], io["smote/X_out"], atol=1e-5)
    np.testing.assert_array_equal(codes[kept], io["smote/y_out"])
