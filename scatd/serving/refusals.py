"""Errors of a client, as a status and one message."""

from __future__ import annotations

from pathlib import Path

from scatd.errors import ScatdError, StoreError

BAD_REQUEST, UNAUTHORISED, FORBIDDEN, NOT_FOUND, NOT_ACCEPTABLE = 400, 401, 403, 404, 406
TIMEOUT, TOO_LARGE, UNKNOWN_KIND, UNUSABLE, BUSY, TOO_SLOW = 408, 413, 415, 422, 503, 504


class Refusal(Exception):  # noqa: N818 (an error of the client, not of the server)
    """The request is answered with a status and a message."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


def unusable(error: ScatdError, folder: Path) -> Refusal:
    """The refusal of an upload. Its folder on this computer is removed from the message."""
    return Refusal(UNUSABLE, str(error).replace(f"{folder}/", ""))


def failed(error: Exception, request_id: str = "") -> Refusal:
    """The answer to an error: 503 where the store of models is lost, 500 for a fault of scatd.

    Parameters
    ----------
    request_id
        Under which the log knows more.
    """
    from scatd import tracking  # not for the examiner of uploads, which needs none of MLflow

    fault = error if isinstance(error, StoreError) else tracking.in_words(error)
    if fault is not None:
        return Refusal(BUSY, f"The models cannot be read. {fault}", {"Retry-After": "60"})
    more = f", under {request_id}" if request_id else ""
    return Refusal(500, f"The server failed. Its log knows more{more}.")
