"""Find the start of a text table: remarks, separator and header."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scatd.data.text import fields
from scatd.data.text.fields import BLANK, COMMA, SEPARATORS, TAB
from scatd.data.text.values import GAPS, is_number
from scatd.errors import InputError

_REMARK = ("#", "%", "!")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?|-\d+", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?", re.ASCII)
_ZEROS = re.compile(r",0\d", re.ASCII)
_NO_HEADER = "Write a first line with the names of the columns."

Line = tuple[int, str]
"""Number of a line, from 1, and its text."""


@dataclass(frozen=True)
class Start:
    """The start of a table.

    Parameters
    ----------
    separator
        Separator of fields.
    header
        Fields of the header, stripped.
    header_line
        Text of the header line; `n_lines` is its number.
    """

    separator: str
    header: list[str]
    header_line: str
    n_lines: int


def is_remark(line: str) -> bool:
    """True for a line before the data that describes the file (or is a header after a #)."""
    return line.lstrip('" ').startswith(_REMARK)


def find_start(path: Path, lines: Sequence[Line]) -> Start:
    """Find remarks, separator and header in the first lines that are not blank.

    A header may begin with # if the next line holds data.

    Raises
    ------
    InputError
        When there is no header, or several separators or headers are possible.
    """
    remarks: list[Line] = []
    rest = list(lines)
    said = None
    while rest and (is_remark(rest[0][1]) or _SEPARATOR_LINE.fullmatch(rest[0][1])):
        directive = _SEPARATOR_LINE.fullmatch(rest[0][1])
        said = said if directive is None else directive[1]
        remarks.append(rest.pop(0))
    if not rest:
        expected = "a header row and data rows"
        raise InputError("... is empty", where=str(path), expected=expected)
    _refuse_gct(path, remarks)
    body = [line for _, line in rest]
    separator = said or _separator(path, body)
    try:
        number, line = _header(path, remarks, rest, separator)
        header = [name.strip() for name in fields.split(line, separator)]
    except csv.Error as error:
        raise quote_error(path, rest[0][0], error) from error
    is_remark_too = number != rest[0][0]
    if is_remark_too:
        header[0] = header[0].removeprefix("#")
    below = body[0] if is_remark_too else body[1] if len(body) > 1 else ""
    try:
        first = fields.first(below, separator)
    except csv.Error as error:
        raise quote_error(path, number + 1, error) from error
    refuse_values_as_header(path, header, first, number)
    return Start(separator, header, line, number)


def quote_error(path: Path, number: int, error: csv.Error) -> InputError:
    """The error for a line whose quotes are not closed correctly."""
    return InputError(
        f"line {number}: a quote is not closed on its line, or ends inside a field ({error})",
        where=str(path),
        expected='fields such as "A, B", with quotes inside doubled and no line breaks',
        remedy="Write the table again, with quotes doubled (R: qmethod = 'double') or without.",
    )


def refuse_values_as_header(path: Path, header: Sequence[str], first: str, number: int) -> None:
    """Refuse a first row of data where the header should be.

    Parameters
    ----------
    header
        Names of the columns.
    first
        First field of the row below.
    number
        Line of the header, for the message.

    Raises
    ------
    InputError
        When most names are decimal numbers, or when all are numbers except one that looks like an
        id.
    """
    if header[0].casefold().startswith("n_unmapped"):
        what = "... is a ReadsPerGene table of STAR, of one sample and without a header"
        remedy = (
            "Make a table of genes x samples: of each file the gene and one column (2: unstranded, "
            "3 and 4: by strand), with a header 'gene' and the names of the samples."
        )
        raise InputError(what, where=str(path), remedy=remedy)
    names = [name for name in header[1:] if name] or list(header)
    decimals = [name for name in names if _DECIMAL.fullmatch(name)]
    whole = [name for name in names if name.isdecimal()]
    repeats = len(whole) - len(set(whole))
    looks_like_a_row = _shape(header[0]) == _shape(first) != _shape("")
    if len(decimals) > len(names) / 2:
        why = f"its names are decimal numbers ({', '.join(decimals[:3])})"
    elif len(whole) == len(names) and looks_like_a_row and len(header) > 1:
        why = f"it holds numbers and '{header[0]}', and the next row begins with '{first}'"
    elif len(whole) > len(names) / 2 and repeats > len(names) / 10:
        why = f"its names are numbers that repeat ({', '.join(whole[:3])})"
    else:
        return
    what = f"line {number} is no header: {why}"
    raise InputError(what, where=str(path), expected="names of the columns", remedy=_NO_HEADER)


def _shape(name: str) -> str:
    """A name with all digits replaced by one; empty without digits, or with digits only."""
    shape = re.sub(r"\d+", "0", name)
    return shape if "0" in shape and shape.strip("0.-+eE") else ""


def _refuse_gct(path: Path, remarks: Sequence[Line]) -> None:
    if remarks and re.fullmatch(r"#1\.\d\s*", remarks[-1][1]):
        what = f"... is a GCT file ({remarks[-1][1].strip()})"
        remedy = "Remove its first two lines, so that it begins with Name, Description."
        raise InputError(what, where=str(path), remedy=remedy)


def _header(path: Path, remarks: Sequence[Line], rest: Sequence[Line], separator: str) -> Line:
    """The header: the first line that is not a remark, or the remark above it if it holds data."""
    if not remarks:
        return rest[0]
    number, line = remarks[-1]
    try:
        names = fields.split(line, separator)
        rows = [fields.split(row, separator) for _, row in rest]
    except csv.Error:  # a remark, or a line that the survey refuses
        return rest[0]
    fits = len(names) > 1 and len(names) == len(rows[0]) and names[0].startswith("#")
    if not fits or names[0].startswith("##") or not _is_data(rows):
        return rest[0]
    if not names[0][1:2].isspace():
        return number, line
    what = f"line {number} may be a remark or the header, because the next line may hold data"
    remedy = "Remove the line, or its # and the blank behind it."
    raise InputError(what, where=str(path), remedy=remedy)


def _is_data(rows: Sequence[Sequence[str]]) -> bool:
    """True when the first row holds values like the others: numbers, gaps, or the same words."""
    below = {value.strip() for row in rows[1:] for value in row[1:]}
    return any(
        value.strip() in below or value.strip() in GAPS or is_number(value) for value in rows[0][1:]
    )


def _separator(path: Path, lines: Sequence[str]) -> str:
    """Find the separator from the first lines: the header, then rows.

    A separator fits when all rows have as many fields as the header, or one more. Blanks are a
    separator only when the header contains no other possible separator.
    """
    counts = {separator: _counts(lines, separator) for separator in SEPARATORS}
    in_header = {mark: found[0] for mark, found in counts.items() if found[0] > 1}
    if in_header:
        exact = [mark for mark in in_header if _fits(counts[mark], 0)]
        fitting = exact or [mark for mark in in_header if _fits(counts[mark], 1)] or [*in_header]
        most = max(in_header[mark] for mark in fitting)
        chosen = _only(path, [mark for mark in fitting if in_header[mark] == most])
        return _only(path, [COMMA, BLANK] if chosen == COMMA and _by_blanks(lines) else [chosen])
    fitting = [mark for mark in SEPARATORS if _fits(counts[mark], 1)]
    of_blanks = [0] if any(TAB in line for line in lines) else _counts(lines, BLANK)
    if max(of_blanks) > 1 and (_fits(of_blanks, 0) or _fits(of_blanks, 1)):
        fitting.append(BLANK)
    return _only(path, fitting or [COMMA])


def _by_blanks(lines: Sequence[str]) -> bool:
    """True when blanks may separate the fields, and each comma of a row be a decimal sign.

    A table with commas has names with a blank often, and two blanks in every line rarely. With one
    blank it is in doubt when its values begin with 00 or 01, as only decimals do.
    """
    counts = _counts(lines, BLANK)
    if counts[0] < 2 or len(counts) < 2 or not (_fits(counts, 0) or _fits(counts, 1)):
        return False
    rows = [fields.split(line, BLANK)[1:] for line in lines[1:]]
    if not all(_DECIMAL_COMMA.fullmatch(value) for row in rows for value in row):
        return False
    return counts[1] > 2 or any(_ZEROS.search(value) for row in rows for value in row)


def _only(path: Path, fitting: Sequence[str]) -> str:
    """The only separator that fits; a tab wins, because it occurs in no name and no number."""
    if TAB in fitting or len(fitting) == 1:
        return TAB if TAB in fitting else fitting[0]
    what = f"its fields may be separated by {' or '.join(map(fields.WORDS.__getitem__, fitting))}"
    remedy = "Write it again with tabs, and with a point before decimals."
    raise InputError(what, where=str(path), remedy=remedy)


def _fits(counts: Sequence[int], extra: int) -> bool:
    header, rows = counts[0], set(counts[1:])
    return (not rows and extra == 0) or rows == {header + extra}


def _counts(lines: Sequence[str], separator: str) -> list[int]:
    """Number of fields of each line; 0 when its quotes do not fit this separator."""
    found = []
    for line in lines:
        try:
            if not fields.is_empty(line, separator):
                found.append(fields.count(line, separator))
        except csv.Error:
            found.append(0)
    return found or [0]
