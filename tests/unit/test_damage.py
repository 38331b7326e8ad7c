"""A stored file with one changed byte is refused and never scored."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from scatd import artifact, registry, tracking
from scatd.cards import checksums, model_folder
from scatd.cards.card import About
from scatd.embedding.store import EmbeddingStore
from scatd.errors import InputError
from scatd.explanation.attributed import Attributed
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.scoring import Scorer
from scatd.training.checkpoint import Checkpoint, SaveTo
from scatd.training.draws import SeededDraws
from scatd.training.kept_baselines import LINEAR_FILE, LinearBaseline
from scatd.workflows.explain.store import AttributionStore, Block
from tests.frozen import FROZEN

NAME = "scatd-sf-docetaxel"
FILES = ("card.json", "checksums.json", "model.safetensors")


@pytest.fixture
def model(tmp_path):
    """A folder of this version, of what 0.1.0 wrote for family sf."""
    artifact.write(tmp_path / "model", artifact.read(FROZEN / "folders" / "sf"))
    return tmp_path / "model"


def flipped(content, place, bit=0):
    changed = bytearray(content)
    changed[place] ^= 1 << int(bit)
    return bytes(changed)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_of_a_model_folder(model, name):
    path = model / name
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(content), min(len(content), 300), replace=False):
        path.write_bytes(flipped(content, place, rng.integers(8)))
        with pytest.raises(InputError):
            artifact.read(model)
    path.write_bytes(content)
    artifact.read(model)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["cut", "longer", "empty", "absent", "of another"])
def test_other_damage_of_a_model_folder(model, tmp_path, name, how):
    path = model / name
    content = path.read_bytes()
    stored = artifact.read(model)
    artifact.write(tmp_path / "other", replace(stored, threshold=0.5, fold_heads=(), about=About()))
    other = (tmp_path / "other" / name).read_bytes()
    made = {"cut": content[:-1], "longer": content + b"\n", "empty": b"", "of another": other}
    path.unlink() if how == "absent" else path.write_bytes(made[how])
    with pytest.raises(InputError):
        artifact.read(model)


def sealed(folder, **entries):
    """The folder with these entries of its card, and checksums that agree."""
    path = folder / "card.json"
    text = json.dumps(json.loads(path.read_text()) | entries)
    path.write_text(text)
    said = checksums.read(folder)
    checksums.write(folder, said | {"card.json": checksums.of_bytes(text.encode())})
    return folder


SIZES = {"n_features": 10, "n_latent": 4, "encoder_hidden": [8], "decoder_hidden": [8]}


@pytest.mark.parametrize(
    "entries",
    [
        *({"threshold": value} for value in (float("nan"), float("inf"), 1.5, "0.5", None, True)),
        *({"schema_version": value} for value in (3, 0, None, "2")),
        {"polarity": {"sensitive": 1, "resistant": 0}},
        {"polarity": None},
        {"family": "gf"},
        {"family": "gf", "design": "gf"},
        {"design": "dist"},
        {"kind": "backbone"},
        {"sizes": SIZES | {"n_features": 11}},
        {"sizes": SIZES | {"encoder_hidden": [9]}},
        {"sizes": SIZES | {"encoder_hidden": []}},
        {"sizes": SIZES | {"n_latent": 4.0}},
        {"features": {"n_features": 11}},
        {"features": {"n_features": 10, "names": ["A"] * 10}},
        {"features": {"n_features": 10, "names": ["A", "B"]}},
        {"alignment": {"method": "adain"}},
        {"alignment": {"method": "other"}},
        {"fold_heads": 1},
        {"fold_heads": 40},
        {"more_heads": 1},
        {"domain": None},
        {"simulated": "false"},
        {"input_scale": "counts"},
        {"calibration": {"probability": {"method": "platt", "slope": -1.0, "intercept": 0.0}}},
        {"calibration": {"probability": {"method": "platt", "slope": 1.0}}},
        {"calibration": {"probability": {"method": "isotonic", "own": [1, 0], "calibrated": [0]}}},
        {"calibration": {"abstain": {"low": 0.9, "high": 0.1}}},
        {"calibration": {"abstain": {"low": 0.98, "high": 0.99}}},
        {"few_shot": {"use": "train", "n_per_class": 1, "codes": [2]}},
        {"unheard_of": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_card_that_says_what_cannot_be(model, entries):
    artifact.read(sealed(model))
    with pytest.raises(InputError):
        artifact.read(sealed(model, **entries))


def test_an_entry_twice(model):
    path = model / "card.json"
    text = path.read_text().replace('"family": "sf",', '"family": "sf", "family": "sf",')
    path.write_text(text)
    checksums.write(model, checksums.read(model) | {"card.json": checksums.of_bytes(text.encode())})
    with pytest.raises(InputError, match="twice"):
        artifact.read(model)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", ["state", "alignment", "fold_heads", "domain"])
def test_numbers_that_are_not_finite_are_not_written(model, tmp_path, part, value):
    stored = artifact.read(model)
    reference = stored.alignment.reference
    spoiled = replace(reference, mean=torch.full_like(reference.mean, value))
    head = stored.fold_heads[0]
    bad = {
        "state": {**stored.state, "fc21.bias": torch.full_like(stored.state["fc21.bias"], value)},
        "alignment": replace(stored.alignment, reference=spoiled),
        "fold_heads": ({**head, "fc3.bias": torch.full_like(head["fc3.bias"], value)},),
        "domain": replace(stored.domain, axes=torch.full_like(stored.domain.axes, value)),
    }
    with pytest.raises(InputError, match="NaN or infinite"):
        artifact.write(tmp_path / "bad", replace(stored, **{part: bad[part]}))
    assert not (tmp_path / "bad").exists()


def test_a_changed_model_is_written_with_its_own_card(model, tmp_path):
    stored = artifact.read(model)
    artifact.write(tmp_path / "new", replace(stored, simulated=True, more_heads=stored.fold_heads))
    card = model_folder.read_card(tmp_path / "new")
    assert (card.simulated, card.more_heads, card.schema_version) == (True, 2, 2)


def test_a_metric_that_could_not_be_computed(model, tmp_path):
    stored = artifact.read(model)
    about = replace(stored.about, metrics={"auroc": float("nan")})
    artifact.write(tmp_path / "new", replace(stored, about=about))
    assert "NaN" not in (tmp_path / "new" / "card.json").read_text()
    assert artifact.read(tmp_path / "new").about.metrics == {"auroc": None}
    old = shutil.copytree(FROZEN / "folders" / "sf", tmp_path / "old")
    card = json.loads((old / "card.json").read_text())
    (old / "card.json").write_text(json.dumps(card | {"metrics": {"auroc": float("nan")}}))
    assert artifact.read(old).about.metrics == {"auroc": None}
    (old / "card.json").write_text(json.dumps(card | {"threshold": float("nan")}))
    with pytest.raises(InputError, match="threshold"):
        artifact.read(old)


# The registry ------------------------------------------------------------------------------
@pytest.fixture
def registered(store, model):
    """Folders of two versions by number; the first is in production."""
    stored = replace(artifact.read(model), about=About())
    for threshold in (0.5, 0.6):
        artifact.write(store / "made", replace(stored, threshold=threshold))
        with tracking.parent_run("transfer", name="tiny", tags={}, settings={}) as run:
            registry.register_artifact(
                store / "made", NAME, run.run_id, metrics={}, description="",
                tags={"scatd.drug": "docetaxel"},
            )  # fmt: skip
    registry.promote(NAME, 1, reason="", evidence_run_id="")
    return {number: registry.fetch(registry.get(NAME, number)) for number in (1, 2)}


def test_a_folder_that_was_replaced_as_a_whole(registered):
    shutil.copytree(registered[2], registered[1], dirs_exist_ok=True)
    artifact.read(registered[1])  # it is whole, but another one
    with pytest.raises(InputError, match="not the one that was registered"):
        registry.fetch(registry.resolve("docetaxel"))
    (fault,) = registry.examine()
    assert "not the one that was registered" in fault.what
    fault.repair()
    assert registry.examine() == []
    with pytest.raises(InputError, match="no production model"):
        registry.resolve("docetaxel")


@pytest.mark.parametrize("name", FILES)
def test_the_doctor_finds_a_flipped_byte(registered, name):
    assert registry.examine() == []
    path = registered[1] / name
    content = path.read_bytes()
    path.write_bytes(flipped(content, len(content) // 2))
    (fault,) = registry.examine()
    assert "its model folder is damaged" in fault.what
    with pytest.raises(InputError):
        Scorer(registry.fetch(registry.resolve("docetaxel")))
    fault.repair()
    path.write_bytes(content)
    (back,) = registry.examine()
    assert "its files are there" in back.what


# Caches and checkpoints --------------------------------------------------------------------
NAMES = np.array([bytes([number]) * 16 for number in range(1, 5)], "S16")
ROWS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def shard_of(folder):
    (shard,) = (folder / "shards").iterdir()
    return shard


@pytest.mark.parametrize("name", ["digests.bin", "embeddings.f32", "checks.bin"])
def test_a_flipped_byte_of_the_embedding_store(tmp_path, name):
    EmbeddingStore(tmp_path, 3).append(NAMES, ROWS)
    path = shard_of(tmp_path) / name
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(flipped(content, place, place % 8))
        store = EmbeddingStore(tmp_path, 3)
        values, known = store.get(NAMES)
        # The checksum proves a row of which the second half of the stored name is damaged.
        is_proved = name == "digests.bin" and place % 16 >= 8
        assert (~known).sum() == (not is_proved)
        np.testing.assert_array_equal(values[known], ROWS[known])
    store.append(NAMES[~known], ROWS[~known])
    assert store.get(NAMES)[1].all()


@pytest.mark.parametrize("how", ["rotated names", "rotated rows", "NaN", "cut", "no checks"])
def test_other_damage_of_the_embedding_store(tmp_path, caplog, how):
    EmbeddingStore(tmp_path, 3).append(NAMES, ROWS)
    shard = shard_of(tmp_path)
    if how == "rotated names":
        np.roll(NAMES, 1).tofile(shard / "digests.bin")
    elif how == "rotated rows":
        np.roll(ROWS, 1, axis=0).tofile(shard / "embeddings.f32")
    elif how == "NaN":
        np.full_like(ROWS, np.nan).tofile(shard / "embeddings.f32")
    elif how == "cut":
        (shard / "embeddings.f32").write_bytes(ROWS.tobytes()[:11])
    else:
        (shard / "checks.bin").unlink()
    store = EmbeddingStore(tmp_path, 3)
    assert not store.get(NAMES)[1].any()
    assert "computed anew" in caplog.text
    store.append(NAMES, ROWS)
    np.testing.assert_array_equal(store.get(NAMES)[0], ROWS)
    np.testing.assert_array_equal(EmbeddingStore(tmp_path, 3).get(NAMES)[0], ROWS)


def test_a_damaged_checkpoint_is_named_and_training_starts_anew(tmp_path, caplog):
    vae = ResidualVAE(Sizes(4, 2, (3,), (3,)), DESIGNS["sf"])
    optimizer = torch.optim.AdamW(vae.parameters())
    path = tmp_path / "work.pt"
    history = [{"epoch": 1.0, "val_total": 2.0}, {"epoch": 2.0, "val_total": 2.0}]

    def kept():
        return Checkpoint(SeededDraws(0, torch.device("cpu")), SaveTo(path, 1))

    kept().keep(vae, optimizer, history[:1], last=True)
    assert len(kept().restore(vae, optimizer)) == 1
    content = path.read_bytes()
    for place in np.linspace(0, len(content) - 1, 60).astype(int):
        path.write_bytes(flipped(content, place))
        assert kept().restore(vae, optimizer) == []
    path.write_bytes(content[: len(content) // 2])
    assert kept().restore(vae, optimizer) == []
    assert str(path) in caplog.text
    # Killed between the two writes of a save: the old file counts as whole.
    kept().keep(vae, optimizer, history, last=True)
    assert len(kept().restore(vae, optimizer)) == 2
    path.write_bytes(content)
    assert len(kept().restore(vae, optimizer)) == 1


def test_a_flipped_byte_of_a_kept_baseline(tmp_path):
    LinearBaseline(np.arange(5.0), 0.5, 0.25).write(tmp_path)
    assert LinearBaseline.read(tmp_path).bias == 0.5
    path = tmp_path / LINEAR_FILE
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(flipped(content, place))
        with pytest.raises(InputError, match="damaged"):
            LinearBaseline.read(tmp_path)


def test_a_damaged_fold_is_named_and_not_adopted(store, caplog):
    table = pd.DataFrame({"row": [0, 1], "prob_model": [0.25, 0.75]})
    with (
        tracking.parent_run("transfer", name="tiny", tags={}, settings={}) as run,
        run.child("fold 1", {"scatd.fold": "1"}) as fold,
    ):
        fold.log_checked_table(table, "predictions.csv")
    dead = tracking.DeadRun((run.run_id,), {1: fold.run_id})

    def left():
        whole = tracking.leave_out_damaged(dead, lambda own: own.fetch_checked("predictions.csv"))
        return dict(whole.folds)

    assert left() == {1: fold.run_id}
    (path,) = (store / "mlartifacts").rglob("predictions.csv")
    content = path.read_bytes()
    for place in (0, len(content) // 2, len(content) - 1):
        path.write_bytes(flipped(content, place))
        assert left() == {}
    assert "Fold 1" in caplog.text


def test_a_flipped_byte_of_a_block_of_attributions(tmp_path, caplog):
    store = AttributionStore(tmp_path / "blocks", ("resistant",))
    values = np.arange(6.0).reshape(2, 3)
    made = Attributed(values, values[:, 0], values[:, 1], np.array([8, 8]))
    store.write(0, Block(np.arange(2), {"resistant": made}, values.astype(np.float32)))
    assert store.has(0)
    (block,) = store.blocks()
    np.testing.assert_array_equal(block.attributed["resistant"].attributions, values)
    (path,) = (tmp_path / "blocks").glob("*.npz")
    content = path.read_bytes()
    for place in np.linspace(0, len(content) - 1, 50).astype(int):
        path.write_bytes(flipped(content, place))
        assert not store.has(0)
        with pytest.raises(InputError, match="damaged"):
            list(store.blocks())
    assert str(path) in caplog.text
