"""`scatd download`, against a server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scatd.data.catalogue import CATALOGUE, Dataset, RemoteFile
from tests.cli.conftest import REPOSITORY

DATA = {"VAE_sf.pth": bytes(range(256)) * 2000, "labels.csv": b"cell,label\n"}
SCATD = Path(sys.executable).with_name("scatd")


@pytest.fixture
def cache(publisher, monkeypatch, tmp_path):
    """An empty cache folder, and the published article on the server."""
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    files = []
    for number, (name, data) in enumerate(DATA.items(), start=1):
        publisher.files[f"/files/{number}"] = data
        files.append(
            {
                "id": number,
                "name": name,
                "size": len(data),
                "is_link_only": False,
                "download_url": f"{publisher.url}/files/{number}",
                "supplied_md5": "",
                "computed_md5": hashlib.md5(data).hexdigest(),
            }
        )
    publisher.answers["/articles/27908847"] = {
        "version": 2,
        "license": {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
        "files": files,
    }
    return tmp_path / "cache"


@pytest.fixture
def offline(cache, monkeypatch):
    """No server answers."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        for variable in ("SCATD_FIGSHARE_API", "SCATD_GITHUB_RAW", "HF_ENDPOINT"):
            monkeypatch.setenv(variable, url)
        yield cache


def test_a_data_set_is_fetched_after_its_licence_was_shown(scatd, cache):
    done = scatd("download", "scatd")
    assert done.exit_code == 0, done.output
    for name, data in DATA.items():
        path = cache / "downloads" / "scatd" / name
        assert path.read_bytes() == data
        assert str(path) in done.stdout
    shown = done.stdout
    assert shown.index("CC BY 4.0") < shown.index("non-commercial") < shown.index("Here, checked")
    assert "From: https://figshare.com/articles/software/scATD/27908847, version 2" in shown
    assert "512 kB" in shown


def test_one_file(scatd, cache):
    done = scatd("download", "scatd/labels.csv", "--quiet")
    assert done.exit_code == 0, done.output
    assert "CC BY 4.0" in done.stdout
    assert done.stderr == ""
    assert (cache / "downloads" / "scatd" / "labels.csv").read_bytes() == DATA["labels.csv"]
    assert not (cache / "downloads" / "scatd" / "VAE_sf.pth").exists()


def test_a_busy_server_is_told_and_waited_for(scatd, cache, publisher):
    publisher.faults["/files/1"] = [503]
    done = scatd("download", "scatd")
    assert done.exit_code == 0, done.output
    assert "503" in done.stderr
    assert "trying again" in done.stderr


def test_the_list_says_what_is_here(scatd, cache):
    assert scatd("download", "scatd/labels.csv").exit_code == 0
    done = scatd("download", "--list")
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["labels.csv", "11", "bytes", "here"] in lines
    assert ["VAE_sf.pth", "512", "kB"] in lines
    assert ["pytorch_model.bin", "158", "MB"] in lines
    for text in ("geneformer-6L", "Apache-2.0", "scfoundation-weights", "non-commercial"):
        assert text in done.stdout
    assert str(cache) in done.stdout


def test_the_list_works_offline(scatd, offline):
    done = scatd("download", "--list")
    assert done.exit_code == 0, done.output
    assert "geneformer-12L" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("Warning: 127.0.0.1 cannot be reached")


@pytest.mark.parametrize("name", ["scatd", "geneformer-12L", "scfoundation-genes"])
def test_offline_is_one_line(scatd, offline, name):
    done = scatd("download", name)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: 127.0.0.1 cannot be reached from this machine.")


def test_a_wrong_checksum_is_one_line_and_leaves_nothing(scatd, cache, publisher):
    publisher.files["/files/2"] = b"cell!label\n"
    done = scatd("download", "scatd/labels.csv")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "labels.csv are not those announced (md5:" in line
    kept = {path.name for path in (cache / "downloads" / "scatd").iterdir()}
    assert kept == {".lock"}


@pytest.mark.parametrize("words", [(), ("scatd", "--list")])
def test_a_name_or_the_list(scatd, cache, publisher, words):
    done = scatd("download", *words)
    assert done.exit_code == 2
    assert "Give the NAME of a data set, or --list (but not both)." in done.stderr
    assert publisher.asked == []


@pytest.mark.parametrize("name", ["nosuch", "scatd/nosuch.pth", "scfoundation-weights", "../x"])
def test_what_cannot_be_fetched_is_one_line(scatd, cache, name):
    done = scatd("download", name)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert not cache.exists()


# Files that the user has already ---------------------------------------------------------------


@pytest.fixture
def genes(monkeypatch, tmp_path):
    """A data set of two files whose checksums are known. The second has another name there."""
    files = tuple(
        RemoteFile(name, f"{{github}}/some/{published}", len(data), digest(data))
        for name, published, data in GENES
    )
    dataset = Dataset("genes", "names of genes", "CC0", "https://genes.example", files=files)
    monkeypatch.setitem(CATALOGUE, "genes", dataset)
    folder = tmp_path / "usb"
    folder.mkdir()
    for _, published, data in GENES:
        (folder / published).write_bytes(data)
    return folder


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


GENES = [("order.tsv", "order.tsv", b"TP53\nEGFR\n"), ("names.txt", "names_v2.txt", b"P53\tTP53\n")]


def test_files_of_a_folder_are_checked_and_copied_without_network(scatd, offline, genes):
    done = scatd("download", "genes", "--from", genes)
    assert done.exit_code == 0, done.output
    folder = offline / "downloads" / "genes"
    for name, _, data in GENES:
        assert (folder / name).read_bytes() == data
        assert str(folder / name) in done.stdout
    assert "Licence: CC0" in done.stdout
    record = json.loads((folder / ".source.json").read_text())
    assert {name: entry["checksum"] for name, entry in record["files"].items()} == {
        name: digest(data) for name, _, data in GENES
    }
    # They count as downloaded.
    assert scatd("download", "genes").exit_code == 0


def test_all_faults_of_a_folder_are_told_and_nothing_is_copied(scatd, offline, genes):
    (genes / "order.tsv").write_bytes(b"TP53\nEGFX\n")
    (genes / "names_v2.txt").unlink()
    done = scatd("download", "genes", "--from", genes)
    assert done.exit_code == 2
    assert f"{genes}: 2 faults" in done.stderr
    assert "the bytes of order.tsv are not those announced" in done.stderr
    assert f"Expected 10 bytes with {digest(GENES[0][2])}" in done.stderr
    assert "there is no file names.txt or names_v2.txt" in done.stderr
    assert not offline.exists()


def test_a_file_under_its_own_name_is_preferred_if_it_is_whole(scatd, offline, genes):
    (genes / "names.txt").write_bytes(b"another file of this name")
    done = scatd("download", "genes", "--from", genes)
    assert done.exit_code == 0, done.output
    assert (offline / "downloads" / "genes" / "names.txt").read_bytes() == GENES[1][2]


def test_one_file_of_a_folder(scatd, offline, genes):
    done = scatd("download", "genes/order.tsv", "--from", genes)
    assert done.exit_code == 0, done.output
    kept = {path.name for path in (offline / "downloads" / "genes").iterdir()}
    assert kept == {".lock", ".source.json", "order.tsv"}


@pytest.mark.parametrize("words", [("--list",), ("genes", "--list")])
def test_a_folder_and_the_list_are_not_given_together(scatd, offline, genes, words):
    done = scatd("download", *words, "--from", genes)
    assert done.exit_code == 2
    assert "--from needs the NAME of a data set, and no --list." in done.stderr


def test_a_folder_that_is_not_there_is_one_line(scatd, offline, genes):
    done = scatd("download", "genes", "--from", genes / "none")
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: --from {genes / 'none'}")
    assert not offline.exists()


def test_it_runs_as_a_program(cache, publisher):
    publisher.faults["/files/1"] = [("cut", 200_000)]
    done = subprocess.run(
        [SCATD, "download", "scatd"], env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (cache / "downloads" / "scatd" / "VAE_sf.pth").read_bytes() == DATA["VAE_sf.pth"]
    assert len([path for path, _ in publisher.asked if path == "/files/1"]) == 2
    assert "the connection was cut; trying again" in done.stderr


def test_the_page_for_computers_without_network_names_every_file():
    """In the row of its data set; those of figshare are listed by figshare."""
    page = (REPOSITORY / "docs" / "howto" / "offline.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    listed = {name: data for name, data in CATALOGUE.items() if data.article is None}
    assert set(rows) == set(listed)
    for name, dataset in listed.items():
        assert all(f"`{file.name}`" in rows[name] for file in dataset.files)
