"""The HTTP interface: it lists the production models and scores cells by drug name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from scatd import __version__, registry
from scatd.evaluation.ledger import without_cells
from scatd.keys import CAVEAT, FAMILIES
from scatd.serving import metrics as prometheus
from scatd.serving.door import Door, answer
from scatd.serving.formats import MEDIA_TYPES, NPY, kind_of_answer
from scatd.serving.page import add_page
from scatd.serving.refusals import Refusal, Trouble, refusal
from scatd.serving.service import Service
from scatd.serving.store_faults import reading_model

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from scatd.registry import ModelRef

MODEL_HEADER, VERSION_HEADER = "X-Scatd-Model", "X-Scatd-Version"

Family = Annotated[
    str | None, Query(description=f"One of {', '.join(FAMILIES)}; the drug's first otherwise.")
]
Format = Annotated[
    str | None, Query(alias="format", description="json, csv, parquet or h5ad; wins over Accept.")
]


def create_app(service: Service) -> FastAPI:
    """Make the app of one server. Starting it starts the service; ending it closes the service."""

    @contextlib.asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.refresh)
        following = asyncio.create_task(service.follow())
        yield
        following.cancel()
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="scatd",
        version=__version__,
        description=f"Which single cells of a tumour resist a drug. {CAVEAT}",
        lifespan=alive,
        docs_url=None,  # the usual pages fetch their scripts from other servers
        redoc_url=None,
        redirect_slashes=False,  # it would send a client to the host that its own header names
    )
    app.add_middleware(Door, service=service)
    app.include_router(_routes(service))
    add_page(app, service)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(RequestValidationError, _not_valid)
    return app


def _routes(service: Service) -> APIRouter:
    router = APIRouter(responses=_FAULTS, dependencies=[Depends(HTTPBearer(auto_error=False))])

    @router.get("/drugs", tags=["models"])
    async def drugs() -> JSONResponse:
        """List the drugs that have a model in production, with name and version."""
        return JSONResponse({"drugs": [asdict(ref) for ref in service.models.refs()]})

    @router.get("/models/{drug}", tags=["models"])
    async def model(drug: str, family: Family = None) -> JSONResponse:
        """The card of the drug's model: its features, its metrics, and its baselines."""
        ref = service.find(drug, family)
        with reading_model(ref):
            card = await asyncio.to_thread(_card, ref)
        return JSONResponse({"model": asdict(ref), "card": card}, headers=_named(ref))

    @router.post(
        "/predict/{drug}", tags=["scores"], openapi_extra=_BODY, responses=_ANSWERS,
        response_class=FileResponse,
    )  # fmt: skip
    async def predict(
        request: Request, drug: str, family: Family = None, kind: Format = None
    ) -> Response:
        """Score every cell of the body: an .h5ad, .parquet or .npy file, or JSON.

        The answer has all cells in their order, with their barcodes if the body has them. A cell
        that cannot be scored has a reason. The headers and the answer name the version that scored.
        """
        wanted = kind_of_answer(kind, request.headers.get("accept", ""))
        ref = service.find(drug, family)
        scored = await service.score(request, ref, wanted)
        request.state.about = {
            "drug": ref.drug, "model": ref.name, "version": ref.version,
            "cells": scored.cells.n_obs,
        }  # fmt: skip
        try:
            return _Passing(service, scored.file, ref)
        except BaseException:
            service.scratch.clear(scored.file.parent)
            raise

    @router.get("/metrics", tags=["operation"], responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Counters, for Prometheus."""
        return Response(service.metrics.text(), media_type=prometheus.CONTENT_TYPE)

    @router.get("/healthz", tags=["operation"])
    async def healthz() -> JSONResponse:
        """Whether the server works, and when it last read the registry."""
        age = service.seconds_since_refresh
        is_stale = age > 10 * service.settings.refresh + service.settings.time_limit
        about = {"version": __version__, "models": len(service.models.refs())}
        status = "the registry cannot be read" if is_stale else "ok"
        return JSONResponse({"status": status, "registry_seconds": round(age, 1), **about})

    return router


class _Passing(FileResponse):
    """The answer of a request: a file that is removed, with its folder, after it was sent."""

    def __init__(self, service: Service, file: Path, ref: ModelRef) -> None:
        name = f"scatd-{ref.drug}-{ref.family}-v{ref.version}{file.suffix}"
        media_type = MEDIA_TYPES[file.suffix]
        super().__init__(file, media_type=media_type, filename=name, headers=_named(ref))
        self._service, self._folder = service, file.parent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._service.settings.time_limit):
                await super().__call__(scope, receive, send)
        except TimeoutError as error:
            raise ClientDisconnect from error  # it does not take its answer
        finally:
            await asyncio.to_thread(self._service.scratch.clear, self._folder)


def _named(ref: ModelRef) -> dict[str, str]:
    """Headers hold ASCII only: other letters are percent-encoded, as in an address."""
    return {MODEL_HEADER: quote(ref.name), VERSION_HEADER: str(ref.version)}


def _card(ref: ModelRef) -> Any:
    """The card as JSON, without the names of genes and cells, which may be thousands."""
    card = without_cells(registry.read_card(ref))
    features = dict(card.get("features") or {})
    if names := features.pop("names", None):
        features["n_names"] = len(names)
    return {**card, "features": features}


async def _refused(request: Request, refused: Any) -> JSONResponse:
    return answer(refused, request.scope)


async def _not_found(request: Request, error: Any) -> JSONResponse:
    what = f"{error.detail}. See /docs." if error.status_code in (404, 405) else error.detail
    refused = refusal(error.status_code, str(what), Trouble.MALFORMED, error.headers)
    return answer(refused, request.scope)


async def _not_valid(request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    refused = refusal(422, f"{place}: {first['msg']}.", Trouble.MALFORMED)
    return answer(refused, request.scope)


_MESSAGE = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}


def _described(faults: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """Faults by status, as OpenAPI describes them."""
    return {
        status: {"description": about, "content": {"application/json": {"schema": _MESSAGE}}}
        for status, about in faults.items()
    }


_FAULTS = _described(
    {
        400: "The request is malformed.",
        401: "The token is missing or wrong.",
        404: "No such drug in production.",
        409: "The model is gone from the store, or was changed there.",
        422: "The file or a parameter cannot be used; the message says why.",
        500: "A fault of the server; the message has the number under which its log knows more.",
        503: "The server is busy or stopping, or cannot reach its models; Retry-After says when to "
        "come back.",
    }
)
_FILE = {"schema": {"type": "string", "format": "binary"}}
_TABLE = {
    "type": "object",
    "required": ["features"],
    "additionalProperties": False,
    "properties": {
        "features": {
            "description": "One row of numbers a cell, in the order of the model's features.",
            "type": "array",
            "items": {"type": "array", "items": {"type": "number"}},
        },
        "barcodes": {"type": "array", "items": {"type": "string"}},
        "genes": {"type": "array", "items": {"type": "string"}},
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-hdf5": _FILE,
            "application/vnd.apache.parquet": _FILE,
            f"application/x-{NPY.removeprefix('.')}": _FILE,
            "application/json": {"schema": _TABLE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One row a cell: barcode, prob_resistant (P(resistant), 0 to 1), response, "
        "ood, reason. If the model does not know its training domain, ood is missing, and "
        "model.domain.not_assessed says why; in csv, ood gives the reason.",
        "headers": {
            MODEL_HEADER: {
                "description": "Letters outside ASCII are percent-encoded.",
                "schema": {"type": "string"},
            },
            VERSION_HEADER: {"schema": {"type": "integer"}},
        },
        "content": {media: {} for media in MEDIA_TYPES.values()},
    },
    **_described(
        {
            406: "No such kind of answer.",
            408: "The upload took too long, or came too slowly.",
            413: "The body is too large, or grows too large when it is unpacked.",
            415: "The body is of no known kind.",
            504: "Scoring took too long.",
        }
    ),
}
