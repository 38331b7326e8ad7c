"""Handle every request before and after its route: access, metrics, log, answers to errors.

A server without a token trusts this computer, but not every page in a browser on it. Such a page
could send requests under a host name that it owns (DNS rebinding), or send a form to the server.
"""

from __future__ import annotations

import hmac
import uuid
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from scatd.serving import logs
from scatd.serving.refusals import BAD_REQUEST, FORBIDDEN, UNAUTHORISED, Refusal, failed
from scatd.serving.settings import LOCAL_HOSTS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from scatd.serving.metrics import Metrics
    from scatd.serving.settings import ServeSettings

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


def answer(refusal: Refusal) -> JSONResponse:
    """The JSON response of a refusal."""
    return JSONResponse({"error": refusal.message}, refusal.status, refusal.headers)


class Door:
    """The outermost middleware of the app."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

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
        except Refusal as refusal:
            await answer(refusal)(scope, receive, send_on)
        except Exception as error:  # noqa: BLE001 (the client gets an answer to every error)
            logs.failure("fault", error, request=request_id)
            if not status:
                await answer(failed(error, request_id))(scope, receive, send_on)
        finally:
            self._note(scope, status, perf_counter() - started, request_id)

    def _require_welcome(self, scope: Scope) -> None:
        headers, token = Headers(scope=scope), self._settings.token
        if token is None:
            _require_local(headers)
            return
        path: str = scope["path"]
        if path in OPEN_PATHS or path.startswith(STATIC):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode(), token.encode())
        if scheme.lower() != "bearer" or not is_right:
            what = "The token is missing or wrong. Send 'Authorization: Bearer TOKEN'."
            raise Refusal(UNAUTHORISED, what, {"WWW-Authenticate": "Bearer"})

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route: Any = scope.get("route")
        path = getattr(route, "path", "none")  # as declared: the path of the request may hold names
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.answered(path, method, status, seconds)
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


def _require_local(headers: Headers) -> None:
    host = headers.get("host", "")
    if _name(host) not in LOCAL_HOSTS:
        raise Refusal(BAD_REQUEST, "The header Host names another computer. Expected localhost.")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Refusal(FORBIDDEN, "A page of another site asked for this.")


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
