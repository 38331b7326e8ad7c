"""A bundle brings the same model, at staging, once; anything odd about it registers nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

from scatd import artifact, registry, tracking
from scatd.cards import model_folder
from scatd.cli import main
from scatd.errors import InputError
from scatd.evaluation.standing import Rival, Standing
from scatd.evaluation.target_evidence import TargetEvidence
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.registry import owner
from scatd.workflows.models.carried_evidence import CarriedEvidence
from scatd.workflows.travel import bundle
from scatd.workflows.travel.export import export
from scatd.workflows.travel.golden import TOLERANCE
from scatd.workflows.travel.receive import receive

NAME = "scatd-sf-docetaxel"
WEIGHTS = "model/model.safetensors"


@pytest.fixture(scope="module")
def exported(tiny_registry, tmp_path_factory):
    """The version in production as a folder and as a zip file."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        shutil.copy(tiny_registry / "mlflow.db", folder / "mlflow.db")
        patch.chdir(folder)
        export("docetaxel@production", folder / "bundle")
        export(f"{NAME}/1", folder / "bundle.zip")
    return folder


@pytest.fixture
def folder(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported / "bundle", tmp_path / "arrived"))


def rewritten(folder, name, content):
    """Replace a file, and let the manifest say what it is now."""
    (folder / name).write_bytes(content)
    edited(folder, lambda said: said["files"].__setitem__(name, entry(content)))


def entry(content):
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def edited(folder, change):
    said = json.loads((folder / "bundle.json").read_text())
    change(said)
    (folder / "bundle.json").write_text(json.dumps(said))


def zipped(folder, target, *more, links=()):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
        for name in more:
            archive.writestr(name, "x")
        for name in links:
            made = zipfile.ZipInfo(name)
            made.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(made, "/etc/passwd")
    return target


def refused(path, match):
    with pytest.raises(InputError, match=match) as caught:
        receive(path)
    assert str(path) in str(caught.value)
    assert "/bundle/" not in str(caught.value), "names the copy, not the bundle of the user"
    assert registry.list_models().empty
    assert tracking.connect().search_runs([tracking.experiment_id(tracking.connect())]) == []


# A round trip --------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["bundle", "bundle.zip"])
def test_the_same_model_arrives_at_staging(exported, store, tiny_registry, kind):
    done = receive(exported / kind)
    assert done.is_new
    assert (done.ref.name, done.ref.version, done.ref.stage) == (NAME, 1, "staging")
    assert not done.ref.simulated
    assert model_folder.verify(registry.fetch(done.ref)) == model_folder.verify(
        tiny_registry / "model1"
    )
    assert registry.production_versions() == {}
    said = registry.show(NAME)["origin"][0]
    assert said.startswith(f"{NAME} version 1 of the local store ")
    run = tracking.connect().get_run(done.ref.run_id)
    assert run.info.status == "FINISHED"
    assert registry.examine() == []


def test_the_same_bundle_registers_nothing_twice(exported, store):
    receive(exported / "bundle")
    again = receive(exported / "bundle.zip")
    assert (again.is_new, again.ref.version) == (False, 1)
    runs = tracking.connect().search_runs([tracking.experiment_id(tracking.connect())])
    assert len(runs) == 1


def test_a_version_without_its_files_is_imported_anew(exported, store):
    first = receive(exported / "bundle")
    shutil.rmtree(registry.fetch(first.ref))
    for fault in registry.examine():
        fault.repair()
    again = receive(exported / "bundle")
    assert (again.is_new, again.ref.version) == (True, 2)


def test_a_killed_registration_is_finished_by_the_next_import(exported, store):
    receive(exported / "bundle")
    tracking.connect().delete_registered_model_alias(NAME, "staging")
    again = receive(exported / "bundle")
    assert not again.is_new
    assert registry.at(NAME, "staging").version == 1


def test_a_fault_while_registering_leaves_no_version(exported, store, monkeypatch):
    def broken(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registry, "register_artifact", broken)
        with pytest.raises(KeyboardInterrupt):
            receive(exported / "bundle")
    assert registry.list_models().empty
    (run,) = tracking.connect().search_runs([tracking.experiment_id(tracking.connect())])
    assert run.info.status == "KILLED"
    assert receive(exported / "bundle").is_new


def test_the_same_version_gives_the_same_zip_file(exported, copied_registry, monkeypatch):
    monkeypatch.setattr(owner, "now", lambda: "2026-01-01T00:00:00+00:00")
    for name in ("a.zip", "b.zip"):
        export("docetaxel/1", copied_registry / name)
    assert (copied_registry / "a.zip").read_bytes() == (copied_registry / "b.zip").read_bytes()


def test_golden_cells_are_drawn_and_scored(exported, tiny_registry):
    from scatd.scoring import Scorer

    held = load_file(exported / "bundle" / "golden.safetensors")
    assert held["features"].shape == (10, 12)
    ours = Scorer(tiny_registry / "model1").score(held["features"]).prob_resistant
    np.testing.assert_array_equal(held["answers"][:, 0], ours)
    assert np.ptp(ours) > 0.01


def test_a_backbone_travels_too(store, tmp_path):
    sizes = Sizes(12, 6, (10, 8), (8, 10))
    vae = ResidualVAE(sizes, DESIGNS["sf"])
    stored = artifact.Artifact("backbone", "sf", "sf", sizes, vae.state_dict(), simulated=True)
    with tracking.parent_run("pretrain", name="b", tags={}, settings={}) as run:
        registry.register_artifact(
            stored, "scatd-sf-backbone", run.run_id, metrics={}, description="", tags={}
        )
    export("scatd-sf-backbone@staging", tmp_path / "b.zip")
    assert not receive(tmp_path / "b.zip").is_new
    tracking.connect().delete_registered_model("scatd-sf-backbone")
    done = receive(tmp_path / "b.zip")
    assert (done.ref.name, done.ref.drug, done.ref.simulated) == ("scatd-sf-backbone", "", True)


# What does not arrive ------------------------------------------------------------------------
def test_a_changed_byte_is_found(folder, store):
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    refused(folder, f"{WEIGHTS} is damaged or was changed")


def test_weights_that_were_changed_with_their_hashes_are_found_by_the_golden_cells(folder, store):
    held = load_file(folder / WEIGHTS)
    name = max((n for n in held if n.endswith("weight")), key=lambda n: held[n].size)
    held[name] = held[name] * np.float32(1.01)
    save_file(held, folder / WEIGHTS)
    rewritten(folder, WEIGHTS, (folder / WEIGHTS).read_bytes())
    sums = json.loads((folder / "model/checksums.json").read_text())
    sums["model.safetensors"] = entry((folder / WEIGHTS).read_bytes())["sha256"]
    rewritten(
        folder,
        "model/checksums.json",
        (json.dumps(sums, indent=2, sort_keys=True) + "\n").encode(),
    )
    refused(folder, r"golden cells differ by up to 0\.\d+.*at most 1e-05")


@pytest.mark.parametrize(("factor", "passes"), [(0.5, True), (3.0, False)])
def test_only_rounding_may_differ(folder, store, factor, passes):
    held = load_file(folder / "golden.safetensors")
    held["answers"][4] += factor * TOLERANCE
    save_file(held, folder / "golden.safetensors")
    rewritten(folder, "golden.safetensors", (folder / "golden.safetensors").read_bytes())
    if passes:
        assert receive(folder).difference == pytest.approx(factor * TOLERANCE, rel=1e-3)
    else:
        refused(folder, "differ by up to 3e-05")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"features": np.zeros((0, 12), np.float32), "answers": np.zeros((0, 1))}, "shape"),
        ({"features": np.zeros((10, 11), np.float32), "answers": np.zeros((10, 1))}, "shape"),
        ({"features": np.full((10, 12), np.nan, np.float32), "answers": np.zeros((10, 1))}, "fin"),
        (
            {"features": np.zeros((10, 12), np.float32), "answers": np.zeros(10)},
            "answers have shape",
        ),
        ({"features": np.zeros((10, 12), np.float32)}, "no golden cells"),
        (
            {"features": np.zeros((10, 12), np.float32), "answers": np.full((10, 1), np.nan)},
            "differ by up to nan",
        ),
    ],
)
def test_golden_cells_that_prove_nothing_are_refused(folder, store, change, match):
    save_file(change, folder / "golden.safetensors")
    rewritten(folder, "golden.safetensors", (folder / "golden.safetensors").read_bytes())
    refused(folder, match)


@pytest.mark.parametrize("name", [*bundle.NEEDED, "bundle.json"])
def test_a_missing_file_is_named(folder, store, name):
    (folder / name).unlink()
    refused(folder, f"lacks {name}")


def test_all_faults_of_names_and_sizes_are_told_together(folder, store):
    (folder / "LICENSE").unlink()
    (folder / "evidence.json").write_text("{}")
    (folder / "more.txt").write_text("x")
    with pytest.raises(InputError, match="3 faults") as caught:
        receive(folder)
    for text in ("lacks LICENSE", "evidence.json has 2 bytes", "holds more.txt"):
        assert text in str(caught.value)


def test_the_page_for_people_may_be_edited(folder, store):
    (folder / "README.md").write_text("edited")
    assert receive(folder).is_new


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda said: said.update(schema_version=2), "schema version 2.*Update scatd"),
        (lambda said: said.update(more=1), "'more', which this scatd does not know"),
        (lambda said: said.pop("files"), "has no entry 'files'"),
        (lambda said: said.update(name="scatd-sf-sorafenib"), "'scatd-sf-sorafenib'|sorafenib"),
        (lambda said: said.update(name="scatd-sf-../../x"), r"drug"),
        (lambda said: said.update(simulated=True), "mark of simulated data"),
        (lambda said: said["files"].update({"../x": entry(b"")}), "no file of a bundle"),
        (lambda said: said["files"].update({"model/run.py": entry(b"")}), "no file of a bundle"),
        (lambda said: said["files"].pop("LICENSE"), "does not name LICENSE"),
        (lambda said: said["files"]["LICENSE"].update(bytes=5), "bytes, and bundle.json says 5"),
        (lambda said: said["files"]["LICENSE"].update(bytes=9 << 30), "announces"),
        (lambda said: said["files"]["LICENSE"].update(sha256="0" * 64), "damaged or was changed"),
    ],
)
def test_a_manifest_that_lies_is_refused(folder, store, change, match):
    edited(folder, change)
    if "sorafenib" in match:
        # The card of this small model names no drug: one that does is compared with the name.
        card = json.loads((folder / "model/card.json").read_text()) | {"drug_key": "docetaxel"}
        rewritten(folder, "model/card.json", json.dumps(card).encode())
        sums = json.loads((folder / "model/checksums.json").read_text())
        sums["card.json"] = entry((folder / "model/card.json").read_bytes())["sha256"]
        text = json.dumps(sums, indent=2, sort_keys=True) + "\n"
        rewritten(folder, "model/checksums.json", text.encode())
    refused(folder, match)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"schema_version": NaN}'])
def test_a_damaged_manifest_is_refused(folder, store, content):
    (folder / "bundle.json").write_bytes(content)
    refused(folder, r"bundle\.json")


@pytest.mark.parametrize("name", ["../evil", "/evil", "model/../../evil", "a\\b", "C:x"])
def test_a_zip_file_that_leads_out_of_its_folder_is_refused(folder, store, tmp_path, name):
    refused(zipped(folder, tmp_path / "z.zip", name), "names a file outside itself")
    assert not (tmp_path.parent / "evil").exists()


def test_links_are_refused(folder, store, tmp_path):
    path = zipped(folder, tmp_path / "z.zip", links=("more",))
    refused(path, "'more' is a link or a special file")
    content = (folder / "LICENSE").read_bytes()
    (tmp_path / "elsewhere").write_bytes(content)
    (folder / "LICENSE").unlink()
    (folder / "LICENSE").symlink_to(tmp_path / "elsewhere")
    refused(folder, "'LICENSE' is a link")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_odd_zip_files_are_refused(folder, store, tmp_path):
    refused(zipped(folder, tmp_path / "twice.zip", "LICENSE"), "holds 'LICENSE' twice")
    refused(zipped(folder, tmp_path / "more.zip", "run.py"), "holds run.py")
    (tmp_path / "text.zip").write_text("no zip file")
    refused(tmp_path / "text.zip", "is no zip file")
    whole = zipped(folder, tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.zip", "is no zip file")


def test_a_zip_file_whose_sizes_lie_is_refused(folder, store, tmp_path):
    path = zipped(folder, tmp_path / "z.zip")
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("LICENSE").file_size
    place = data.rindex(b"LICENSE") - 46 + 24  # uncompressed size, in the directory of the file
    assert struct.unpack_from("<I", data, place) == (size,)
    struct.pack_into("<I", data, place, 7)
    path.write_bytes(data)
    refused(path, "LICENSE has 7 bytes, and bundle.json says")


def test_damaged_evidence_is_refused(folder, store):
    rewritten(folder, "evidence.json", b'{"schema_version": 9}')
    refused(folder, r"evidence\.json.*schema version 9")
    shown = Standing(0.8, 0.7, 0.9, (Rival("\x1b[2J", 0.7, 0.1, 0.0, 0.2),))
    rewritten(folder, "evidence.json", CarriedEvidence((shown,)).to_json().encode())
    refused(folder, r"evidence\.json.*name is .*at most 100 letters in one line")


def test_what_a_stranger_wrote_does_not_steer_the_terminal(folder, store):
    edited(folder, lambda said: said["origin"].update(store="\x1b[2Ja\n" + "b" * 1000))
    origin = receive(folder).origin
    assert origin.isprintable()
    assert len(origin) < 400


# Where it is written -------------------------------------------------------------------------
def test_nothing_is_left_where_an_export_is_refused(copied_registry):
    (copied_registry / "full").mkdir()
    (copied_registry / "full" / "x").write_text("x")
    tracking.connect()
    before = sorted(copied_registry.iterdir())
    for model, output in (
        ("nosuch@production", "new"),
        ("docetaxel@nostage", "new.zip"),
        ("docetaxel/9", "new.zip"),
        ("@production", "new.zip"),
        ("docetaxel@production", "full"),
        ("docetaxel@production", "absent/new.zip"),
    ):
        with pytest.raises(InputError):
            export(model, copied_registry / output)
    assert sorted(copied_registry.iterdir()) == before


@pytest.mark.parametrize(
    "spelling",
    [
        *("Docetaxel@production", " DOCETAXEL @production", "docetaxel", "docetaxel/1"),
        *(f"{NAME}@production", f"models:/{NAME}/1", f"{NAME}"),
    ],
)
def test_a_version_is_found_in_any_spelling(copied_registry, spelling):
    from scatd.registry.by_drug import find_named

    assert find_named(spelling).version == 1


def test_the_commands_say_what_they_did(copied_registry):
    done = CliRunner().invoke(main, ["registry", "export", "docetaxel@production", "out.zip"])
    assert done.exit_code == 0, done.output
    assert "out.zip: scatd-sf-docetaxel version 1 (production)" in done.output
    done = CliRunner().invoke(main, ["registry", "import", "out.zip"])
    assert done.exit_code == 0, done.output
    assert "Nothing new: it is scatd-sf-docetaxel version 1 already" in done.output
    done = CliRunner().invoke(main, ["registry", "import", "mlflow.db"])
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1


def test_no_path_and_no_password_of_the_store_travels(exported, copied_registry, monkeypatch):
    from scatd.workflows.travel import export as exporting

    text = (exported / "bundle" / "bundle.json").read_text()
    assert str(exported) not in text
    monkeypatch.setattr(tracking, "tracking_uri", lambda: "https://me:secret@host/mlflow")
    assert exporting._store() == "https://host/mlflow"


# Evidence ------------------------------------------------------------------------------------
def test_evidence_is_the_same_after_a_journey():
    rivals = (
        Rival("logistic_regression", 0.7, 0.1, 0.02, 0.15),
        Rival("x", 0.5, 0.2, math.nan, math.nan),
    )
    standing = Standing(0.8, 0.75, math.nan, rivals, "auroc")
    target = TargetEvidence("run", standing, {"auroc": 0.8}, 30, 40, 2, "cell-line", True)
    carried = CarriedEvidence((standing,), 100, 120, (target,), "minimum: ...", True)
    again = CarriedEvidence.from_json(carried.to_json(), "evidence.json")
    assert repr(again) == repr(carried)
    assert again.of_metric("auroc").value == 0.8
    assert math.isnan(again.of_metric("mcc").value)
    assert repr(dataclasses.replace(again, targets=())) != repr(carried)
