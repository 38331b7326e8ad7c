"""No request, however malformed, is answered by a fault of the server or leaves a file."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.unit.serving.conftest import listening

HOST = b"Host: 127.0.0.1\r\n"
FORM = b"Content-Type: multipart/form-data; boundary="


def get(target, *headers, host=HOST):
    return b"GET " + target + b" HTTP/1.1\r\n" + host + b"".join(headers) + b"\r\n"


def post(body, *headers, target=b"/predict/docetaxel"):
    size = b"Content-Length: %d\r\n" % len(body)
    return b"POST " + target + b" HTTP/1.1\r\n" + HOST + size + b"".join(headers) + b"\r\n" + body


def form(body, boundary=b"x"):
    return post(body, FORM + boundary + b"\r\n")


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--x--\r\n'
REQUESTS = {
    "nothing": b"",
    "an empty line": b"\r\n\r\n",
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "half a request line": b"GET /drugs",
    "no host": get(b"/drugs", host=b""),
    "two hosts": get(b"/drugs", HOST),
    "a bad host": get(b"/drugs", host=b"Host: [\r\n"),
    "a host with letters": get(b"/drugs", host="Host: ü\r\n".encode()),
    "a host with a path": get(b"/drugs", host=b"Host: 127.0.0.1/evil\r\n"),
    "a bad port": get(b"/drugs", host=b"Host: 127.0.0.1:99999999\r\n"),
    "an empty host": get(b"/drugs", host=b"Host:\r\n"),
    "a bad origin": get(b"/drugs", b"Origin: http://[\r\n"),
    "an origin of bytes": get(b"/drugs", b"Origin: \xff\xfe\r\n"),
    "NUL in a header": get(b"/drugs", b"X-A: a\0b\r\n"),
    "NUL in the target": get(b"/dr\0ugs"),
    "NUL in the address": get(b"/static/%00"),
    "NUL in a drug": get(b"/models/%00"),
    "NUL in a job": get(b"/jobs/%00/%00"),
    "bytes that are no text": get(b"/models/%ff%fe"),
    "half a percent code": get(b"/models/%"),
    "a slash": get(b"/models/%2f"),
    "dots": get(b"/static/../../etc/passwd"),
    "dots, encoded": get(b"/static/%2e%2e/%2e%2e/etc/passwd"),
    "a long address": get(b"/models/" + b"a" * 30_000),
    "a longer address": get(b"/models/" + b"a" * 300_000),
    "a long name of a file": get(b"/static/" + b"a" * 5000),
    "a huge header": get(b"/drugs", b"X-A: " + b"a" * 1_000_000 + b"\r\n"),
    "many headers": get(b"/drugs", *(b"X-%d: a\r\n" % number for number in range(20_000))),
    "a header without a name": get(b"/drugs", b": a\r\n"),
    "a folded header": get(b"/drugs", b"X-A: a\r\n b\r\n"),
    "an absolute address": get(b"http://evil.example/drugs"),
    "an address with a user": get(b"//user@evil.example/drugs"),
    "a star": get(b"*"),
    "no path": get(b"drugs"),
    "a slash too many": get(b"/drugs/"),
    "CONNECT": b"CONNECT evil.example:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an unknown method": b"PROPFIND / HTTP/1.1\r\n" + HOST + b"\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP 0.9": b"GET /\r\n\r\n",
    "HTTP 9": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "HTTP 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a websocket": get(
        b"/", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    ),
    "an upgrade to HTTP 2": get(b"/drugs", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    "a bad range": get(b"/static/page.js", b"Range: bytes=9-1,a-b\r\n"),
    "a range behind the end": get(b"/static/page.js", b"Range: bytes=999999999-\r\n"),
    "a bad date": get(b"/static/page.js", b"If-Modified-Since: yesterday\r\n"),
    "a bad query": get(b"/models/docetaxel?family=%00&family=%ff&=&&=;"),
    "bad cookies": get(b"/drugs", b"Cookie: =;;;\xff\r\n"),
    "a bad scheme": get(b"/drugs", b"Authorization: \xff\r\n"),
    "Basic without a colon": get(b"/drugs", b"Authorization: Basic !!!\r\n"),
    "a negative length": get(b"/predict/docetaxel", b"Content-Length: -1\r\n"),
    "a length in words": get(b"/predict/docetaxel", b"Content-Length: ten\r\n"),
    "two lengths": post(b"x", b"Content-Length: 7\r\n"),
    "a length and chunks": post(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n"),
    "a huge length": b"POST /predict/docetaxel HTTP/1.1\r\n" + HOST
    + b"Content-Length: 99999999999999999999\r\n\r\n",
    "an endless length": b"POST /predict/docetaxel HTTP/1.1\r\n" + HOST
    + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "less than announced": b"POST /predict/docetaxel HTTP/1.1\r\n" + HOST
    + b"Content-Length: 100\r\n\r\nabc",
    "bad chunks": b"POST /predict/docetaxel HTTP/1.1\r\n" + HOST
    + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "half a chunk": b"POST /predict/docetaxel HTTP/1.1\r\n" + HOST
    + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc",
    "another encoding": post(b"x", b"Transfer-Encoding: gzip\r\n"),
    "packed content": post(b"\x1f\x8b", b"Content-Encoding: gzip\r\n"),
    "a form without a boundary": post(PART, b"Content-Type: multipart/form-data\r\n"),
    "a form with an empty boundary": form(PART, b""),
    "a form with a long boundary": form(PART, b"y" * 5000),
    "a form with a quoted boundary": form(PART, b'"'),
    "a form in an unknown charset": form(PART, b"x; charset=klingon"),
    "a form with a boundary of bytes": form(PART, b"\xff\xfe"),
    "an empty form": form(b""),
    "half a form": form(PART[:40]),
    "a form of fields": form(PART.replace(b'; filename="a"', b"")),
    "a form without a name": form(PART.replace(b'name="file"; ', b"")),
    "two files": form(PART.replace(b"--x--\r\n", b"") + PART),
    "a file name of bytes": form(PART.replace(b'"a"', b'"\xff\xfe"')),
    "a file name with NUL": form(PART.replace(b'"a"', b'"\0"')),
    "a file name in code": form(PART.replace(b'filename="a"', b"filename*=x'y'%zz")),
    "a bad header in a form": form(b"--x\r\nX\0: y\r\n\r\nx\r\n--x--"),
    "a huge header in a form": form(b"--x\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\nx\r\n--x--"),
    "a format of bytes": post(b"x", target=b"/predict/docetaxel?format=%ff"),
    "two formats": post(b"x", target=b"/predict/docetaxel?format=csv&format=xml"),
    "a bad Accept": post(b"x", b"Accept: ;;q=,,,text/csv;q=nan\r\n"),
    "an Accept of bytes": post(b"x", b"Accept: \xff/\xff;q=1e999\r\n"),
    "no drug": post(b"x", target=b"/predict/"),
    "an empty drug": post(b"x", target=b"/predict/%20"),
    "a drug of signs": post(b"x", target=b"/predict/%21%21"),
    "JSON of surrogates": post(b'{"features": [[1]], "barcodes": ["\\ud800"]}'),
    "JSON with NUL": post(b'{"features": [[1]], "barcodes": ["\\u0000"], "\\u0000": 1}'),
    "JSON of bytes": post(b'{"features": "\xff"}'),
    "JSON of numbers without end": post(b'{"features": [[' + b"9" * 10_000 + b"]]}"),
    "JSON that is infinite": post(b'{"features": [[Infinity, -Infinity, NaN]]}'),
    "JSON of objects": post(b'{"features": [[{}]]}'),
    "JSON of nothing": post(b'{"features": null}'),
}  # fmt: skip
"""Every one sent as it is, to a server on a socket."""


@pytest.fixture(scope="module")
def server(tiny_registry):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny_registry)
        for name in [name for name in os.environ if name.startswith(("MLFLOW_", "SCATD_TOKEN"))]:
            patch.delenv(name)
        with listening(silence_limit=0.5) as started:
            yield started


def nothing_is_left(server):
    for _ in range(100):
        if not list(server.service.scratch.root.iterdir()):
            return True
        time.sleep(0.02)
    return False


def has_message(headers, body):
    """An error has one message in JSON; static files and ranges are Starlette's own."""
    if headers["content-type"] != "application/json":
        return headers["content-type"].startswith("text/plain")
    return list(json.loads(body)) == ["error"]


@pytest.mark.parametrize("case", REQUESTS)
def test_a_malformed_request_is_no_fault_of_the_server(server, case, caplog):
    status, headers, body = server.ask(REQUESTS[case])
    assert status < 500, body
    if status >= 400:
        assert has_message({name.lower(): value for name, value in headers.items()}, body), body
    assert server.ask(get(b"/healthz"))[0] == 200
    assert nothing_is_left(server)
    assert "fault" not in [record.msg for record in caplog.records]


@pytest.mark.parametrize("n_requests", [100, pytest.param(300, marks=pytest.mark.slow)])
def test_requests_with_changed_bytes_are_no_fault_of_the_server(server, cells, caplog, n_requests):
    """Each has some bytes changed, added or left out."""
    rng = np.random.default_rng(0)
    whole = [
        get(
            b"/models/docetaxel?family=sf", b"Accept: application/json\r\n", b"Origin: http://a\r\n"
        ),
        post((cells / "cells.json").read_bytes()[:300], b"Accept: text/csv\r\n"),
        form(PART),
        get(b"/static/page.js", b"Range: bytes=0-10\r\n", b"If-Range: x\r\n"),
    ]
    requests = []
    for number in range(n_requests):
        request = bytearray(whole[number % len(whole)])
        for _ in range(rng.integers(1, 6)):
            place = int(rng.integers(len(request)))
            request[place : place + int(rng.integers(3))] = rng.bytes(int(rng.integers(3)))
        requests.append(bytes(request))
    seen = set()
    # Some lack their end, and keep a connection until the limit of silence: 8 at a time.
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(server.ask, requests))
    for request, (status, _, body) in zip(requests, answers, strict=True):
        assert status < 500, (request, body)
        seen.add(status)
    assert {200, 400} <= seen
    assert nothing_is_left(server)
    assert "fault" not in [record.msg for record in caplog.records]
