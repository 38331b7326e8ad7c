"""Split a line of a text table into fields. A field may be quoted, but has no line breaks."""

from __future__ import annotations

import csv

TAB, SEMICOLON, COMMA, PIPE, BLANK = "\t", ";", ",", "|", " "
SEPARATORS = (TAB, SEMICOLON, COMMA, PIPE)
"""Separators of fields. Blanks are a separator only if none of these occurs."""
WORDS = {TAB: "tabs", SEMICOLON: "semicolons", COMMA: "commas", PIPE: "pipes", BLANK: "blanks"}
_QUOTE = '"'


def split(line: str, separator: str) -> list[str]:
    """Fields of a line without their quotes; several blanks are one separator.

    Raises
    ------
    csv.Error
        When a quote is not closed on the line, or closes before the field ends.
    """
    if separator == BLANK:
        line = line.replace(TAB, BLANK).strip(BLANK)
    if _QUOTE not in line:
        fields = line.split(separator)
        return [field for field in fields if field] if separator == BLANK else fields
    is_blank = separator == BLANK
    return next(csv.reader([line], delimiter=separator, strict=True, skipinitialspace=is_blank))


def count(line: str, separator: str) -> int:
    """Number of fields of a line, without splitting it where possible.

    Raises
    ------
    csv.Error
        As `split` does.
    """
    if separator != BLANK:
        if _QUOTE not in line:
            return line.count(separator) + 1
        if line.startswith(_QUOTE) and line.count(_QUOTE) == 2:  # R quotes the name of a row
            after = line.index(_QUOTE, 1) + 1
            if line[after : after + 1] in (separator, ""):
                return line.count(separator, after) + 1
    return len(split(line, separator))


def first(line: str, separator: str) -> str:
    """The first field, stripped."""
    if separator == BLANK or line.startswith(_QUOTE):
        return (split(line, separator) or [""])[0].strip()
    return line.partition(separator)[0].strip()


def is_empty(line: str, separator: str) -> bool:
    """True when every field of a line is empty."""
    return not line.strip(f"{separator}{_QUOTE} \t")
