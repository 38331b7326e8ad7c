"""A door before a server that fails as it is told, and one behind which nobody answers."""

from __future__ import annotations

import http.client
import itertools
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Door:
    """Stands before a server. `close` refuses connections, as a server that is down does.

    `statuses` holds, for the next requests, a status that is answered in place of the server's; 0
    lets a request through. It is repeated without end. `asked` counts requests.
    """

    def __init__(self, behind: int) -> None:
        self.port, self._behind = free_port(), behind
        self.answer_with([0])
        self.asked = 0
        self._server: ThreadingHTTPServer | None = None
        self.open()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer_with(self, statuses: list[int]) -> None:
        self._statuses = itertools.cycle(statuses)

    def open(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def _pass_on(self) -> None:
                door.asked += 1
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if status := next(door._statuses):
                    content, headers = b"the upstream failed\nmore", []
                else:
                    link = http.client.HTTPConnection("127.0.0.1", door._behind, timeout=60)
                    kept = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                    link.request(self.command, self.path, body, kept)
                    answer = link.getresponse()
                    status, content = answer.status, answer.read()
                    left = ("content-length", "transfer-encoding", "connection")
                    headers = [pair for pair in answer.getheaders() if pair[0].lower() not in left]
                    link.close()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

        return Handler


class Silent:
    """A socket that takes connections and never answers."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(50)
        self.over = Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._socket.close()
