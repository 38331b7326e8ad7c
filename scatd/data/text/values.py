"""The kind of a column of text: numbers, words, or both. All rows are read."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.errors import InputError

Kind = Literal["numbers", "words", "both", "nothing"]

GAPS = (
    *("", "NA", "N/A", "n/a", "na", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN", "NaT"),
    *("NULL", "Null", "null", "None", "none"),
)
"""Words for a missing value."""
_UNSIGNED = r"(?:\d+{point}?\d*|{point}\d+)(?:[eE][+-]?\d+)?"
_NUMBER = {
    decimal: re.compile(
        rf"[+-]?(?:{_UNSIGNED.format(point=re.escape(decimal))}|(?i:inf|infinity))", re.ASCII
    )
    for decimal in ".,"
}


_ALMOST = re.compile(r"[<>=~]*[+-]?\d[\d.,' ]*([eE][+-]?\d+)?[ *%]*", re.ASCII)
"""Numbers with extra characters, which are words now: 1,024 and 12* and <1 and 5%."""


class Judged(NamedTuple):
    """The values of a column of text, and their kind.

    Parameters
    ----------
    kind
        Kind of the values that are not gaps. "both" also when words look like edited numbers.
    numbers
        (n,) float64, NaN where a value is not a number.
    is_word
        (n,) True where a value is neither a number nor a gap.
    """

    kind: Kind
    numbers: NDArray[np.float64]
    is_word: NDArray[np.bool_]


def is_number(text: str, decimal: str = ".") -> bool:
    """True when a field is a number; blanks around it are ignored."""
    return _NUMBER[decimal].fullmatch(text.strip()) is not None


def judge(column: pd.Series, decimal: str = ".") -> Judged:
    """Read every value of a column, of text or (parquet) of numbers."""
    # A wide table has tens of thousands of columns: checking numpy types without pandas is faster.
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        numbers = column.to_numpy().astype(np.float64)
        return Judged("numbers", numbers, np.zeros(len(numbers), bool))
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        return Judged("numbers", numbers, np.zeros(len(numbers), bool))
    cells = [_as_text(value) for value in column.tolist()]
    known = {text: _number(text, decimal) for text in dict.fromkeys(cells)}
    is_word = np.array([known[text] is None and text not in GAPS for text in cells], dtype=bool)
    numbers = np.array([np.nan if known[text] is None else known[text] for text in cells], float)
    has_words = bool(is_word.any())
    has_numbers = any(
        number is not None or (has_words and _ALMOST.fullmatch(text))
        for text, number in known.items()
    )
    kind: Kind = "words" if has_words else "numbers" if has_numbers else "nothing"
    return Judged("both" if has_words and has_numbers else kind, numbers, is_word)


def _as_text(value: object) -> str:
    return value.strip() if isinstance(value, str) else "" if pd.isna(value) else str(value).strip()  # type: ignore[call-overload]


def _number(text: str, decimal: str) -> float | None:
    is_one = _NUMBER[decimal].fullmatch(text) is not None
    return float(text.replace(decimal, ".")) if is_one else None


def as_text(column: pd.Series) -> pd.Series:
    """Every value as stripped text; missing values are empty."""
    values = list(map(_as_text, column.tolist()))
    return pd.Series(values, index=column.index, name=column.name, dtype=object)


def require_numbers(column: pd.Series, where: str) -> pd.Series:
    """A column as float64, NaN for a gap.

    Parameters
    ----------
    where
        File and column, for the message.

    Raises
    ------
    InputError
        When a value is a word: such a row must not be dropped silently.
    """
    found = judge(column)
    if found.is_word.any():
        row = int(found.is_word.argmax())
        what = f"... holds '{column.iloc[row]}' in row {row + 1}"
        raise InputError(what, where=where, expected="numbers, or nothing where there is none")
    return pd.Series(found.numbers, index=column.index, name=column.name)
