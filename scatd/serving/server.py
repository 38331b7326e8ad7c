"""Use case: serve the registered models over HTTP until the process is stopped."""

from __future__ import annotations

import os
import socket
import threading
import warnings
from typing import TYPE_CHECKING

from scatd import console
from scatd.data import scratch
from scatd.errors import InputError
from scatd.serving import logs
from scatd.serving.settings import ServeSettings

if TYPE_CHECKING:
    import uvicorn

    from scatd.serving.service import Service

_SHARE_OF_REQUESTS = 0.8
"""Part of the time to stop that requests may use; the rest is for cleaning up."""


def serve(settings: ServeSettings) -> None:
    """Answer requests until the process is told to stop by SIGTERM or Ctrl+C.

    Running requests may then finish, and the process ends within `stop_limit` seconds. A second
    signal ends it at once.

    Raises
    ------
    InputError
        If the address is in use, the store cannot be opened, or there is no such device.
    """
    from scatd import tracking
    from scatd.serving.service import Service

    tracking.connect()  # a folder without a store is refused, before anything is made in it
    listener = _listener(settings)
    service = Service(settings)
    logs.only_events()
    console.set_quiet()
    warnings.simplefilter("ignore")  # they may quote names of cells
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{listener.getsockname()[1]}/"
    logs.event("starting", url=url, process=os.getpid(), token=settings.token is not None)
    try:
        _server(service).run(sockets=[listener])
    finally:
        service.close()
    logs.event("stopped")
    if service.is_stopping:
        scratch.clear()
        os._exit(0)  # unloading the libraries takes seconds, and nothing is left to do


def _server(service: Service) -> uvicorn.Server:
    import uvicorn

    from scatd.serving.app import create_app
    from scatd.serving.protocol import patient_protocol

    settings = service.settings

    class Stopping(uvicorn.Server):
        """A server that ends in time. Uvicorn itself waits for threads, however long they take."""

        def handle_exit(self, *_: object) -> None:
            if self.should_exit:
                _end_now(service)
            self.should_exit = service.is_stopping = True
            last = threading.Timer(settings.stop_limit, _end_now, [service])
            last.daemon = True
            last.start()

    return Stopping(
        uvicorn.Config(
            create_app(service),
            http=patient_protocol(settings.silence_limit),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=max(1, int(_SHARE_OF_REQUESTS * settings.stop_limit)),
        )
    )


def _end_now(service: Service) -> None:
    """End the process although threads still work; nothing of an upload stays."""
    logs.event("stopped before all work was finished")
    service.end_children()
    service.scratch.clear()
    scratch.clear()
    os._exit(0)


def _listener(settings: ServeSettings) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        what = f"... cannot listen on {settings.host}:{settings.port} ({error.strerror})"
        raise InputError(what, remedy="Choose another --port or --host.") from error
    return listener
