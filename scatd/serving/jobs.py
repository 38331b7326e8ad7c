"""Jobs of the page: the work goes on after the request, and the browser asks for its progress."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import threading
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd.data.cell_map import FEWEST_CELLS, MOST_CELLS
from scatd.decision import call_codes
from scatd.registry import ModelRef
from scatd.serving import grouped, logs, outcome, page_words, sets
from scatd.serving.refusals import (
    BAD_REQUEST,
    BUSY,
    NOT_FOUND,
    Refusal,
    Trouble,
    failed,
    refusal,
    unusable,
)
from scatd.serving.service import Service
from scatd.wording import counted, printable

if TYPE_CHECKING:
    from starlette.requests import Request

    from scatd.workflows.predict.request import PredictedCells
    from scatd.workflows.predict.together import Together

_KEPT_SECONDS = 1800.0
_MOST_KEPT = 40
FILES = {
    outcome.H5AD: "application/x-hdf5",
    outcome.CSV: "text/csv",
    outcome.REPORT: "text/html",
    **dict.fromkeys((*outcome.HISTOGRAMS, *outcome.MAPS), "image/png"),
}
"""Kinds of the files of a job, by their names on the server."""
_LONGEST_NAME = 120


class Job:
    """One upload with its state and its results.

    Parameters
    ----------
    refs
        The models that score it, one a drug.
    folder
        Its files.
    name
        Name of the upload as the user knows it, which is only shown; may be empty.
    """

    def __init__(self, refs: Sequence[ModelRef], folder: Path, name: str = "") -> None:
        self.id = secrets.token_urlsafe(16)  # secret: whoever knows it may see the results
        self.refs, self.folder, self.name = refs, folder, name
        self.calls: dict[str, Any] = {}
        self.state, self.error, self.n_done = "scoring", "", 0
        self.result: dict[str, Any] | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the job is done or failed."""
        return self.state in ("done", "failed")

    def step(self, n_cells: int) -> None:
        """Count cells as they are scored."""
        self.n_done += n_cells

    def about(self) -> dict[str, Any]:
        """The state of the job, as the page reads it."""
        files = [name for name in FILES if (self.folder / name).is_file()]
        return {
            "job": self.id,
            "state": self.state,
            "n_done": self.n_done,
            "n_drugs": len(self.refs),
            "error": self.error,
            "files": files,
            "names": {name: self.given_name(name) for name in files},
            "result": self.result,
        }

    def given_name(self, name: str) -> str:
        """Name of a file of the job for who keeps it, which begins with that of the upload."""
        stem = self.name.partition(".")[0] if self.name[:1] != "." else ""
        return f"{stem}-{name}" if stem else name


class Jobs:
    """Jobs of the last half hour, forty at most."""

    def __init__(self, service: Service) -> None:
        self._service, self._jobs = service, dict[str, Job]()

    def find(self, job_id: str) -> Job:
        """A job by its id.

        Raises
        ------
        Refusal
            404 if there is none, or if it was removed.
        """
        if job_id not in self._jobs:
            what = "There is no such job, or it was too long ago."
            raise refusal(NOT_FOUND, what, Trouble.NO_JOB)
        return self._jobs[job_id]

    def forget(self, job: Job) -> None:
        """Remove a job and its files."""
        if job.task is not None:
            job.task.cancel()
        self._jobs.pop(job.id, None)
        self._service.scratch.clear(job.folder)

    async def begin(self, request: Request, refs: Sequence[ModelRef], name: str = "") -> Job:
        """Receive a file, and score it after the request was answered; `name` is that of the file.

        Raises
        ------
        Refusal
            If the server is busy, or the upload cannot be used.
        """
        _require_apart(refs)
        self._make_room()
        with ExitStack() as held:
            held.enter_context(self._service.place())
            folder = self._service.scratch.new()
            on_fault = held.enter_context(ExitStack())
            on_fault.callback(self._service.scratch.clear, folder)
            upload = await self._service.upload(request, folder)
            on_fault.pop_all()
            job = Job(refs, folder, _plain(name))
            self._jobs[job.id] = job
            job.task = asyncio.create_task(self._work(job, upload, held.pop_all()))
        return job

    def _make_room(self) -> None:
        if len(self._jobs) >= _MOST_KEPT:
            over = [job for job in self._jobs.values() if job.is_over]
            if not over:
                what = "The server is busy. Try again later."
                raise refusal(BUSY, what, Trouble.BUSY, {"Retry-After": "60"})
            self.forget(over[0])

    async def _work(self, job: Job, upload: Path, held: ExitStack) -> None:
        limit = self._service.settings.time_limit
        work = self._service.start(job.refs, upload, job.folder / outcome.H5AD, job.step)
        try:
            async with asyncio.timeout(limit):
                found = await work.done
                await asyncio.to_thread(outcome.write_scores, found.cells, job.folder)
                columns = await asyncio.to_thread(_columns, job.folder)
            await self._show(job, found, columns)
            job.state = "done"
        except TimeoutError:
            self._fail(job, self._service.too_slow())
        except Refusal as refused:
            self._fail(job, refused)
        except Exception as error:  # noqa: BLE001 (the page shows a message for every error)
            self._fail(job, failed(error, _logged(error)))
        finally:
            if work.give_up():
                work.when_ended(held.close)
            else:
                held.close()
                for left in job.folder.glob("upload*"):
                    left.unlink(missing_ok=True)
            asyncio.get_running_loop().call_later(_KEPT_SECONDS, self.forget, job)

    async def _show(self, job: Job, found: Together, columns: list[str]) -> None:
        """Tell the scores first; the map takes the longest time, and its faults cost no scores."""
        drugs = [outcome.summary(cells, cells.result.about["threshold"]) for cells in found.cells]
        job.calls = {
            cells.ref.drug: call_codes(cells.table["response"].to_numpy()) for cells in found.cells
        }
        job.result = {
            "file": job.name,
            "n_cells": found.cells[0].n_obs,
            "drugs": drugs,
            "left_out": [
                {"drug": ref.drug, "why": page_words.told(unusable(error, job.folder), job.name)}
                for ref, error in found.left_out.items()
            ],
            "notes": [],
            "sets": await asyncio.to_thread(sets.in_words, found.cells),
            "groups": columns,
            **outcome.first_rows(found.cells),
        }
        job.state = "drawing"
        job.result["map_left_out"] = await self._draw(job, found.cells)
        try:
            await asyncio.to_thread(outcome.write_page, found.cells, job.folder, job.name)
        except Exception as error:  # noqa: BLE001 (the scores are there)
            job.result["notes"].append(f"The report could not be written ({_logged(error)}).")
        for cells in found.cells:
            ref = cells.ref
            logs.event("job", drug=ref.drug, model=ref.name, version=ref.version, cells=cells.n_obs)

    async def _draw(self, job: Job, cells: Sequence[PredictedCells]) -> str:
        """Draw the map within the time limit of a request. Return why there is none, or nothing.

        A thread cannot be stopped. One that is late goes on, but writes nothing; there is one
        thread for all maps, so that late ones cannot become many.
        """
        limit, is_late = self._service.settings.time_limit, threading.Event()
        drawing = self._service.artist.submit(outcome.write_maps, cells, job.folder, is_late)
        try:
            async with asyncio.timeout(limit):
                is_drawn = await asyncio.wrap_future(drawing)
        except TimeoutError:
            return f"it took longer than {counted(limit, 'second')}"
        except Exception as error:  # noqa: BLE001 (the scores are there)
            return f"it could not be drawn; see the log of the server, under {_logged(error)}"
        finally:
            is_late.set()
        return "" if is_drawn else f"it is drawn for {FEWEST_CELLS} to {MOST_CELLS} cells"

    def _fail(self, job: Job, refused: Refusal) -> None:
        job.state, job.error = "failed", page_words.told(refused, job.name)
        for left in job.folder.glob("*"):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


def _require_apart(refs: Sequence[ModelRef]) -> None:
    """Refuse two models of one drug, whose scores would have the same names, or too many drugs."""
    most = outcome.MOST_DRUGS
    if len({ref.drug for ref in refs}) < len(refs) or not 1 <= len(refs) <= most:
        what = f"Expected one model a drug, and at most {counted(most, 'drug')}."
        raise refusal(BAD_REQUEST, what, Trouble.NO_SUCH_MODELS, most=str(most))


def _plain(name: str) -> str:
    """The name of a file without folders and without what cannot be shown."""
    last = re.split(r"[/\\]", name)[-1]
    return printable(last, _LONGEST_NAME).strip()


def _columns(folder: Path) -> list[str]:
    return grouped.grouping_columns(folder / outcome.H5AD)


def _logged(error: BaseException) -> str:
    """Log a fault of the server, and return the number under which it is found."""
    number = uuid.uuid4().hex[:12]
    logs.failure("fault", error, request=number)
    return number
