"""The address of a scheduler, as `--scheduler` takes it, and which ones are refused."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from scatd.errors import InputError

FORMS = "local:N, tcp://HOST:PORT or tls://HOST:PORT"
OPTION, INSECURE = "--scheduler", "--allow-insecure"
_LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
_CLUSTER = re.compile(r"(tcp|tls)://([\w.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_MOST_PORTS = 65_535


@dataclass(frozen=True)
class Machines:
    """Where tasks are computed.

    Parameters
    ----------
    scheduler
        `local:N`, `tcp://HOST:PORT` or `tls://HOST:PORT`; None computes without a scheduler.
    allow_insecure
        Take a plain `tcp://` address of another host.
    """

    scheduler: str | None = None
    allow_insecure: bool = False

    def __post_init__(self) -> None:
        """Refuse an address that cannot be one, or that anybody on the network could use."""
        if self.scheduler is None or _LOCAL.fullmatch(self.scheduler):
            return
        found = _CLUSTER.fullmatch(self.scheduler)
        if found is None or not 0 < int(found[3]) <= _MOST_PORTS:
            raise InputError(f"{OPTION} is '{self.scheduler[:80]}'", expected=FORMS)
        if found[1] == "tcp" and not self.allow_insecure and not self._is_own_host:
            what = f"{OPTION} is {self.scheduler}, which is not encrypted"
            remedy = (
                "Whoever reaches such a port can run any code on the workers and read the data. "
                f"Use tls://, or add {INSECURE} if the network is closed to others."
            )
            raise InputError(what, remedy=remedy)

    @property
    def n_local(self) -> int | None:
        """The N of `local:N`; None for another address."""
        found = _LOCAL.fullmatch(self.scheduler or "")
        return int(found[1]) if found else None

    @property
    def _is_own_host(self) -> bool:
        host = (urlsplit(self.scheduler or "").hostname or "").lower()
        own = {"localhost", "::1", socket.gethostname().lower(), socket.getfqdn().lower()}
        return host in own or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
