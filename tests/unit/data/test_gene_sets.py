"""GMT files."""

from __future__ import annotations

import gzip

import pytest

from scatd.data.gene_sets import read_gene_sets
from scatd.errors import InputError

TEXT = "HYPOXIA\thttp://example.org\tVEGFA\tCA9\t\r\n\nEFFLUX\t\tABCB1\tABCG2 \tABCB1\n"


@pytest.mark.parametrize("name", ["sets.gmt", "sets.gmt.gz"])
def test_sets_are_read(tmp_path, name):
    data = TEXT.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    sets = read_gene_sets(tmp_path / name)
    assert sets == {"HYPOXIA": {"VEGFA", "CA9"}, "EFFLUX": {"ABCB1", "ABCG2"}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "holds no gene sets"),
        ("A\tx\tG1\n\nB\tx\n", "line 3: set 'B' has no genes"),
        ("gene,score\nA,1\n", "line 1: set 'gene,score' has no genes"),
        ("A\tx\tG1\nA\tx\tG2\n", "line 2: set 'A' occurs more than once"),
    ],
)
def test_what_is_no_gmt_file_is_refused(tmp_path, text, fault):
    path = tmp_path / "sets.gmt"
    path.write_text(text)
    with pytest.raises(InputError, match=fault):
        read_gene_sets(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_gene_sets(tmp_path / "sets.gmt")
