"""Cohorts on a web server or in a bucket: the same numbers, only the parts, and clear faults."""

from __future__ import annotations

import shutil
import socket
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

from scatd.data import files, lazy
from scatd.data.features import read_features
from scatd.data.io import open_cohort
from scatd.data.location import location
from scatd.data.readers import remote as module
from scatd.data.readers.remote import remote_state
from scatd.errors import InputError
from tests.web import web

N, GENES, WIDTH = 600, 50, 40
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(0)
    cells = ad.AnnData(
        sparse.random(N, GENES, 0.3, "csr", np.float32, rng=0),
        pd.DataFrame({"site": pd.Categorical(["lung", "skin"] * (N // 2))}),
        pd.DataFrame(index=[f"GENE{gene}" for gene in range(GENES)]),
        uns={"simulated": True},
    )
    cells.obs_names = [f"cell{row}" for row in range(N)]
    cells.obsm["X_scfoundation"] = rng.normal(size=(N, WIDTH)).astype(np.float32)
    return cells


@pytest.fixture(scope="module")
def folder(cohort, tmp_path_factory):
    """The cohort in every format that is read from afar; `bucket` holds the same."""
    folder = tmp_path_factory.mktemp("served")
    for version in (2, 3):
        root = zarr.open_group(folder / f"v{version}.zarr", mode="w", zarr_format=version)
        ad.io.write_elem(root, "/", cohort)
        for name, chunks in (("X/data", 1000), ("X/indices", 1000)):
            root.create_array(name, data=root[name][:], chunks=(chunks,), overwrite=True)
        name, values = "obsm/X_scfoundation", cohort.obsm["X_scfoundation"]
        shards = (200, WIDTH) if version == 3 else None
        attributes = dict(root[name].attrs)
        root.create_array(
            name, data=values, chunks=(50, WIDTH), shards=shards, overwrite=True
        ).attrs.update(attributes)
        zarr.consolidate_metadata(root.store)
    columns = [f"f{column}" for column in range(WIDTH)]
    frame = pd.DataFrame(cohort.obsm["X_scfoundation"], cohort.obs_names, columns)
    frame.to_parquet(folder / "cells.parquet", row_group_size=50)
    shutil.copytree(folder, folder / "bucket")
    return folder


@pytest.fixture
def server(folder):
    with web(folder) as running:
        yield running


@pytest.fixture
def bucket(server, monkeypatch):
    """The same server as a store of objects without credentials."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address("").rstrip("/"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return server


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(lazy, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(lazy, "_GAP_BYTES", 0)
    monkeypatch.setattr(files, "_BLOCK_BYTES", 50 * WIDTH * 4)


NAMES = ["v2.zarr", "v3.zarr", "cells.parquet"]


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_on_a_web_server_is_that_of_the_cohort(server, cohort, name):
    found = read_features(location(server.address(name, "me:pass-word@")), "sf", mmap=True)
    np.testing.assert_array_equal(np.asarray(found.X), cohort.obsm["X_scfoundation"])
    assert list(found.ids) == list(cohort.obs_names)
    assert str(found.path) == server.address(name)


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_in_a_bucket_is_that_of_the_cohort(bucket, cohort, name):
    found = read_features(location(f"s3://bucket/{name}"), "sf", mmap=True)
    np.testing.assert_array_equal(np.asarray(found.X), cohort.obsm["X_scfoundation"])
    assert list(found.ids) == list(cohort.obs_names)


@pytest.mark.parametrize("name", ["v2.zarr", "v3.zarr"])
def test_expression_on_a_web_server_is_that_of_the_cohort(server, cohort, name):
    with open_cohort(location(server.address(name))) as found:
        rows = [found.matrices["X"].rows(start, start + 100) for start in range(0, N, 100)]
        assert found.obs["site"].tolist() == cohort.obs["site"].tolist()
        assert found.simulated
    assert (sparse.vstack(rows) != cohort.X).nnz == 0


@pytest.mark.parametrize(
    ("name", "part"), [("v2.zarr", "X_scf"), ("v3.zarr", "X_scf"), NAMES[2:] * 2]
)
def test_some_rows_read_a_part_of_the_file(server, cohort, name, part):
    found = read_features(location(server.address(name)), "sf", mmap=True)
    rows = getattr(found.X, "_raw", found.X)  # without the check of all rows at an error
    rows[0:1]  # whatever was kept is another part
    server.sent.clear()
    np.testing.assert_array_equal(rows[410:420], cohort.obsm["X_scfoundation"][410:420])
    assert 0 < server.bytes_of(part) < cohort.obsm["X_scfoundation"].nbytes / 5


def test_rows_in_order_fetch_every_chunk_once(server, cohort):
    found = read_features(location(server.address("v2.zarr")), "sf", mmap=True)
    rows = getattr(found.X, "_raw", found.X)
    rows[500:]
    server.sent.clear()
    for start in range(0, N, 20):
        rows[start : start + 20]
    asked = [path for path, _ in server.sent if "X_scf" in path]
    assert len(asked) == len(set(asked)) == N // 50


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, r"there is no (\.zarr store|parquet table)\. Check the address"),
        (401, "access is denied. Check the address, and its user, password or token"),
        (403, "access is denied"),
        (500, r"cannot be read as a .* \(500"),
    ],
)
def test_a_refusal_is_one_message_without_credentials(server, name, status, message):
    server.status = status
    with pytest.raises(InputError, match=message) as error:
        read_features(location(server.address(name, "me:pass-word@")), "sf", mmap=True)
    assert "pass-word" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_of_a_bucket_names_the_credentials(bucket, name):
    bucket.status = 403
    with pytest.raises(InputError, match=r"access is denied. Set AWS_PROFILE"):
        read_features(location(f"s3://bucket/{name}"), "sf", mmap=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_is_not_there_is_one_message(name):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/{name}"
        with pytest.raises(InputError, match=r"cannot be reached.*Check the address"):
            read_features(location(address), "sf", mmap=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_says_nothing_is_given_up(monkeypatch, name):
    monkeypatch.setattr(module, "_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/{name}"
        with pytest.raises(InputError, match="does not answer in time"):
            read_features(location(address), "sf", mmap=True)


def test_a_fault_under_way_is_one_message(server):
    found = read_features(location(server.address("v2.zarr", "me:pass-word@")), "sf", mmap=True)
    rows = getattr(found.X, "_raw", found.X)
    rows[:10]
    server.status = 503
    with pytest.raises(InputError, match=r"v2\.zarr cannot be read.*503") as error:
        rows[300:310]
    assert "pass-word" not in str(error.value)


def test_a_server_without_parts_is_named(server):
    server.gives_parts = False
    with pytest.raises(InputError, match="gives the whole file only"):
        read_features(location(server.address("cells.parquet")), "sf", mmap=True)


def test_a_web_server_needs_a_list_of_the_parts(cohort, tmp_path):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    ad.io.write_elem(root, "/", cohort)
    with web(tmp_path) as server, pytest.raises(InputError, match=r"zarr\.consolidate_metadata"):
        read_features(location(server.address("a.zarr")), "sf", mmap=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_state_of_a_cohort_changes_with_its_content(folder, tmp_path, name):
    place = tmp_path / name
    copy = shutil.copytree if (folder / name).is_dir() else shutil.copy
    copy(folder / name, place)
    with web(tmp_path) as server:
        found = location(server.address(name, "me:pass-word@"))
        before = remote_state(found)
        assert remote_state(found) == before
        assert "pass-word" not in before
        changed = {"v2.zarr": place / ".zmetadata", "v3.zarr": place / "zarr.json"}.get(name, place)
        changed.write_bytes(changed.read_bytes().replace(b"i", b"j", 1))
        assert remote_state(found) != before


def test_a_store_with_a_query_is_refused(server):
    with pytest.raises(InputError, match="has a query"):
        read_features(location(server.address("v2.zarr") + "?sig=to-ken"), "sf")


def test_a_chunk_that_claims_too_much_is_refused(server, monkeypatch):
    monkeypatch.setattr(module, "_MOST_CHUNK", 1000)
    with pytest.raises(InputError, match=r"bytes in one chunk. Expected at most 1,000"):
        read_features(location(server.address("v2.zarr")), "sf")


@pytest.mark.parametrize(
    ("address", "package", "remedy"),
    [
        ("s3://bucket/x.zarr", "s3fs", 'pip install "scatd[remote]"'),
        ("https://host/x.zarr", "aiohttp", 'pip install "scatd[remote]"'),
        ("gs://bucket/x.zarr", "gcsfs", "pip install gcsfs"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, address, package, remedy):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError) as error:
        read_features(location(address), "sf")
    assert f"needs the package {package}" in str(error.value)
    assert remedy in str(error.value)


def test_sparse_expression_written_by_scatd_has_a_list_of_its_parts(cohort, tmp_path):
    from scatd.data.writing import writing_cohort

    with writing_cohort(tmp_path / "made.zarr", GENES) as writer:
        writer.add(cohort.X)
        writer.finish(cohort.obs, cohort.var, {})
    with web(tmp_path) as server, open_cohort(location(server.address("made.zarr"))) as found:
        assert (found.matrices["X"].rows(0, N) != cohort.X).nnz == 0
        assert list(found.obs.index) == list(cohort.obs_names)
