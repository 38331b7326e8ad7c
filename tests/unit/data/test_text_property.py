"""Tables written in any layout are read back exactly, or refused: never another table."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scatd.data.io import open_cohort
from scatd.data.labels import read_label_table
from scatd.errors import InputError

GENES = ["ACTB", "GAPDH", "TP53", "HLA-A", "MT-CO1", "RPS27A", "ENSG00000141510.18", "C1orf112"]
CELLS = ["AAACCTGA-1", "cell two", "c3", "Zelle, vier", "cinq;5", "Σ6"]
REMARKS = ["# one remark", "## a, b; c\td", "#", "% half, or so", '"# quoted, remark",,']
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@dataclass
class Layout:
    """How a table is written."""

    separator: str
    quotes: str
    decimal: str
    names: str
    remarks: list[str]
    trailing: int
    in_header: bool
    encoding: str
    ends: str
    blank: bool
    packed: bool

    def field(self, text: str, *, is_name: bool) -> str:
        needed = any(sign in text for sign in (self.separator, '"'))
        if self.quotes == "all" or needed or (self.quotes == "names" and is_name):
            return '"' + text.replace('"', '""') + '"'
        return text

    def line(self, fields: list[str], *, trailing: int, n_names: int) -> str:
        cells = [
            self.field(text, is_name=place < n_names or not text)
            for place, text in enumerate(fields)
        ]
        if self.separator == " ":
            cells = [cell or '""' for cell in cells]
            trailing = 0
        return self.separator.join([*cells, *[""] * trailing])

    def write(self, path: Path, title: str, header: list[str], rows: list[list[str]]) -> None:
        names = header if self.names == "R" else ["" if self.names == "none" else title, *header]
        is_r = self.names == "R"
        lines = [self.line(names, trailing=self.trailing * self.in_header, n_names=len(names))]
        lines += [self.line(row, trailing=self.trailing * (not is_r), n_names=1) for row in rows]
        if self.blank:
            lines.insert(1 + len(rows) // 2, "")
        text = self.ends.join([*self.remarks, *lines]) + self.ends * (not self.blank)
        try:
            content = text.encode(self.encoding)
        except UnicodeEncodeError:
            content = text.encode()
        path.write_bytes(gzip.compress(content, 1) if self.packed else content)


layouts = st.builds(
    Layout,
    separator=st.sampled_from(["\t", ",", ";", "|", " "]),
    quotes=st.sampled_from(["none", "names", "all"]),
    decimal=st.sampled_from([".", ".", ","]),
    names=st.sampled_from(["titled", "none", "R"]),
    remarks=st.lists(st.sampled_from(REMARKS), max_size=2),
    trailing=st.integers(0, 2),
    in_header=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1"]),
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
    blank=st.booleans(),
    packed=st.booleans(),
)
numbers = st.one_of(
    st.integers(0, 5).map(str),
    st.integers(0, 30_000).map(str),
    st.integers(1, 99_999).map(lambda number: f"{number / 1000:g}"),
    st.sampled_from(["1e-05", "2.5E+02", "0.0", "-1.25"]),
)


@st.composite
def matrices(draw):
    """Genes x cells or cells x genes: names of rows, of columns, and numbers as text."""
    sides = [
        draw(st.lists(st.sampled_from(GENES), min_size=2, max_size=5, unique=True)),
        draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=4, unique=True)),
    ]
    rows, columns = sides if draw(st.booleans()) else reversed(sides)
    cells = draw(
        st.lists(
            st.lists(numbers, min_size=len(columns), max_size=len(columns)),
            min_size=len(rows),
            max_size=len(rows),
        )
    )
    return rows, columns, cells


@settings(max_examples=150, deadline=None, suppress_health_check=QUIET)
@given(table=matrices(), layout=layouts, title=st.sampled_from(["id", "", "name"]))
def test_a_matrix_is_read_exactly_or_refused(table, layout, title):
    rows, columns, cells = table
    texts = [
        [name, *(value.replace(".", layout.decimal) for value in row)]
        for name, row in zip(rows, cells, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.csv.gz" if layout.packed else "a.txt")
        layout.write(path, title, columns, texts)
        try:
            with open_cohort(path) as cohort:
                matrix = cohort.matrices["X"]
                read = matrix.rows(0, cohort.n_obs).toarray()
                ids, genes = list(cohort.obs.index), list(matrix.var.index)
        except InputError:
            return
    expected = np.array([[np.float32(value) for value in row] for row in cells])
    if set(rows) <= set(GENES):
        rows, columns, expected = columns, rows, expected.T
    assert (ids, genes) == (rows, columns)
    np.testing.assert_array_equal(read, expected)


@settings(max_examples=120, deadline=None, suppress_health_check=QUIET)
@given(
    data=st.data(),
    layout=layouts,
    drugs=st.lists(
        st.sampled_from(["AFATINIB", "X5.FU", "5-FU (10 uM)", "A;B", "Nutlin 3a"]),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    title=st.sampled_from(["id", "sample", "Cell line", "CellLine", "strain"]),
)
def test_labels_are_read_exactly_or_refused(data, layout, drugs, title):
    words = {"sensitive": 0, "Resistant": 1, "NA": -1, "": -1}
    ids = data.draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=5, unique=True))
    rows = [
        [name, *data.draw(st.tuples(*[st.sampled_from(list(words))] * len(drugs)))] for name in ids
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.tsv.gz" if layout.packed else "a.csv")
        layout.write(path, title, drugs, rows)
        try:
            table = read_label_table(str(path))
        except InputError:
            return
    expected = {
        drug: codes
        for place, drug in enumerate(drugs, start=1)
        if (codes := [words[row[place]] for row in rows]) != [-1] * len(rows)
    }
    assert table.codes.to_dict("list") == expected
    assert table.ids is not None
    assert table.ids.tolist() == ids


def _drop(lines, separator):
    lines[-2] = lines[-2].rpartition(separator)[0]


def _add(lines, separator):
    lines[-2] += f"{separator}7"


def _repeat(lines, separator):
    lines.insert(3, lines[0])


def _open_quote(lines, separator):
    lines[-2] = f'"{lines[-2]}'


def _word(lines, separator):
    lines[-1] = f"{lines[-1].rpartition(separator)[0]}{separator}1,024"


DAMAGE = [_drop, _add, _repeat, _open_quote, _word]


@settings(max_examples=60, deadline=None)
@given(
    damage=st.sampled_from(DAMAGE),
    separator=st.sampled_from(["\t", ";", "|", ",", " "]),
    title=st.sampled_from(["gene", "", "id"]),
    n_rows=st.integers(4, 8),
)
def test_a_damaged_table_is_refused(damage, separator, title, n_rows):
    header = separator.join([title or '""', "c1", "c2", "c3"])
    rows = [separator.join([gene, "3", "0", "12"]) for gene in GENES[:n_rows]]
    lines = [header, *rows]
    damage(lines, separator)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_text("\n".join(lines) + "\n")
        try:
            with open_cohort(path) as cohort:
                X = cohort.matrices["X"].rows(0, cohort.n_obs).toarray()
        except InputError:
            return
    raise AssertionError(f"read as {X}: {lines}")
