"""Text tables of other tools: read exactly, or refused with the place and the reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.data.features import read_features
from scatd.data.genes import read_panel
from scatd.data.io import open_cohort
from scatd.data.labels import read_label_table
from scatd.data.tables import open_table, read_table
from scatd.data.text.values import judge, require_numbers
from scatd.errors import InputError

GENES = ["ACTB", "GAPDH", "TP53", "ZNF7", "SLC2A1", "RPL5"]
CELLS = ["AAAC-1", "AAAG-1", "AATC-1"]
COUNTS = np.arange(18).reshape(6, 3) % 7


def written(folder: Path, lines: list[str], name: str = "a.tsv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def rows(separator: str = "\t", end: str = "") -> list[str]:
    """Genes x cells without a header."""
    return [
        separator.join([gene, *map(str, values)]) + end
        for gene, values in zip(GENES, COUNTS, strict=True)
    ]


def check(path: Path, *, note: str = "") -> None:
    """The ten values are those of `COUNTS`, cells and genes by name."""
    with open_cohort(path) as cohort:
        matrix = cohort.matrices["X"]
        assert list(cohort.obs.index) == CELLS
        assert list(matrix.var.index) == GENES
        np.testing.assert_array_equal(matrix.rows(0, 3).toarray(), COUNTS.T)
        assert note in " ".join(cohort.notes)


def refused(path: Path, *said: str) -> None:
    with pytest.raises(InputError) as error, open_cohort(path):
        pass
    for part in (str(path), *said):
        assert part in str(error.value)
    assert error.value.exit_code == 2


HEADER = "\t" + "\t".join(CELLS)


@pytest.mark.parametrize(
    "lines",
    [
        [HEADER, *rows(end="\t")],
        [HEADER + "\t\t", *rows(end="\t\t")],
        [HEADER.strip(), *rows()],
        ["# counts, UMI; deduplicated\there", HEADER, *rows()],
        ["##", "## a\tb", "#gene\t" + HEADER.strip(), *rows()],
        [",,,", *(line.replace("\t", ",") for line in [HEADER, *rows(), "\t\t\t"])],
        ["sep=;", *(line.replace("\t", ";") for line in [HEADER, *rows()])],
        [f"\t{line}" for line in ["gene" + HEADER, *rows()]],
        ["", HEADER, "", *rows(), "", ""],
        ['!Series_title\t"a"', "ID_REF" + HEADER, *rows(), "!series_matrix_table_end"],
        [f"\tgene{HEADER}", *(f"{number}\t{row}" for number, row in enumerate(rows()))],
    ],
)
def test_what_other_tools_write_is_read(tmp_path, lines):
    check(written(tmp_path, lines))


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_and_line_ends(tmp_path, encoding, ends):
    content = ends.join([HEADER, *rows()]).encode(encoding)
    (tmp_path / "a.txt").write_bytes(content)
    check(tmp_path / "a.txt")
    (tmp_path / "a.tab.gz").write_bytes(gzip.compress(content))
    check(tmp_path / "a.tab.gz")


def test_another_encoding_is_named(tmp_path):
    text = "\n".join([HEADER.replace("AAAC-1", "Zürich"), *rows()])
    (tmp_path / "a.csv").write_bytes(text.encode("cp1252"))
    refused(tmp_path / "a.csv", "is not UTF-8", "0xfc", "Latin-1", "iconv")


@pytest.mark.parametrize(
    ("start", "words"),
    [(b"PK\x03\x04", "zip"), (b"\x89HDF\r\n", "HDF5"), (b"<!DOCTYPE html>", "a web page")],
)
def test_what_is_no_text_is_named(tmp_path, start, words):
    (tmp_path / "a.csv").write_bytes(start + b"\n".join([b"a,b"] * 9))
    refused(tmp_path / "a.csv", words)


def test_decimal_commas_are_read_and_thousands_are_not(tmp_path):
    frame = pd.DataFrame(COUNTS / 8, index=GENES, columns=CELLS)
    frame.to_csv(tmp_path / "a.csv", sep=";", decimal=",")
    with open_cohort(tmp_path / "a.csv") as cohort:
        np.testing.assert_array_equal(cohort.matrices["X"].rows(0, 3).toarray(), frame.T)
    for separator, value in ((";", "1,024"), ("\t", "1,024"), (",", '"1,024"')):
        lines = [line.replace("\t", separator) for line in [HEADER, *rows()]]
        lines[3] = lines[3].rpartition(separator)[0] + separator + value
        refused(written(tmp_path, lines), "'1,024'", "'TP53'", "'AATC-1'")


@pytest.mark.parametrize(
    "word", ["ND", "-", "<1", "12*", "TRUE", "#REF!", "#N/A!", "1 024", "5%", "1.2.3"]
)
@pytest.mark.parametrize("chunk", [4, 1 << 20])
def test_a_word_among_numbers_is_named(tmp_path, monkeypatch, word, chunk):
    monkeypatch.setattr("scatd.data.readers.tables._CHUNK_VALUES", chunk)
    monkeypatch.setattr("scatd.data.readers.columns._ROWS_LOOKED_AT", 2)
    for row in (1, 5):
        lines = [HEADER, *rows()]
        fields = lines[row + 1].split("\t")
        fields[2] = word
        lines[row + 1] = "\t".join(fields)
        refused(written(tmp_path, lines), f"'{word}'", f"'{GENES[row]}'", "'AAAG-1'")


@pytest.mark.parametrize("gap", ["", "NA", "NaN", "null"])
def test_a_gap_among_numbers_is_named(tmp_path, gap):
    lines = [HEADER, *rows()]
    lines[4] = "\t".join(["ZNF7", "1", gap, "2"])
    refused(written(tmp_path, lines), "1 value is missing", "'ZNF7'", "'AAAG-1'")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines.insert(3, lines[0]), "line 4 repeats the header"),
        (lambda lines: lines.append("RPL6\t1\t2"), "line 8 has 3 fields"),
        (
            lambda lines: lines.append("RPL6\t1\t2\t3\t4"),
            "line 8 has something in a field beyond the header",
        ),
        (lambda lines: lines.append("# the end\t\t\t"), "line 8 begins with #"),
        (lambda lines: lines.append('"RPL6\t1\t2\t3'), "line 8: a quote is not closed"),
        (lambda lines: lines.append("RPL6\t1\t2\t3\0"), "bytes that are zero"),
        (lambda lines: lines.__setitem__(0, HEADER + "\t"), "column 5 has no name"),
    ],
)
def test_lines_that_do_not_fit_are_named(tmp_path, change, said):
    lines = [HEADER, *rows(end="\t9" if "column 5" in said else "")]
    change(lines)
    refused(written(tmp_path, lines), said)


@pytest.mark.parametrize(
    "annotation",
    [
        {"Chr": "chr1", "Start": "5", "End": "9", "Strand": "+", "Length": "1000"},
        {"gene_name": "X1", "entrez": "7157", "gene_biotype": "protein_coding", "width": "7"},
        {"Description": "some gene", "effective_length": "2.5"},
        {"Chr": "1;1;1", "Start": "1;20;30"},
        {"EntrezGene.ID": "NA", "Gene Length": "", "log2FoldChange": "1.5"},
    ],
)
def test_annotation_of_genes_is_no_sample(tmp_path, annotation):
    lines = ["\t".join(["Geneid", *annotation, *CELLS])]
    lines += [row.replace("\t", "\t".join(["", *annotation.values(), ""]), 1) for row in rows()]
    check(written(tmp_path, lines), note=", ".join(annotation))


def test_annotation_of_cells_is_no_gene(tmp_path):
    frame = pd.DataFrame(COUNTS.T, index=CELLS, columns=GENES)
    frame.insert(0, "nCount_RNA", 100)
    frame["percent.mt"] = 2.5
    frame["Length"] = 7
    frame.to_csv(tmp_path / "a.csv")
    check(tmp_path / "a.csv", note="nCount_RNA, percent.mt, Length")
    features = read_features(tmp_path / "a.csv", "dist")
    assert features.names == tuple(GENES)
    np.testing.assert_array_equal(features.X, COUNTS.T)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["N_unmapped\t5\t5\t5", "N_noFeature\t1\t2\t3", "ACTB\t1\t0\t1"], "STAR"),
        (["ENSG00000000003\t7", "ENSG00000000005\t0", "ENSG00000000419\t4"], "no header"),
        (
            ["gene_id\tlength\texpected_count\tTPM\tFPKM", "ACTB\t1\t2\t3\t4", "TP53\t1\t2\t3\t4"],
            "expected_count",
        ),
        (["#1.2", "6\t3", "Name\tDescription\tS1", "ACTB\tx\t1"], "GCT"),
    ],
)
def test_tables_of_one_sample_are_refused_with_what_to_do(tmp_path, lines, said):
    refused(written(tmp_path, lines), said)


@pytest.mark.parametrize(
    "first",
    [
        ["c0", "0.125", "-0.132", "0.64"],
        ["0.125", "-1.5e-01", "3.0", "1.25"],
        ["c0", "3", "0", "1"],
        ["c0", "0", "0", "0"],
    ],
)
def test_a_row_of_values_is_no_header(tmp_path, first):
    path = written(tmp_path, [",".join(first), "c1,0.5,-0.25,1", "c2,0.5,0.25,2"], "a.csv")
    with pytest.raises(InputError, match=r"line 1 is no header.*first line with the names"):
        read_features(path, "sf")


def test_numbered_columns_are_a_header(tmp_path):
    frame = pd.DataFrame(np.eye(3) + 0.5, index=["c0", "c1", "c2"])
    frame.to_csv(tmp_path / "a.csv")
    np.testing.assert_array_equal(read_features(tmp_path / "a.csv", "sf").X, frame)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_sheets_and_parquet_are_judged_alike(tmp_path, kind, transposed):
    frame = pd.DataFrame(COUNTS, index=GENES, columns=CELLS)
    frame = frame.T if transposed else frame
    path = tmp_path / f"a.{kind}"

    def write(cells: pd.DataFrame) -> Path:
        cells.to_excel(path) if kind == "xlsx" else cells.to_parquet(path)
        return path

    check(write(frame))
    check(write(frame.astype(str)))
    broken = frame.astype(str)
    broken.iloc[2, 1] = "1,024"
    refused(write(broken), "'1,024'", str(frame.index[2]), str(frame.columns[1]))
    if not transposed:
        names = [f"f{place}" for place in range(len(GENES))]
        halves = (frame.T + 0.5).set_axis(names, axis=1)
        features = read_features(write(halves), "sf")
        np.testing.assert_array_equal(features.X, halves)


# Orientation ---------------------------------------------------------------------------------
HVG = ["ABCA4", "ZNF208", "KRT86", "LINC00911", "OR4F5", "FAM41C", "HES4", "ISG15", "TTLL10"]


@pytest.mark.parametrize("columns", [["cell00", "cell01"], ["CD4", "CD8"], ["MCF7", "A549"]])
def test_genes_are_found_without_housekeeping_genes(tmp_path, columns):
    names = [name if copy == 0 else f"{name}P{copy}" for copy in range(9) for name in HVG]
    frame = pd.DataFrame(1, index=names, columns=columns)
    for table, name in ((frame, "a.csv"), (frame.T, "b.csv")):
        table.to_csv(tmp_path / name)
        with open_cohort(tmp_path / name) as cohort:
            assert list(cohort.obs.index) == columns


def test_names_that_say_nothing_need_a_title(tmp_path):
    body = "x,y\n{},1,2\n{},3,4\n"
    (tmp_path / "a.csv").write_text("," + body.format("u", "v"))
    refused(tmp_path / "a.csv", "neither the rows nor the columns", "Name the first column 'gene'")
    for title, ids in (("gene", ["x", "y"]), ("cell_id", ["u", "v"])):
        (tmp_path / "a.csv").write_text(f"{title}," + body.format("u", "v"))
        with open_cohort(tmp_path / "a.csv") as cohort:
            assert list(cohort.obs.index) == ids


# Labels --------------------------------------------------------------------------------------
LABELS = {"AFATINIB": [0, 1], "GEFITINIB": [1, -1]}


@pytest.mark.parametrize(
    "text",
    [
        "id,AFATINIB,GEFITINIB\nS1,sensitive,resistant,\nS2,resistant,,\n",
        "# GDSC2, 8.4, 2022\nid,AFATINIB,GEFITINIB\nS1,sensitive,resistant\nS2,resistant,NA\n",
        "#id,AFATINIB,GEFITINIB\nS1,sensitive,resistant\nS2,resistant,NA\n",
        '"AFATINIB" "GEFITINIB"\n"S1" "sensitive" "resistant"\n"S2" "resistant" NA\n',
        "AFATINIB\tGEFITINIB\nS1\tsensitive\tresistant\nS2\tresistant\tNA\n",
        "id;AFATINIB;GEFITINIB\r\nS1;sensitive;resistant\r\n\r\nS2;resistant;\r\n",
    ],
)
def test_labels_stay_under_their_drugs(tmp_path, text):
    (tmp_path / "labels.csv").write_text(text)
    table = read_label_table(str(tmp_path / "labels.csv"))
    assert table.codes.to_dict("list") == LABELS
    assert table.ids is not None
    assert table.ids.tolist() == ["S1", "S2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,A,B\nS1,sensitive,resistant,\nS2,resistant,sensitive,note\n", "beyond the header"),
        ("id,A,B\nS1,sensitive,resistant,x\nS2,resistant,sensitive,y\n", "beyond the header"),
        ("strain,A,B\nS1,sensitive,resistant,\nS2,resistant,sensitive,\n", "call it 'id'"),
        ("id,A,B\nS1,sensitive,resistant\nS2,resistant\n", "line 3 has 2 fields"),
        ("S1,sensitive,resistant\nS2,resistant,sensitive\n", "may be a row of labels"),
        ("# id,A,B\nS1,sensitive,resistant\nS2,resistant,resistant\n", "remark or the header"),
        ("id,A\nS1,'sensitive\nS2,\"resistant\n", "quote"),
    ],
)
def test_labels_that_may_shift_are_refused(tmp_path, text, said):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        read_label_table(str(tmp_path / "labels.csv"))


# Values and lists ----------------------------------------------------------------------------
def test_a_column_is_numbers_by_all_of_its_rows(tmp_path):
    path = written(tmp_path, ["id,a,b,c", *["1,2,0.5,x"] * 6000, "007,3,ND,"], "a.csv")
    table = read_table(path, as_text=False)
    assert table["id"].iloc[-1] == "007"
    assert table["a"].dtype == np.int64
    assert table["b"].iloc[-1] == "ND"
    assert table["c"].isna().sum() == 1
    with pytest.raises(InputError, match="holds 'ND' in row 6001"):
        require_numbers(table["b"], "here")


@pytest.mark.parametrize("word", ["TRUE", "True", "true", "FALSE", "False", "false"])
def test_logicals_in_a_chunk_of_their_own_are_words(tmp_path, word):
    path = written(tmp_path, ["id,a", *["c,1"] * 4, *[f"c,{word}"] * 4], "a.csv")
    with pytest.raises(InputError, match=f"'a' has '{word}' in row 4"):
        read_features(path, "sf")


@pytest.mark.parametrize("text", ["1", "-1.5e-3", "+.5", "5.", "inf", " 7 "])
def test_what_is_a_number(text):
    assert judge(pd.Series([text])).kind == "numbers"


@pytest.mark.parametrize("text", ["1_000", "0x1A", "１", "1e", "--1", "True", "1d5", "."])
def test_what_is_no_number(text):
    assert judge(pd.Series([text])).is_word.all()


def test_lists_of_genes(tmp_path):
    for text in ("# mine\nTP53\nMYC\n", "no;gene\n1;TP53\n2;MYC\n", "gene\tn\nTP53\t1\nMYC\t2\n"):
        (tmp_path / "genes.txt").write_bytes(text.encode("utf-16"))
        assert read_panel(tmp_path / "genes.txt") == ["TP53", "MYC"]


# The collection of inputs that went wrong ----------------------------------------------------
@pytest.fixture(scope="module")
def ten_cells(real_data):
    """The ten cells of the collection, as cells x genes."""
    frame = pd.read_csv(real_data / "counts/baron_10x19264.csv.gz", index_col=0)
    return frame.set_axis([f"cell{number:02}" for number in range(10)], axis=0)


@pytest.mark.parametrize(
    "name",
    [
        *("trailtab_rows.tsv", "r_space.txt", "comment_comma.csv", "bd_rhapsody.csv", "utf16.tsv"),
        *("featurecounts.txt", "featurecounts_nocomment.txt", "csv2_log.csv", "hvg6000.csv"),
    ],
)
def test_ten_cells(cases, ten_cells, name):
    with open_cohort(cases / name) as cohort:
        matrix = cohort.matrices["X"]
        read = pd.DataFrame(matrix.rows(0, 10).toarray(), cohort.obs.index, matrix.var.index)
        notes = " ".join(cohort.notes)
    if name != "bd_rhapsody.csv":
        assert list(read.index) == list(ten_cells.index)
    wanted = ten_cells[read.columns].to_numpy()
    if name == "csv2_log.csv":
        totals = ten_cells.sum(axis=1).to_numpy()[:, None]
        np.testing.assert_allclose(read, np.log1p(wanted / totals * 1e4), atol=1e-6)
    else:
        np.testing.assert_array_equal(read, wanted)
    assert read.shape[1] == (6000 if "hvg" in name else 19264)
    assert ("Chr, Start, End, Strand, Length" in notes) == name.startswith("featurecounts")


def test_others_of_the_collection(cases):
    refused(cases / "word_row7000.tsv", "'#N/A!'", "gene 'HECA'", "sample 'cell02'")
    with pytest.raises(InputError, match="no header"):
        read_features(cases / "emb_noheader.csv", "sf")
    table = open_table(cases / "OmicsExpressionProteinCodingGenesTPMLogp1.csv")
    assert (table.n_rows, len(table.header)) == (10, 19265)
    with open_cohort(table.path) as cohort:
        assert list(cohort.obs.index) == [f"ACH-{number:06}" for number in range(10)]


@pytest.mark.parametrize("name", ["trailing_comma.csv", "comment.csv", "r_space.txt"])
def test_labels_of_the_collection(cases, name):
    table = read_label_table(str(cases / f"labels_{name}"))
    assert table.codes.to_dict("list") == {
        "AFATINIB": [0, 1, 0, 1, 0, 0, 1, 1],
        "GEFITINIB": [1, 1, 0, 0, 0, 1, 0, 1],
    }
    assert list(table.ids) == [f"S{number}" for number in range(1, 9)]


# What sums up or numbers the rows is no sample and no gene ---------------------------------------


@pytest.mark.parametrize(
    ("header", "before", "after", "summary"),
    [
        (["X", "gene"], lambda n: [n + 1], None, None),
        (["", "X"], lambda n: [n + 1], None, None),
        (["", "Unnamed: 0"], lambda n: [n], None, None),
        (["Unnamed: 0", "gene"], lambda n: [n], None, None),
        (["gene"], None, ("Total", 99), None),
        (["gene"], None, ("Average", 1.5), None),
        (["gene"], None, ("Gene start (bp)", 100), None),
        (["gene"], None, ("Chromosome/scaffold name", 7), None),
        (["gene"], None, ("Gene_Length_bp", 1000), None),
        (["gene"], None, ("Num exons", 4), None),
        (["gene"], None, ("Sum of exons", 4), None),
        (["gene"], None, None, "Total"),
        (["gene"], None, None, "Grand Total"),
    ],
)
def test_summaries_numbers_and_places_are_no_samples(tmp_path, header, before, after, summary):
    genes = ["ACTB", "TP53", "EGFR", "KRAS", "MYC", "GAPDH"]
    counts = np.arange(18).reshape(6, 3)
    lines = [[*header, "s1", "s2", "s3", *([after[0]] if after else [])]]
    for number, (gene, row) in enumerate(zip(genes, counts, strict=True)):
        front = before(number) if before else []
        lines.append([*front, gene, *row, *([after[1]] if after else [])])
    if summary:
        lines.append([summary, *counts.sum(axis=0)])
    path = tmp_path / "counts.csv"
    path.write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")
    with open_cohort(path) as cohort:
        matrix = cohort.matrices["X"]
        assert list(cohort.obs.index) == ["s1", "s2", "s3"]
        assert list(matrix.var.index) == genes
        np.testing.assert_array_equal(matrix.rows(0, 3).toarray(), counts.T)


@pytest.mark.parametrize(
    "text",
    [
        'id "Zelle, vier" AAACCTGA-1\nACTB 0 0,001\nGAPDH 0 0,001\nTP53 0 0,001\n',
        "id Zelle,vier AAACCTGA-1\nACTB 3 0,5\nGAPDH 1 1,25\n",
        "gen eins,Wert\nACTB 0,05\nGAPDH 1,001\n",
    ],
    ids=["quoted name", "name with a comma", "one column"],
)
def test_blanks_and_decimal_commas_are_not_taken_for_commas(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="separated by commas or blanks"), open_cohort(path):
        pass


def test_row_names_with_a_blank_are_no_sign_of_blanks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sample id,ACTB,GAPDH\nsample 1,0,3\nsample 2,5,1\nsample 3,2,2\n")
    with open_cohort(path) as cohort:
        assert list(cohort.obs.index) == ["sample 1", "sample 2", "sample 3"]
        assert cohort.matrices["X"].rows(0, 3).toarray().tolist() == [[0, 3], [5, 1], [2, 2]]
