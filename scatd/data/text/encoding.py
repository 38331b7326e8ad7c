"""Open text files: compression and encoding are detected, and line ends are made equal."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from scatd.data.files import reading
from scatd.errors import FaultKind, InputError

KIND = "a text table"
_LOOKED_AT = 4096
_GZIP = b"\x1f\x8b"
_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Byte order marks. That of UTF-32 begins like that of UTF-16, so it is tested first."""
_NO_TEXT = {
    b"PK\x03\x04": "a zip archive or an Excel workbook (.xlsx)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"\x89HDF": "an HDF5 file (.h5ad, .h5)",
    b"PAR1": "a parquet table (.parquet)",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "XML",
}


def open_text(path: Path) -> IO[str]:
    """Open a text file: UTF-8 with or without a mark, or UTF-16; plain or gzipped; any line ends.

    Raises
    ------
    InputError
        When the first bytes belong to another kind of file.
    OSError
        When it cannot be opened; use this inside `files.reading`.
    """
    with path.open("rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
    raw: Any = gzip.open(path, "rb") if is_packed else path.open("rb")  # noqa: SIM115
    try:
        start = raw.read(_LOOKED_AT)
        encoding = _encoding(path, start)
        raw.seek(0)
    except BaseException:
        raw.close()
        raise
    return io.TextIOWrapper(raw, encoding=encoding)


def text_lines(path: Path) -> Iterator[str]:
    """Lines of a text file without their ends.

    Raises
    ------
    InputError
        When the file is damaged, is not text, or has an unknown encoding.
    """
    number = 0
    with reading(path, KIND), open_text(path) as file:
        try:
            for number, line in enumerate(file, start=1):  # noqa: B007
                yield line.removesuffix("\n")
        except UnicodeDecodeError as error:
            byte = f"0x{error.object[error.start]:02x}"
            what = f"... is not {error.encoding.upper()}: byte {byte}, not far after line {number}"
            raise InputError(
                what,
                where=str(path),
                expected="text in UTF-8 or UTF-16",
                remedy="It may be Latin-1 or Windows-1252: "
                f"iconv -f WINDOWS-1252 -t UTF-8 {path.name}",
                kind=FaultKind.ENCODING,
            ) from error


def _encoding(path: Path, start: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    folded = start.lstrip().lower()
    for beginning, words in _NO_TEXT.items():
        if start.startswith(beginning) or folded.startswith(beginning):
            remedy = "Name it as what it is, or save it as text (csv or tsv, UTF-8)."
            says = f"... is {words}, not text"
            raise InputError(says, where=str(path), remedy=remedy, kind=FaultKind.NO_TEXT)
    if b"\0" not in start:
        return "utf-8"
    # Windows writes UTF-16 without a mark too; then every other byte of plain text is zero.
    even, odd = start[::2], start[1::2]
    for zeros, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros.count(0) > 0.9 * len(zeros) and not others.count(0):
            return encoding
    what = "... holds bytes that are zero: it is no text, or damaged"
    expected = "text in UTF-8 or UTF-16"
    raise InputError(what, where=str(path), expected=expected, kind=FaultKind.NO_TEXT)
