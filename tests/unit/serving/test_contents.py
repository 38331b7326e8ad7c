"""Small files with large content, or with links to other files, are refused unread."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from scatd.serving.contents import require_harmless
from scatd.serving.examiner import Examiner
from scatd.serving.refusals import Refusal

LIMIT = 8_000_000


@pytest.fixture
def cohort(tmp_path):
    """A harmless file, which a test may make harmful."""
    X = np.zeros((20, 12), np.float32)
    made = ad.AnnData(
        obs=pd.DataFrame({"kind": ["a", "b"] * 10}, index=[f"c{number}" for number in range(20)]),
        X=sparse.csr_matrix((20, 5), dtype=np.float32),
        obsm={"X_scfoundation": X},
    )
    made.uns["empty"] = np.array([], dtype=str)
    made.write_h5ad(tmp_path / "cohort.h5ad")
    return tmp_path / "cohort.h5ad"


def zeros(file):
    file.create_dataset("layers/x", (10**5, 1000), "f4", compression="gzip")


def one_chunk(file):
    file.create_dataset("layers/x", (1, 1), "f4", chunks=(3000, 1000), maxshape=(None, None))


def text(file):
    names = file.create_dataset("obs/long", (5000,), h5py.string_dtype(), compression="gzip")
    names[:] = ["x" * 2000] * 5000


def wide_names(file):
    """One long name among many: numpy gives all of them its width."""
    names = file.create_dataset("obs/long", (5000,), h5py.string_dtype(), compression="gzip")
    names[:] = ["x" * 2000] + ["x"] * 4999


def wide_sparse(file):
    group = file.create_group("obsm/sparse")
    group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", (20, 10**9)
    for name in ("data", "indices", "indptr"):
        group[name] = np.zeros(1, "i4")


BOMBS = [zeros, one_chunk, text, wide_names, wide_sparse]


def other_file(file):
    file["layers/x"] = h5py.ExternalLink("/etc/secret.h5", "/X")


def loop(file):
    file["layers/x"] = h5py.SoftLink("/")


def other_values(file):
    file.create_dataset("layers/x", (10,), "u1", external=[("/etc/passwd", 0, 10)])


def virtual(file):
    layout = h5py.VirtualLayout((5,), "f4")
    layout[:] = h5py.VirtualSource("/etc/secret.h5", "X", (5,))
    file.create_virtual_dataset("layers/x", layout)


def lists(file):
    file.create_dataset("layers/x", (5,), h5py.vlen_dtype(np.dtype("i4")))


def many(file):
    for number in range(10_001):
        file.create_group(f"layers/{number}")


POINTERS = [other_file, loop, other_values, virtual, lists, many]


def test_a_cohort_is_harmless(cohort):
    require_harmless(cohort, ".h5ad", LIMIT)


@pytest.mark.parametrize("harm", BOMBS, ids=lambda harm: harm.__name__)
def test_what_grows_is_refused(cohort, harm):
    with h5py.File(cohort, "a") as file:
        harm(file)
    with pytest.raises(Refusal, match="holds more than 8 MB when it is unpacked") as caught:
        require_harmless(cohort, ".h5ad", LIMIT)
    assert caught.value.status == 413


@pytest.mark.parametrize("harm", POINTERS, ids=lambda harm: harm.__name__)
def test_what_points_elsewhere_is_refused(cohort, harm):
    with h5py.File(cohort, "a") as file:
        harm(file)
    with pytest.raises(Refusal) as caught:
        require_harmless(cohort, ".h5ad", LIMIT)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": np.zeros(1_100_000)}),
        pa.table({"id": pa.array(["x" * 2000] * 5000), "a": np.zeros(5000)}),
        pa.table({"id": pa.array(["x" * 2000] + ["x"] * 4999), "a": np.zeros(5000)}),
    ],
    ids=["zeros", "text", "wide names"],
)
def test_a_table_that_grows_is_refused(tmp_path, table):
    path = tmp_path / "table.parquet"
    pq.write_table(table, path)
    assert path.stat().st_size < 100_000
    with pytest.raises(Refusal, match="holds more than 8 MB") as caught:
        require_harmless(path, ".parquet", LIMIT)
    assert caught.value.status == 413


def test_what_ends_the_examiner_ends_nothing_else(cohort):
    examiner = Examiner()
    for ended_by, status, says in (
        (signal.SIGSEGV, 422, "truncated or damaged"),
        (signal.SIGKILL, 413, "more memory"),  # by the system, which has no memory left
    ):
        examiner.examine(cohort, ".h5ad", LIMIT, 60)
        examiner._child.send_signal(ended_by)
        with pytest.raises(Refusal, match=says) as caught:
            examiner.examine(cohort, ".h5ad", LIMIT, 60)
        assert caught.value.status == status
    examiner.examine(cohort, ".h5ad", LIMIT, 60)
    with pytest.raises(Refusal, match="holds more than 0 MB"):
        examiner.examine(cohort, ".h5ad", 1, 60)
    examiner.close()
    with pytest.raises(Refusal, match=r"longer than 0\.001 seconds"):
        examiner.examine(cohort, ".h5ad", LIMIT, 0.001)


def test_one_long_word_in_many_rows_is_counted_before_it_is_written_out(tmp_path):
    """Within what may grow anyway, and above what the server allows."""
    words = pa.DictionaryArray.from_arrays(np.zeros(4000, np.int32), ["x" * 50_000])
    table = pa.table({"id": words, "a": np.zeros(4000)})
    pq.write_table(table, tmp_path / "bomb.parquet", store_schema=False)
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(Refusal, match="holds more than 8 MB") as caught:
        require_harmless(tmp_path / "bomb.parquet", ".parquet", LIMIT)
    assert caught.value.status == 413
    assert pa.default_memory_pool().max_memory() - before < 20_000_000


@pytest.mark.parametrize("n_megabytes", [500, 4000])
def test_a_child_may_take_so_much_memory_and_no_more(n_megabytes):
    """The limit counts from what the process has: 1 GB for the content, and 1 GB beside it."""
    program = """
import sys
from scatd.serving.limits import limit_this_process
limit_this_process(1 << 30, 60)
try:
    bytearray(int(sys.argv[1]) * 1_000_000)
    print("true")
except MemoryError:
    print("false")
"""
    command = [sys.executable, "-c", program, str(n_megabytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == (n_megabytes < 2000)


def test_a_child_may_compute_so_long_and_no_longer():
    program = """
from scatd.serving.limits import limit_this_process
limit_this_process(1 << 30, 0.5)
while True:
    pass
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert done.returncode == -signal.SIGXCPU
