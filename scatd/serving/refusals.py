"""Errors of a client, as a status, one message for programs, and the kinds of what is wrong."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from pathlib import Path

from scatd.errors import ScatdError, StoreError

BAD_REQUEST, UNAUTHORISED, FORBIDDEN, NOT_FOUND, NOT_ACCEPTABLE = 400, 401, 403, 404, 406
TIMEOUT, GONE, TOO_LARGE, UNKNOWN_KIND, UNUSABLE = 408, 409, 413, 415, 422
FAULT, BUSY, TOO_SLOW = 500, 503, 504
CLIENT_LEFT = 499
"""Written to the log only: the client closed the connection before the answer."""
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EMFILE, errno.ENFILE)


class Trouble(StrEnum):
    """What is wrong with a request or with the server; `errors.FaultKind` is about the cells."""

    MALFORMED = auto()
    ELSEWHERE = auto()
    TOKEN = auto()
    NO_DRUG = auto()
    NO_SUCH_MODELS = auto()
    NO_JOB = auto()
    NO_FILE = auto()
    NO_GROUPS = auto()
    EMPTY_UPLOAD = auto()
    UNKNOWN_KIND = auto()
    LARGE_FILE = auto()
    LARGE_CONTENT = auto()
    ODD_CONTENT = auto()
    JSON_TABLE = auto()
    SLOW_UPLOAD = auto()
    TOO_SLOW = auto()
    BUSY = auto()
    STOPPING = auto()
    NO_ROOM = auto()
    NO_REGISTRY = auto()
    MODEL_GONE = auto()
    STORE_AWAY = auto()
    FAULT = auto()


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Parameters
    ----------
    kind
        A value of `Trouble` or of `errors.FaultKind`.
    facts
        Numbers and words that belong to it, by name; `found` is what a reader found in the file.
    """

    kind: str
    facts: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818 (an error of the client, not of the server)
    """The request is answered with a status and a message.

    Parameters
    ----------
    status, message, headers
        The answer to a program.
    faults
        What is wrong, of which `page_words` makes the text for the page.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        faults: Iterable[Fault],
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})
        self.faults = tuple(faults)


def refusal(
    status: int,
    message: str,
    kind: Trouble | str,
    headers: Mapping[str, str] | None = None,
    **facts: str,
) -> Refusal:
    """The refusal for one fault; parameters are those of `Refusal` and `Fault`."""
    return Refusal(status, message, headers, faults=[Fault(kind, facts)])


def stopping() -> Refusal:
    """The refusal of a request to a server that is about to end."""
    what = "The server is stopping. Try again later."
    return refusal(BUSY, what, Trouble.STOPPING, {"Retry-After": "10"})


def no_room(error: BaseException) -> Refusal | None:
    """The refusal for a full disk or too many open files; None for another error."""
    if not isinstance(error, OSError) or error.errno not in _NO_ROOM:
        return None
    what = "The server has no room for this now."
    return refusal(BUSY, what, Trouble.NO_ROOM, {"Retry-After": "60"})


def unusable(error: ScatdError, folder: Path) -> Refusal:
    """The refusal of an upload. Its folder on this computer is removed from the message."""

    def told(text: str) -> str:
        return text.replace(f"{folder}/", "")

    faults = [Fault(one.kind, {"found": told(one.what)}) for one in error.each]
    return Refusal(UNUSABLE, told(str(error)), faults=faults)


def failed(error: Exception, request_id: str = "") -> Refusal:
    """The answer to an error: 503 for a lost store or a full disk, 500 for a fault of scatd.

    Parameters
    ----------
    request_id
        Under which the log knows more.
    """
    from scatd import tracking  # not for the examiner of uploads, which needs none of MLflow

    if (full := no_room(error)) is not None:
        return full
    fault = error if isinstance(error, StoreError) else tracking.in_words(error)
    if fault is not None:
        what = f"The models cannot be read. {fault}"
        return refusal(BUSY, what, Trouble.STORE_AWAY, {"Retry-After": "60"})
    more = f", under {request_id}" if request_id else ""
    what = f"The server failed. Its log knows more{more}."
    return refusal(FAULT, what, Trouble.FAULT, number=request_id or "unknown")
