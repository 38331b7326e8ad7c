"""SHA-256 of the files of a model folder, beside them: what was changed or damaged is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from scatd.errors import InputError

CHECKSUMS_FILE = "checksums.json"

_REMEDY = (
    "Take another copy of it, or another version (scatd registry show NAME); "
    "scatd registry doctor looks for all such versions."
)


def of_bytes(content: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(content).hexdigest()


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the hashes of a folder's files, by name."""
    (folder / CHECKSUMS_FILE).write_bytes(_as_bytes(files))


def read(folder: Path) -> dict[str, str] | None:
    """Hashes by file name; None where the folder has none (scatd before 0.2).

    Raises
    ------
    InputError
        When the file is not, byte by byte, what `write` writes.
    """
    path = folder / CHECKSUMS_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
    try:
        found = json.loads(content)
        is_whole = _as_bytes(found) == content and all(isinstance(v, str) for v in found.values())
    except (ValueError, TypeError, AttributeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise InputError("is damaged", where=str(path), remedy=_REMEDY)
    return found


def require(path: Path, content: bytes, said: Mapping[str, str]) -> None:
    """Refuse a file whose content is not what its hash was made of.

    Raises
    ------
    InputError
        When it is another content, or the file has no hash.
    """
    if said.get(path.name) != of_bytes(content):
        what = f"is damaged or was changed: its SHA-256 is not that of {CHECKSUMS_FILE}"
        raise InputError(what, where=str(path), remedy=_REMEDY)


def require_same(folder: Path, noted: Mapping[str, str] | None) -> None:
    """Refuse a folder that is whole, but is not the one whose hashes were noted elsewhere.

    Parameters
    ----------
    noted
        Hashes by file name; None where nobody noted any (scatd before 0.2).

    Raises
    ------
    InputError
        When a file differs.
    """
    if noted and (name := changed(read(folder) or {}, noted)):
        what = f"its {name} is not the one that was registered"
        raise InputError(what, where=str(folder), remedy=_REMEDY)


def changed(found: Mapping[str, str], noted: Mapping[str, str]) -> str:
    """The first file whose hash is not the one that was noted; empty where all are."""
    return next((name for name in noted if found.get(name) != noted[name]), "")


def _as_bytes(files: Mapping[str, str]) -> bytes:
    return (json.dumps(files, indent=2, sort_keys=True) + "\n").encode()
