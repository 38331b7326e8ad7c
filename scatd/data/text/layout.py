"""How a text table is laid out, by all of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scatd.data.text.encoding import text_lines
from scatd.data.text.start import Start, find_start, is_remark
from scatd.data.text.survey import Survey

_ROWS_LOOKED_AT = 60
_MOST_REMARKS = 10_000
_NOTHING = ',;|"\t '


@dataclass(frozen=True)
class TextLayout:
    """Separator, names of the columns, and the place where the data begin.

    Parameters
    ----------
    separator, decimal
        What stands between fields, and before the decimals of a number.
    header
        Names of the columns; "" over row names that have no title.
    places
        Place of each column among the fields of a line.
    n_fields
        The most fields that a line has; those that are no columns are empty.
    n_lines_before
        Lines before the first row: remarks and the header.
    n_rows
        Rows of the table; lines of nothing do not count.
    row_names
        First field of each row, stripped.
    holds_logicals
        Whether words like TRUE occur, which pandas would take for 1.
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
    """How a text table is laid out; every line is looked at, and none is kept.

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
        header,
        places,
        max(survey.n_fields, default=len(header)),
        start.n_lines,
        survey.n_rows,
        survey.row_names(places),
        survey.holds_logicals,
    )


def _start(path: Path) -> Start:
    """The beginning, from the first lines that hold something."""
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
