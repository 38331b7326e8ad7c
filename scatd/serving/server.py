"""Use case: serve the registered models over HTTP until the process is stopped."""

from __future__ import annotations

import os
import socket
import warnings

from scatd import activity, console
from scatd.errors import InputError
from scatd.serving import logs
from scatd.serving.settings import ServeSettings


def serve(settings: ServeSettings) -> None:
    """Answer requests until the process is interrupted.

    Raises
    ------
    InputError
        If the address is in use, the store cannot be opened, or there is no such device.
    """
    import uvicorn

    from scatd import tracking
    from scatd.serving.app import create_app
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
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
    )
    with activity.doing("answering requests", is_visible=True):
        uvicorn.Server(config).run(sockets=[listener])


def _listener(settings: ServeSettings) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        what = f"cannot listen on {settings.host}:{settings.port} ({error.strerror})"
        raise InputError(what, remedy="Choose another --port or --host.") from error
    return listener
