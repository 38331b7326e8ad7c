"""The layout of a text table, determined from all of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scatd.data.text.encoding import text_lines
from scatd.data.text.spreadsheets import plain
from scatd.data.text.start import Start, find_start, is_remark
from scatd.data.text.survey import Survey

_ROWS_LOOKED_AT = 60
_MOST_REMARKS = 10_000
_NOTHING = ',;|"\t '


@dataclass(frozen=True)
class TextLayout:
    """Separator, column names, and start of the data.

    Parameters
    ----------
    separator, decimal
        Separator of fields, and decimal sign.
    header
        Names of the columns; "" for row names without a title.
    places
        Position of each column among the fields of a line.
    n_fields
        Largest number of fields of a line; fields beyond the columns are empty.
    n_lines_before
        Number of lines before the first row: remarks and header.
    n_rows
        Number of rows; empty lines do not count.
    row_names
        First field of each row, stripped.
    holds_logicals
        True when words such as TRUE occur, which pandas would read as 1.
    """

    separator: str
    decimal: str
    header: list[str]
    places: list[int]
    n_fields: int
    n_lines_before: int
    n_rows: int
    row_names: Sequence[str] = field(repr=False)
    holds_logicals: bool


def text_layout(path: Path) -> TextLayout:
    """Determine the layout of a text table; every line is checked, none is kept.

    Raises
    ------
    InputError
        When the file is damaged, has no header, or its lines have different numbers of fields.
    """
    start = _start(path)
    survey = Survey(path, start)
    for number, line in enumerate(text_lines(path), start=1):
        if number > start.n_lines:
            survey.take(number, line)
    places, header = survey.columns()
    return TextLayout(
        start.separator,
        survey.decimal(),
        [plain(name) for name in header],
        places,
        max(survey.n_fields, default=len(header)),
        start.n_lines,
        survey.n_rows,
        [plain(name) for name in survey.row_names(places)],
        survey.holds_logicals,
    )


def _start(path: Path) -> Start:
    """Find the start, from the first lines that are not empty."""
    lines: list[tuple[int, str]] = []
    n_rows = 0
    for number, line in enumerate(text_lines(path), start=1):
        if not line.strip(_NOTHING):
            continue
        lines.append((number, line))
        n_rows += not is_remark(line)
        if n_rows == _ROWS_LOOKED_AT or len(lines) == _MOST_REMARKS:
            break
    return find_start(path, lines)
