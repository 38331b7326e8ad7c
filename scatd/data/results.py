"""Folders of results: each folder holds the results of one command on one input.

A mark in the folder says what its results are of. The same command on the same input replaces
them. Any other folder with files is refused, so that no file is lost and no results are mixed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scatd.data.files import atomic_path, check_writable
from scatd.errors import InputError
from scatd.wording import some_of

MARK = ".scatd-results.json"
_SHOWN = 3


def require_own(folder: Path, about: Mapping[str, str], *, option: str = "--output") -> None:
    """Refuse a folder with other files than earlier results of the same command and input.

    Parameters
    ----------
    about
        Description of the results, by name: the command, the model, the input.
    option
        The option to change, for the message.

    Raises
    ------
    InputError
        Names the other results, or the files that scatd did not write.
    """
    check_writable(folder / MARK if folder.is_dir() else folder)
    held = _files(folder)
    if not held:
        return
    other = f"Choose another {option}."
    remedy = f"Choose another {option}, or remove this folder."
    mark = _mark(folder)
    if mark is None:
        what = f"... holds files that are no results of scatd {about['command']}"
        what += f" ({some_of(sorted(held), _SHOWN)})"
        raise InputError(what, where=str(folder), expected="a new folder", remedy=other)
    if mark["about"] != dict(about):
        what = f"... holds the results of {_in_words(mark['about'])}"
        raise InputError(what, where=str(folder), expected="a folder of its own", remedy=remedy)
    if mark["files"] is not None and (others := held - set(mark["files"])):
        some = some_of(sorted(others), _SHOWN)
        what = f"... holds files beside the results that would be made anew ({some})"
        raise InputError(what, where=str(folder), remedy=other)


@contextlib.contextmanager
def made_anew(
    folder: Path, about: Mapping[str, str], *, option: str = "--output"
) -> Iterator[None]:
    """Make a folder, or empty one with earlier results; mark it, and record the files written.

    If the block fails, its files stay and the folder is marked as unfinished. The same command then
    starts again. Where the block wrote nothing, a folder that was new is removed.

    Raises
    ------
    InputError
        As `require_own`; no file is removed then.
    """
    is_new = not folder.exists()
    try:
        _empty(folder, about, option)
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # it was not made, or it holds folders
            if not _files(folder):
                (folder / MARK).unlink(missing_ok=True)
                if is_new:
                    folder.rmdir()
        raise
    # Files of others are never treated as results.
    _write(folder, {"about": dict(about), "files": sorted(_files(folder))})


def _empty(folder: Path, about: Mapping[str, str], option: str) -> None:
    require_own(folder, about, option=option)
    for name in _files(folder):
        (folder / name).unlink()
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(inner.iterdir()):
            inner.rmdir()
    folder.mkdir(exist_ok=True)
    _write(folder, {"about": dict(about), "files": None})


def _write(folder: Path, mark: dict[str, Any]) -> None:
    with atomic_path(folder / MARK) as unfinished:
        unfinished.write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")


def _mark(folder: Path) -> dict[str, Any] | None:
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_whole = isinstance(mark, dict) and isinstance(mark.get("about"), dict) and "files" in mark
    return mark if is_whole else None


def _files(folder: Path) -> set[str]:
    """Files in a folder and its subfolders, without hidden ones."""
    if not folder.is_dir():
        return set()
    found = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return {str(path) for path in found if not any(part.startswith(".") for part in path.parts)}


def _in_words(about: Mapping[str, str]) -> str:
    rest = ", ".join(f"{name} {value}" for name, value in about.items() if name != "command")
    return f"scatd {about.get('command', '')} ({rest})"
