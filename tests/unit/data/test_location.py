"""An address is named like a path, shows no credentials, and is never taken for a local file."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest

from scatd.data.location import Remote, location
from scatd.errors import InputError

SECRET = "https://me:pass-word@host:8443/dir/x.parquet?sig=to-ken"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("s3://bucket/dir/x.zarr", "s3://bucket/dir/x.zarr"),
        ("S3://bucket/dir/x.zarr/", "s3://bucket/dir/x.zarr"),
        ("gs://bucket/x.parquet", "gs://bucket/x.parquet"),
        (SECRET, "https://host:8443/dir/x.parquet"),
    ],
)
def test_an_address_has_the_names_of_a_path(given, shown):
    found = location(given)
    assert isinstance(found, Remote)
    assert str(found) == f"{found}" == shown
    assert found.name == shown.rpartition("/")[2]
    assert found.suffix == Path(shown).suffix
    assert found.stem == "x"
    assert found.absolute() == found
    assert found.exists()
    assert not found.is_file()
    assert not found.is_dir()
    assert not (found.parent / "beside.csv").is_file()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_knows_the_whole_address(copied):
    found = copied(location(SECRET))
    assert found.url == SECRET
    assert found == location(SECRET)
    assert hash(found) == hash(location(SECRET))
    assert found != location("https://host:8443/dir/x.parquet")


def test_credentials_are_never_shown():
    found = location(SECRET)
    said = found.without_secrets(f"{SECRET}: 403 for me:pass-word@host, ?sig=to-ken, sig=to-ken")
    for text in (str(found), repr(found), said):
        assert "pass-word" not in text
        assert "to-ken" not in text
    with pytest.raises(InputError) as error:
        os.fspath(found)
    assert "pass-word" not in str(error.value)


def test_an_address_is_no_local_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = location("s3://bucket/x.zarr")
    for use in (Path.read_bytes, Path.stat, os.listdir, open):
        with pytest.raises(InputError, match=r"is on another computer.*Copy it to this computer"):
            use(found)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", ["cells.h5ad", "/data/cells.zarr", "a:b/c.csv", "C:/x.h5ad"])
def test_other_texts_are_paths(given):
    assert location(given) == Path(given)
    assert not isinstance(location(given), Remote)


def test_a_file_address_is_a_path():
    assert location("file:///data/my%20cells.h5ad") == Path("/data/my cells.h5ad")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("s3://bucket/x.h5ad", r"cannot be read in parts\. Expected there: \.zarr or \.parquet"),
        ("https://host/x.csv?sig=to-ken", "cannot be read in parts"),
        ("s3://bucket", "cannot be read in parts"),
        ("ftp://host/x.zarr", r"'ftp://' is unknown\. Expected an address that begins with s3://"),
        (Path("s3://bucket/x.zarr"), "one slash after the colon.*Give it as text: s3://"),
    ],
)
def test_what_cannot_be_read_is_refused(given, message):
    with pytest.raises(InputError, match=message) as error:
        location(given)
    assert "to-ken" not in str(error.value)
