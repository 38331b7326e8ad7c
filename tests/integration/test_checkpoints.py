"""`scatd import-checkpoint` and `export-checkpoint`, from the command line to the registry."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from scatd import artifact, registry, tracking
from scatd.cards import model_folder
from scatd.cards.writing import to_mapping
from scatd.cli import main
from scatd.data.files import sha256_file
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes

SIZES = Sizes(12, 6, (10, 8), (8, 10))
CLASSES = {"backbone": ResidualVAE, "response": ResponseClassifier}


def scatd(*words):
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="scatd")


def network(design="sf", kind="response"):
    torch.manual_seed(3)
    model = CLASSES[kind](SIZES, DESIGNS[design]).train()
    x = torch.randn(64, 12)  # settles the spectral vectors and the running statistics
    model(x, torch.randn(64, 6)) if kind == "backbone" else model(x)
    return model.eval()


@pytest.fixture
def save(store):
    def save(content, name="published.pth", **how):
        torch.save(content, store / name, **how)
        return store / name

    return save


@pytest.fixture
def refused(store):
    """Run an import that must fail with one message, and leave nothing in the store."""
    client = tracking.connect()

    def run(file, *words):
        done = scatd("import-checkpoint", file, "--family", "sf", *words)
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("Error") == 1
        for word in ("Traceback", "weights_only", "internal error"):
            assert word not in done.stderr
        assert list(client.search_registered_models()) == []
        assert list(client.search_runs([tracking.experiment_id(client)])) == []
        return done.stderr

    return run


# What is registered ---------------------------------------------------------------------------


def test_a_response_model_scores_a_cohort_by_drug_name(save, store):
    model = network()
    file = save(model.state_dict())
    done = scatd("import-checkpoint", file, "--family", "sf", "--drug", "X5.Fluorouracil")
    assert done.exit_code == 0, done.output
    assert "scatd-sf-5fluorouracil version 1 is registered at staging." in done.stdout
    X = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
    np.save(store / "cells.npy", X)
    said = scatd(
        *("predict", "--drug", "5-fluorouracil", "--stage", "staging", "cells.npy"),
        *("-o", "scored.csv"),
    )
    assert said.exit_code == 0, said.output
    with torch.no_grad():
        expected = model.head(model.encode(torch.from_numpy(X))[0]).softmax(dim=1)[:, 1].numpy()
    scored = pd.read_csv(store / "scored.csv")
    np.testing.assert_allclose(scored["prob_resistant"], expected, atol=1e-6)
    assert list(scored["response"] == "resistant") == list(expected > 0.5)


def test_cells_of_another_width_are_refused(save, store):
    scatd("import-checkpoint", save(network().state_dict()), "--family", "sf", "--drug", "d")
    np.save(store / "cells.npy", np.zeros((3, 11), np.float32))
    said = scatd("predict", "--drug", "d", "--stage", "staging", "cells.npy", "-o", "scored.csv")
    assert said.exit_code == 2
    assert "11 features a row. Expected 12 (family sf)" in said.stderr
    assert not (store / "scored.csv").exists()


def test_the_card_of_a_response_model(save):
    file = save(network("dist").state_dict())
    done = scatd(
        *("import-checkpoint", file, "--family", "dist", "--kind", "response", "--drug", "Abc"),
        *("--threshold", "0.05", "--input-scale", "log1p", "--origin", "a friend", "--simulated"),
    )
    assert done.exit_code == 0, done.output
    ref = registry.resolve("abc", stage="staging")
    assert (ref.name, ref.version, ref.simulated) == ("scatd-dist-abc", 1, True)
    stored = artifact.read(registry.fetch(ref))
    assert (stored.kind, stored.family, stored.design) == ("response", "dist", "dist")
    assert stored.alignment.method == "none"
    assert stored.alignment.source is stored.alignment.reference is None
    assert stored.threshold == 0.05
    card = to_mapping(stored.card())
    assert card["features"] == {"key": "X", "n_features": 12}
    assert card["input_scale"] == "log1p"
    assert card["provenance"].pop("licence").startswith("not stated")
    assert card["provenance"] == {
        "file": "published.pth",
        "sha256": sha256_file(file),
        "origin": "a friend",
    }
    assert (card["drug"], card["drug_key"], card["run_id"]) == ("Abc", "abc", ref.run_id)
    tags = tracking.connect().get_run(ref.run_id).data.tags
    assert tags["scatd.command"] == "import-checkpoint"
    assert tags["scatd.drug"] == "abc"


def test_the_card_of_a_backbone(save):
    file = save(network("gf", "backbone").state_dict())
    assert scatd("import-checkpoint", file, "--family", "gf").exit_code == 0
    ref = registry.resolve_backbone("scatd-gf-backbone@staging")
    card = to_mapping(model_folder.read_card(registry.fetch(ref)))
    assert card["kind"] == "backbone"
    assert card["features"] == {"key": 'obsm["X_geneformer"]', "n_features": 12}
    assert card["provenance"]["origin"] == "published by the scATD authors"
    assert card["provenance"]["licence"].startswith("scATD's code says MIT")
    assert not card["simulated"]
    assert not {"threshold", "drug", "input_scale"} & set(card)


def test_published_dist_reads_counts_and_keeps_its_threshold_apart(save):
    file = save(network("dist").state_dict())
    assert scatd("import-checkpoint", file, "--family", "dist", "--drug", "d").exit_code == 0
    card = to_mapping(
        model_folder.read_card(registry.fetch(registry.resolve("d", stage="staging")))
    )
    assert card["input_scale"] == "counts"
    assert card["threshold"] == 0.5


def test_an_older_way_of_saving(save):
    state = network("gf", "backbone").state_dict()
    parameters = {name: torch.nn.Parameter(v) if v.dim() > 1 else v for name, v in state.items()}
    file = save(parameters, _use_new_zipfile_serialization=False)
    assert scatd("import-checkpoint", file, "--family", "gf").exit_code == 0


# What is refused ------------------------------------------------------------------------------


class Evil:
    """A pickle that makes a file when it is loaded without restriction."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_does_not(store, refused, protocol):
    target = store / "evil"
    file = store / "evil.pth"
    file.write_bytes(pickle.dumps({"fc21.bias": Evil(target)}, protocol=protocol))
    refused(file)
    assert not target.exists()
    pickle.loads(file.read_bytes())  # the test can fail
    assert target.is_dir()


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_checkpoint_that_would_run_code_does_not(store, save, refused, is_zip):
    target = store / "evil"
    state = OrderedDict(network().state_dict(), evil=Evil(target))
    file = save(state, _use_new_zipfile_serialization=is_zip)
    said = refused(file, "--drug", "d")
    assert f"{os.mkdir.__module__}.mkdir" in said
    assert not target.exists()
    torch.load(file, weights_only=False)
    assert target.is_dir()


def test_a_whole_module(save, refused):
    assert "torch.nn.modules.linear.Linear" in refused(save(torch.nn.Linear(2, 2)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([torch.zeros(2)], "is no state dictionary but of type list"),
        ({"epoch": 3}, "its 'epoch' is of type int"),
        ({"model_state_dict": {"a": torch.zeros(1)}}, "its 'model_state_dict' is of type dict"),
        ({1: torch.zeros(1)}, "one of its names is 1"),
        ({"a": torch.zeros(3, 3).to_sparse()}, "its 'a' is sparse or has no values"),
        ({"a": torch.zeros(3, device="meta")}, "its 'a' is sparse or has no values"),
        ({"a": torch.zeros(3)}, "holds no whole encoder of scATD, but a."),
    ],
)
def test_something_else_that_was_saved(save, refused, content, said):
    assert said in refused(save(content))


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file(save, refused, is_zip, share):
    file = save(network().state_dict(), _use_new_zipfile_serialization=is_zip)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    assert "is damaged" in refused(file)


def test_files_that_are_none(store, refused):
    (store / "text.pth").write_text("not a checkpoint\n")
    assert "is no PyTorch checkpoint" in refused(store / "text.pth")
    assert "is a folder" in refused(store)
    assert "The folder holds text.pth" in refused(store / "tekst.pth")


def test_another_family(save, refused):
    said = refused(save(network("gf", "backbone").state_dict()))
    assert "is no backbone of family sf" in said
    assert "Encoder_resblocks.0.fc.weight " in said
    assert "It looks like family gf or dist" in said


def test_weights_that_are_not_finite(save, refused):
    state = network().state_dict()
    state["fc3.weight_orig"][0, 0] = float("nan")
    assert "NaN or infinite values in 1 of 36 tensors: fc3.weight_orig (1)" in refused(save(state))


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("response", [], "nothing in it says of which drug. Add --drug DRUG."),
        ("response", ["--drug", "d", "--kind", "backbone"], "is a response model. Expected a back"),
        ("response", ["--drug", "?!"], "--drug is '?!'. Expected the name of a drug"),
        ("response", ["--drug", "d", "--input-scale", "counts"], "reads an embedding"),
        ("backbone", ["--kind", "response", "--drug", "d"], "is a backbone. Expected a response"),
        ("backbone", ["--drug", "d"], "is a backbone, which has no drug"),
        ("backbone", ["--threshold", "0.3"], "is a backbone, which has no threshold"),
    ],
)
def test_what_is_said_must_fit_the_file(save, refused, kind, words, said):
    assert said in refused(save(network(kind=kind).state_dict()), *words)


# Export ---------------------------------------------------------------------------------------


@pytest.fixture
def stored(save):
    """Import a response model and its network."""
    model = network("dist")
    file = save(model.state_dict())
    done = scatd("import-checkpoint", file, "--family", "dist", "--drug", "Abc", "--simulated")
    assert done.exit_code == 0, done.output
    return model


def test_a_registered_model_is_written(stored, store):
    expected = stored.state_dict()
    for words in (
        ["scatd-dist-abc"],
        ["scatd-dist-abc@staging"],
        ["scatd-dist-abc/1"],
        ["--drug", "ABC", "--stage", "staging"],
        ["--drug", "abc", "--stage", "1", "--family", "dist"],
    ):
        done = scatd("export-checkpoint", *words, "-o", "out.pth")
        assert done.exit_code == 0, done.output
        assert "out.pth: scatd-dist-abc version 1" in done.stdout
        for note in ("simulated data took part", "The threshold, 0.5, is left out", "defect D1"):
            assert note in done.stdout
        back = torch.load(store / "out.pth", weights_only=True)
        assert list(back) == list(expected)
        assert all(torch.equal(back[name], expected[name]) for name in expected)
        (store / "out.pth").unlink()


def test_a_model_folder_is_written(store):
    model = network("gf", "backbone")
    shared = ("gf", "gf", SIZES, model.state_dict())
    artifact.write(store / "folder", artifact.Artifact("backbone", *shared))
    for _ in range(2):  # the second replaces the first
        assert scatd("export-checkpoint", store / "folder", "-o", "out.pth").exit_code == 0
    back = torch.load(store / "out.pth", weights_only=True)
    assert list(back) == list(model.state_dict())
    # A class that was made elsewhere takes it.
    ResidualVAE(SIZES, DESIGNS["gf"]).load_state_dict(back)
    assert sorted(path.name for path in store.glob("*.pth")) == ["out.pth"]


def test_exports_that_cannot_be(stored, store):
    for words, said in (
        ([], "no model is named"),
        (["scatd-dist-abc", "--drug", "abc"], "two models are named"),
        (["scatd-dist-abd"], "no registered model 'scatd-dist-abd'. Expected scatd-dist-abc"),
        (["scatd-dist-abc@production"], "no alias 'production'"),
        (["--drug", "abc"], "drug 'abc' has no production model"),
        (["scatd-dist-abc", "-o", "nowhere/out.pth"], "the folder nowhere does not exist"),
    ):
        done = scatd("export-checkpoint", "-o", "out.pth", *words)
        assert done.exit_code == 2
        assert said in done.stderr
        assert list(store.glob("**/*.pth")) == [store / "published.pth"]
