"""A web server of this computer that gives files, and parts of them, and remembers what it gave."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path


class Web(http.server.ThreadingHTTPServer):
    """Serves a folder. `sent` holds the path and the number of bytes of every answer."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.folder = folder
        self.sent: list[tuple[str, int]] = []
        self.status = 0
        """An error that is answered to everything, if any."""
        self.gives_parts = True

    def address(self, name: str, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.server_address[1]}/{name}"

    def handle_error(self, request, client_address):
        """A client that hangs up is no error of the test."""

    def bytes_of(self, name: str) -> int:
        return sum(n for path, n in self.sent if name in path)


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, *, with_body):
        path = self.path.partition("?")[0].lstrip("/")
        file = self.server.folder / path
        status = self.server.status or (200 if file.is_file() else 404)
        body = file.read_bytes() if status == 200 else b""
        part = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        size = len(body)
        headers = {
            "ETag": f'"{hashlib.md5(body).hexdigest()}"',
            "Last-Modified": "Sat, 28 Nov 2026 12:00:00 GMT",
        }
        if self.server.gives_parts:
            headers["Accept-Ranges"] = "bytes"
            if part and status == 200:
                first = int(part[1]) if part[1] else size - int(part[2])
                last = min(int(part[2]), size - 1) if part[1] and part[2] else size - 1
                body, status = body[first : last + 1], 206
                headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.server.sent.append((self.path, len(body)))
            self.wfile.write(body)

    def log_message(self, format, *args):  # noqa: A002
        """Nothing is printed."""


@contextlib.contextmanager
def web(folder: Path) -> Iterator[Web]:
    server = Web(folder)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
