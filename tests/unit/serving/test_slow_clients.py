"""A client that is slow, or says nothing, keeps a place for seconds and no longer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import pytest

from scatd.serving.pace import at_least
from scatd.serving.refusals import Refusal

HEAD = b"POST /predict/docetaxel HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"


def test_stalled_uploads_free_their_places(listen, cells):
    """All places are taken by clients that send the start of a file, and then nothing."""
    server = listen(silence_limit=1.5, workers=2, waiting=6)
    good = (cells / "cells.npy").read_bytes()
    whole = HEAD.replace(b"100000", b"%d" % len(good)) + good
    with contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(server.connect()) for _ in range(8)]
        for connection in stalled:
            connection.sendall(HEAD + b"\x93NUMPY")
        while server.service._places:
            time.sleep(0.01)
        assert server.ask(whole)[0] == 503
        for connection in stalled:
            status, _, body = server.read(connection)
            assert status == 408
            assert b"no silence of 1.5 seconds" in body
    assert server.ask(whole)[0] == 200
    assert server.service._places == 8
    while list(server.service.scratch.root.iterdir()):  # the answer's folder, after it was read
        time.sleep(0.01)


@pytest.mark.parametrize("start", [b"", b"GET /dr", b"GET /drugs HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_headers_that_do_not_come_are_refused(listen, start):
    server = listen(silence_limit=0.5)
    with server.connect() as connection:
        connection.sendall(start)
        status, headers, body = server.read(connection)
    assert status == 408
    assert json.loads(body) == {"error": "The headers took longer than 0.5 seconds."}
    assert headers["connection"] == "close"


def test_a_second_request_on_a_connection_has_the_same_time(listen):
    server = listen(silence_limit=0.7)
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(request)
            assert server.read(connection)[0] == 200
            time.sleep(0.9)  # idle between requests: that is allowed
        connection.sendall(request[:20])
        assert server.read(connection)[0] == 408


async def parts(*pairs):
    """Parts of a body, each after some seconds."""
    for seconds, size in pairs:
        await asyncio.sleep(seconds)
        yield bytes(size)


def received(stream):
    async def read():
        return [len(part) async for part in stream]

    return asyncio.run(read())


def test_what_comes_fast_enough_is_taken():
    steady = parts(
        *[(0.05, 100)] * 20
    )  # 2,000 bytes a second, for longer than the limit of silence
    assert sum(received(at_least(steady, silence_limit=0.5, rate=1000))) == 2000
    late = parts((0.3, 1), (0.3, 1), (0.3, 1))
    assert sum(received(at_least(late, silence_limit=0.6, rate=0))) == 3


@pytest.mark.parametrize(
    "stream",
    [
        [(0.05, 10)] * 100,  # 200 bytes a second
        [(0.0, 10**6), (2.0, 1)],  # what came before is no credit for a silence
        [(2.0, 10**6)],
    ],
    ids=["too slow", "fast, then silent", "silent"],
)
def test_what_comes_too_slowly_is_refused(stream):
    started = time.monotonic()
    with pytest.raises(Refusal, match="came too slowly") as caught:
        received(at_least(parts(*stream), silence_limit=0.5, rate=1000))
    assert caught.value.status == 408
    assert time.monotonic() - started < 1.8
