"""Use case: serve the registry over HTTP until told to stop."""

from __future__ import annotations

import os
import warnings

from scatd import console
from scatd.serving import logs
from scatd.serving.settings import ServeSettings


def serve(settings: ServeSettings) -> None:
    """Listen, and answer until the process is interrupted.

    Raises
    ------
    InputError
        When the store cannot be opened, or there is no such device.
    """
    import uvicorn

    from scatd.serving.app import create_app
    from scatd.serving.service import Service

    service = Service(settings)
    logs.only_events()
    console.set_quiet()
    warnings.simplefilter("ignore")  # they may quote names of cells
    logs.event("starting", host=settings.host, port=settings.port, process=os.getpid())
    uvicorn.run(
        create_app(service),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
    )
