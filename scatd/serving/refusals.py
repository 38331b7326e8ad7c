"""Errors of a client, as a status and one message."""

from __future__ import annotations

import errno
from pathlib import Path

from scatd.errors import ScatdError, StoreError

BAD_REQUEST, UNAUTHORISED, FORBIDDEN, NOT_FOUND, NOT_ACCEPTABLE = 400, 401, 403, 404, 406
TIMEOUT, GONE, TOO_LARGE, UNKNOWN_KIND, UNUSABLE = 408, 409, 413, 415, 422
FAULT, BUSY, TOO_SLOW = 500, 503, 504
CLIENT_LEFT = 499
"""Written to the log only: the client closed the connection before the answer."""
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EMFILE, errno.ENFILE)


class Refusal(Exception):  # noqa: N818 (an error of the client, not of the server)
    """The request is answered with a status and a message."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


def stopping() -> Refusal:
    """The refusal of a request to a server that is about to end."""
    return Refusal(BUSY, "The server is stopping. Try again later.", {"Retry-After": "10"})


def no_room(error: BaseException) -> Refusal | None:
    """The refusal for a full disk or too many open files; None for another error."""
    if not isinstance(error, OSError) or error.errno not in _NO_ROOM:
        return None
    return Refusal(BUSY, "The server has no room for this now.", {"Retry-After": "60"})


def unusable(error: ScatdError, folder: Path) -> Refusal:
    """The refusal of an upload. Its folder on this computer is removed from the message."""
    return Refusal(UNUSABLE, str(error).replace(f"{folder}/", ""))


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
        return Refusal(BUSY, f"The models cannot be read. {fault}", {"Retry-After": "60"})
    more = f", under {request_id}" if request_id else ""
    return Refusal(FAULT, f"The server failed. Its log knows more{more}.")
