"""Panels: ordered lists of the genes that a model reads."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from scatd.data.files import require_existing
from scatd.data.gene_titles import symbols_first
from scatd.data.text.encoding import text_lines
from scatd.data.text.fields import COMMA, SEMICOLON, TAB, split
from scatd.data.text.start import quote_error
from scatd.errors import InputError
from scatd.wording import counted


@dataclass(frozen=True, eq=False)
class Panel:
    """The genes that a model reads, in order.

    Parameters
    ----------
    names
        (n_genes,) unique names, in the model's order.
    origin
        Source of the names, for messages: a file or a model.
    """

    names: tuple[str, ...]
    origin: str

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the names in order, one on each line."""
        return hashlib.sha256("\n".join(self.names).encode()).hexdigest()

    @classmethod
    def read(cls, path: Path) -> Panel:
        """Read a panel from a file, as `read_panel` does."""
        return cls(tuple(read_panel(path)), str(path))


def read_panel(path: Path) -> list[str]:
    """Gene names of a text, csv or tsv file (also gzipped) with one gene a row.

    A first row with a title of gene names (`scatd.data.gene_titles`) is a header and determines the
    column. Otherwise the first column of every row is read.

    Raises
    ------
    InputError
        When the file is missing, is not text, is empty, or names a gene twice.
    """
    require_existing(path)
    rows = _rows(path)
    titles = [field.strip() for field in rows[0]] if rows else []
    titled = symbols_first(titles)
    if titled:
        rows = rows[1:]
    column = titles.index(titled[0]) if titled else 0
    names = [row[column].strip() if len(row) > column else "" for row in rows]
    if not names or not all(names):
        what = "... names no gene" if not names else f"row {names.index('') + 1} names no gene"
        raise InputError(what, where=str(path), expected="one gene symbol a row")
    repeated = _repeated(names)
    if repeated:
        what = f"{counted(len(repeated), 'gene', 'is')} named more than once, such as {repeated[0]}"
        raise InputError(what, where=str(path), remedy="Keep each gene once.")
    return names


def _rows(path: Path) -> list[list[str]]:
    """Fields of every line that is not empty, without remarks at the start."""
    lines = [(number, line) for number, line in enumerate(text_lines(path), 1) if line.strip()]
    while lines and lines[0][1].startswith("#"):
        lines.pop(0)
    marks = (TAB, COMMA, SEMICOLON)
    separator = max(marks, key=lambda mark: sum(mark in line for _, line in lines))
    rows = []
    for number, line in lines:
        try:
            rows.append(split(line, separator))
        except csv.Error as error:
            raise quote_error(path, number, error) from error
    return [row for row in rows if any(row)]


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
