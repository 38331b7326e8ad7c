"""Settings and limits of the server."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from scatd.errors import InputError
from scatd.ranges import Port, Range, Seconds, check_fields, shortened

TOKEN_VARIABLE = "SCATD_TOKEN"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ServeSettings:
    """Address of the server, updates of the models, and limits of a request.

    Parameters
    ----------
    host, port
        Address to listen on; port 0 takes a free port.
    token
        Secret that a client sends (`Authorization: Bearer ...`). Without a token, the server only
        listens to this computer.
    refresh
        Seconds between two readings of the registry.
    max_upload_mb
        Largest body of a request. The content of a file may be eight times as large in memory.
    time_limit
        Seconds that a request may take, with its upload.
    silence_limit
        Seconds that a client has for the headers of a request, and that an upload may be silent.
    min_rate_kb
        Least rate of an upload, kB a second; 0 for none. An upload that is slower for longer than
        `silence_limit` is refused.
    stop_limit
        Seconds after SIGTERM or Ctrl+C within which requests may finish, and the server ends.
    workers
        Requests that are computed at the same time.
    waiting
        Further requests that may upload or wait. Requests beyond them are refused as busy.
    device, weights, gene_map, allow_simulated
        As in `scatd predict`.
    """

    host: str = "127.0.0.1"
    port: Port = 8000
    token: str | None = field(default=None, repr=False)
    refresh: Annotated[float, Range(0.01, 1e9)] = 5.0
    max_upload_mb: Annotated[int, Range(1, 1_000_000)] = 1024
    time_limit: Seconds = 300.0
    silence_limit: Seconds = 10.0
    min_rate_kb: Annotated[float, Range(0, 1e6)] = 10.0
    stop_limit: Annotated[float, Range(1, 1e6)] = 10.0
    workers: Annotated[int, Range(1, 1000)] = 2
    waiting: Annotated[int, Range(0, 100_000)] = 30
    device: str = "auto"
    weights: str | None = None
    gene_map: Path | None = None
    allow_simulated: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if not re.fullmatch(r"[A-Za-z0-9._:%-]{1,253}", self.host):
            what = f"... is '{shortened(self.host)}'"
            raise InputError(what, where="--host", expected="a name or an address of this computer")
        if self.token is not None and not self.token.strip():
            raise InputError(
                "... is empty", where=TOKEN_VARIABLE, expected="a secret, or an unset variable"
            )
        if self.token is None and self.host not in LOCAL_HOSTS:
            raise InputError(
                f"... would listen on {self.host}, where others can reach it, without a token",
                where="--host",
                expected=f"one of {', '.join(LOCAL_HOSTS)}, or a token",
                remedy=f"Set {TOKEN_VARIABLE} to a secret that clients send.",
            )

    @property
    def min_rate(self) -> float:
        """Least rate of an upload, bytes a second."""
        return 1000 * self.min_rate_kb

    @property
    def max_upload(self) -> int:
        """Largest body, bytes."""
        return self.max_upload_mb * 1_000_000

    @property
    def max_content(self) -> int:
        """Largest memory that the content of a file may take, bytes."""
        return 8 * self.max_upload
