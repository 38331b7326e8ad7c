"""The place where scatd runs is described truly, and nothing is made by looking at it."""

from __future__ import annotations

import shutil
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from scatd.data import scratch
from scatd.workflows import doctor

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def found(monkeypatch, tmp_path):
    """The findings by name; `cache` is a folder of its own."""
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    return lambda: {finding.name: finding for finding in doctor.doctor()}


def test_a_whole_place_has_no_fault_and_nothing_is_made(found, monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    findings = found()
    assert [one for one in findings.values() if one.verdict == "fault"] == []
    assert findings["MLflow"].verdict == "note"
    assert findings["MLflow"].found.endswith("empty/mlflow.db is not there")
    assert list(tmp_path.rglob("*")) == [tmp_path / "empty"]


def test_every_package_that_scatd_needs_is_named_with_its_version(found):
    findings = found()
    needed = [Requirement(line) for line in metadata.requires("scatd")]
    for name in (one.name for one in needed if one.marker is None):
        assert findings[name].found == metadata.version(name)


def test_a_package_that_is_too_old_or_absent_is_a_fault(found, monkeypatch):
    version = metadata.version

    def changed(name):
        if name == "captum":
            raise metadata.PackageNotFoundError(name)
        return "1.0" if name == "optuna" else version(name)

    monkeypatch.setattr(doctor.metadata, "version", changed)
    findings = found()
    assert (findings["captum"].verdict, findings["captum"].found) == ("fault", "not installed")
    assert findings["optuna"].found == "1.0; scatd needs >=4"
    assert findings["optuna"].remedy == 'pip install "optuna>=4"'


def test_the_store_is_counted_and_shown_without_its_password(found, copied_registry):
    assert found()["MLflow"].found.endswith("mlflow.db, 1 registered model")


def test_a_store_that_cannot_be_opened_is_a_fault_without_its_password(found, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nodatabase://me:secret@host/x")
    finding = found()["MLflow"]
    assert finding.verdict == "fault"
    assert "secret" not in f"{finding}"
    assert "nodatabase://host/x" in finding.found


def test_more_threads_than_cores_are_noted(found, monkeypatch):
    monkeypatch.setattr(doctor, "_cores", lambda: 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    finding = found()["threads"]
    assert (finding.verdict, finding.found) == ("note", "8 of 1 core")
    assert "OMP_NUM_THREADS=1" in finding.remedy


def test_little_space_and_folders_that_cannot_be_written_are_told(found, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(9 << 30, 8 << 30, 1 << 30))
    assert found()["working folder"].found.endswith("1.0 GiB free")
    assert found()["working folder"].verdict == "note"
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    findings = found()
    for name in ("folder", "working folder", "temporary folder"):
        assert findings[name].verdict == "fault"
        assert "cannot be written" in findings[name].found


def test_the_temporary_folder_is_that_of_the_user_and_not_of_the_command(found):
    before = found()["temporary folder"].found.partition(",")[0]
    with scratch.of_command():
        assert found()["temporary folder"].found.partition(",")[0] == before


def test_a_data_set_that_is_there_in_part_is_named(found, tmp_path):
    dataset = doctor.CATALOGUE["geneformer-12L"]
    folder = doctor.folder_of(dataset, tmp_path / "cache")
    folder.mkdir(parents=True)
    file = min(dataset.files, key=lambda file: file.size)
    Path(folder / file.name).write_bytes(b"x" * file.size)
    finding = found()[dataset.name]
    assert finding.found == f"1 of {len(dataset.files)} files"
    assert finding.remedy == "Get the others: scatd download geneformer-12L"
