"""`scatd serve`."""

from __future__ import annotations

import os
from typing import Any

from scatd import activity, ranges
from scatd.cli import values
from scatd.cli.base import command
from scatd.cli.options import cohort, run
from scatd.cli.options.build import Decorator, option, together
from scatd.cli.requests import filled
from scatd.serving import logs
from scatd.serving.settings import TOKEN_VARIABLE, ServeSettings

_NUMBERS = {
    "port": "Port to listen on.",
    "refresh": "Seconds between looks at the registry.",
    "max_upload_mb": "Size of the largest file in MB; unpacked, it may be eight times as large.",
    "time_limit": "Seconds that a request may take.",
    "silence_limit": "Seconds that a client has for its headers, and that an upload may be silent.",
    "min_rate_kb": "Least rate of an upload in kB a second; 0 for none.",
    "stop_limit": "Seconds until the end when stopped; running requests may finish.",
    "workers": "Requests that are computed at the same time.",
    "waiting": "Further requests that may wait.",
}


def _numbers() -> Decorator:
    """One option for each number of the settings."""
    hints, default = ranges.hints_of(ServeSettings), ServeSettings()
    return together(
        *(
            option(f"--{name.replace('_', '-')}", hints[name], text, getattr(default, name))
            for name, text in _NUMBERS.items()
        )
    )


@command(
    "scatd serve",
    "SCATD_TOKEN=... scatd serve --host 0.0.0.0 --port 80",
    'curl --data-binary @cells.h5ad "http://127.0.0.1:8000/predict/docetaxel?format=csv"',
)
@option(
    "--host",
    values.TEXT,
    "Address to listen on. Any but this computer's own needs SCATD_TOKEN.",
    ServeSettings().host,
)
@_numbers()
@cohort.weights
@cohort.gene_map
@run.device
@run.allow_simulated
def serve(**given: Any) -> None:
    """Serve the models in production over HTTP.

    A page for people who do not program is at http://127.0.0.1:8000/, and the interface for
    programs at /docs. A promoted model is used within seconds, without a restart. With SCATD_TOKEN
    in the environment, requests need `Authorization: Bearer TOKEN`. Without it, the server listens
    to this computer only. Put a proxy with HTTPS in front of it for a network.
    """
    settings = filled(ServeSettings, given, token=os.environ.get(TOKEN_VARIABLE))
    with activity.doing("answering requests", is_visible=True):  # its log is JSON, without prose
        logs.begin()
        logs.event("loading", process=os.getpid())  # before the libraries, which take seconds
        from scatd.serving.server import serve as work

        work(settings)
