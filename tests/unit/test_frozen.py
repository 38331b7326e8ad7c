"""Files of released versions give the same numbers today (`tests/data/*/README.md`)."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from scatd import artifact, registry, tracking
from scatd.data.features import read_features
from scatd.embedding.cells import DIGEST_TYPE
from scatd.embedding.store import EmbeddingStore
from scatd.errors import InputError
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.scoring import ScoreOptions, Scorer
from scatd.training.checkpoint import Checkpoint, SaveTo
from scatd.training.draws import SeededDraws
from scatd.training.loop import adamw
from tests.frozen import DATA, FROZEN, unpack_store

FAMILIES = ("sf", "gf", "dist")
TOLERANCE = 1e-6
LATER = sorted(set(DATA.glob("v*")) - {FROZEN})
"""Made by `tests/freeze.py`: all have the same files."""
TABLES = [table for folder in LATER for table in sorted(folder.glob("*-*.csv"))]
BACKBONES = [(folder, family) for folder in LATER for family in FAMILIES]


def named(value):
    """The name of a case: version, family and number."""
    if isinstance(value, tuple):
        return f"{value[0].name} {value[1]}"
    return f"{value.parent.name} {value.stem}"


@pytest.fixture
def stored(request, tmp_path, monkeypatch):
    """A working folder with the store of 0.1.0, or of the version that the test names."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    unpack_store(tmp_path, getattr(request, "param", FROZEN))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected(family, version):
    return pd.read_csv(FROZEN / f"{family}-{version}.csv", float_precision="round_trip")


def require_equal(ours, then):
    """Raise unless two tables of scores have the same columns, words and numbers."""
    assert ours.columns.tolist() == then.columns.tolist()
    pd.testing.assert_frame_equal(ours, then, check_exact=False, rtol=0, atol=TOLERANCE)


def predicted(cohort, family, version):
    """The table that `scatd predict` writes."""
    from scatd.cli import main

    words = ["predict", str(cohort), "--drug", "docetaxel", "-o", "scores.csv"]
    words += ["--family", family, "--stage", str(version), "--uncertainty", "folds"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return pd.read_csv("scores.csv", float_precision="round_trip")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_registered_versions_give_the_same_scores(stored, family, version):
    ours = predicted(FROZEN / f"{family}.h5ad", family, version)
    require_equal(ours, expected(family, version))


@pytest.mark.parametrize("family", ["sf", "gf"])
def test_folders_give_the_same_scores(family):
    X = read_features(FROZEN / f"{family}.h5ad", family).X
    ours = Scorer(FROZEN / "folders" / family).score(X, options=ScoreOptions(fold_sd=True))
    then = expected(family, 2)
    for column in ("prob_resistant", "prob_sd_folds", "ood_p"):
        np.testing.assert_allclose(getattr(ours, column), then[column], rtol=0, atol=TOLERANCE)
    assert ours.responses.tolist() == then["response"].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_backbones_give_the_same_latent(stored, family):
    then = json.loads((FROZEN / "backbones.json").read_text())[f"{family}-backbone"]
    ref = registry.resolve_backbone(f"scatd-{family}-backbone/1")
    for folder in (FROZEN / "folders" / f"{family}-backbone", registry.fetch(ref)):
        vae = artifact.read(folder).backbone()
        with torch.no_grad():
            mu, logvar = vae.encode(torch.tensor(then["X"], dtype=torch.float32))
            ours = {"mu": mu, "logvar": logvar, "decoded": vae.decode(mu)}
        for name, values in ours.items():
            np.testing.assert_allclose(values, then[name], rtol=0, atol=1e-5)


def test_pyfunc_gives_the_same_scores(stored):
    import mlflow

    mlflow.set_tracking_uri(tracking.connect().tracking_uri)
    try:
        loaded = mlflow.pyfunc.load_model("models:/scatd-sf-docetaxel/2")
        table = loaded.predict(read_features(FROZEN / "sf.h5ad", "sf").X)
    finally:
        mlflow.set_tracking_uri(None)
    then = expected("sf", 2)
    ours = table["prob_resistant"]
    np.testing.assert_allclose(ours, then["prob_resistant"], rtol=0, atol=TOLERANCE)
    assert table["response"].tolist() == then["response"].tolist()


def test_fold_checkpoints_are_read(stored):
    base = artifact.read(FROZEN / "folders" / "sf-backbone").encoder_state()
    cards = list((stored / "mlartifacts").glob("*/artifacts/checkpoint/card.json"))
    assert len(cards) == 9
    read = [json.loads(card.read_text())["family"] for card in cards]
    for card in (card for card, family in zip(cards, read, strict=True) if family == "sf"):
        assert artifact.read(card.parent, base=base).classifier().sizes.n_features == 10


def test_a_pretraining_that_cannot_be_checked_starts_anew(tmp_path, caplog):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes((FROZEN / "checkpoint.pt").read_bytes())
    vae = ResidualVAE(Sizes(10, 4, (8,), (8,)), DESIGNS["sf"])
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    draws = SeededDraws(42, torch.device("cpu"))
    optimizer = adamw(list(vae.parameters()), rate=1e-3, weight_decay=0.0)
    assert Checkpoint(draws, SaveTo(path)).restore(vae, optimizer) == []
    assert str(path) in caplog.text
    assert all(torch.equal(value, before[name]) for name, value in vae.state_dict().items())


def test_embeddings_that_cannot_be_checked_are_computed_anew(tmp_path, caplog):
    for name in ("digests.bin", "embeddings.f32"):
        (tmp_path / name).write_bytes((FROZEN / "embeddings" / name).read_bytes())
    digests = [hashlib.blake2b(bytes([i]), digest_size=16).digest() for i in range(8)]
    names = np.array(digests, DIGEST_TYPE)
    store = EmbeddingStore(tmp_path, 6)
    assert not store.get(names)[1].any()
    assert "computed anew" in caplog.text
    X = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    store.append(names[::-1], X[::-1])
    np.testing.assert_array_equal(store.get(names)[0], X)


def test_the_doctor_lists_and_seals_what_has_no_hashes(stored):
    from scatd.cli import main

    said = CliRunner().invoke(main, ["registry", "doctor"])
    assert said.exit_code == 0, said.output
    assert said.output.count("scatd before 0.2 noted no hashes") == 9
    sealed = CliRunner().invoke(main, ["registry", "doctor", "--repair"])
    assert sealed.exit_code == 0
    assert CliRunner().invoke(main, ["registry", "doctor"]).output == "Nothing is wrong.\n"
    ref = registry.get("scatd-sf-docetaxel", 1)
    weights = registry.fetch(ref) / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match="not the one that was registered"):
        registry.fetch(ref)


# From 0.2.0 on --------------------------------------------------------------------------------


def test_every_kind_of_candidate_is_frozen():
    for folder in LATER:
        cards = [json.loads(p.read_text()) for p in folder.glob("folders/*/card.json")]
        responses = [card for card in cards if card["kind"] == "response"]
        kinds = {card.get("candidate", {"name": "network"})["name"] for card in responses}
        assert kinds == {"network", "linear", "trees", "mean"}
        assert {card["scatd_version"] for card in cards} == {folder.name.removeprefix("v")}
        tables = [pd.read_csv(table) for table in folder.glob("*-*.csv")]
        assert set(pd.concat(tables)["response"]) == {"sensitive", "resistant", "abstain"}


@pytest.mark.parametrize(
    ("stored", "table"), [(table.parent, table) for table in TABLES], ids=named, indirect=["stored"]
)
def test_later_versions_give_the_same_scores(stored, table):
    family, version = table.stem.split("-")
    ours = predicted(table.parent / f"{family}.h5ad", family, version)
    require_equal(ours, pd.read_csv(table, float_precision="round_trip"))


@pytest.mark.parametrize("table", [one for one in TABLES if "dist" not in one.name], ids=named)
def test_later_folders_give_the_same_scores(table):
    family = table.stem.partition("-")[0]
    scorer = Scorer(table.parent / "folders" / table.stem)
    X = read_features(table.parent / f"{family}.h5ad", family).X
    ours = scorer.score(X, options=ScoreOptions(fold_sd=True))
    then = pd.read_csv(table, float_precision="round_trip")
    for column in ("prob_resistant", "prob_sd_folds", "ood_p"):
        np.testing.assert_allclose(getattr(ours, column), then[column], rtol=0, atol=TOLERANCE)
    assert ours.responses.tolist() == then["response"].tolist()


@pytest.mark.parametrize("case", BACKBONES, ids=named)
def test_later_backbones_give_the_same_latent(case):
    folder, family = case
    then = json.loads((folder / "backbones.json").read_text())[family]
    vae = artifact.read(folder / "folders" / f"{family}-backbone").backbone()
    with torch.no_grad():
        mu, logvar = vae.encode(torch.tensor(then["X"], dtype=torch.float32))
        ours = {"mu": mu, "logvar": logvar, "decoded": vae.decode(mu)}
    for name, values in ours.items():
        np.testing.assert_allclose(values, then[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("stored", LATER, ids=lambda folder: folder.name, indirect=True)
def test_the_doctor_finds_later_stores_whole(stored):
    from scatd.cli import main

    said = CliRunner().invoke(main, ["registry", "doctor"])
    assert (said.exit_code, said.output) == (0, "Nothing is wrong.\n")
