"""`--panel shared` takes what is shared, and says why it is little."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.data.features import Features, read_features
from scatd.errors import InputError
from scatd.workflows.cohorts.shared import FEWEST_SHARED, shared_panel


def cohort(name, genes):
    X = np.zeros((3, len(genes)), np.float32)
    ids = np.array(["a", "b", "c"])
    return Features(
        X, ids, True, pd.DataFrame(index=ids), Path(name), "X", names=tuple(map(str, genes))
    )


def symbols(start, stop):
    return [f"GENE{number}" for number in range(start, stop)]


def refusal(*cohorts):
    with pytest.raises(InputError) as error:
        shared_panel(cohorts)
    return str(error.value)


def test_a_fifth_of_a_cohort_is_no_limit_where_nothing_is_filled_in(caplog):
    """Regression: 141 shared genes of 706 and 2,933 were refused, for 0.2 genes of 706."""
    source, target = cohort("lines.h5ad", symbols(0, 706)), cohort("z.csv", symbols(565, 3498))
    panel = shared_panel([source, target])
    assert panel.names == tuple(symbols(565, 706))
    assert "lines.h5ad loses 565 of 706, z.csv loses 2792 of 2933" in caplog.text
    assert "selected genes only are in lines.h5ad (706)" in caplog.text


@pytest.mark.parametrize(("n", "taken"), [(FEWEST_SHARED, True), (FEWEST_SHARED - 1, False)])
def test_the_fewest_shared_genes(n, taken):
    cohorts = [cohort("a.csv", symbols(0, 3000)), cohort("b.csv", symbols(3000 - n, 6000))]
    if taken:
        assert len(shared_panel(cohorts)) == n
    else:
        said = refusal(*cohorts)
        assert f"share {n} genes (a.csv 3000, b.csv {3000 + n})" in said
        assert "hold different genes" in said
        assert "at least 50, or 20% of the smallest cohort" in said


def test_a_targeted_panel_may_be_small():
    few = shared_panel([cohort("a.csv", symbols(0, 3000)), cohort("b.csv", symbols(2970, 3010))])
    assert len(few) == 30


def test_identifiers_of_different_kinds():
    ensembl = [f"ENSG{number:011d}" for number in range(500)]
    said = refusal(cohort("a.h5ad", range(5000, 5500)), cohort("b.csv", ensembl))
    assert "name genes differently (a.h5ad: Entrez ids, b.csv: Ensembl ids)" in said
    assert "scatd prepare b.csv --panel a.h5ad --gene-map" in said


def test_different_species():
    human = ["ACTB", "GAPDH", "VIM", "B2M", *symbols(0, 200)]
    mouse = ["Actb", "Gapdh", "Vim", "B2m", *(name.capitalize() for name in symbols(0, 200))]
    said = refusal(cohort("a.csv", human), cohort("b.csv", mouse))
    assert "different species (a.csv: human, b.csv: mouse or rat)" in said
    assert "orthologues" in said


def test_the_same_ids_with_versions():
    plain = [f"ENSG{number:011d}" for number in range(500)]
    said = refusal(cohort("a.csv", plain), cohort("b.csv", [f"{name}.3" for name in plain]))
    assert "500 are the same genes in other spellings" in said
    assert "without versions" in said


def test_numbered_columns_name_no_genes_even_where_numbers_agree():
    said = refusal(cohort("a.csv", range(5000)), cohort("b.csv", range(1000, 4000)))
    assert "the columns of a.csv are numbered and name no genes" in said


def test_the_cohort_that_costs_the_genes_is_named():
    said = refusal(
        cohort("a.csv", symbols(0, 3000)),
        cohort("b.csv", symbols(0, 3000)),
        cohort("c.csv", symbols(2990, 6000)),
    )
    assert "without c.csv they would share 3000" in said


def test_real_lines_and_real_cells(real_data):
    lines = read_features(real_data / "ccle_gdsc" / "lines.h5ad", "dist", scale="zscore")
    for name, n in (("jhu006", 141), ("scc47", 148)):
        cells = read_features(real_data / name / "expression_z.csv.gz", "dist", scale="zscore")
        assert len(shared_panel([lines, cells])) == n
