"""Check the content of a parquet table before it is unpacked.

A column of one repeated word takes no room in a file, however long the word and the column are: the
word is stored once, in the dictionary of the column. So a file of 500 bytes may hold a gigabyte.
Its metadata tell how many values there are, but not how long the words become. Columns of words are
therefore read as their dictionaries and counted before they are written out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scatd.data.contents import require_plausible
from scatd.data.location import Remote
from scatd.errors import FaultKind, InputError, of_kind

_POINTER = 8


@of_kind(FaultKind.TABLE)
def require_flat(path: Path, schema: Any) -> None:
    """Refuse a table with columns of lists, structs or maps: no table of scatd has them.

    Raises
    ------
    InputError
        Names the first such column and its type.
    """
    for field in schema:
        kind = getattr(field.type, "value_type", None) if is_dictionary(field.type) else field.type
        if _is_nested(kind):
            words = " ".join(str(field.type).split())
            what = f"column '{field.name[:60]}' holds {words[:60]}"
            remedy = "Write one number or one word in each place of the table."
            raise InputError(
                what, where=str(path), expected="columns of numbers or words", remedy=remedy
            )


def require_plausible_groups(path: Path, metadata: Any, schema: Any) -> None:
    """Refuse a table of which one row group would grow larger than is possible.

    The sizes are those that the metadata announce: nothing is unpacked.

    Raises
    ------
    InputError
        Names the row group.
    """
    size = None if isinstance(path, Remote) else path.stat().st_size
    widths = [value_bytes(field.type) for field in schema]
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        claimed = stored = 0
        for place, width in enumerate(widths):
            chunk = group.column(place)
            n_values = max(chunk.num_values, group.num_rows)
            claimed += max(chunk.total_uncompressed_size, width * n_values)
            stored += max(chunk.total_compressed_size, 0)
        if size is not None:
            stored = min(stored, size)
        require_plausible(path, f"row group {number}", claimed, stored)


def value_bytes(kind: Any) -> int:
    """Bytes that a value of a column takes in memory, without the letters of a word."""
    try:
        return max(int(kind.bit_width) // 8, 1)
    except ValueError:  # words have no fixed width
        return _POINTER


def is_number(kind: Any) -> bool:
    """Whether a type of Arrow is one of integers or floating-point numbers."""
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind))


def word_columns(schema: Any) -> list[str]:
    """Columns that hold words, which can be read as their dictionaries."""
    return [field.name for field in schema if _is_words(field.type)]


def unpacked_bytes(column: Any) -> int:
    """Bytes that a column of Arrow takes when its dictionary is written out.

    Parameters
    ----------
    column
        An array or chunked array.
    """
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    return sum(_unpacked_bytes(chunk) for chunk in chunks)


def longest_word(column: Any) -> int:
    """Bytes of the longest word of a column of Arrow; 0 where it holds no words."""
    import pyarrow.compute as pc

    chunks = column.chunks if hasattr(column, "chunks") else [column]
    longest = 0
    for chunk in chunks:
        lengths = _lengths(chunk.dictionary if is_dictionary(chunk.type) else chunk)
        if lengths is not None:
            longest = max(longest, pc.max(lengths).as_py() or 0)
    return longest


def _unpacked_bytes(chunk: Any) -> int:
    import pyarrow.compute as pc

    if not is_dictionary(chunk.type):
        return int(chunk.nbytes)
    whole = value_bytes(chunk.type.value_type) * len(chunk)
    lengths = _lengths(chunk.dictionary)
    if lengths is None:
        return whole
    # As 64-bit numbers: the sum of 32-bit lengths may overflow.
    letters = pc.sum(lengths.cast("int64").take(chunk.indices)).as_py() or 0
    return whole + int(letters)


def _lengths(values: Any) -> Any:
    """Bytes of every word; None where the values are no words."""
    import pyarrow.compute as pc

    return pc.binary_length(values) if _is_words(values.type) else None


def _is_words(kind: Any) -> bool:
    from pyarrow import types

    is_text = types.is_string(kind) or types.is_large_string(kind)
    return bool(is_text or types.is_binary(kind) or types.is_large_binary(kind))


def is_dictionary(kind: Any) -> bool:
    """Whether a type of Arrow is one of numbers that stand for the entries of a dictionary."""
    from pyarrow import types

    return bool(types.is_dictionary(kind))


def _is_nested(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_nested(kind))
