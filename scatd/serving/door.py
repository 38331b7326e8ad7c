"""Handle every request before and after its route: access, metrics, log, answers to errors.

A server without a token trusts this computer, but not every page in a browser on it. Such a page
could send requests under a host name that it owns (DNS rebinding), or send a form to the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import uuid
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from scatd.serving import logs, page_words
from scatd.serving.refusals import (
    BAD_REQUEST,
    CLIENT_LEFT,
    FORBIDDEN,
    UNAUTHORISED,
    Refusal,
    Trouble,
    failed,
    refusal,
    stopping,
)
from scatd.serving.settings import LOCAL_HOSTS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from scatd.serving.service import Service

OPEN_PATHS = ("/", "/healthz", "/docs", "/openapi.json")
"""Paths that need no token: they tell nothing about models or cells."""
STATIC = "/static/"

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
}


def answer(refused: Refusal, scope: Scope) -> JSONResponse:
    """The JSON response of a refusal, in the words of the page for what only the page asks."""
    said = refused.message
    if page_words.is_for_page(scope["path"]):
        said = page_words.told(refused, QueryParams(scope["query_string"]).get("name", ""))
    return JSONResponse({"error": said}, refused.status, refused.headers)


class Door:
    """The outermost middleware of the app."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started, status = uuid.uuid4().hex[:12], perf_counter(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update({**_ALWAYS, "X-Request-Id": request_id})
            await send(message)

        try:
            self._require_welcome(scope)
            await self._app(scope, receive, send_on)
        except Refusal as refused:
            await answer(refused, scope)(scope, receive, send_on)
        except ClientDisconnect:
            status = CLIENT_LEFT
        except asyncio.CancelledError:
            if status or not self._service.is_stopping:
                raise
            await answer(stopping(), scope)(scope, receive, send_on)
        except Exception as error:  # noqa: BLE001 (the client gets an answer to every error)
            logs.failure("fault", error, request=request_id)
            if not status:
                await answer(failed(error, request_id), scope)(scope, receive, send_on)
        finally:
            self._note(scope, status, perf_counter() - started, request_id)

    def _require_welcome(self, scope: Scope) -> None:
        if self._service.is_stopping:
            raise stopping()
        headers, token = Headers(scope=scope), self._service.settings.token
        if "\0" in scope["path"]:
            what = "The address holds a character that no address has."
            raise refusal(BAD_REQUEST, what, Trouble.MALFORMED)
        if token is None:
            _require_local(headers)
            return
        path: str = scope["path"]
        if path in OPEN_PATHS or path.startswith(STATIC):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not _is_token(given.strip(), token):
            what = "The token is missing or wrong. Send 'Authorization: Bearer TOKEN'."
            raise refusal(UNAUTHORISED, what, Trouble.TOKEN, {"WWW-Authenticate": "Bearer"})

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route: Any = scope.get("route")
        path = getattr(route, "path", "none")  # as declared: the path of the request may hold names
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._service.metrics.answered(path, method, status, seconds)
        about = scope.get("state", {}).get("about", {})
        logs.event(
            "request",
            request=request_id,
            method=method,
            route=path,
            status=status,
            ms=round(1000 * seconds, 1),
            **about,
        )


_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


def _is_token(given: str, token: str) -> bool:
    """Whether a token is the right one: clients send other letters as UTF-8 or as Latin-1."""
    sent = given.encode("latin-1")  # the bytes: headers are decoded so
    right = [token.encode("utf-8", "surrogateescape")]
    with contextlib.suppress(UnicodeEncodeError):  # it has letters that Latin-1 has not
        right.append(token.encode("latin-1"))
    same = [hmac.compare_digest(sent, one) for one in right]  # both: the time tells nothing
    return any(same)


def _require_local(headers: Headers) -> None:
    host = headers.get("host", "")
    if _name(host) not in LOCAL_HOSTS:
        what = "The header Host names another computer. Expected localhost."
        raise refusal(BAD_REQUEST, what, Trouble.ELSEWHERE)
    origin = headers.get("origin")
    if origin is not None and _parts(origin).netloc != host:
        what = "A page of another site asked for this."
        raise refusal(FORBIDDEN, what, Trouble.ELSEWHERE)


def _name(host: str) -> str:
    return _parts(f"//{host}").hostname or ""


def _parts(address: str) -> SplitResult:
    """The parts of an address; all of them empty where it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
