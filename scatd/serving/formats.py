"""File formats of request bodies and of answers."""

from __future__ import annotations

from pathlib import Path

from scatd.serving.refusals import NOT_ACCEPTABLE, UNKNOWN_KIND, Trouble, refusal

H5AD, PARQUET, NPY, JSON, CSV = ".h5ad", ".parquet", ".npy", ".json", ".csv"
TSV, TENX = ".tsv", ".h5"
UPLOADS = (H5AD, TENX, CSV, TSV, PARQUET, NPY, JSON)
"""Kinds of files that can be scored."""

MEDIA_TYPES = {
    JSON: "application/json",
    CSV: "text/csv",
    PARQUET: "application/vnd.apache.parquet",
    H5AD: "application/x-hdf5",
}
"""Formats of answers, in the order of preference for a client that has none."""

_KINDS = {kind.removeprefix("."): kind for kind in MEDIA_TYPES}
_SYNONYMS = {
    "application/*": JSON,
    "*/*": JSON,
    "text/*": CSV,
    "application/parquet": PARQUET,
    "application/x-parquet": PARQUET,
    "application/hdf5": H5AD,
    "application/x-h5ad": H5AD,
}
_START = 1 << 16
"""Bytes at the start of a file that tell its kind."""
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Of UTF-8 and UTF-16, at the start of a text."""
_CONTROLS = set(range(32)) - set(b"\t\n\r\f\v")
"""Bytes that text does not hold, unless it is UTF-16."""
_MAGIC = {b"\x89HDF\r\n\x1a\n": H5AD, b"PAR1": PARQUET, b"\x93NUMPY": NPY}


def kind_of_body(path: Path) -> str:
    """The format of an upload, by its first bytes. The name that a client gives is not used.

    A 10x file is HDF5 as an `.h5ad` is: the examiner of uploads looks into it and tells them apart.

    Raises
    ------
    Refusal
        415 if it has none of the formats.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    if start.lstrip()[:1] == b"{":
        return JSON
    if (kind := _kind_of_text(start)) is not None:
        return kind
    expected = "an .h5ad, 10x .h5, .csv, .tsv, .parquet or .npy file, or a JSON object"
    what = f"The body is of no known kind. Expected {expected}."
    raise refusal(UNKNOWN_KIND, what, Trouble.UNKNOWN_KIND)


def _kind_of_text(start: bytes) -> str | None:
    """`.tsv` or `.csv` for text whose first line has several fields; None for anything else.

    The reader finds the separator by itself: the ending only says that this is text.
    """
    if not start.startswith(_MARKS) and _CONTROLS & set(start):
        return None
    line = start.replace(b"\0", b"").strip().partition(b"\n")[0]
    if b"\t" in line:
        return TSV
    return CSV if any(mark in line for mark in (b",", b";", b" ")) else None


def kind_of_answer(asked: str | None, accept: str) -> str:
    """The format of the answer that a client asks for.

    Parameters
    ----------
    asked
        The value of `?format=`, which has priority over `accept`.
    accept
        The header, with weights (`q=`); the first of several with the same weight is taken.

    Raises
    ------
    Refusal
        406 if there is no such format.
    """
    if asked is not None:
        if asked not in _KINDS:
            what = f"No format '{asked}'. Expected {', '.join(_KINDS)}."
            raise refusal(NOT_ACCEPTABLE, what, Trouble.MALFORMED)
        return _KINDS[asked]
    known = {media: kind for kind, media in MEDIA_TYPES.items()} | _SYNONYMS
    wanted = sorted(_weighted(accept or "*/*"), key=lambda item: -item[1])
    for media, weight in wanted:
        if weight > 0 and media in known:
            return known[media]
    expected = ", ".join(MEDIA_TYPES.values())
    what = f"Nothing that the header Accept names. Expected {expected}."
    raise refusal(NOT_ACCEPTABLE, what, Trouble.MALFORMED)


def _weighted(accept: str) -> list[tuple[str, float]]:
    found = []
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        found.append((media, weight))
    return found
