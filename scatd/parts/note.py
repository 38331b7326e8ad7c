"""The note beside the file of a part: what was computed, of which cohort, and which rows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scatd import __version__
from scatd.data.files import atomic_path
from scatd.errors import Faults, InputError
from scatd.parts.cohort_hash import content_hash

SUFFIX = ".part.json"
"""`scores.csv` has its note in `scores.csv.part.json`."""
_FORMAT = 1


@dataclass(frozen=True)
class PartNote:
    """A part, as its note describes it.

    Parameters
    ----------
    command
        What made it: predict, embed or prepare.
    work
        Everything but the cohort and the rows that determines the content, as plain values: the
        model with its version, and the settings.
    cohort
        Path of the cohort when the part was made.
    cohort_sha256, n_obs
        Hash of its content, and the number of its rows.
    start, stop
        The rows of the part.
    sha256
        Hash of the file of the part.
    more
        What joining needs beside the file, as plain values.
    scatd
        Version of scatd.
    """

    command: str
    work: dict[str, Any]
    cohort: str
    cohort_sha256: str
    n_obs: int
    start: int
    stop: int
    sha256: str
    more: dict[str, Any] = field(default_factory=dict)
    scatd: str = __version__


def note_path(part: Path) -> Path:
    """The note that belongs to the file of a part."""
    return part.with_name(part.name + SUFFIX)


def write_note(part: Path, note: PartNote) -> None:
    """Write the note of a part that is finished."""
    with atomic_path(note_path(part)) as unfinished:
        text = json.dumps({"format": _FORMAT, **asdict(note)}, indent=1)
        unfinished.write_text(text + "\n", encoding="utf-8")


def read_note(part: Path) -> PartNote:
    """Read the note of a part, and compare the file with it.

    Raises
    ------
    InputError
        When there is no note, it is damaged or of a newer scatd, or the file was changed since.
    """
    path = note_path(part)
    remedy = "Make it with --rows A:B, and keep the file and its note together."
    if not path.is_file():
        what = f"... is no part: there is no {path.name} beside it"
        raise InputError(what, where=str(part), remedy=remedy)
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        kind = held.pop("format")
        note = PartNote(**held)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        what = "... is damaged, or was written by another version of scatd"
        raise InputError(what, where=str(path), remedy=remedy) from error
    if kind != _FORMAT or note.sha256 != content_hash(part):
        what = "... was changed after it was made"
        raise InputError(what, where=str(part), remedy="Make this part again.")
    return note


def in_order(parts: dict[Path, PartNote]) -> list[Path]:
    """The files of all parts of one piece of work, in the order of their rows.

    Raises
    ------
    InputError
        With all faults: parts of other work, of another cohort or of another version, rows that are
        missing or occur twice.
    """
    faults, first = Faults(), next(iter(parts))
    for path, note in parts.items():
        for what in _differences(note, parts[first]):
            faults.add(f"{path} does not belong to {first}: {what}")
    faults.raise_if_any()
    files = sorted(parts, key=lambda path: (parts[path].start, parts[path].stop))
    expected, n_obs = 0, parts[first].n_obs
    for path in files:
        note = parts[path]
        if note.start < expected:
            faults.add(f"{path} has rows {note.start}:{note.stop}, and another part has some too")
        elif note.start > expected:
            faults.add(
                f"rows {expected}:{note.start} are missing", remedy=_missing(expected, note.start)
            )
        expected = max(expected, note.stop)
    if expected < n_obs:
        faults.add(f"rows {expected}:{n_obs} are missing", remedy=_missing(expected, n_obs))
    faults.raise_if_any()
    return files


def _missing(start: int, stop: int) -> str:
    return f"Make this part: --rows {start}:{stop}"


def _differences(note: PartNote, first: PartNote) -> list[str]:
    """What differs between two parts that should belong together, in words."""
    found = []
    for what in ("command", "scatd", "cohort_sha256", "n_obs"):
        mine, theirs = getattr(note, what), getattr(first, what)
        if mine != theirs:
            name = {"scatd": "version of scatd", "cohort_sha256": "content of the cohort",
                    "n_obs": "number of rows of the cohort"}.get(what, what)  # fmt: skip
            shown = (str(mine)[:16], str(theirs)[:16])
            found.append(f"{name} is {shown[0]} here and {shown[1]} there")
    for name in sorted({*note.work, *first.work}):
        mine, theirs = note.work.get(name), first.work.get(name)
        if mine != theirs:
            found.append(f"{name} is {mine} here and {theirs} there")
    return found
