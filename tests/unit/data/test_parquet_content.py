"""A small parquet file that would fill the memory is refused before it is unpacked."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scatd.data.parquet_content import unpacked_bytes
from scatd.data.tables import open_table, read_table
from scatd.errors import InputError
from tests import forked


def long_word(path):
    """One word of 200 kB, stored once, in 4,096 rows: 820 MB."""
    words = pa.DictionaryArray.from_arrays(np.zeros(4096, np.int32), ["x" * 200_000])
    pq.write_table(pa.table({"id": words, "f0": np.zeros(4096)}), path, store_schema=False)


def long_list(path):
    """A list of a million numbers in one row."""
    whole = pa.array(np.zeros(10**6, np.int8))
    table = pa.table({"l": pa.ListArray.from_arrays([0, 10**6], whole)})
    pq.write_table(table, path, compression="zstd")


def many_zeros(path):
    """Forty million zeros in one row group: 320 MB, of which 160 kB are stored."""
    pq.write_table(pa.table({"f0": np.zeros(40_000_000)}), path, row_group_size=40_000_000)


BOMBS = {
    long_word: "column 'id' claims 8",
    long_list: "column 'l' holds list<element: int8>",
    many_zeros: "row group 0 claims 320,000,000 bytes",
}


@pytest.mark.parametrize("make", BOMBS, ids=lambda make: make.__name__)
def test_a_tiny_file_that_grows_is_refused_in_little_memory(tmp_path, make):
    make(tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 200_000
    said = measured(tmp_path / "bomb.parquet")
    assert BOMBS[make] in said["message"]
    assert said["megabytes"] < 100


def measured(path):
    """The refusal of a file in a process of its own, and the memory that reading it took there."""
    program = """
import json, resource, sys
import pandas, pyarrow.parquet
from pathlib import Path
from scatd.data.tables import open_table
from scatd.errors import InputError
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
before = peak()
try:
    open_table(Path(sys.argv[1]))
    message = "read"
except InputError as error:
    message = str(error)
print(json.dumps({"message": message, "megabytes": peak() - before}))
"""
    done = forked.run(program, path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_commands_refuse_such_a_file_in_one_message_and_little_memory(copied_registry):
    for make in BOMBS:
        make(copied_registry / f"{make.__name__}.parquet")
    program = """
import json, resource, sys
import anndata, mlflow, pandas, pyarrow.parquet, torch
from click.testing import CliRunner
from scatd.cli import main
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
before, ends = peak(), []
for file in sys.argv[1:]:
    for words in (["check"], ["predict", "--drug", "docetaxel", "-o", "scored.csv"]):
        done = CliRunner().invoke(main, [*words, file])
        ends.append((file, done.exit_code, done.stderr))
print(json.dumps({"ends": ends, "megabytes": peak() - before}))
"""
    said = {f"{make.__name__}.parquet": words for make, words in BOMBS.items()}
    done = forked.run(program, *said)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for file, code, stderr in found["ends"]:
        (error,) = [line for line in stderr.splitlines() if line.startswith("Error")]
        assert (code, said[file] in error) == (2, True), error
    assert len(found["ends"]) == 6
    assert found["megabytes"] < 250, "beyond what the libraries take"
    assert not (copied_registry / "scored.csv").exists()


@pytest.mark.parametrize(
    "column",
    [
        pa.StructArray.from_arrays([pa.array([1, 2])], ["a"]),
        pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
        pa.array([[1], [2]], pa.list_(pa.int64(), 1)),
    ],
    ids=["struct", "map", "fixed list"],
)
def test_nested_columns_are_refused_from_the_schema(tmp_path, column):
    pq.write_table(pa.table({"id": ["a", "b"], "odd": column}), tmp_path / "nested.parquet")
    with pytest.raises(InputError, match="column 'odd' holds") as caught:
        open_table(tmp_path / "nested.parquet")
    assert "columns of numbers or words" in str(caught.value)


def test_ordinary_repeated_words_are_read_as_they_are(tmp_path):
    """A word in every row, an index, categories, gaps: as pandas itself reads them."""
    frame = pd.DataFrame(
        {
            "id": [f"c{number}" for number in range(3000)],
            "patient": ["a long name of a patient"] * 3000,
            "kind": pd.Categorical(["a", None, "b"] * 1000),
            "value": np.arange(3000.0),
        },
        index=pd.Index([f"r{number}" for number in range(3000)], name="row"),
    )
    path = tmp_path / "table.parquet"
    frame.to_parquet(path, row_group_size=700)
    expected = pd.read_parquet(path).reset_index().astype(object)
    found = open_table(path).cells.set_axis(["row", *frame.columns], axis=1)
    pd.testing.assert_frame_equal(found.astype(object), expected)
    assert read_table(path, as_text=True)["patient"].unique().tolist() == [
        "a long name of a patient"
    ]


def test_the_size_of_words_is_counted_as_arrow_writes_them_out():
    words = pa.array(["a", "bb", None, "bb", "cccc"] * 100)
    packed = words.dictionary_encode()
    letters = sum(len(word or "") for word in words.to_pylist())
    assert unpacked_bytes(packed) == letters + 8 * len(words)
    assert unpacked_bytes(pa.chunked_array([packed, packed])) == 2 * unpacked_bytes(packed)
