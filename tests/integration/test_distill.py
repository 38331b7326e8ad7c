"""`scatd distill`: a student that reads expression comes to resemble its teacher."""

from __future__ import annotations

import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import torch

from scatd import artifact, registry, tracking
from scatd.cards import model_folder
from scatd.cards.writing import to_mapping
from scatd.data.demo import DemoSettings, write_demo
from scatd.data.lazy import LazyMatrix
from scatd.training import backbone
from scatd.training.backbone import splits
from scatd.training.settings import default_pretrain

SMALL = """
n_latent: 8
encoder_hidden: [128, 64]
decoder_hidden: [128]
learning_rate: 2.0e-3
epochs: 30
min_steps: 0
"""


@pytest.fixture(scope="module")
def demo_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    sizes = DemoSettings(n_genes=500, n_source=20, n_reference=600, n_target=20, n_foreign=20)
    write_demo(folder, sizes)
    return folder / "reference.h5ad"


@pytest.fixture(scope="module")
def taught(demo_file, run_scatd, migrated_store, tmp_path_factory):
    """A working folder with a teacher (version 1) and its student; tests only read it."""
    folder = tmp_path_factory.mktemp("taught")
    shutil.copy(migrated_store, folder / "mlflow.db")
    shutil.copy(demo_file, folder / "cells.h5ad")
    (folder / "small.yaml").write_text(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        common = ("--input", "cells.h5ad", "--settings", "small.yaml", "--device", "cpu")
        run_scatd("pretrain", *common, "--epochs", "8")  # any latent can be taught
        student = ("--rec-beta", "50", "--weight-decay", "0.5")
        run_scatd("distill", "--teacher", "scatd-sf-backbone@staging", *common, *student)
    return folder


@pytest.fixture
def there(taught, monkeypatch):
    monkeypatch.chdir(taught)
    return taught


@pytest.fixture
def here(taught, store):
    """A copy of it that a test may write to."""
    shutil.copytree(taught, store, dirs_exist_ok=True)
    return store


def student():
    return registry.resolve_backbone("scatd-dist-backbone")


def teacher_latent():
    X = ad.read_h5ad("cells.h5ad").obsm["X_scfoundation"]
    vae = artifact.read(registry.fetch(registry.resolve_backbone("scatd-sf-backbone/1"))).backbone()
    with torch.no_grad():
        return vae.encode(torch.from_numpy(X))[0].numpy()


@pytest.mark.usefixtures("there")
def test_held_out_likeness_of_student_and_teacher():
    """Recomputed from the registered models and scanpy's own normalisation."""
    import scanpy as sc

    stored = artifact.read(registry.fetch(student()))
    cells = ad.read_h5ad("cells.h5ad")
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    _, held_out = splits(cells.n_obs, default_pretrain("dist"))[0]
    z = teacher_latent()[held_out]
    with torch.no_grad():
        x = torch.from_numpy(cells.X[held_out].toarray().astype(np.float32))
        mu = stored.backbone().encode(x)[0].numpy()

    def likeness(a, b):
        return ((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean()

    shuffled = [
        likeness(mu, z[np.random.default_rng(seed).permutation(len(z))]) for seed in range(20)
    ]
    true = likeness(mu, z)
    assert true > 0.8
    assert true - np.mean(shuffled) > 0.3
    metrics = stored.about.metrics
    assert metrics["cosine"] == pytest.approx(true, abs=1e-3)
    assert metrics["cosine_shuffled"] == pytest.approx(np.mean(shuffled), abs=0.1)
    assert metrics["cosine"] - metrics["cosine_shuffled"] > 0.3


@pytest.mark.usefixtures("there")
def test_the_card_names_the_teacher():
    ref = student()
    card = to_mapping(model_folder.read_card(registry.fetch(ref)))
    teacher = registry.resolve_backbone("scatd-sf-backbone/1")
    assert card["teacher"] == {
        "name": "scatd-sf-backbone", "version": 1, "family": "sf",
        "run_id": teacher.run_id, "simulated": True,
    }  # fmt: skip
    assert card["family"] == "dist"
    assert card["input_scale"] == "log1p"
    assert card["simulated"] is True
    assert card["sizes"]["n_latent"] == 8, "the teacher's, whatever the settings say"
    assert card["features"]["names"] == ad.read_h5ad("cells.h5ad").var_names.tolist()
    client = tracking.connect()
    metrics = client.get_run(ref.run_id).data.metrics
    assert metrics["cosine"] == pytest.approx(card["metrics"]["cosine"])
    assert metrics["train_cosine"] < 1


@pytest.mark.usefixtures("here")
def test_a_stored_latent_teaches_the_same(scatd):
    """The same numbers from a file make the same student."""
    np.save("z.npy", teacher_latent())
    words = ("--teacher", "scatd-sf-backbone/1", "--teacher-z", "z.npy", "--rec-beta", "50")
    first = to_mapping(model_folder.read_card(registry.fetch(student())))
    scatd("distill", *words, "--input", "cells.h5ad", "--settings", "small.yaml",
          "--weight-decay", "0.5", "--device", "cpu")  # fmt: skip
    card = to_mapping(model_folder.read_card(registry.fetch(student())))
    assert card["teacher"]["version"] == 1
    assert card["teacher"]["file"] == "z.npy"
    assert card["metrics"]["cosine"] == pytest.approx(first["metrics"]["cosine"], abs=0.02)


@pytest.mark.usefixtures("here")
def test_a_cohort_larger_than_memory_teaches_as_well(scatd, monkeypatch):
    """Expression stays in its file. The latent goes into a file that is gone afterwards."""
    first = artifact.read(registry.fetch(student())).about.metrics
    for place in ("data.lazy", "training.backbone", "workflows.pretrain.teacher"):
        monkeypatch.setattr(f"scatd.{place}.IN_MEMORY_BYTES", 0)
    fit, seen = backbone.fit_backbone, []

    def note(cells, *args):
        seen.append(cells)
        return fit(cells, *args)

    monkeypatch.setattr("scatd.workflows.pretrain.folds.fit_backbone", note)
    words = ("--teacher", "scatd-sf-backbone/1", "--rec-beta", "50", "--weight-decay", "0.5")
    scatd("distill", *words, "--input", "cells.h5ad", "--settings", "small.yaml", "--seed", "5",
          "--device", "cpu")  # fmt: skip
    (cells,) = seen
    assert isinstance(cells.X, LazyMatrix)
    assert isinstance(cells.teacher_z, np.memmap)
    np.testing.assert_allclose(cells.teacher_z, teacher_latent(), atol=1e-5)
    there = artifact.read(registry.fetch(student())).about.metrics
    assert there["cosine"] == pytest.approx(first["cosine"], abs=0.05)
    assert there["r2"] == pytest.approx(first["r2"], abs=0.1)
    left = {path.suffix for path in tracking.work_folder().iterdir()}
    assert left <= {".lock"}, "neither checkpoints nor latents"


@pytest.mark.usefixtures("here")
def test_a_teacher_is_made_on_first_use(scatd, monkeypatch):
    """Without a production backbone, one is pretrained on the embedding of the cohort."""
    from scatd import settings
    from scatd.training.settings import PretrainSettings

    def small(family):
        values = settings.to_mapping(default_pretrain(family))
        values |= settings.load_yaml(Path("small.yaml"))
        return settings.from_mapping(PretrainSettings, values | {"epochs": 2}, where="")

    monkeypatch.setattr("scatd.workflows.pretrain.teacher.default_pretrain", small)
    words = ("--input", "cells.h5ad", "--settings", "small.yaml", "--epochs", "1")
    scatd("distill", *words)
    assert registry.resolve_backbone("scatd-sf-backbone").version == 2
    card = to_mapping(model_folder.read_card(registry.fetch(student())))
    assert (card["teacher"]["name"], card["teacher"]["version"]) == ("scatd-sf-backbone", 2)
    scatd("distill", *words, "--seed", "7")
    assert registry.resolve_backbone("scatd-sf-backbone").version == 2, "the same teacher again"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--teacher", "scatd-nosuch"), "scatd-nosuch"),
        (("--teacher", "scatd-dist-backbone"), "is of family dist, which reads expression itself"),
        (("--teacher-z", "short.npy"), "has 5 rows"),
        (("--teacher-z", "nan.npy"), "1 NaN"),
        (("--teacher-z", "other.npy"), "row 0 is 'cell9'"),
        (("--input", "plain.npy"), "holds expression only"),
        (("--input", "real.h5ad"), "cannot be mixed"),
    ],
)
@pytest.mark.usefixtures("here")
def test_bad_input_is_one_message(run_scatd, words, message):
    z = np.ones((600, 8), np.float32)
    np.save("short.npy", z[:5])
    np.save("other.npy", z)
    Path("other.ids.txt").write_text("\n".join(f"cell{9 + row}" for row in range(600)))
    np.save("nan.npy", np.where(np.arange(600 * 8).reshape(600, 8) == 11, np.nan, z))
    np.save("plain.npy", z)
    real = ad.read_h5ad("cells.h5ad")
    del real.uns["simulated"]
    real.write_h5ad("real.h5ad")
    given = {"--input": "cells.h5ad", "--teacher": "scatd-sf-backbone", **dict([words])}
    result = run_scatd("distill", *(word for pair in given.items() for word in pair), code=2)
    assert message in result.output
    assert "Traceback" not in result.output
    assert student().version == 1
