"""Use case: put parts of a cohort together, and say what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scatd import keys
from scatd.data.files import check_writable
from scatd.data.opened import OpenedInput, open_input
from scatd.errors import InputError
from scatd.parts.cohort_hash import content_hash
from scatd.parts.note import PartNote, in_order, read_note
from scatd.wording import any_of
from scatd.workflows.join.request import JoinRequest


@dataclass(frozen=True)
class JoinResult:
    """What was put together: the command that made the parts, their number and that of rows."""

    output: Path
    command: str
    n_parts: int
    n_obs: int


def join(request: JoinRequest) -> JoinResult:
    """Put all parts of one piece of work together; the content is that of a whole run.

    Raises
    ------
    InputError
        With all faults: a file that is no part or was changed, parts of other work, of another
        cohort or version, rows that are missing or occur twice. Nothing is then written.
    """
    check_writable(request.output)
    if request.output.exists() and any(map(request.output.samefile, request.parts)):
        what, remedy = f"the part {request.output} would be overwritten", "Choose another output."
        raise InputError(what, where="--output", remedy=remedy)
    held = {path: read_note(path) for path in dict.fromkeys(request.parts)}
    files = in_order(held)
    notes = [held[path] for path in files]
    command = notes[0].command
    with contextlib.ExitStack() as stack:
        cohort = None
        if request.input is not None or _needs_cohort(command, request.output):
            cohort = stack.enter_context(open_input(_cohort(request, notes[0])))
        n_obs = _joined(command, files, notes, cohort, request.output)
    return JoinResult(request.output, command, len(files), n_obs)


def _needs_cohort(command: str, output: Path) -> bool:
    """Whether the output is a copy of the cohort, to which the results are added."""
    if command == "predict" and output.suffix not in keys.SCORE_SUFFIXES:
        expected = any_of(keys.SCORE_SUFFIXES)
        what = f"unknown kind of output '{output.suffix}'"
        raise InputError(what, where=str(output), expected=expected)
    return command == "embed" or (command == "predict" and output.suffix in keys.ANNOTATED_SUFFIXES)


def _cohort(request: JoinRequest, note: PartNote) -> Path:
    """The cohort of the parts; its content must be that of then."""
    path = request.input or Path(note.cohort)
    if not path.exists():
        what = f"the cohort of the parts, {path}, is not there"
        raise InputError(what, where="--input", remedy="Say where it is now: --input PATH")
    if content_hash(path) != note.cohort_sha256:
        what = "... is not the cohort of the parts, or was changed since they were made"
        raise InputError(what, where=str(path), remedy="Make the parts again.")
    return path


def _joined(
    command: str,
    files: Sequence[Path],
    notes: Sequence[PartNote],
    cohort: OpenedInput | None,
    output: Path,
) -> int:
    if command == "prepare":
        from scatd.workflows.prepare.join import join_prepared

        return join_prepared(files, notes, output)
    assert command in ("predict", "embed"), command
    if command == "predict":
        from scatd.workflows.predict.join import join_scores

        return join_scores(files, notes, cohort, output)
    from scatd.workflows.embed.join import join_embedded

    assert cohort is not None
    return join_embedded(files, notes, cohort, output)
