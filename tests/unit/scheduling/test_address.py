"""Addresses of schedulers: what is taken, and what is refused before anything is asked."""

from __future__ import annotations

import socket

import pytest

from scatd.errors import InputError
from scatd.scheduling.address import Machines


@pytest.mark.parametrize(
    "address",
    [
        *(None, "local:1", "local:16", "tls://node7:8786", "tls://10.0.0.7:8786"),
        *("tcp://localhost:8786", "tcp://127.0.0.1:1", "tcp://127.8.9.1:65535", "tcp://[::1]:8786"),
        f"tcp://{socket.gethostname()}:8786",
    ],
)
def test_addresses_that_are_safe(address):
    assert Machines(address).scheduler == address


@pytest.mark.parametrize(
    "address",
    ["tcp://node7:8786", "tcp://10.0.0.7:8786", "tcp://127.0.0.1.evil.org:1", "tcp://[fe80::1]:5"],
)
def test_a_plain_address_of_another_host_is_refused_unless_it_is_wanted(address):
    with pytest.raises(InputError, match=r"can run any code.*--allow-insecure") as refused:
        Machines(address)
    assert refused.value.exit_code == 2
    assert Machines(address, allow_insecure=True).scheduler == address


@pytest.mark.parametrize(
    "address",
    [
        *("", "local", "local:", "local:0", "local:-1", "local:2x", "local:99999", "host:8786"),
        *("tcp://", "tcp://host", "tcp://:8786", "tcp://host:0", "tcp://host:65536", "tcp://a b:1"),
        *("tls://host:8786/x", "tls://me@host:1", "http://host:1", "ucx://host:1", "TCP://host:1"),
        "tcp://localhost:8786\n",
    ],
)
@pytest.mark.parametrize("allow_insecure", [False, True])
def test_anything_else_is_no_address(address, allow_insecure):
    with pytest.raises(InputError, match="Expected local:N, tcp://HOST:PORT or tls://HOST:PORT"):
        Machines(address, allow_insecure=allow_insecure)


def test_workers_of_this_machine_are_counted():
    assert Machines("local:12").n_local == 12
    assert Machines("tcp://localhost:8786").n_local is None
    assert Machines().n_local is None
