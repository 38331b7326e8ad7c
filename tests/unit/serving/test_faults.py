"""The status says whose fault it was: that of the file, the store, the client or the server."""

from __future__ import annotations

import errno
import gzip
import io
import json
import logging
import threading
import time
import zipfile
import zlib
from dataclasses import replace
from urllib.parse import quote, unquote

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.exceptions import MlflowException

from scatd import registry
from scatd.errors import InputError
from scatd.registry import files
from scatd.serving import app, outcome, service, uploads
from scatd.serving.models import LiveModel


@pytest.fixture
def body(cells):
    return (cells / "cells.npy").read_bytes()


def nothing_is_left(client):
    for _ in range(100):
        if not list(client.service.scratch.root.iterdir()):
            break
        time.sleep(0.02)
    return not list(client.service.scratch.root.iterdir())


def ended(client, job):
    """A job of the page, when it is over."""
    for _ in range(1500):
        about = client.get(f"/jobs/{job['job']}").json()
        if about["state"] in ("done", "failed"):
            return about
        time.sleep(0.02)
    raise AssertionError(about)


# Names ------------------------------------------------------------------------------------------


@pytest.fixture
def greek(serve, monkeypatch):
    """A server whose model is of a drug with a Greek name."""
    client = serve()
    models = client.service.models
    real = models.find("docetaxel")
    scorer = models.load(real).scorer
    named = replace(real, drug="βlapachone", name="scatd-sf-βlapachone")
    monkeypatch.setattr(models, "find", lambda drug, family=None: named)
    monkeypatch.setattr(models, "load", lambda ref: LiveModel(ref, scorer))
    return client


@pytest.mark.parametrize("kind", ["json", "csv", "parquet", "h5ad"])
def test_a_drug_with_a_greek_name_is_scored(greek, cells, kind):
    content = (cells / "cells.h5ad").read_bytes()
    answer = greek.post(f"/predict/{quote('β-Lapachone')}?format={kind}", content=content)
    assert answer.status_code == 200, answer.text
    assert unquote(answer.headers["x-scatd-model"]) == "scatd-sf-βlapachone"
    named = f"filename*=utf-8''{quote('scatd-βlapachone-sf-v1')}.{kind}"
    assert named in answer.headers["content-disposition"]
    assert nothing_is_left(greek)


def test_the_page_scores_a_drug_with_a_greek_name(greek, cells):
    content = (cells / "cells.h5ad").read_bytes()
    job = greek.post(f"/jobs/{quote('β-Lapachone')}", content=content).json()
    about = ended(greek, job)
    assert about["state"] == "done", about
    assert "βlapachone" in greek.get(f"/jobs/{job['job']}/report.html").text


# Files that are left -----------------------------------------------------------------------------


def broken(*args, **named):
    raise KeyError("SECRET")


def full(*args, **named):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("fault", [broken, full])
@pytest.mark.parametrize(
    "place",
    [(app, "_Passing"), (service, "score_file"), (uploads, "_write"), (uploads, "settle")],
    ids=lambda place: place[1],
)
def test_no_fault_leaves_a_file_or_keeps_a_place(serve, body, monkeypatch, caplog, place, fault):
    client = serve(workers=1, waiting=0)
    monkeypatch.setattr(*place, fault)
    answer = client.post("/predict/docetaxel", content=body)
    assert nothing_is_left(client)
    assert client.service._places == 1
    assert "SECRET" not in answer.text
    if fault is full:
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "no room" in answer.json()["error"]
    else:
        assert answer.status_code == 500
        (fault,) = [line for line in caplog.records if line.msg == "fault"]
        assert fault.fields["request"] in answer.json()["error"]
        assert fault.fields["error"] == "KeyError"


@pytest.mark.parametrize("fault", [broken, full])
def test_no_fault_of_a_job_leaves_a_file(serve, body, monkeypatch, caplog, fault):
    client = serve()
    monkeypatch.setattr(service, "score_file", fault)
    job = client.post("/jobs/docetaxel", content=body).json()
    about = ended(client, job)
    assert (about["state"], about["files"]) == ("failed", [])
    if fault is broken:
        (line,) = [line for line in caplog.records if line.msg == "fault"]
        assert line.fields["request"] in about["error"]
    client.delete(f"/jobs/{job['job']}")
    assert nothing_is_left(client)


# The map -----------------------------------------------------------------------------------------


def test_a_map_that_takes_too_long_costs_no_scores(serve, cells, monkeypatch):
    goes_on = threading.Event()

    def slow(latent, own):
        goes_on.wait(30)
        return np.zeros((len(latent), 2))

    client, summary = serve(), outcome.summary

    def then_little_time(*given):
        client.service.settings = replace(client.service.settings, time_limit=0.5)
        return summary(*given)

    content = (cells / "cells.h5ad").read_bytes()
    monkeypatch.setattr(outcome, "cell_map", slow)
    monkeypatch.setattr(outcome, "summary", then_little_time)
    job = client.post("/jobs/docetaxel", content=content).json()
    about = ended(client, job)
    assert about["state"] == "done"
    assert about["result"]["map_left_out"] == "it took longer than 0.5 seconds"
    assert about["files"] == ["scored.h5ad", "scored.csv", "report.html", "histogram.png"]
    goes_on.set()
    client.service.artist.submit(int).result()  # the late map has ended
    assert "map.png" not in client.get(f"/jobs/{job['job']}").json()["files"]


def test_a_map_that_cannot_be_drawn_costs_no_scores(serve, cells, monkeypatch, caplog):
    monkeypatch.setattr(outcome, "cell_map", broken)
    client = serve()
    content = (cells / "cells.h5ad").read_bytes()
    about = ended(client, client.post("/jobs/docetaxel", content=content).json())
    assert about["state"] == "done"
    (line,) = [line for line in caplog.records if line.msg == "fault"]
    assert line.fields["request"] in about["result"]["map_left_out"]
    assert "report.html" in about["files"]


# Models and their store --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_model_that_is_gone_is_told_and_nothing_is_left(serve, body, monkeypatch, method):
    def gone(artifact_uri, **options):
        raise OSError(errno.ENOENT, f"No such file: {artifact_uri}")

    client = serve()
    monkeypatch.setattr(files, "download_artifacts", gone)
    path = "/predict/docetaxel" if method == "POST" else "/models/docetaxel"
    answer = client.request(method, path, content=body if method == "POST" else None)
    assert answer.status_code == 409, answer.text
    assert "scatd-sf-docetaxel, version 1, is gone" in answer.json()["error"]
    assert "scatd registry doctor" in answer.json()["error"]
    assert "mlartifacts" not in answer.text
    assert nothing_is_left(client)


@pytest.mark.parametrize(
    "fault",
    [
        MlflowException("API request failed: Max retries exceeded"),
        ConnectionError("refused"),
        TimeoutError(),
    ],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("reader", ["read", "read_card"])
def test_a_store_that_does_not_answer_is_told_apart(serve, body, monkeypatch, reader, fault):
    def away(ref):
        raise fault

    client = serve()
    monkeypatch.setattr(registry, reader, away)
    is_read = reader == "read"
    answer = (
        client.post("/predict/docetaxel", content=body)
        if is_read
        else client.get("/models/docetaxel")
    )
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"]
    assert "its store does not answer" in answer.json()["error"]
    assert nothing_is_left(client)


def test_a_version_that_was_deleted_is_gone(serve, body):
    client = serve(refresh=1e6)
    from mlflow.tracking import MlflowClient

    MlflowClient().delete_model_version("scatd-sf-docetaxel", "1")
    assert client.post("/predict/docetaxel", content=body).status_code == 409


def test_without_its_registry_no_drug_is_called_unknown(serve, body, monkeypatch):
    def away():
        raise MlflowException("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "production_versions", away)
        client = serve(refresh=1e6)
        answer = client.post("/predict/docetaxel", content=body)
        assert answer.status_code == 503
        assert "registry" in answer.json()["error"]
    client.service.refresh()
    assert client.post("/predict/docetaxel", content=body).status_code == 200
    assert client.post("/predict/none", content=body).status_code == 404


def test_one_bad_entry_of_the_registry_hides_no_other(serve, body, monkeypatch):
    versions, find = registry.production_versions(), registry.find

    def found(name, stage):
        if name == "scatd-sf-bad":
            raise InputError("... has no tag", where=name)
        return find(name, stage)

    monkeypatch.setattr(registry, "production_versions", lambda: {"scatd-sf-bad": 1, **versions})
    monkeypatch.setattr(registry, "find", found)
    client = serve()
    assert client.post("/predict/docetaxel", content=body).status_code == 200


# Files that grow ---------------------------------------------------------------------------------


def packed(make):
    file = io.BytesIO()
    make(file)
    return file.getvalue()


def zipped(name):
    def write(file):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, bytes(20_000_000))

    return packed(write)


def words_bomb():
    words = pa.DictionaryArray.from_arrays(np.zeros(4096, np.int32), ["x" * 200_000])
    table = pa.table({"id": words, "f0": np.zeros(4096)})
    return packed(lambda file: pq.write_table(table, file, store_schema=False))


def list_bomb():
    table = pa.table({"l": pa.ListArray.from_arrays([0, 10**7], pa.array(np.zeros(10**7, "i1")))})
    return packed(lambda file: pq.write_table(table, file, compression="zstd"))


def hdf5_bomb(name, shape, chunks):
    def write(file):
        with h5py.File(file, "w") as store:
            store.create_dataset(name, shape, "f4", chunks=chunks, compression="gzip")

    return packed(write)


def chunk_bomb():
    """One value, in a chunk of 256 MB of zeros."""

    def write(file):
        with h5py.File(file, "w") as store:
            X = store.create_dataset(
                "X", (1, 1), "f4", maxshape=(8000, 8000), chunks=(8000, 8000), compression="gzip"
            )
            X.id.write_direct_chunk((0, 0), zlib.compress(bytes(4 * 8000 * 8000)))

    return packed(write)


BOMBS = {
    "parquet of one long word": (words_bomb, 422, "claims 8"),
    "parquet of a list": (list_bomb, 422, "holds list<element: int8>"),
    "h5ad with a huge chunk": (chunk_bomb, 422, "holds no AnnData"),
    "h5ad of zeros": (
        lambda: hdf5_bomb("layers/x", (10**7, 10**4), (100, 10**4)), 413, "more than",
    ),
    "loom": (lambda: hdf5_bomb("matrix", (10**7, 10**4), (100, 10**4)), 413, "more than"),
    "npz": (lambda: zipped("X.npy"), 415, "no known kind"),
    "zarr in a zip": (lambda: zipped("c/0/0"), 415, "no known kind"),
    "csv in gzip": (lambda: gzip.compress(bytes(20_000_000)), 415, "no known kind"),
    "JSON of empty lists": (
        lambda: b'{"features": [' + b"[]," * 10**6 + b"[]]}", 422, "no matrix",
    ),
    "an array that claims much": (
        lambda: packed(lambda file: np.save(file, np.zeros((1, 1)))).replace(
            b"(1, 1), }" + b" " * 10, b"(100000000, 100), }"
        ),
        422,
        "cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_and_the_server_lives(client, cells, bomb):
    make, status, says = BOMBS[bomb]
    content = make()
    assert len(content) < 5_000_000
    answer = client.post("/predict/docetaxel", content=content)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]
    good = (cells / "cells.npy").read_bytes()
    assert client.post("/predict/docetaxel", content=good).status_code == 200
    assert nothing_is_left(client)


# Tokens ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_token_with_other_letters_is_taken_as_utf8_and_as_latin1(serve, encoding):
    client = serve(token="schlüssel")
    right = {"Authorization": b"Bearer " + "schlüssel".encode(encoding)}
    wrong = {"Authorization": b"Bearer " + "schlössel".encode(encoding)}
    assert client.get("/drugs", headers=right).status_code == 200
    assert client.get("/drugs", headers=wrong).status_code == 401


def test_a_token_with_letters_outside_latin1(serve):
    client = serve(token="клю?ч")
    right = {"Authorization": b"Bearer " + "клю?ч".encode()}
    assert client.get("/drugs", headers=right).status_code == 200
    assert client.get("/drugs", headers={"Authorization": "Bearer ?????"}).status_code == 401


@pytest.mark.parametrize(
    "origin", ["http://[", "http://[::1", "null", "\x7f", "//", "http://]:8000"]
)
def test_an_origin_that_is_no_address_is_another_site(client, origin):
    answer = client.get("/drugs", headers={"Origin": origin})
    assert answer.status_code == 403


def test_logs_say_why_a_model_could_not_be_read(serve, body, monkeypatch, caplog):
    def away(ref):
        raise ConnectionError("SECRET")

    caplog.set_level(logging.INFO, logger="scatd.serving")
    client = serve()
    monkeypatch.setattr(registry, "read", away)
    client.post("/predict/docetaxel", content=body)
    (line,) = [line for line in caplog.records if line.msg == "store away"]
    assert line.fields["error"] == "ConnectionError"
    assert "SECRET" not in json.dumps(line.fields)
