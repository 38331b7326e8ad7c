"""Two HTML pages: one to score a file without programming, and one that lists the routes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.security import HTTPBearer
from jinja2 import Environment, FileSystemLoader
from starlette.staticfiles import StaticFiles

from scatd import __version__
from scatd.plots.colours import css_variables
from scatd.serving import grouped, outcome
from scatd.serving.formats import UPLOADS
from scatd.serving.jobs import FILES, Jobs
from scatd.serving.refusals import NOT_FOUND, Trouble, refusal
from scatd.serving.service import Service

_HERE = Path(__file__).parent
_COLOURS = "/static/colours.css"
Families = Annotated[
    str | None, Query(description="Family of each drug, with commas between; else its first.")
]
Name = Annotated[str, Query(description="Name of the file, which is only shown again.")]


def add_page(app: FastAPI, service: Service) -> None:
    """Add `/`, `/docs`, their static files, the library, and the routes of the jobs."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    @app.get(_COLOURS, include_in_schema=False)
    async def colours() -> Response:
        """The colours of the figures and reports, so that a meaning has one colour everywhere."""
        return Response(css_variables(), media_type="text/css")

    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        template = environment.get_template("page.html")
        return HTMLResponse(
            template.render(
                version=__version__,
                needs_token=service.settings.token is not None,
                max_upload_mb=service.settings.max_upload_mb,
                most_drugs=outcome.MOST_DRUGS,
                kinds=UPLOADS,
                what_it_means=outcome.WHAT_IT_MEANS,
            )
        )

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        schema = app.openapi()
        template = environment.get_template("docs.html")
        return HTMLResponse(template.render(schema=schema, operations=list(_operations(schema))))

    app.include_router(_library(service))
    app.include_router(_jobs(service))


def _library(service: Service) -> APIRouter:
    router = APIRouter(tags=["page"], dependencies=[Depends(HTTPBearer(auto_error=False))])

    @router.get("/library")
    async def library() -> JSONResponse:
        """The models in production with their evidence in words."""
        entries = await asyncio.to_thread(service.library.entries, service.models.refs())
        return JSONResponse({"models": [asdict(entry) for entry in entries]})

    return router


def _jobs(service: Service) -> APIRouter:
    dependencies = [Depends(HTTPBearer(auto_error=False))]
    router = APIRouter(prefix="/jobs", tags=["page"], dependencies=dependencies)
    jobs = Jobs(service)

    @router.post("/{drugs}", status_code=202)
    async def begin(
        request: Request, drugs: str, family: Families = None, name: Name = ""
    ) -> JSONResponse:
        """Receive a file as /predict does, and score it after the answer. Ask for the progress.

        Several drugs have commas between them.
        """
        words = drugs.split(",")
        families = [None] * len(words) if family is None else family.split(",")
        pairs = zip(words, [*families, *[None] * len(words)], strict=False)
        refs = [service.find(drug, family or None) for drug, family in pairs]
        return JSONResponse((await jobs.begin(request, refs, name)).about(), 202)

    @router.get("/{job_id}")
    async def look(job_id: str) -> JSONResponse:
        """Progress and results of a job."""
        return JSONResponse(jobs.find(job_id).about())

    @router.delete("/{job_id}", status_code=204)
    async def forget(job_id: str) -> Response:
        """Remove a job and its files."""
        jobs.forget(jobs.find(job_id))
        return Response(status_code=204)

    @router.get("/{job_id}/groups")
    async def groups(job_id: str, by: str) -> JSONResponse:
        """Number of cells by their call, for each value of a column of `obs` and each drug."""
        job = jobs.find(job_id)
        if job.result is None or by not in job.result["groups"]:
            raise refusal(NOT_FOUND, "There are no such groups.", Trouble.NO_GROUPS)
        cohort = job.folder / outcome.H5AD
        found = await asyncio.to_thread(grouped.by_group, cohort, by, job.calls)
        return JSONResponse({"column": by, "groups": found})

    @router.get("/{job_id}/{name}", response_class=FileResponse)
    async def fetch(job_id: str, name: str) -> FileResponse:
        """One of a job's files: scored.h5ad, scored.csv, report.html, or a picture."""
        job = jobs.find(job_id)
        path = job.folder / name if name in FILES else None
        if path is None or not path.is_file():
            raise refusal(NOT_FOUND, "There is no such file.", Trouble.NO_FILE)
        return FileResponse(path, media_type=FILES[name], filename=job.given_name(name))

    return router


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Method, path and description of everything in an OpenAPI document."""
    for path, methods in schema["paths"].items():
        for method, about in methods.items():
            yield {"method": method.upper(), "path": path, **about}
