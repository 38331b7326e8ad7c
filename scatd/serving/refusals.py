"""Errors of a client, as a status and one message."""

from __future__ import annotations

from pathlib import Path

from scatd.errors import ScatdError

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
