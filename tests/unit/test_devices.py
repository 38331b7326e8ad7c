"""Every kind of work on a simulated device: it runs there, and gives the numbers of the processor.

`tests/simulated_device.py` refuses float64, draws on the device, and tensors of both places in one
sum. So a test here fails where a tensor on MPS would be float64, or where the draws of a seed
depend on the device.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd.artifact import Artifact
from scatd.explanation.attribution import shap_draws
from scatd.explanation.curves import deletion_insertion
from scatd.explanation.explainers.explainer import RESISTANT
from scatd.explanation.explainers.making import explainer_of
from scatd.explanation.linear_path import LinearPath
from scatd.explanation.permuted import retrained
from scatd.explanation.perturbation import changes_of, perturb
from scatd.explanation.settings import ExplainSettings
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.row_scoring import _one_ahead
from scatd.scores import ScoreOptions
from scatd.scoring import Scorer
from scatd.training import fitting, heads, learner
from scatd.training.backbone import UnlabelledCells, fit_backbone
from scatd.training.domain import fit_domain
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.jobs import FoldJob
from scatd.training.learner import Learner, LearnerInputs
from scatd.training.loop import Silent
from scatd.training.settings import TransferSettings, default_pretrain
from scatd.training.stored_rows import StoredRows
from scatd.training.tomek import without_tomek_links
from scatd.training.trainer import AlignedFold, Trainer
from tests.simulated_device import simulated_device

SIZES = Sizes(12, 6, (10, 8), (8, 10))
PRETRAIN = replace(
    default_pretrain("sf"), n_latent=6, encoder_hidden=(10, 8), decoder_hidden=(8, 10),
    epochs=2, min_steps=0, batch_size=32, precision="float32",
)  # fmt: skip


def rows(n_rows, seed):
    return np.random.default_rng(seed).normal(1.0, 2.0, (n_rows, 12)).astype(np.float32)


@pytest.fixture
def there(monkeypatch):
    """The device; work for threads is done at once, because they do not know the device."""

    class AtOnce:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        map = staticmethod(map)

    monkeypatch.setattr(heads, "ThreadPoolExecutor", AtOnce)
    with simulated_device() as found:
        yield found


@pytest.fixture(scope="module")
def stored():
    """A response model with statistics, a training domain, and heads of two more folds."""
    torch.manual_seed(3)
    model = ResponseClassifier(SIZES, DESIGNS["sf"])
    model.train()(torch.randn(64, 12))
    model.eval()
    source, reference = torch.from_numpy(rows(80, 1)), torch.from_numpy(rows(300, 2))
    alignment = Alignment("bi-adain", feature_stats([source]), feature_stats([reference]))
    moved = alignment.move_target(reference)
    with torch.no_grad():
        z = model.encode(moved)[0]
    head = {name: value for name, value in model.state_dict().items() if name[:2] in {"fc", "bn"}}
    own = {name: value for name, value in head.items() if name.startswith(("fc3", "bn3", "fc4"))}
    own |= {name: value for name, value in model.state_dict().items() if name[:5] == "swish"}
    others = tuple(
        {name: value * 1.1 if value.is_floating_point() else value for name, value in own.items()}
        for _ in range(2)
    )
    return Artifact(
        "response", "sf", "sf", SIZES, model.state_dict(), alignment, 0.4,
        more_heads=others, domain=fit_domain(moved, z, "reference", 0),
    )  # fmt: skip


def test_scores(there, stored):
    cells = rows(1200, 5)
    for options, mc_samples in (
        (ScoreOptions(keep_latent=True), 0),
        (ScoreOptions(stats="cohort"), 0),
        (ScoreOptions(), 3),
    ):
        ours = Scorer(stored, str(there.device)).score(
            cells, mc_samples=mc_samples, options=options
        )
        expected = Scorer(stored).score(cells, mc_samples=mc_samples, options=options)
        for name in ("prob_resistant", "own", "prob_sd", "ood_p", "latent"):
            found, wanted = getattr(ours, name), getattr(expected, name)
            assert (found is None) == (wanted is None)
            if wanted is not None:
                np.testing.assert_array_equal(found, wanted, err_msg=name)


def test_the_processor_waits_for_a_block_only_for_its_results(there, stored):
    scorer = Scorer(stored, str(there.device))
    cells = rows(4 * 512, 5)
    scorer.score(cells[:512])
    before = there.waits
    scorer.score(cells[:512])
    of_one = there.waits - before
    before = there.waits
    scorer.score(cells)
    assert there.waits - before == 4 * of_one
    assert of_one <= len(scorer.members) + 2  # logits of each head, finite rows, domain


def test_the_next_block_is_begun_before_this_one_is_judged():
    """A GPU computes while the processor judges; at most two blocks are on their way."""
    told = []

    def begin(start, _):
        told.append(f"begin {start}")
        return lambda: told.append(f"end {start}") or start

    assert list(_one_ahead(begin, [(0, None), (1, None), (2, None)])) == [0, 1, 2]
    assert told == ["begin 0", "begin 1", "end 0", "begin 2", "end 1", "end 2"]
    assert list(_one_ahead(begin, [])) == []


def fitted(device, X, z=None):
    cells = UnlabelledCells(X, z, device=device)
    vae_of = lambda sizes: ResidualVAE(sizes, DESIGNS["sf"])  # noqa: E731
    return fit_backbone(cells, PRETRAIN, vae_of, Silent())


@pytest.mark.parametrize("teacher", [None, rows(200, 8)[:, :6]], ids=["alone", "taught"])
def test_pretraining(there, teacher):
    ours, expected = (fitted(device, rows(200, 7), teacher) for device in (there.device, "cpu"))
    assert ours.summary == expected.summary
    assert ours.history == expected.history
    for name, value in expected.vae.state_dict().items():
        assert torch.equal(ours.vae.state_dict()[name].cpu(), value), name


def test_an_epoch_of_pretraining_waits_twice(there):
    """Losses are read once an epoch, of the training and of the validation rows."""
    waits = []

    class Counting(Silent):
        def epoch(self, epoch, values):
            waits.append(there.waits)

    settings = replace(PRETRAIN, epochs=4)
    fit_backbone(
        UnlabelledCells(rows(200, 7), device=there.device), settings,
        lambda sizes: ResidualVAE(sizes, DESIGNS["sf"]), Counting(),
    )  # fmt: skip
    assert set(np.diff(waits)) == {2}


def transfer(device, settings):
    X, few = torch.from_numpy(rows(150, 9)).to(device), torch.from_numpy(rows(8, 11)).to(device)
    codes = (rows(150, 9)[:, 0] + rows(150, 10)[:, 0] > 2.5).astype(np.int64)
    cells = torch.from_numpy(2 * rows(90, 12)).to(device)
    torch.manual_seed(1)
    backbone = ResidualVAE(SIZES, DESIGNS["sf"]).to(device).eval()
    data = FoldData(X[:110], codes[:110], X[110:], codes[110:], cells, (few, codes[:8]))
    reference = None if settings.alignment == "none" else feature_stats([cells])
    alignment, aligned = align(data, reference, settings)
    fold = AlignedFold(alignment, aligned, SeededDraws(4, device))
    return Trainer(backbone, settings).fit([fold, replace(fold, draws=SeededDraws(5, device))])


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"alignment": "coral", "augmentation": "smote"},
        {"alignment": "none"},
        {"alignment": "mmd", "post_training": 1},
        {"latent": "sampled", "encoder_norm": "adapt", "train_encoder": True},
    ],
    ids=lambda changed: "+".join(map(str, changed.values())) or "defaults",
)
def test_transfer(there, changed):
    settings = TransferSettings(epochs=2, min_steps=0, **changed)
    ours, expected = (transfer(device, settings) for device in (there.device, "cpu"))
    for found, wanted in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(found.prob_val, wanted.prob_val)
        assert found.history == wanted.history
        assert found.counts == wanted.counts


def test_an_epoch_of_heads_waits_as_often_for_many_as_for_one(there):
    """No head is read by itself: the losses of all come at once."""

    def waits(n_heads, epochs):
        settings = TransferSettings(epochs=epochs, min_steps=0, augmentation="none")
        torch.manual_seed(1)
        backbone = ResidualVAE(SIZES, DESIGNS["sf"]).to(there.device).eval()
        X, codes = torch.from_numpy(rows(100, 9)).to(there.device), np.arange(100) % 2
        data = FoldData(X[:80], codes[:80], X[80:], codes[80:])
        folds = [
            AlignedFold(Alignment("none"), data, SeededDraws(seed, there.device))
            for seed in range(n_heads)
        ]
        before = there.waits
        Trainer(backbone, replace(settings, alignment="none")).fit(folds)
        return there.waits - before

    def an_epoch(n_heads):
        return (waits(n_heads, 5) - waits(n_heads, 2)) / 3

    assert an_epoch(6) == an_epoch(1) <= 2


def test_tomek_links(there):
    X = rows(120, 13)
    X[60:90] = X[:30] + np.float32(1e-6)  # single precision cannot tell these apart
    codes = (np.arange(120) >= 60).astype(int)
    ours, expected = (
        without_tomek_links(torch.from_numpy(X).to(device), codes)
        for device in (there.device, torch.device("cpu"))
    )
    np.testing.assert_array_equal(ours, expected)
    assert len(expected) < 120


@pytest.mark.parametrize("method", ["ig", "gradshap"])
def test_attributions(there, stored, method):
    settings = ExplainSettings(method=method, steps=20, samples=8, noise=0.1)

    def attributed(device):
        scorer = Scorer(stored, str(device))
        explainer = explainer_of(scorer.members, scorer.network, "centred")
        x = torch.from_numpy(rows(7, 14)).to(device)
        pool = torch.from_numpy(rows(4, 15)).to(device)
        found = explainer.attribute(x, np.arange(7), pool, RESISTANT, settings)
        order = np.arange(12)
        curves = deletion_insertion(explainer, x, pool[:1], order, seed=0)
        is_resistant = np.arange(7) < 3
        changes = changes_of(x, torch.zeros_like(x[:1]), is_resistant)
        table = perturb(explainer, x, changes, {0: 0.1, 5: -0.2}, seed=0)
        return found, curves, table

    (ours, curves, table), (expected, curves2, table2) = map(attributed, (there.device, "cpu"))
    for name in ("attributions", "change", "delta", "n_steps"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))
    assert curves.equals(curves2)
    assert table.equals(table2)


def test_heads_on_permuted_labels(there, stored):
    def logits(device):
        path = LinearPath([Scorer(stored, str(device)).network])
        z = torch.from_numpy(rows(60, 16)[:, :6]).to(device)
        codes = [np.arange(60) % 2, np.arange(60) // 30]
        settings = TransferSettings(epochs=2, min_steps=0)
        x = torch.from_numpy(rows(5, 17)).to(device)
        # Each by itself: the last digits depend on how many heads share a product.
        heads = [retrained(path, z, [labels], settings, 0) for labels in codes]
        return [one.logits(x).cpu() for (one,) in heads]

    for found, wanted in zip(logits(there.device), logits("cpu"), strict=True):
        assert torch.equal(found, wanted)


def test_draws_of_a_seed_are_the_same_everywhere(there):
    """Those of training; `test_scores` compares posterior draws, `test_attributions` the others."""

    def drawn(device):
        draws = SeededDraws(7, device)
        return [
            *draws.batches(10, 4, drop_last=False), draws.normal(3, 2), draws.rows(5, 4),
            draws.subset(9, 3), *draws.noise([4, 3, 5], 6),
        ]  # fmt: skip

    for found, wanted in zip(drawn(there.device), drawn("cpu"), strict=True):
        assert found.device.type == there.device.type
        assert torch.equal(found.cpu(), wanted)


def test_noise_is_that_of_one_batch_after_the_other(monkeypatch, there):
    """Copied together or not, the sequence of the generator is the same."""
    monkeypatch.setattr("scatd.training.draws.COPIED_NUMBERS", 50)
    one_by_one, sizes = SeededDraws(7), [4, 3, 5, 9, 1]
    expected = [one_by_one.normal(n, 6) for n in sizes]
    before = SeededDraws(7, there.device)
    for found, wanted in zip(before.noise(sizes, 6), expected, strict=True):
        assert torch.equal(found.cpu(), wanted)
    assert torch.equal(before.state(), one_by_one.state())


def test_rows_of_a_file(there, monkeypatch):
    class Reader:
        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def submit(self, function, *args):
            found = function(*args)
            return type("Done", (), {"result": lambda _: found})()

    monkeypatch.setattr("scatd.training.stored_rows.ThreadPoolExecutor", Reader)
    X, train = rows(90, 18), np.arange(5, 85)
    ours, expected = (
        list(StoredRows(X, train, device).batches(1, SeededDraws(0), 16))
        for device in (there.device, "cpu")
    )
    for (found, _), (wanted, _) in zip(ours, expected, strict=True):
        assert found.device.type == there.device.type
        assert torch.equal(found.cpu(), wanted)


@pytest.mark.parametrize(("model", "beside"), [("network", True), ("linear", False)])
def test_baselines_are_fitted_beside_a_gpu_and_only_there(there, monkeypatch, model, beside):
    """Candidates share rows with the baselines: only networks let them be fitted in a thread."""
    threads = []
    fit = learner.fit_baselines

    def noted(*args, **kwargs):
        threads.append(threading.current_thread().name)
        return fit(*args, **kwargs)

    monkeypatch.setattr(learner, "fit_baselines", noted)
    torch.manual_seed(1)
    state = ResidualVAE(SIZES, DESIGNS["sf"]).state_dict()
    backbone = Artifact("backbone", "sf", "sf", SIZES, state)
    settings = TransferSettings(model=model, epochs=2, min_steps=0)
    X, codes = rows(90, 9), (rows(90, 9)[:, 0] > 1).astype(np.int64)
    stats, train, val = (
        feature_stats([torch.from_numpy(rows(60, 3))]),
        np.arange(70),
        np.arange(70, 90),
    )
    job = FoldJob("drug", 1, 1, train, val, codes[train], codes[val])
    found = {}
    for device in (there.device, torch.device("cpu")):
        inputs = LearnerInputs(X, backbone, stats, None, settings, device)
        (found[device],) = fitting.fit_folds(Learner(inputs), [job])
    assert ["scatd-aside" in name for name in threads] == [beside, False]
    ours, expected = found.values()
    assert ours.predictions.prob.keys() == expected.predictions.prob.keys()
    for name, prob in expected.predictions.prob.items():
        np.testing.assert_array_equal(ours.predictions.prob[name], prob, err_msg=name)


def test_draws_of_gradient_shap_know_no_device():
    draws = shap_draws(np.arange(3), 4, 5, 6, 0.1, 0)
    assert all(isinstance(part, np.ndarray) for part in (draws.baseline, draws.position))
