"""State that the requests of a server share: models, threads, limits; and scoring of uploads."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from scatd.data.preparation import Preparation
from scatd.errors import InputError, ScatdError
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.serving import logs, uploads
from scatd.serving.examiner import Examiner
from scatd.serving.metrics import Metrics
from scatd.serving.models import LiveModels
from scatd.serving.refusals import (
    BUSY,
    NOT_FOUND,
    TIMEOUT,
    TOO_LARGE,
    TOO_SLOW,
    Refusal,
    no_room,
    stopping,
    unusable,
)
from scatd.serving.scratch import Scratch
from scatd.serving.settings import ServeSettings
from scatd.serving.store_faults import reading_model
from scatd.wording import counted
from scatd.workflows.predict.request import PredictedCells, PredictRequest
from scatd.workflows.predict.run import score_file

if TYPE_CHECKING:
    from starlette.requests import Request


@dataclass(frozen=True, eq=False)
class Scored:
    """An answer and its folder. The sender of the answer removes the folder."""

    cells: PredictedCells
    file: Path


class _GivenUpError(Exception):
    """The client no longer waits for this work."""


class Service:
    """The state of one server. Call `close` after the last request."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.models = LiveModels(str(pick_device(settings.device)))
        self.scratch = Scratch()
        self.is_stopping = False
        self.artist = ThreadPoolExecutor(1, "draw")
        self._pool = ThreadPoolExecutor(settings.workers, "score")
        self._works: weakref.WeakSet[Work] = weakref.WeakSet()
        self._was_read = False
        self._places = settings.workers + settings.waiting
        self._examiners: list[Examiner] = []
        self._own = threading.local()
        self._seen = monotonic()

    @property
    def seconds_since_refresh(self) -> float:
        """Seconds since the registry was last read."""
        return monotonic() - self._seen

    def refresh(self) -> None:
        """Read the registry. If that fails, the models stay as they are."""
        try:
            changed = self.models.refresh()
        except Exception as error:  # noqa: BLE001 (without its registry the server goes on)
            self.metrics.refreshes_failed.inc()
            logs.failure("refresh failed", error)
            return
        self._seen, self._was_read = monotonic(), True
        self.metrics.in_production(self.models.refs())
        for ref in changed:
            logs.event("in production", drug=ref.drug, model=ref.name, version=ref.version)

    async def follow(self) -> None:
        """Read the registry again and again, until the task is cancelled."""
        while True:
            await asyncio.sleep(self.settings.refresh)
            await asyncio.to_thread(self.refresh)

    def close(self) -> None:
        """Give up all work, wait a little for its threads, and remove uploads and answers."""
        self.is_stopping = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.artist.shutdown(wait=False, cancel_futures=True)
        works = list(self._works)
        for work in works:
            work.give_up()
        self.end_children()
        wait([work.future for work in works], self.settings.stop_limit / 10)
        for examiner in self._examiners:
            examiner.close()
        self.scratch.clear()

    def end_children(self) -> None:
        """Kill the processes that read uploads; whoever waits for one goes on."""
        for examiner in self._examiners:
            examiner.kill()

    def find(self, drug: str, family: str | None) -> ModelRef:
        """The production version of a drug.

        Raises
        ------
        Refusal
            404 if there is none, 503 if the registry could not be read yet.
        """
        if not self._was_read:
            what = "The registry of models cannot be read now."
            raise Refusal(BUSY, what, {"Retry-After": "10"})
        try:
            return self.models.find(drug, family)
        except InputError as error:
            raise Refusal(NOT_FOUND, str(error)) from error

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places that limit the requests in work.

        Raises
        ------
        Refusal
            503 if all places are taken.
        """
        if self.is_stopping:
            raise stopping()
        if self._places == 0:
            raise Refusal(BUSY, "The server is busy. Try again in a second.", {"Retry-After": "1"})
        self._places -= 1
        self.metrics.in_work.inc()
        try:
            yield
        finally:
            self._places += 1
            self.metrics.in_work.dec()

    async def upload(self, request: Request, folder: Path) -> Path:
        """Write the body to `folder`, within the time limit of a request.

        Raises
        ------
        Refusal
            As `uploads.receive`; 408 if it takes too long.
        """
        try:
            async with asyncio.timeout(self.settings.time_limit):
                return await uploads.receive(
                    request,
                    folder,
                    self.settings.max_upload,
                    self.settings.silence_limit,
                    self.settings.min_rate,
                )
        except TimeoutError as error:
            raise Refusal(TIMEOUT, "The upload took too long.") from error

    async def score(self, request: Request, ref: ModelRef, kind: str) -> Scored:
        """Receive a body, score it with one version, and write the answer.

        Parameters
        ----------
        kind
            Ending of the answer.

        Raises
        ------
        Refusal
            If the server is busy, the time is over, or the body cannot be used.
        """
        with ExitStack() as held:
            held.enter_context(self.place())
            folder = self.scratch.new()
            on_fault = held.enter_context(ExitStack())
            on_fault.callback(self.scratch.clear, folder)
            started = monotonic()
            upload = await self.upload(request, folder)
            left = self.settings.time_limit - (monotonic() - started)
            file = folder / f"scored{kind}"
            work = self.start(ref, upload, file)
            try:
                async with asyncio.timeout(left):
                    cells = await work.done
            except BaseException as error:
                if work.give_up():  # the thread keeps its place and its files until it ends
                    work.when_ended(held.pop_all().close)
                if isinstance(error, TimeoutError):
                    what = f"This took longer than {counted(self.settings.time_limit, 'second')}."
                    raise Refusal(TOO_SLOW, f"{what} Send fewer cells at a time.") from error
                raise
            on_fault.pop_all()
            return Scored(cells, file)

    def examine(self, path: Path, kind: str) -> Path:
        """Let the examiner of this thread read a file, and return the file to score.

        Raises
        ------
        Refusal
            If the file must not be read.
        """
        if not hasattr(self._own, "examiner"):
            self._own.examiner = Examiner()
            self._examiners.append(self._own.examiner)
        settings = self.settings
        examiner: Examiner = self._own.examiner
        return examiner.examine(path, kind, settings.max_content, settings.time_limit)

    def start(
        self, ref: ModelRef, upload: Path, output: Path, progress: Callable[[int], object] = int
    ) -> Work:
        """Score an upload as soon as a thread is free."""
        return Work(self, ref, upload, output, progress)


class Work:
    """The scoring of one upload in a thread of the pool.

    Await `done` for the result. `when_ended` tells when the thread no longer uses the files.
    """

    def __init__(
        self,
        service: Service,
        ref: ModelRef,
        upload: Path,
        output: Path,
        progress: Callable[[int], object],
    ) -> None:
        self._service, self._ref, self._upload, self._output = service, ref, upload, output
        self._progress, self._given_up = progress, threading.Event()
        self._loop = asyncio.get_running_loop()
        self.future: Future[PredictedCells] = service._pool.submit(self._run)
        self.done = asyncio.shield(asyncio.wrap_future(self.future))
        service._works.add(self)

    def give_up(self) -> bool:
        """Stop the work at its next step, and return whether it still runs."""
        self._given_up.set()
        self.future.cancel()
        return not self.future.done()

    def when_ended(self, call: Callable[[], object]) -> None:
        """Call a function in the event loop after the thread has ended."""
        self.future.add_done_callback(lambda _: self._loop.call_soon_threadsafe(call))

    def _run(self) -> PredictedCells:
        settings = self._service.settings
        with reading_model(self._ref):
            model = self._service.models.load(self._ref)
        try:
            upload = uploads.settle(self._upload, self._service.examine)
            request = PredictRequest(
                drug=self._ref.drug,
                input=upload,
                output=self._output,
                preparation=Preparation(settings.weights, settings.gene_map),
                allow_simulated=settings.allow_simulated,
            )
            cells = score_file(request, model.ref, model.scorer, self._step)
        except ScatdError as error:
            raise unusable(error, self._upload.parent) from error
        except MemoryError as error:
            raise Refusal(TOO_LARGE, "This needs more memory than there is.") from error
        except OSError as error:
            raise no_room(error) or error from error
        self._service.metrics.scored(model.ref, cells.n_obs)
        return cells

    def _step(self, n_cells: int) -> None:
        if self._given_up.is_set():
            raise _GivenUpError
        self._progress(n_cells)
