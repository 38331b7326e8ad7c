"""A table holds genes or an embedding: one rule, by its names, its width and its values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.data.table_content import holds_expression
from scatd.data.tables import open_table

GENES = ["ACTB", "GAPDH", "TP53", "EGFR", "MYC", "KRAS"]
MOUSE = ["1700001", "Gm1992", "Rik2", "Xkr99", "Sox17a", "Mrpl15x"]
CELLS = ["AAACCTG-1", "AAACGGG-1", "AAAGATG-1", "AAATGCC-1"]
DRAWS = np.random.default_rng(0)
COUNTS = DRAWS.poisson(3.0, (4, 6))
REALS = DRAWS.normal(size=(4, 6)).round(3)


def table(path, values, rows, columns, title=None):
    frame = pd.DataFrame(values, index=pd.Index(rows, name=title), columns=columns)
    frame.to_csv(path / "table.csv")
    return open_table(path / "table.csv")


@pytest.mark.parametrize(
    ("values", "rows", "columns", "n_features", "expression"),
    [
        (COUNTS, CELLS, GENES, 64, True),
        (COUNTS.T, GENES, CELLS, 64, True),
        (REALS, CELLS, GENES, 64, True),  # log values
        # As many cells, or genes, as the embedding is wide: the names decide.
        (COUNTS.T, GENES, CELLS, 4, True),
        (COUNTS, CELLS, GENES, 6, True),
        (REALS, CELLS, [f"f{n}" for n in range(6)], 6, False),
        (REALS, CELLS, range(6), 6, False),
        (REALS, CELLS, range(6), 64, False),  # refused by its width later
        (COUNTS, CELLS, range(6), 6, False),  # refused as counts later
        (COUNTS, CELLS, MOUSE, 64, True),  # refused by its genes later
    ],
)  # fmt: skip
def test_one_rule_decides(tmp_path, values, rows, columns, n_features, expression):
    assert holds_expression(table(tmp_path, values, rows, columns), n_features) == expression


def test_the_title_of_the_first_column_names_genes(tmp_path):
    found = table(tmp_path, REALS, ["one", "two", "three", "four"], range(6), "gene_id")
    assert holds_expression(found, 6)


def test_an_embedding_without_a_column_of_ids(tmp_path):
    pd.DataFrame(REALS, columns=list("uvwxyz")).to_csv(tmp_path / "table.csv", index=False)
    assert not holds_expression(open_table(tmp_path / "table.csv"), 6)
