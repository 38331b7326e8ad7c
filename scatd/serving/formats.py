"""File formats of request bodies and of answers."""

from __future__ import annotations

from pathlib import Path

from scatd.serving.refusals import NOT_ACCEPTABLE, UNKNOWN_KIND, Refusal

H5AD, PARQUET, NPY, JSON, CSV = ".h5ad", ".parquet", ".npy", ".json", ".csv"

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
_MAGIC = {b"\x89HDF\r\n\x1a\n": H5AD, b"PAR1": PARQUET, b"\x93NUMPY": NPY}


def kind_of_body(path: Path) -> str:
    """The format of an upload, by its first bytes. The name that a client gives is not used.

    Raises
    ------
    Refusal
        415 if it has none of the four formats.
    """
    with path.open("rb") as file:
        start = file.read(64)
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    if start.lstrip()[:1] == b"{":
        return JSON
    expected = "an .h5ad, .parquet or .npy file, or a JSON object"
    raise Refusal(UNKNOWN_KIND, f"The body is of no known kind. Expected {expected}.")


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
            raise Refusal(NOT_ACCEPTABLE, f"No format '{asked}'. Expected {', '.join(_KINDS)}.")
        return _KINDS[asked]
    known = {media: kind for kind, media in MEDIA_TYPES.items()} | _SYNONYMS
    wanted = sorted(_weighted(accept or "*/*"), key=lambda item: -item[1])
    for media, weight in wanted:
        if weight > 0 and media in known:
            return known[media]
    expected = ", ".join(MEDIA_TYPES.values())
    raise Refusal(NOT_ACCEPTABLE, f"Nothing that the header Accept names. Expected {expected}.")


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
