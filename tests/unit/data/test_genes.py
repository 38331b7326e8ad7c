"""Names of genes, maps and panels; a cohort in the order of a panel."""

from __future__ import annotations

import gzip
import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scatd.data.genes import (
    GeneMap,
    Panel,
    aligned,
    is_mitochondrial,
    kind_of,
    match,
    names_genes,
    origin_of,
    parse,
    read_panel,
    spellings,
    spreadsheet_dates,
)
from scatd.errors import InputError

BIOMART = """Gene stable ID,Gene Synonym,Gene name
ENSG00000141510,P53,TP53
ENSG00000141510,LFS1,TP53
ENSG00000146648,ERBB,EGFR
ENSG00000146648,SHARED,EGFR
ENSG00000136997,SHARED,MYC
ENSG00000136997,EGFR,MYC
ENSG00000143420,,ENSA
ENSG00000206503,,HLA-A
ENSG00000999999,,HLA-A
ENSG00000223972,,
"""
HGNC = (
    "hgnc_id\tsymbol\talias_symbol\tprev_symbol\tentrez_id\tensembl_gene_id\n"
    'HGNC:1\tTP53\t"P53|LFS1"\t\t7157\tENSG00000141510\n'
    "HGNC:2\tEGFR\tERBB1\tERBB\t1956\tENSG00000146648\n"
)
NCBI = "#tax_id\tGeneID\tSymbol\tSynonyms\n9606\t7157\tTP53\tBCC7|LFS1|P53\n9606\t1956\tEGFR\t-\n"


@pytest.fixture
def gene_map(tmp_path) -> GeneMap:
    path = tmp_path / "map.txt.gz"
    path.write_bytes(gzip.compress(BIOMART.encode()))
    return GeneMap.read(path)


def places(names, panel, gene_map=None, others=()):
    found = match(names, Panel(tuple(panel), "a panel"), gene_map, others)
    return [panel[place] if place >= 0 else "" for place in found.positions]


# Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key", "symbol"),
    [
        ("ENSG00000141510", "ENSG00000141510", ""),
        ("ENSG00000141510.18", "ENSG00000141510", ""),
        ("ENSG00000002586.20_PAR_Y", "ENSG00000002586", ""),
        ("ENSGR0000002586", "ENSG00000002586", ""),
        ("ENSG00000141510_TP53", "ENSG00000141510", "TP53"),
        ("ENSG00000141510.18_TP53", "ENSG00000141510", "TP53"),
        ("ENSG00000198888_MT_ND1", "ENSG00000198888", "MT_ND1"),
        ("TP53_ENSG00000141510", "ENSG00000141510", "TP53"),
        ("ENSMUSG00000059552", "ENSMUSG00000059552", ""),
    ],
)
def test_ensembl_ids_are_taken_apart(name, key, symbol):
    gene = parse(name)
    assert (gene.kind, gene.key, gene.symbol) == ("ensembl", key, symbol)


@pytest.mark.parametrize("name", ["ENSA", "ENSAP2", "ENS_X", "C4B_2", "HLA-A", "TP53", "MT-CO1"])
def test_symbols_that_look_like_ids_stay_symbols(name):
    assert (parse(name).kind, parse(name).key) == ("symbol", name)


@pytest.mark.parametrize(
    ("name", "key", "symbol", "entrez"),
    [
        ("TSPAN6 (7105)", "TSPAN6", "", "7105"),  # DepMap
        ("TSPAN6..7105.", "TSPAN6", "", "7105"),  # the same once R has read it
        ("A1BG|1", "A1BG", "", "1"),  # TCGA
        ("?|10357", "10357", "", ""),
        ("A1BG (ENSG00000121410)", "ENSG00000121410", "A1BG", ""),
        ("A1BG (ENSG00000121410.14)", "ENSG00000121410", "A1BG", ""),
        ("ENSG00000121410-A1BG", "ENSG00000121410", "A1BG", ""),  # Seurat makes _ to -
        ("ENSG00000121410.14|A1BG", "ENSG00000121410", "A1BG", ""),
        ("ENSG00000121410-1", "ENSG00000121410", "", ""),  # a copy that was made unique
        ("GRCh38-A1BG", "A1BG", "", ""),
        ("GRCh38_A1BG", "A1BG", "", ""),
        ("GRCh38---A1BG", "A1BG", "", ""),
        ("hg38___A1BG", "A1BG", "", ""),
        ("HUMAN_A1BG", "A1BG", "", ""),
        ("GRCh38_ENSG00000121410", "ENSG00000121410", "", ""),
    ],
)
def test_names_with_ids_and_genomes_are_taken_apart(name, key, symbol, entrez):
    gene = parse(name)
    assert (gene.key, gene.symbol, gene.entrez) == (key, symbol, entrez)
    assert places([name] * 2, [symbol or key]) == [symbol or key] * 2


def test_a_number_beside_one_name_is_no_entrez_id():
    known = GeneMap(frozenset({"A2M", "TP53"}), {}, {"2": "A2M"}, {})
    assert places(["XYZ (2)", "TP53"], ["A2M", "TP53"], known) == ["", "TP53"]
    assert places(["XYZ (2)", "P53 (7157)"], ["A2M"], known) == ["A2M", ""]


@pytest.mark.golden
def test_no_approved_symbol_is_taken_for_something_else(reference_tables):
    known = GeneMap.read(reference_tables / "ensembl" / "symbol_ensembl_map.txt.gz")
    odd = [name for name in known.approved if parse(name)[:4] != ("symbol", name, "", "")]
    assert [name for name in odd if not name.startswith("ENSG")] == []
    assert spreadsheet_dates(sorted(known.approved)) == []
    assert not [name for name in known.approved if names_genes(name)]


@pytest.mark.parametrize(
    "name",
    [
        *("1-Mar", "9-Sep", "01-Mar", "Mar-01", "2-Sep-21", "1-Mar-2021", "2021-03-01", "X1.Mar"),
        *("01/03/2021", "2021-03-01 00:00:00", "1. Mrz", "2-Dec", "43891"),
    ],
)
def test_names_that_a_spreadsheet_made_dates_of(name):
    assert spreadsheet_dates(["TP53", name, *(f"GENE{n}" for n in range(20))]) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("MARCHF1", "SEPTIN9", "DEC1", "JUN-1", "SET-2", "RP11-34P13.7", "14-3-3", "7SK"),
        *("AC004449.6", "12345", "MARCH1", "SEPT9"),
    ],
)
def test_names_that_are_no_dates(name):
    assert spreadsheet_dates(["TP53", name, *(f"GENE{n}" for n in range(20))]) == []


def test_entrez_ids_are_no_dates():
    assert spreadsheet_dates([str(number) for number in range(43880, 43900)]) == []


def test_the_kind_is_that_of_most_names():
    assert kind_of(["TP53", "EGFR", "ENSG00000141510"]) == "symbol"
    assert kind_of(["ENSG00000141510.1", "ENSG00000146648_EGFR", "MYC"]) == "ensembl"
    assert kind_of(["7157", "1956"]) == "entrez"


@pytest.mark.parametrize(
    ("names", "species"),
    [
        (["TP53", "EGFR", "C9orf72", "HLA-A"], "human"),
        (["Trp53", "Egfr", "Actb", "H2-K1"], "mouse or rat"),
        (["tp53", "egfra", "actb1"], "fish or fly"),
        (["ENSG00000141510", "ENSG00000146648"], "human"),
        (["ENSMUSG00000059552", "ENSMUSG00000000001"], "mouse"),
        (["mm10___Xkr4", "mm10___Rp1"], "mouse"),
        (["GRCh38_TP53", "GRCh38_EGFR"], "human"),
        (["7157", "1956"], ""),
    ],
)
def test_species_by_prefix_and_capitals(names, species):
    assert origin_of(pd.DataFrame(index=names)).species == species


@pytest.mark.parametrize(
    "names",
    [
        [f"gene{number}" for number in range(100)],
        [f"Gene{number}" for number in range(100)],
        [f"cell{number:02d}" for number in range(10)],
        [f"feature_{number}" for number in range(100)],
    ],
)
def test_names_that_are_no_genes_have_no_species(names):
    assert origin_of(pd.DataFrame(index=names)).species == ""


def test_ids_beside_an_index_in_capitals_tell_the_species():
    var = pd.DataFrame(
        {"gene_ids": ["ENSMUSG00000059552", "ENSMUSG00000000001"]}, index=["TP53", "GNAI3"]
    )
    assert origin_of(var).species == "mouse"
    assert origin_of(var.assign(gene_ids=["FBgn0000001", "FBgn0000002"])).species == "fly"


@pytest.mark.parametrize(
    "var",
    [
        pd.DataFrame(index=["GRCh38_TP53", "GRCh38_EGFR", "mm10_Trp53"]),
        pd.DataFrame(index=["GRCh38---TP53", "GRCh38---EGFR", "mm10---Trp53"]),
        pd.DataFrame(index=["ENSG00000141510", "ENSG00000146648", "ENSMUSG00000059552"]),
        pd.DataFrame({"genome": ["GRCh38", "GRCh38", "mm10"]}, index=["TP53", "EGFR", "Trp53"]),
        pd.DataFrame(index=["TP53", "GAPDH", "mm10_Trp53"]),
    ],
    ids=["prefix", "Seurat", "ids", "genome", "one prefix"],
)
def test_genes_of_two_genomes_are_told_apart(var):
    origin = origin_of(var)
    assert (origin.species, origin.other) == ("human", "mouse")
    assert origin.others.tolist() == [False, False, True]


def test_mitochondrial_genes_by_symbol_and_by_id():
    names = ["MT-CO1", "mt-Nd1", "ENSG00000198804.2", "MTOR", "ENSG00000141510", "MT1X"]
    assert [is_mitochondrial(name) for name in names] == [True, True, True, False, False, False]


@pytest.mark.golden
def test_the_mitochondrial_ids_are_those_of_ensembl(reference_tables):
    known = GeneMap.read(reference_tables / "ensembl" / "symbol_ensembl_map.txt.gz")
    symbols = {key: symbol for key, symbol in known.ensembl.items() if is_mitochondrial(key)}
    assert len(symbols) == 13
    assert {symbol[:3] for symbol in symbols.values()} == {"MT-"}


def test_further_names_come_from_known_columns():
    var = pd.DataFrame({"gene_symbols": ["A", None], "n": [1, 2]}, index=["id1", "id2"])
    assert spellings(var) == [["id1", "id2"], ["A", ""]]


@pytest.mark.parametrize(
    "title",
    [
        *("features", "_index", "gene_short_name", "GeneSymbol", "hgnc_symbol", "names", "Gene"),
        *("external_gene_name", "target_name", "gene_names", "feature_name", "Gene Symbol"),
        *("ensembl_gene_id", "ensembl_id", "gene_ids", "Accession", "Gene stable ID"),
    ],
)
def test_every_title_names_genes_beside_a_numbered_index(title):
    var = pd.DataFrame({title: ["TP53", "EGFR"], "other": ["x", "y"]}, index=["0", "1"])
    assert spellings(var) == [["TP53", "EGFR"]]
    assert spellings(var.set_axis(["1", "2"])) == [["TP53", "EGFR"]]
    assert spellings(var.set_axis(["7157", "1956"]))[0] == ["TP53", "EGFR"]


def test_numbers_are_names_only_where_the_title_says_so():
    var = pd.DataFrame({"name": [5, 9], "entrez_id": [7157.0, 1956.0]}, index=["A", "B"])
    assert spellings(var) == [["A", "B"], ["7157", "1956"]]


def test_lists_of_names_that_contradict_each_other_are_told(gene_map):
    symbols = ["TP53", "EGFR", "MYC", "ENSA", "HLA-A"] * 2
    ids = {symbol: key for key, symbol in gene_map.ensembl.items()}
    right = [ids[symbol] for symbol in symbols]
    panel = Panel(tuple(symbols[:5]), "a panel")
    assert match(symbols, panel, gene_map, [right]).conflict == ""
    wrong = [*right[1:], right[0]]
    told = match(symbols, panel, gene_map, [wrong]).conflict
    assert told.startswith("10 of 10 columns are named as two different genes (TP53 and ENSG")


# Maps ----------------------------------------------------------------------------------------


def test_older_names_never_override_approved_ones(gene_map):
    assert gene_map.ensembl["ENSG00000141510"] == "TP53"
    assert gene_map.older["P53"] == ("TP53",)
    assert gene_map.older["SHARED"] == ("EGFR", "MYC")
    assert "EGFR" not in gene_map.older  # approved, though a synonym of MYC as well
    assert "ENSG00000223972" not in gene_map.ensembl


@pytest.mark.parametrize("text", [HGNC, NCBI], ids=["HGNC", "NCBI"])
def test_maps_of_other_publishers(tmp_path, text):
    path = tmp_path / "map.txt"
    path.write_text(text)
    gene_map = GeneMap.read(path)
    assert gene_map.entrez == {"7157": "TP53", "1956": "EGFR"}
    assert gene_map.older["LFS1"] == ("TP53",)
    assert "-" not in gene_map.older
    assert gene_map.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_table_that_is_no_map_is_refused(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("gene,score\nTP53,1\n")
    with pytest.raises(InputError, match=r"its columns are gene, score.*Gene stable ID"):
        GeneMap.read(path)


# Panels --------------------------------------------------------------------------------------


def test_a_panel_has_the_hash_of_its_names_in_order(tmp_path):
    path = tmp_path / "panel.tsv.gz"
    path.write_bytes(gzip.compress(b"gene_name\tindex\nB\t0\nA\t1\n"))
    panel = Panel.read(path)
    assert panel.names == ("B", "A")
    assert panel.sha256 == hashlib.sha256(b"B\nA").hexdigest()
    assert read_panel(path) == ["B", "A"]


def test_a_panel_takes_the_column_of_symbols(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text("index,Gene stable ID,hgnc_symbol\n0,ENSG1,B\n1,ENSG2,A\n")
    assert read_panel(path) == ["B", "A"]


# Matching ------------------------------------------------------------------------------------


def test_every_kind_of_name_leads_to_its_gene(gene_map):
    names = ["TP53", "ENSG00000146648.7", "P53", "ENSG00000999999", "ENSA", "HLA.A", "SHARED"]
    panel = ["TP53", "EGFR", "HLA-A", "ENSA", "MYC"]
    assert places(names, panel, gene_map) == ["TP53", "EGFR", "TP53", "HLA-A", "ENSA", "HLA-A", ""]


def test_an_ambiguous_synonym_is_refused_with_the_reason(gene_map):
    found = match(["SHARED", "TP53"], Panel(("EGFR", "TP53"), "a panel"), gene_map)
    row = found.report.set_index("name").loc["SHARED"]
    assert (row["status"], row["note"]) == ("dropped", "ambiguous: may be EGFR, MYC")


def test_retired_names_in_the_panel_are_found_by_the_approved_one(gene_map):
    assert places(["TP53", "ENSG00000146648"], ["P53", "ERBB"], gene_map) == ["P53", "ERBB"]


def test_a_retired_name_beside_the_approved_one_stands_for_itself(gene_map):
    assert places(["ENSG00000141510", "P53"], ["P53", "TP53"], gene_map) == ["TP53", "P53"]


def test_a_panel_of_ids_is_found_by_symbols(gene_map):
    panel = ["ENSG00000141510", "ENSG00000146648", "ENSG00000206503", "ENSG00000999999"]
    names = ["TP53", "ERBB", "HLA-A", "ENSG00000999999.1"]
    # Two ids of the panel are called HLA-A: the symbol alone does not say which is meant.
    assert places(names, panel, gene_map) == [panel[0], panel[1], "", panel[3]]


def test_without_a_map_the_file_s_own_symbols_do():
    names = ["ENSG00000141510.18", "ENSG00000146648_EGFR", "ENSG00000136997"]
    others = [["TP53", "EGFR", ""]]
    assert places(names, ["EGFR", "TP53", "MYC"], None, others) == ["TP53", "EGFR", ""]


def test_names_that_were_made_unique_are_copies():
    assert places(["TP53", "TP53-1", "EGFR.1", "MYC-1"], ["TP53", "EGFR", "MYC"]) == [
        *("TP53", "TP53", "", ""),
    ]


def test_genes_of_another_species_are_no_human_genes():
    assert places(["mm10___TP53", "hg19_TP53"], ["TP53"]) == ["", "TP53"]


def test_the_report_says_what_became_of_every_gene(gene_map):
    found = match(["TP53", "P53", "MYC", "NOVEL"], Panel(("MYC", "EGFR", "TP53"), "x"), gene_map)
    assert found.report[["name", "gene", "status"]].to_numpy().tolist() == [
        ["TP53", "TP53", "summed"],
        ["P53", "TP53", "summed"],
        ["MYC", "MYC", "mapped"],
        ["NOVEL", "", "dropped"],
        ["", "EGFR", "zero-filled"],
    ]
    assert found.counts() == {"mapped": 1, "summed": 2, "dropped": 1, "zero-filled": 1}
    assert found.n_found == 2
    assert found.overlap == pytest.approx(2 / 3)


@given(
    data=st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=5),
    targets=st.lists(st.integers(0, 4), min_size=6, max_size=6),
    combine=st.sampled_from(["sum", "mean"]),
)
def test_aligned_adds_up_or_averages_what_is_one_gene(data, targets, combine):
    """Against a loop over columns; target 4 is no gene of the panel, and nothing is gene 3."""
    panel = Panel(("a", "b", "c", "d"), "x")
    names = [f"{panel.names[one]}" if one < 3 else "none" for one in targets]
    X = np.array(data, dtype=np.float32)
    expected = np.zeros((len(X), 4), np.float32)
    for gene in range(3):
        columns = [column for column, name in enumerate(names) if name == panel.names[gene]]
        for column in columns:
            expected[:, gene] += X[:, column]
        if columns and combine == "mean":
            expected[:, gene] /= len(columns)
    result = aligned(sparse.csr_matrix(X), match(names, panel), combine)
    assert result.dtype == np.float32
    assert result.has_sorted_indices
    np.testing.assert_allclose(result.toarray(), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("n_rows", [0, 1, 64, 150])
def test_aligned_puts_each_column_in_its_place_where_no_gene_has_two(n_rows, kind):
    rng = np.random.default_rng(n_rows)
    X = (rng.poisson(0.8, (n_rows, 40)) * rng.choice([-1, 1], 40)).astype(kind)
    X[:1, 0] = 7
    if kind is not np.int64 and n_rows > 2:
        X[1:3, 1] = np.nan, np.inf
    names = [f"G{number}" for number in range(40)]
    panel = Panel(tuple(f"G{number}" for number in rng.permutation(55)[:33]), "x")
    found = match(names, panel)
    assert found.is_one_to_one
    expected = np.zeros((n_rows, 33), np.float32)
    for place, name in enumerate(panel.names):
        if name in names:
            expected[:, place] = X[:, names.index(name)]
    by_rows = sparse.csr_matrix(X)
    by_rows.data[::5] = 0  # stored zeros are left out
    expected[:, found.positions[found.positions >= 0]] = by_rows.toarray()[:, found.positions >= 0]
    twice = sparse.csr_matrix(  # every value as two halves: entries of one place are added up
        (np.repeat(by_rows.data / 2, 2), np.repeat(by_rows.indices, 2), 2 * by_rows.indptr),
        by_rows.shape,
    )
    backwards = by_rows[:, ::-1]
    back = match(names[::-1], panel)
    for rows, names_of in ((by_rows, found), (twice, found), (backwards, back)):
        result = aligned(rows, names_of)
        assert result.dtype == np.float32
        assert result.has_canonical_format
        assert result.nnz == np.count_nonzero(expected)
        np.testing.assert_array_equal(result.toarray(), expected)


@pytest.mark.golden
def test_the_same_cells_by_any_name_are_the_same_matrix(real_data, reference_tables):
    """Permuted, by Ensembl id, by both, and by synonym: identical in the panel's order."""
    known = GeneMap.read(reference_tables / "ensembl" / "symbol_ensembl_map.txt.gz")
    panel = Panel.read(reference_tables / "scfoundation" / "OS_scRNA_gene_index.19264.tsv")
    table = pd.read_csv(real_data / "counts" / "baron_10x19264.csv.gz", index_col=0)
    X, names = sparse.csr_matrix(table.to_numpy(np.float32)), list(table.columns)
    ids = {symbol: key for key, symbol in known.ensembl.items()}
    in_panel = set(panel.names)
    synonyms = {
        symbols[0]: name
        for name, symbols in known.older.items()
        if len(symbols) == 1 and name not in in_panel and not name.isdecimal()
    }
    assert sum(name in ids for name in names) > 19_000
    assert sum(name in synonyms for name in names) > 16_000
    order = np.random.default_rng(0).permutation(len(names))
    versions = {
        "permuted": (X[:, order], [names[column] for column in order]),
        "ensembl": (X, [f"{ids[name]}.3" if name in ids else name for name in names]),
        "both": (X, [f"{ids[name]}_{name}" if name in ids else name for name in names]),
        "synonym": (X, [synonyms.get(name, name) for name in names]),
    }
    for version, (values, called) in versions.items():
        result = aligned(values, match(called, panel, known))
        assert (result != X).nnz == 0, version


@pytest.mark.golden
def test_the_published_conversion_agrees_where_it_is_right(golden):
    """scATD's conversion keeps versions, and takes the symbol ENSA for an id: both are lost later.

    Everything else that it converts, `parse` and a map convert alike.
    """
    import json

    cases = json.loads((golden / "geneformer" / "symbol_cases.json").read_text())
    ids = {name: key for key, name in cases["mapping_rows"] if name and key}
    for name, expected in zip(cases["var_names"], cases["expected_ensembl_id"], strict=True):
        gene = parse(name)
        ours = gene.key if gene.kind == "ensembl" else ids.get(name)
        if name in ("ENSA", "ENSAP2", "ENS_X"):
            assert ours != expected
        elif expected is not None and "." in expected:
            assert ours == expected.partition(".")[0]
        else:
            assert ours == expected, name
