"""The pre-flight check: what is found, what is refused, and in which words."""

from __future__ import annotations

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data.cell_findings import measure
from scatd.data.cells import CellQuality, failures
from scatd.data.cohort import Cohort, Matrix
from scatd.data.findings import Requirements
from scatd.data.genes import GeneMap, Panel
from scatd.data.io import open_cohort
from scatd.data.preflight import look, require_human
from scatd.errors import InputError

RNG = np.random.default_rng(1)
PANEL = Panel(tuple(f"GENE{number}" for number in range(300)), "a panel")
COUNTS = RNG.poisson(1.2, (40, 300)).astype(np.float32)
LOGS = np.log1p(COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e4)
Z = (LOGS - LOGS.mean(axis=0)) / (LOGS.std(axis=0) + 1e-9)


def cohort(names=PANEL.names, *, ids=None, **matrices):
    """A cohort in memory; `X` holds counts unless matrices are given."""
    matrices = matrices or {"X": COUNTS[:, : len(names)]}
    ids = [f"cell{number}" for number in range(40)] if ids is None else ids
    var = pd.DataFrame(index=pd.Index(list(names)))
    ready = {}
    for name, values in matrices.items():
        rows = sparse.csr_matrix(values)
        ready[name] = Matrix(rows.shape, lambda a, b, rows=rows: rows[a:b], var, rows.nnz)
    return Cohort(Path("a.h5ad"), pd.DataFrame(index=pd.Index(ids)), ready)


def faults(found):
    return [str(fault) for fault in found.faults]


def test_good_counts_have_no_faults_and_no_warnings():
    found = look(cohort(), {"panel": PANEL}, requires=Requirements(min_genes=100))
    measure(found, cohort().matrices["X"])
    assert (found.layer, found.scale, found.kind) == ("X", "counts", "symbol")
    assert faults(found) == []
    assert found.warnings == []
    assert found.matches["panel"].overlap == 1


@pytest.mark.parametrize(
    ("values", "seen"), [(LOGS, "log1p of values scaled to 10,000"), (Z, "z-scores")]
)
def test_what_is_no_counts_is_refused_with_the_reason(values, seen):
    (fault,) = faults(look(cohort(X=values), {"panel": PANEL}))
    assert fault.startswith(f"X holds {seen}")
    assert "Expected raw counts" in fault
    assert ("--scale log1p" in fault) == (values is LOGS)


def test_a_log_matrix_given_as_counts_is_refused():
    (fault,) = faults(look(cohort(X=LOGS), {"panel": PANEL}, scale="counts"))
    assert "X holds log1p" in fault


@pytest.mark.parametrize(("values", "scale"), [(LOGS, "log1p"), (Z, "zscore"), (COUNTS, "counts")])
def test_what_the_user_says_and_is_true_passes(values, scale):
    assert faults(look(cohort(X=values), {"panel": PANEL}, scale=scale)) == []


@pytest.mark.parametrize("name", ["counts", "raw", "umi"])
def test_counts_beside_x_are_used_and_named(name):
    found = look(cohort(**{"X": Z, name: COUNTS}), {"panel": PANEL})
    assert found.layer == name
    (note,) = found.notes
    assert "X holds z-scores" in note
    assert f"--layer {name}" in note


def test_layer_counts_comes_before_others():
    found = look(cohort(X=Z, raw=COUNTS, ambient=COUNTS, counts=COUNTS), {"panel": PANEL})
    assert found.layer == "counts"


def test_a_layer_that_was_asked_for_is_judged_and_the_right_one_named():
    (fault,) = faults(look(cohort(X=COUNTS, logs=LOGS), {"panel": PANEL}, layer="logs"))
    assert "layers['logs'] holds log1p" in fault
    assert "--layer X" in fault
    with pytest.raises(InputError, match=r"no layer 'nosuch'.*Expected X"):
        look(cohort(), {"panel": PANEL}, layer="nosuch")


# Genes ---------------------------------------------------------------------------------------


def test_few_genes_are_refused_and_some_warned_about():
    (fault,) = faults(look(cohort(PANEL.names[:27]), {"panel": PANEL}))
    assert "27 of the 300 genes (9%) of a panel" in fault
    assert "at least 20%" in fault
    some = look(cohort(PANEL.names[:180]), {"panel": PANEL})
    assert faults(some) == []
    assert "180 of the 300 genes (60%)" in some.warnings[0]
    assert look(cohort(PANEL.names[:240]), {"panel": PANEL}).warnings == []
    assert faults(look(cohort(PANEL.names[:60]), {"panel": PANEL})) == []


def test_one_panel_of_several_is_enough():
    other = Panel(("X1", "X2"), "another")
    assert faults(look(cohort(), {"one": other, "two": PANEL})) == []


@pytest.mark.parametrize(
    ("names", "whose"),
    [
        ([f"Gene{number}" for number in range(300)], "mouse or rat"),
        ([f"ENSMUSG{number:011d}" for number in range(300)], "mouse"),
    ],
)
def test_other_species_are_refused(names, whose):
    (fault,) = faults(look(cohort(names), {"panel": PANEL}))
    assert f"named as those of {whose}" in fault
    assert "orthologues" in fault


def test_ids_without_a_map_say_what_is_missing():
    names = [f"ENSG{number:011d}.{number % 9}" for number in range(300)]
    found = look(cohort(names), {"panel": PANEL})
    (fault,) = faults(found)
    assert "the cohort has Ensembl ids" in fault
    assert "--gene-map" in fault
    assert found.n_versions == 300
    symbols = dict(zip((name.partition(".")[0] for name in names), PANEL.names, strict=True))
    known = GeneMap(frozenset(PANEL.names), symbols, {}, {})
    assert look(cohort(names), {"panel": PANEL}, known).matches["panel"].overlap == 1


def test_a_map_without_entrez_ids_says_so():
    known = GeneMap(frozenset(PANEL.names), {}, {}, {}, origin="map.txt")
    (fault,) = faults(look(cohort([str(10 * n + 7) for n in range(300)]), {"panel": PANEL}, known))
    assert "map.txt has no Entrez ids" in fault


def test_numbered_columns_are_no_genes():
    (fault,) = faults(look(cohort([str(number) for number in range(300)]), {"panel": PANEL}))
    assert "no names of genes" in fault


def test_duplicates_are_noted():
    found = look(cohort([*PANEL.names[:299], "GENE0"]), {"panel": PANEL})
    assert found.n_duplicates == 1
    assert "repeat a gene: 1; they are added up" in found.notes[0]


# Cells ---------------------------------------------------------------------------------------


def test_quality_of_cells_against_numpy():
    X = COUNTS.copy()
    X[3] = 0
    names = ["MT-CO1", "MT-ND1", *PANEL.names[2:]]
    found = look(cohort(names, X=X), {"panel": PANEL}, requires=Requirements(min_genes=205))
    measure(found, cohort(names, X=X).matrices["X"])
    np.testing.assert_allclose(found.cells["total_counts"], X.sum(axis=1))
    np.testing.assert_array_equal(found.cells["n_genes_by_counts"], (X > 0).sum(axis=1))
    with np.errstate(invalid="ignore"):
        share = np.nan_to_num(X[:, :2].sum(axis=1) / X.sum(axis=1))
    np.testing.assert_allclose(found.cells["pct_counts_mt"], 100 * share, rtol=1e-6)
    n_few = ((X > 0).sum(axis=1) < 205).sum()
    assert 1 < n_few < 40
    assert f"{n_few} of 40 cells express fewer than 205 genes" in found.warnings[0]
    reasons = failures(found.cells, 205)
    assert reasons[3] == "no counts"
    assert sum(reason != "" for reason in reasons) == n_few


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "NaN or infinite"), (np.inf, "NaN or infinite"), (-1, "below zero")],
)
def test_values_that_no_model_can_read(value, message):
    quality = CellQuality(np.zeros(300, bool))
    X = COUNTS.copy()
    X[5, 5] = value
    quality.add(sparse.csr_matrix(X))
    found = look(cohort(), {"panel": PANEL})
    quality.judge(found.faults, negative_allowed=False)
    (fault,) = faults(found)
    assert f"1 value is {message}" in fault


def test_an_empty_matrix_is_refused():
    empty = cohort(X=np.zeros((40, 300), np.float32))
    found = look(empty, {"panel": PANEL})
    measure(found, empty.matrices["X"])
    assert "no cell expresses any gene" in faults(found)[0]


def test_all_faults_come_together():
    bad = cohort(PANEL.names[:10], ids=["same"] * 40, X=Z[:, :10])
    found = look(bad, {"panel": PANEL})
    with pytest.raises(InputError) as error:
        found.faults.raise_if_any()
    for part in ("3 faults", "z-scores", "'same'", "10 of the 300 genes"):
        assert part in str(error.value)
    assert error.value.exit_code == 2


def test_the_report_is_json():
    found = look(cohort(), {"panel": PANEL})
    measure(found, cohort().matrices["X"])
    told = json.loads(json.dumps(found.to_dict()))
    assert told["scale"] == "counts"
    assert told["panels"]["panel"]["mapped"] == 300
    assert told["cells"]["empty"] == 0


def test_scanpy_s_bundled_cells_are_diagnosed():
    """X is z-scored, and raw holds logarithms of normalised counts."""
    import scanpy

    path = Path(scanpy.__file__).parent / "datasets" / "10x_pbmc68k_reduced.h5ad"
    with open_cohort(path) as opened:
        found = look(opened, {})
    assert {name: one.scale for name, one in found.diagnoses.items()} == {
        "X": "zscore",
        "raw": "log1p",
    }
    (fault,) = faults(found)
    assert "X holds z-scores" in fault
    assert "raw.X holds log1p of scaled counts" in fault


def test_the_file_on_disk_is_checked_like_the_one_in_memory(tmp_path):
    var = pd.DataFrame(index=list(PANEL.names))
    ids = [f"cell{number}" for number in range(40)]
    whole = ad.AnnData(Z, pd.DataFrame(index=ids), var, layers={"counts": COUNTS})
    whole.write_h5ad(tmp_path / "a.h5ad")
    with open_cohort(tmp_path / "a.h5ad") as opened:
        assert look(opened, {"panel": PANEL}).layer == "counts"


# Two species, dates, contradictions -----------------------------------------------------------

HUMAN_GENES = [f"GRCh38_GENE{number}" for number in range(300)]
MOUSE_GENES = [f"mm10_Gene{number}" for number in range(100)]


def test_cells_and_genes_of_another_species_are_left_out_and_counted():
    X = np.hstack([COUNTS, np.zeros((40, 100), np.float32)])
    X[:5, :300], X[:5, 300:] = 0, 7  # five cells of mouse
    mixed = cohort([*HUMAN_GENES, *MOUSE_GENES], X=X)
    found = look(mixed, {"panel": PANEL}, requires=Requirements(min_genes=50))
    assert faults(found) == []
    assert found.species == "human"
    assert any("100 of 400 columns are genes of mouse" in note for note in found.notes)
    measure(found, mixed.matrices["X"])
    assert any("5 of 40 cells have most counts in genes of mouse" in one
               for one in found.warnings)  # fmt: skip
    reasons = failures(found.cells, 50)
    assert [number for number, reason in enumerate(reasons) if reason] == list(range(5))
    assert "another species" in reasons[0]
    np.testing.assert_array_equal(
        found.cells["n_genes_by_counts"][5:], (COUNTS[5:] > 0).sum(axis=1)
    )
    told = found.to_dict()
    assert (told["other_species"], told["genes_of_other_species"]) == ("mouse", 100)


def test_an_index_in_capitals_with_ids_of_mouse_is_refused():
    mouse = cohort()
    ids = [f"ENSMUSG{number:011d}" for number in range(300)]
    mouse.matrices["X"].var["gene_ids"] = ids
    (fault,) = faults(look(mouse, {"panel": PANEL}))
    assert "named as those of mouse" in fault
    with pytest.raises(InputError, match="mouse"):
        require_human(mouse)


def test_dates_are_warned_of_with_their_number():
    found = look(cohort(["1-Mar", "2-Sep", *PANEL.names[2:]]), {"panel": PANEL})
    assert faults(found) == []
    assert "2 genes have dates as names (1-Mar, 2-Sep)" in found.warnings[0]


def test_lists_of_names_that_contradict_each_other_are_refused():
    odd = cohort()
    odd.matrices["X"].var["symbol"] = [*PANEL.names[1:], PANEL.names[0]]
    (fault,) = faults(look(odd, {"panel": PANEL}))
    assert "300 of 300 columns are named as two different genes (GENE0 and GENE1)" in fault


@pytest.mark.golden
def test_every_gene_of_depmap_s_table_is_found(cases, real_data, reference_tables):
    """Columns are called `A1BG (1000)`; the numbers lead elsewhere, and the symbols count."""
    panel = Panel.read(reference_tables / "scfoundation" / "OS_scRNA_gene_index.19264.tsv")
    counts = pd.read_csv(real_data / "counts" / "baron_10x19264.csv.gz", index_col=0).to_numpy()
    with open_cohort(cases / "OmicsExpressionProteinCodingGenesTPMLogp1.csv") as opened:
        assert "Expected raw counts" in faults(look(opened, {"panel": panel}))[0]
        found = look(opened, {"panel": panel}, scale="log1p")
        assert faults(found) == []
        assert found.matches["panel"].positions.tolist() == list(range(19_264))
        values = opened.matrices["X"].rows(0, 10).toarray()
    expected = np.log2(1 + counts / counts.sum(axis=1, keepdims=True) * 1e6)
    np.testing.assert_allclose(values, expected, atol=1e-5)


@pytest.mark.golden
def test_the_dates_of_a_spreadsheet_are_counted(cases, reference_tables):
    panel = Panel.read(reference_tables / "scfoundation" / "OS_scRNA_gene_index.19264.tsv")
    with open_cohort(cases / "excel_dates.csv") as opened:
        found = look(opened, {"panel": panel})
    assert faults(found) == []
    assert found.warnings[0].startswith("7 genes have dates as names (1-Mar, ")
