"""One pass over all lines of a text table, to collect facts about the whole table."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scatd.data.text import fields
from scatd.data.text.fields import BLANK, COMMA, WORDS
from scatd.data.text.start import Start, quote_error
from scatd.data.titles import names_rows
from scatd.errors import InputError
from scatd.wording import counted

_LOGICALS = {"U": ("TRUE",), "S": ("FALSE",), "u": ("True", "true"), "s": ("False", "false")}
"""By a letter of theirs that no number has. A letter is looked for much faster than a word."""
_WITH_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_WITH_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", re.ASCII)
_LINES_WITH_COMMAS = 200
_ROWS_COMPARED = 50
_END_OF_SERIES = "!series_matrix_table_end"
"""The last line of a GEO series matrix."""


def is_row(line: str, separator: str) -> bool:
    """False for an empty line, and for the last one of a GEO series matrix."""
    is_end = len(line) == len(_END_OF_SERIES) and line.lower() == _END_OF_SERIES
    return not is_end and not fields.is_empty(line, separator)


class Survey:
    """Facts about all rows of a table. Each line is read once and not kept.

    Parameters
    ----------
    path
        For messages.
    start
        Separator and header.
    """

    def __init__(self, path: Path, start: Start) -> None:
        self.path, self.start = path, start
        self.n_rows = 0
        self.n_fields: Counter[int] = Counter()
        self.holds_logicals = False
        self._line_of: dict[int, int] = {}
        named = [place for place, name in enumerate(start.header) if name]
        self._n_named = max(named, default=-1) + 1
        self._first_filled_tail = 0
        self._n_empty_last = 0
        self._remarks: list[int] = []
        self._first_fields: list[str] = []
        self._is_quoted = False
        self._values: set[str] = set()
        unnamed = [place for place, name in enumerate(start.header) if not name]
        self._filled = dict.fromkeys(unnamed, 0)
        self._n_with_comma = 0
        self._signs: Counter[str] = Counter()

    def take(self, number: int, line: str) -> None:
        """Read one line."""
        separator = self.start.separator
        if not is_row(line, separator):
            return
        if line == self.start.header_line:
            what = f"line {number} repeats the header"
            remedy = "Remove it, if tables were joined end to end."
            raise InputError(what, where=str(self.path), remedy=remedy)
        if "\0" in line:
            what = f"line {number} holds bytes that are zero: the file is damaged"
            raise InputError(what, where=str(self.path), remedy="Copy or write it again.")
        try:
            self._look(number, line)
        except csv.Error as error:
            raise quote_error(self.path, number, error) from error
        self.n_rows += 1

    def _look(self, number: int, line: str) -> None:
        separator = self.start.separator
        n_fields = fields.count(line, separator)
        self.n_fields[n_fields] += 1
        self._line_of.setdefault(n_fields, number)
        if n_fields > len(self.start.header):
            tail = _tail(line, separator, n_fields - len(self.start.header))
            if any(tail) and not self._first_filled_tail:
                self._first_filled_tail = number
            self._n_empty_last += not tail[-1]
        if line.startswith("#"):
            self._remarks.append(number)
        self._first_fields.append(fields.first(line, separator))
        if self.n_rows < _ROWS_COMPARED:
            self._is_quoted = line.startswith('"')
            self._values.update(map(str.strip, fields.split(line, separator)[1:]))
        if self._filled:
            self._look_under_empty_titles(line)
        if separator != COMMA and "," in line and self._n_with_comma < _LINES_WITH_COMMAS:
            self._look_at_commas(line)
        if not self.holds_logicals:
            self.holds_logicals = any(
                letter in line and any(word in line for word in words)
                for letter, words in _LOGICALS.items()
            )

    def _look_under_empty_titles(self, line: str) -> None:
        if list(self._filled) == [0]:
            self._filled[0] += bool(self._first_fields[-1])
            return
        values = fields.split(line, self.start.separator)
        for place in self._filled:
            self._filled[place] += place < len(values) and bool(values[place].strip())

    def _look_at_commas(self, line: str) -> None:
        self._n_with_comma += 1
        for value in map(str.strip, fields.split(line, self.start.separator)):
            if _THOUSANDS.fullmatch(value):
                self._signs["thousands"] += 1
            elif _WITH_COMMA.fullmatch(value):
                self._signs[","] += 1
            elif _WITH_POINT.fullmatch(value):
                self._signs["."] += 1

    def decimal(self) -> str:
        """The decimal sign: a comma if numbers have commas that are not thousands separators."""
        return "," if self._signs[","] and not self._signs["."] else "."

    def columns(self) -> tuple[list[int], list[str]]:
        """Position among the fields, and name, of every column.

        Raises
        ------
        InputError
            When a line has another number of fields, or a field without a column is not empty.
        """
        header = self.start.header
        self._refuse_remarks()
        lengths = set(self.n_fields) or {len(header)}
        if max(lengths) > self._n_named and self._may_be_from_r():
            if lengths == {len(header) + 1} and not self._n_empty_last and not self._filled:
                return list(range(len(header) + 1)), ["", *header]
            if max(lengths) == min(lengths):
                raise self._names_or_nothing()
        unnamed = [place for place, n in self._filled.items() if n and place]
        last = max([self._n_named - 1, *unnamed])
        if self._first_filled_tail or min(lengths) <= last:
            raise self._ragged()
        if unnamed:
            raise self._nameless(unnamed[0])
        has_ids = bool(self._filled.get(0)) or not self.n_rows
        places = [place for place, name in enumerate(header) if name or (has_ids and not place)]
        return places, [header[place] for place in places]

    def row_names(self, places: Sequence[int]) -> list[str]:
        """First field of each row; empty when the first column starts elsewhere."""
        return self._first_fields if places[:1] == [0] else []

    def _may_be_from_r(self) -> bool:
        """True when rows begin with a name that has no title in the header, as R writes them."""
        names = self._first_fields
        if not self.start.header[0] or not all(names) or len(set(names)) < len(names):
            return False
        is_numbered = names == [str(number) for number in range(1, len(names) + 1)]
        if names_rows(self.start.header[0]):  # then only quoted numbers are certainly from R
            return is_numbered and self._is_quoted
        return is_numbered or self._values.isdisjoint(names)

    def _names_or_nothing(self) -> InputError:
        """The error for rows whose field without a title may be the first or the last one."""
        first = self.start.header[0]
        what = f"rows have one field more than the header, and '{first}' may name their first field"
        what += " or the second: the last one is empty in some or all of them"
        remedy = f"Name every column; if '{first}' holds the ids, call it 'id'."
        return InputError(what, where=str(self.path), remedy=remedy)

    def _refuse_remarks(self) -> None:
        if self._remarks and len(self._remarks) < self.n_rows:
            what = f"line {self._remarks[0]} begins with #, among lines that do not"
            remedy = "Remove remarks from between the rows."
            raise InputError(what, where=str(self.path), remedy=remedy)

    def _nameless(self, place: int) -> InputError:
        what = f"column {place + 1} has no name and is not empty"
        remedy = "Name the column in the header, or remove what stands there."
        return InputError(what, where=str(self.path), remedy=remedy)

    def _ragged(self) -> InputError:
        wanted = len(self.start.header)
        expected = (
            f"{counted(wanted, 'field')} in every line, as in the header (line "
            f"{self.start.n_lines})"
        )
        separator = WORDS.get(self.start.separator, repr(self.start.separator))
        odd = {count: line for count, line in self._line_of.items() if count != wanted}
        if not odd or (set(odd) == {wanted + 1} and self._first_filled_tail):
            what = f"line {self._first_filled_tail} has something in a field beyond the header"
            remedy = "Name every column in the header, also that of the row names."
        else:
            count, number = min(odd.items(), key=lambda item: item[1])
            what = f"line {number} has {counted(count, 'field')}"
            remedy = f"Fields are separated by {separator}: put quotes around what holds one."
            if self.start.separator in (COMMA, BLANK):
                remedy += " A comma before decimals or thousands needs another separator."
        return InputError(what, where=str(self.path), expected=expected, remedy=remedy)


def _tail(line: str, separator: str, n_fields: int) -> list[str]:
    """The last fields of a line, stripped."""
    if separator == BLANK or '"' in line:
        found = fields.split(line, separator)[-n_fields:]
    else:
        found = line.rsplit(separator, n_fields)[-n_fields:]
    return [value.strip() for value in found]
