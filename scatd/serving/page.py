"""Two HTML pages: one to score a file without programming, and one that lists the routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.security import HTTPBearer
from jinja2 import Environment, FileSystemLoader
from starlette.staticfiles import StaticFiles

from scatd import __version__
from scatd.serving import outcome
from scatd.serving.jobs import FILES, Jobs
from scatd.serving.refusals import NOT_FOUND, Refusal
from scatd.serving.service import Service

_HERE = Path(__file__).parent


def add_page(app: FastAPI, service: Service) -> None:
    """Add `/`, `/docs`, their static files, and the routes of the jobs."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        template = environment.get_template("page.html")
        has_token = service.settings.token is not None
        return HTMLResponse(
            template.render(
                version=__version__,
                # Without the token, the models are not listed.
                models=[] if has_token else service.models.refs(),
                needs_token=has_token,
                max_upload_mb=service.settings.max_upload_mb,
                what_it_means=outcome.WHAT_IT_MEANS,
            )
        )

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        schema = app.openapi()
        template = environment.get_template("docs.html")
        return HTMLResponse(template.render(schema=schema, operations=list(_operations(schema))))

    app.include_router(_jobs(service))


def _jobs(service: Service) -> APIRouter:
    dependencies = [Depends(HTTPBearer(auto_error=False))]
    router = APIRouter(prefix="/jobs", tags=["page"], dependencies=dependencies)
    jobs = Jobs(service)

    @router.post("/{drug}", status_code=202)
    async def begin(
        request: Request, drug: str, family: str | None = Query(default=None)
    ) -> JSONResponse:
        """Receive a file as /predict does, and score it after the answer. Ask for the progress."""
        job = await jobs.begin(request, service.find(drug, family))
        return JSONResponse(job.about(), 202)

    @router.get("/{job_id}")
    async def look(job_id: str) -> JSONResponse:
        """Progress and results of a job."""
        return JSONResponse(jobs.find(job_id).about())

    @router.delete("/{job_id}", status_code=204)
    async def forget(job_id: str) -> Response:
        """Remove a job and its files."""
        jobs.forget(jobs.find(job_id))
        return Response(status_code=204)

    @router.get("/{job_id}/{name}", response_class=FileResponse)
    async def fetch(job_id: str, name: str) -> FileResponse:
        """One of a job's files: scored.h5ad, scored.csv, report.html, or a picture."""
        path = jobs.find(job_id).folder / name if name in FILES else None
        if path is None or not path.is_file():
            raise Refusal(NOT_FOUND, "There is no such file.")
        return FileResponse(path, media_type=FILES[name], filename=name)

    return router


def _operations(schema: dict[str, Any]) -> Any:
    """Method, path and description of everything in an OpenAPI document."""
    for path, methods in schema["paths"].items():
        for method, about in methods.items():
            yield {"method": method.upper(), "path": path, **about}
