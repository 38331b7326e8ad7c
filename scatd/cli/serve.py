"""`scatd serve`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from scatd import ranges
from scatd.cli import options, values
from scatd.cli.base import ScatdCommand, examples
from scatd.serving.settings import TOKEN_VARIABLE, ServeSettings

_DEFAULT = ServeSettings()


def _of(field: str) -> values.Number:
    return values.Number(ranges.hints_of(ServeSettings)[field])


@click.command(
    cls=ScatdCommand,
    epilog=examples(
        "scatd serve",
        "SCATD_TOKEN=... scatd serve --host 0.0.0.0 --port 80",
        'curl --data-binary @cells.h5ad "http://127.0.0.1:8000/predict/docetaxel?format=csv"',
    ),
)
@click.option(
    "--host",
    type=values.TEXT,
    default=_DEFAULT.host,
    help="Another than this computer needs SCATD_TOKEN.",
)
@click.option("--port", type=_of("port"), default=_DEFAULT.port, help="Where.")
@click.option(
    "--refresh",
    type=_of("refresh"),
    default=_DEFAULT.refresh,
    help="Seconds between looks at the registry.",
)
@click.option(
    "--max-upload-mb",
    type=_of("max_upload_mb"),
    default=_DEFAULT.max_upload_mb,
    help="Largest file; unpacked it may be eight times as large.",
)
@click.option(
    "--time-limit",
    type=_of("time_limit"),
    default=_DEFAULT.time_limit,
    help="Seconds that a request may take.",
)
@click.option(
    "--workers",
    type=_of("workers"),
    default=_DEFAULT.workers,
    help="Requests that are computed at the same time.",
)
@click.option(
    "--waiting",
    type=_of("waiting"),
    default=_DEFAULT.waiting,
    help="Requests that may wait beside them.",
)
@options.weights_option
@options.gene_map_option
@options.device_option
@options.allow_simulated_option
def serve(
    host: str,
    port: int,
    refresh: float,
    max_upload_mb: int,
    time_limit: float,
    workers: int,
    waiting: int,
    weights: str | None,
    gene_map: Path | None,
    device: str,
    allow_simulated: bool,  # noqa: FBT001
) -> None:
    """Answer over HTTP with the models in production.

    A page for people who do not program is at http://127.0.0.1:8000/, and the interface for
    programs at /docs. A model that is promoted answers within seconds, without a restart. With
    SCATD_TOKEN in the environment, requests need `Authorization: Bearer TOKEN`; without it only
    this computer is listened to. Put a proxy with HTTPS in front of it for a network.
    """
    from scatd.serving.server import serve as work

    settings = ServeSettings(
        host=host,
        port=port,
        token=os.environ.get(TOKEN_VARIABLE),
        refresh=refresh,
        max_upload_mb=max_upload_mb,
        time_limit=time_limit,
        workers=workers,
        waiting=waiting,
        device=device,
        weights=weights,
        gene_map=gene_map,
        allow_simulated=allow_simulated,
    )
    work(settings)
