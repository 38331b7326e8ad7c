"""Downloads are complete, checked and resumed, and are never written where a server chooses."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys

import pytest

from scatd.data import catalogue, downloads, remote
from scatd.data.catalogue import CATALOGUE
from scatd.data.figshare import listed
from scatd.data.remote import ATTEMPTS, DownloadError, fetch
from scatd.errors import InputError

PAYLOAD = random.Random(0).randbytes(1_000_000)
SIZE = len(PAYLOAD)
SHA256 = "sha256:" + hashlib.sha256(PAYLOAD).hexdigest()
ARTICLE = "/articles/27908847"


@pytest.fixture
def payload(publisher):
    publisher.files["/model.pth"] = PAYLOAD
    return f"{publisher.url}/model.pth"


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were waited, without waiting."""
    seconds = []
    monkeypatch.setattr("time.sleep", seconds.append)
    monkeypatch.setattr(remote, "FIRST_WAIT", 1.0)
    return seconds


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def fetch_payload(url, folder, size=SIZE, checksum=SHA256):
    return fetch(url, folder / "model.pth", size, checksum)


def ranges(publisher, path="/model.pth"):
    return [asked for where, asked in publisher.asked if where == path]


# One file ------------------------------------------------------------------------------------


def test_a_file_is_fetched_once(publisher, payload, tmp_path):
    assert fetch_payload(payload, tmp_path)
    assert (tmp_path / "model.pth").read_bytes() == PAYLOAD
    assert names_in(tmp_path) == ["model.pth"]
    assert not fetch_payload(payload, tmp_path)
    assert len(publisher.asked) == 1


def test_md5_is_a_checksum_too(publisher, payload, tmp_path):
    fetch_payload(payload, tmp_path, checksum="md5:" + hashlib.md5(PAYLOAD).hexdigest())
    with pytest.raises(DownloadError, match="not those announced"):
        fetch_payload(payload, tmp_path, checksum="md5:" + "0" * 32)


def test_a_redirect_is_followed(publisher, payload, tmp_path):
    publisher.moved["/resolve"] = "/model.pth"
    assert fetch_payload(f"{publisher.url}/resolve", tmp_path)
    assert (tmp_path / "model.pth").read_bytes() == PAYLOAD


def test_a_damaged_copy_is_fetched_anew(payload, tmp_path):
    (tmp_path / "model.pth").write_bytes(PAYLOAD[:-1] + b"\0")
    assert fetch_payload(payload, tmp_path)
    assert (tmp_path / "model.pth").read_bytes() == PAYLOAD


def test_a_cut_connection_goes_on_where_it_stopped(publisher, payload, tmp_path):
    publisher.faults["/model.pth"] = [("cut", 400_000), ("cut", 300_000)]
    assert fetch_payload(payload, tmp_path)
    assert (tmp_path / "model.pth").read_bytes() == PAYLOAD
    first, second, third = ranges(publisher)
    assert first is None
    begins = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in (second, third)]
    assert 300_000 < begins[0] <= 400_000
    assert begins[0] + 200_000 < begins[1] <= begins[0] + 300_000


def test_what_arrived_is_kept_for_the_next_call(publisher, payload, tmp_path, waits):
    publisher.faults["/model.pth"] = [("cut", 150_000)] * ATTEMPTS
    with pytest.raises(DownloadError, match=r"cut, 5 times in a row.*\d\d% is kept") as caught:
        fetch_payload(payload, tmp_path)
    assert caught.value.exit_code == 1
    assert names_in(tmp_path) == [".model.pth.part"]
    kept = (tmp_path / ".model.pth.part").read_bytes()
    assert kept
    assert PAYLOAD.startswith(kept)

    before = publisher.sent
    assert fetch_payload(payload, tmp_path)
    assert publisher.sent - before == len(PAYLOAD) - len(kept)
    assert (tmp_path / "model.pth").read_bytes() == PAYLOAD
    assert names_in(tmp_path) == ["model.pth"]


def test_a_killed_process_leaves_a_part_and_nothing_else(publisher, payload, tmp_path):
    publisher.faults["/model.pth"] = [("stall", 500_000)]
    code = (
        "import sys; from pathlib import Path; from scatd.data.remote import fetch;"
        "fetch(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])"
    )
    target = tmp_path / "model.pth"
    command = [sys.executable, "-c", code, payload, target, str(len(PAYLOAD)), SHA256]
    with subprocess.Popen(command) as process:
        part = tmp_path / ".model.pth.part"
        assert publisher.stalled.wait(30)
        for _ in range(1000):
            if part.exists() and part.stat().st_size > 300_000:
                break
            publisher.closing.wait(0.01)
        process.send_signal(signal.SIGKILL)
    assert names_in(tmp_path) == [".model.pth.part"]
    have = part.stat().st_size
    assert have > 300_000
    assert fetch_payload(payload, tmp_path)
    assert ranges(publisher)[-1] == f"bytes={have}-"
    assert target.read_bytes() == PAYLOAD


def test_a_server_that_sends_the_whole_again_is_fine(publisher, payload, tmp_path):
    publisher.ignores_range = True
    publisher.faults["/model.pth"] = [("cut", 400_000)]
    assert fetch_payload(payload, tmp_path)
    assert (tmp_path / "model.pth").read_bytes() == PAYLOAD


def test_a_whole_file_is_whole_however_the_connection_ended(publisher, payload, tmp_path):
    whole = PAYLOAD[: 1 << 19]  # a multiple of the blocks that are read, so that all of it arrives
    publisher.files["/model.pth"] = whole
    publisher.faults["/model.pth"] = ["promise more"]
    checksum = "sha256:" + hashlib.sha256(whole).hexdigest()
    assert fetch_payload(payload, tmp_path, len(whole), checksum)
    assert (tmp_path / "model.pth").read_bytes() == whole


def test_a_part_of_another_version_is_not_gone_on_with(publisher, payload, tmp_path):
    (tmp_path / ".model.pth.part").write_bytes(b"x" * (len(PAYLOAD) + 1))
    assert fetch_payload(payload, tmp_path)
    assert ranges(publisher) == [None]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(publisher, payload, tmp_path, waits, status):
    publisher.faults["/model.pth"] = [status, status]
    assert fetch_payload(payload, tmp_path)
    assert len(publisher.asked) == 3
    assert waits == [1, 2]


def test_patience_ends(publisher, payload, tmp_path, waits):
    publisher.faults["/model.pth"] = [503] * 100
    with pytest.raises(DownloadError, match=r"answered 503 .*, 5 times in a row\. Try again later"):
        fetch_payload(payload, tmp_path)
    assert len(publisher.asked) == ATTEMPTS
    assert waits == [1, 2, 4, 8]
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(publisher, payload, tmp_path, waits, status):
    publisher.faults["/model.pth"] = [status]
    with pytest.raises(DownloadError, match=f"answered {status}"):
        fetch_payload(payload, tmp_path)
    assert waits == []
    assert names_in(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(publisher, payload, tmp_path):
    publisher.files["/model.pth"] = b"x" + PAYLOAD[1:]
    with pytest.raises(DownloadError, match=r"model\.pth are not those announced \(sha256:"):
        fetch_payload(payload, tmp_path)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("size", "said"), [(999_999, "longer"), (1_000_001, "shorter")])
def test_another_length_than_announced(payload, tmp_path, size, said):
    with pytest.raises(DownloadError, match=f"is {said} than the {size:,} bytes"):
        fetch_payload(payload, tmp_path, size=size)
    # Nothing stays that would spoil the next attempt.
    assert names_in(tmp_path) in ([], [".model.pth.part"])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0
    assert fetch_payload(payload, tmp_path)


def test_offline_is_said_at_once(tmp_path, waits, publisher):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/model.pth"
        with pytest.raises(DownloadError, match=r"^127\.0\.0\.1 cannot be reached") as caught:
            fetch_payload(url, tmp_path)
    assert "\n" not in str(caught.value)
    assert waits == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "no address", "http://"])
def test_what_is_no_web_address_is_refused(url, tmp_path, waits):
    with pytest.raises(DownloadError):
        fetch_payload(url, tmp_path)
    assert waits == []
    assert names_in(tmp_path) == []


# figshare's list -----------------------------------------------------------------------------


def entry(number, name, data=b"", **changes):
    return {
        "id": number,
        "name": name,
        "size": len(data),
        "is_link_only": False,
        "download_url": f"/files/{number}",
        "supplied_md5": hashlib.md5(data).hexdigest(),
        "computed_md5": hashlib.md5(data).hexdigest(),
    } | changes


def publish(publisher, *entries, **changes):
    """Put an article on the server."""
    for found in entries:
        found["download_url"] = f"{publisher.url}/files/{found['id']}"
    publisher.answers[ARTICLE] = {
        "id": 27908847,
        "version": 3,
        "license": {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
        "files": list(entries),
    } | changes


@pytest.fixture
def article(publisher):
    """Two files, as figshare would list and serve them."""
    data = {"VAE sf.pth": PAYLOAD, "labels.csv": b"cell,label\n"}
    entries = [entry(10 + i, name, bytes_) for i, (name, bytes_) in enumerate(data.items())]
    publish(publisher, *entries)
    for found, bytes_ in zip(entries, data.values(), strict=True):
        publisher.files[f"/files/{found['id']}"] = bytes_
    return data


def test_the_list_brings_licence_version_and_checksums(publisher, article):
    found = listed(CATALOGUE["scatd"])
    assert found.licence == "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"
    assert found.revision == "version 3"
    assert [file.name for file in found.files] == list(article)
    for file, data in zip(found.files, article.values(), strict=True):
        assert file.size == len(data)
        assert file.checksum == "md5:" + hashlib.md5(data).hexdigest()
    assert found.size == sum(map(len, article.values()))


@pytest.mark.parametrize(
    "name",
    ["../outside.pth", "/etc/passwd", "a/b", "a\\b", "..", ".", "", ".lock", "x\ny", "x\0",
     "C:x", " x", "x" * 300],
)  # fmt: skip
def test_a_name_is_never_a_path(publisher, caplog, name):
    publish(publisher, entry(1, name), entry(2, "good.pth"))
    assert [file.name for file in listed(CATALOGUE["scatd"]).files] == ["good.pth"]
    assert "no plain file name" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"is_link_only": True},
        {"computed_md5": "", "supplied_md5": None},
        {"computed_md5": "g" * 32},
    ],
)
def test_what_has_no_checksum_is_left_out(publisher, caplog, changes):
    publish(publisher, entry(1, "link.zip", **changes), entry(2, "good.pth"))
    assert [file.name for file in listed(CATALOGUE["scatd"]).files] == ["good.pth"]
    assert "link.zip" in caplog.text


def test_files_of_one_name_stay_apart(publisher):
    publish(publisher, entry(7, "fold1.pth"), entry(8, "Fold1.pth"), entry(9, "other.pth"))
    names = [file.name for file in listed(CATALOGUE["scatd"]).files]
    assert names == ["7-fold1.pth", "8-Fold1.pth", "other.pth"]


def test_a_long_list_comes_in_pages(publisher):
    entries = [entry(number, f"file{number}") for number in range(230)]
    publish(publisher, *entries, files=entries[:10])

    def page(query):
        first, size = (int(query["page"]) - 1) * int(query["page_size"]), int(query["page_size"])
        return entries[first : first + size]

    publisher.answers[f"{ARTICLE}/files"] = page
    found = listed(CATALOGUE["scatd"])
    assert [file.name for file in found.files] == [f"file{number}" for number in range(230)]


def test_pages_without_end_end(publisher):
    entries = [entry(number, f"file{number}") for number in range(100)]
    publish(publisher, *entries)
    publisher.answers[f"{ARTICLE}/files"] = entries
    listed(CATALOGUE["scatd"])
    assert len(publisher.asked) < 200


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>maintenance</html>",
        [],
        {},
        {"files": None},
        {"files": [None]},
        {"files": ["name"]},
        {"files": [{"name": "x"}]},
        {"files": {"name": "x"}},
        {"files": [entry(1, "x", size="large")]},
        {"files": [], "license": None, "version": 1},
    ],
    ids=str,
)
def test_an_answer_in_another_form_is_one_message(publisher, answer):
    publisher.answers[ARTICLE] = answer
    with pytest.raises(DownloadError, match=r"articles/27908847: answered (something|in a form)"):
        listed(CATALOGUE["scatd"])


def test_a_busy_api_is_asked_again(publisher, article):
    publisher.faults[ARTICLE] = [503]
    assert len(listed(CATALOGUE["scatd"]).files) == 2


# Data sets -----------------------------------------------------------------------------------


def test_a_data_set_lies_in_its_folder_with_its_origin(publisher, article, tmp_path):
    folder = downloads.download(downloads.find("scatd"), tmp_path)
    assert folder == tmp_path / "downloads" / "scatd"
    assert {name: (folder / name).read_bytes() for name in article} == article
    assert set(names_in(folder)) - {".lock", ".source.json"} == set(article)
    record = json.loads((folder / ".source.json").read_text())
    assert record["licence"].startswith("CC BY 4.0")
    assert "non-commercial" in record["notice"]
    noted = record["files"]["VAE sf.pth"]
    assert noted["checksum"] == "md5:" + hashlib.md5(PAYLOAD).hexdigest()
    assert noted["url"] == f"{publisher.url}/files/10"
    assert noted["revision"] == "version 3"

    sent = publisher.sent
    downloads.download(downloads.find("scatd"), tmp_path)
    assert publisher.sent == sent
    assert json.loads((folder / ".source.json").read_text()) == record


def test_one_file_of_a_data_set(publisher, article, tmp_path):
    folder = downloads.download(downloads.find("SCATD/labels.csv"), tmp_path)
    assert (folder / "labels.csv").read_bytes() == article["labels.csv"]
    assert not (folder / "VAE sf.pth").exists()
    downloads.download(downloads.find("scatd/VAE sf.pth"), tmp_path)
    assert set(json.loads((folder / ".source.json").read_text())["files"]) == set(article)


def test_what_came_before_a_fault_stays(publisher, article, tmp_path):
    publisher.files["/files/11"] = b"cell,label!"
    with pytest.raises(DownloadError, match=r"labels\.csv are not those announced"):
        downloads.download(downloads.find("scatd"), tmp_path)
    folder = tmp_path / "downloads" / "scatd"
    assert set(names_in(folder)) == {".lock", ".source.json", "VAE sf.pth"}
    assert set(json.loads((folder / ".source.json").read_text())["files"]) == {"VAE sf.pth"}


def test_what_is_here_is_known_offline(publisher, article, tmp_path, caplog):
    dataset = downloads.find("scatd/labels.csv")
    folder = downloads.download(dataset, tmp_path)
    publisher.close()
    found = downloads.known(CATALOGUE["scatd"], tmp_path)
    assert found.files == dataset.files
    assert found.licence == dataset.licence
    assert downloads.is_cached(found.files[0], folder)
    assert "cannot be reached" in caplog.text


def test_only_whole_files_are_here(publisher, article, tmp_path):
    dataset = downloads.find("scatd/labels.csv")
    folder = tmp_path / "downloads" / "scatd"
    assert not downloads.is_cached(dataset.files[0], folder)
    folder.mkdir(parents=True)
    (folder / "labels.csv").write_text("cell")
    assert not downloads.is_cached(dataset.files[0], folder)


def test_unknown_names_are_refused_with_the_known_ones(publisher, article):
    with pytest.raises(InputError, match=r"no data set 'genformer-6L'.*geneformer-6L"):
        downloads.find("genformer-6L")
    with pytest.raises(InputError, match=r"no file 'label\.csv'.*There is labels\.csv"):
        downloads.find("scatd/label.csv")
    with pytest.raises(InputError, match="no file"):
        downloads.find("scatd/../../labels.csv")


def test_weights_behind_terms_are_not_fetched(publisher):
    with pytest.raises(InputError, match=r"non-commercial.*models\.ckpt"):
        downloads.find("scfoundation-weights")
    assert publisher.asked == []


def test_a_folder_that_cannot_be_made(publisher, article, tmp_path):
    (tmp_path / "downloads").write_text("a file")
    with pytest.raises(InputError, match=r"cannot be written.*SCATD_CACHE"):
        downloads.download(downloads.find("scatd"), tmp_path)


def test_a_damaged_record_is_one_message(publisher, article, tmp_path):
    folder = downloads.download(downloads.find("scatd"), tmp_path)
    (folder / ".source.json").write_text("{")
    with pytest.raises(InputError, match=r"source\.json is damaged"):
        downloads.download(downloads.find("scatd"), tmp_path)


@pytest.mark.parametrize("name", [name for name in CATALOGUE if CATALOGUE[name].files])
def test_pinned_files_have_an_address_a_length_and_a_checksum(name, publisher):
    dataset = downloads.find(name)
    assert dataset.licence
    assert dataset.page.startswith("https://")
    for file in dataset.files:
        assert file.size > 0
        assert len(file.checksum) == len("sha256:") + 64
        assert file.url.startswith(("{hub}/", "{github}/"))
        assert catalogue.address(file.url).startswith(f"{publisher.url}/")


def test_addresses_are_the_publishers_own_by_default(monkeypatch):
    for variable in ("SCATD_FIGSHARE_API", "SCATD_GITHUB_RAW", "HF_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    assert catalogue.address("{hub}/a") == "https://huggingface.co/a"
    assert catalogue.address("{github}/a") == "https://raw.githubusercontent.com/a"
    assert catalogue.address("{figshare}/a") == "https://api.figshare.com/v2/a"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert catalogue.address("{hub}/a") == "https://mirror.example/a"


@pytest.mark.parametrize(
    ("name", "folder"),
    [("scfoundation-genes", "scfoundation"), ("geneformer-dictionaries", "geneformer")],
)
def test_pinned_checksums_are_those_of_the_published_files(
    name, folder, reference_tables, publisher, tmp_path
):
    for file in CATALOGUE[name].files:
        path = catalogue.address(file.url).removeprefix(publisher.url)
        publisher.moved[path] = f"/cdn/{file.name}"
        publisher.files[f"/cdn/{file.name}"] = (reference_tables / folder / file.name).read_bytes()
    got = downloads.download(downloads.find(name), tmp_path)
    for file in CATALOGUE[name].files:
        assert (got / file.name).stat().st_size == file.size


def test_two_processes_fetch_once(publisher, article, tmp_path):
    code = (
        "import sys; from pathlib import Path; from scatd.data import downloads;"
        "downloads.download(downloads.find('scatd'), Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    both = [subprocess.Popen(command, env=dict(os.environ)) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert publisher.sent == sum(map(len, article.values()))


def test_the_cache_folder_is_where_the_variable_says(monkeypatch, tmp_path):
    from scatd.tracking import cache_folder

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("SCATD_CACHE", raising=False)
    assert cache_folder() == tmp_path / "xdg" / "scatd"
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCATD_CACHE", "~/kept")
    assert cache_folder() == tmp_path / "kept"
