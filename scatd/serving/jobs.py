"""Jobs of the page: the work goes on after the request, and the browser asks for its progress."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd.data.cell_map import FEWEST_CELLS, MOST_CELLS
from scatd.registry import ModelRef
from scatd.serving import logs, outcome
from scatd.serving.refusals import BUSY, NOT_FOUND, TOO_SLOW, Refusal, failed
from scatd.serving.service import Service
from scatd.wording import counted

if TYPE_CHECKING:
    from starlette.requests import Request

_KEPT_SECONDS = 1800.0
_MOST_KEPT = 40
FILES = {
    outcome.H5AD: "application/x-hdf5",
    outcome.CSV: "text/csv",
    outcome.REPORT: "text/html",
    outcome.HISTOGRAM: "image/png",
    outcome.MAP: "image/png",
}


class Job:
    """One upload with its state and its results."""

    def __init__(self, ref: ModelRef, folder: Path) -> None:
        self.id = secrets.token_urlsafe(16)  # secret: whoever knows it may see the results
        self.ref, self.folder = ref, folder
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
            "error": self.error,
            "files": files,
            "result": self.result,
        }


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
            raise Refusal(NOT_FOUND, "There is no such job, or it was too long ago.")
        return self._jobs[job_id]

    def forget(self, job: Job) -> None:
        """Remove a job and its files."""
        if job.task is not None:
            job.task.cancel()
        self._jobs.pop(job.id, None)
        self._service.scratch.clear(job.folder)

    async def begin(self, request: Request, ref: ModelRef) -> Job:
        """Receive a file, and score it after the request was answered.

        Raises
        ------
        Refusal
            If the server is busy, or the upload cannot be used.
        """
        self._make_room()
        with ExitStack() as held:
            held.enter_context(self._service.place())
            folder = self._service.scratch.new()
            on_fault = held.enter_context(ExitStack())
            on_fault.callback(self._service.scratch.clear, folder)
            upload = await self._service.upload(request, folder)
            on_fault.pop_all()
            job = Job(ref, folder)
            self._jobs[job.id] = job
            job.task = asyncio.create_task(self._work(job, upload, held.pop_all()))
        return job

    def _make_room(self) -> None:
        if len(self._jobs) >= _MOST_KEPT:
            over = [job for job in self._jobs.values() if job.is_over]
            if not over:
                raise Refusal(BUSY, "The server is busy. Try again later.", {"Retry-After": "60"})
            self.forget(over[0])

    async def _work(self, job: Job, upload: Path, held: ExitStack) -> None:
        limit = self._service.settings.time_limit
        work = self._service.start(job.ref, upload, job.folder / outcome.H5AD, job.step)
        try:
            async with asyncio.timeout(limit):
                cells = await work.done
                await asyncio.to_thread(outcome.write_scores, cells, job.folder)
            await self._show(job, cells)
            job.state = "done"
        except TimeoutError:
            what = f"This took longer than {counted(limit, 'second')}. Send fewer cells at a time."
            self._fail(job, Refusal(TOO_SLOW, what))
        except Refusal as refusal:
            self._fail(job, refusal)
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

    async def _show(self, job: Job, cells: Any) -> None:
        """Tell the scores first; the map takes the longest time, and its faults cost no scores."""
        threshold = cells.result.about["threshold"]
        job.result = outcome.summary(cells, threshold)
        job.state = "drawing"
        job.result["map_left_out"] = await self._draw(job, cells)
        try:
            await asyncio.to_thread(outcome.write_page, cells, job.folder, threshold)
        except Exception as error:  # noqa: BLE001 (the scores are there)
            job.result["notes"].append(f"The report could not be written ({_logged(error)}).")
        ref = job.ref
        logs.event("job", drug=ref.drug, model=ref.name, version=ref.version, cells=cells.n_obs)

    async def _draw(self, job: Job, cells: Any) -> str:
        """Draw the map within the time limit of a request. Return why there is none, or nothing.

        A thread cannot be stopped. One that is late goes on, but writes nothing; there is one
        thread for all maps, so that late ones cannot become many.
        """
        limit, is_late = self._service.settings.time_limit, threading.Event()
        drawing = self._service.artist.submit(outcome.write_map, cells, job.folder, is_late)
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

    def _fail(self, job: Job, refusal: Refusal) -> None:
        job.state, job.error = "failed", refusal.message
        for left in job.folder.glob("*"):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


def _logged(error: BaseException) -> str:
    """Log a fault of the server, and return the number under which it is found."""
    number = uuid.uuid4().hex[:12]
    logs.failure("fault", error, request=number)
    return number
