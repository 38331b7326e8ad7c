"""HTTP connections that wait only so long for the headers of a request."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from scatd.serving.refusals import BAD_REQUEST, TIMEOUT
from scatd.wording import counted


def patient_protocol(silence_limit: float) -> type[asyncio.Protocol]:
    """The protocol of uvicorn, with a limit for the headers and messages in JSON.

    Parameters
    ----------
    silence_limit
        Seconds that a client has for the headers of a request, from its first byte. For the first
        request of a connection they count from the connection.
    """

    class Patient(_Patient):
        seconds = silence_limit

    return Patient


class _Patient(H11Protocol):
    seconds: float
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._alarm is None and self.conn.trailing_data[0]:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; uvicorn calls this."""
        self._refuse(BAD_REQUEST, msg)

    def _wait_for_headers(self) -> None:
        self._alarm = self.loop.call_later(self.seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _too_slow(self) -> None:
        self._alarm = None
        self._refuse(TIMEOUT, f"The headers took longer than {counted(self.seconds, 'second')}.")

    def _refuse(self, status: int, message: str) -> None:
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # else an answer has begun
            body = json.dumps({"error": message}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            phrase = HTTPStatus(status).phrase.encode()
            for event in (
                h11.Response(status_code=status, headers=headers, reason=phrase),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
