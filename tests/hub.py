"""A Hugging Face hub on this machine: model repositories, their branches and commits."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Repository:
    """Files by branch or commit."""

    private: bool = True
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        said = repr(sorted((name, hashlib.sha1(data).hexdigest()) for name, data in files.items()))
        commit = hashlib.sha1(f"{len(self.commits)} {said}".encode()).hexdigest()
        self.commits[commit] = files
        self.branches[branch] = commit
        return commit

    def find(self, revision: str) -> str | None:
        commit = self.branches.get(revision, revision)
        return commit if commit in self.commits else None


class Hub:
    """The server. `TOKEN` may do everything; another token gets `status`, and none sees nothing."""

    TOKEN = "hf_right"

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.asked: list[tuple[str, str]] = []
        self.status = 403
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def make(self, name: str, files: dict[str, bytes] | None = None, *, private: bool = True):
        made = Repository(private)
        made.commit("main", {".gitattributes": b"*.safetensors lfs\n", **(files or {})})
        self.repositories[name] = made
        return made

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._file(with_body=False)

    def do_GET(self):
        path = self._path()
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            return self._info(found[1], found[2] or "main")
        return self._file(with_body=True)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self._path()
        if path == "/api/validate-yaml":
            return self._json({"warnings": [], "errors": []})
        token = self._token()
        if token != self.hub.TOKEN:
            return self._refuse(self.hub.status if token else 401)
        if path == "/api/repos/create":
            said = json.loads(body)
            name = f"{said['organization']}/{said['name']}"
            if name in self.hub.repositories:
                return self._json({"error": "exists", "url": f"{self.hub.url}/{name}"}, 409)
            is_private = said.get("visibility", "") == "private" or said.get("private", False)
            self.hub.make(name, private=is_private)
            return self._json({"url": f"{self.hub.url}/{name}"})
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(branch|preupload|commit)/(.+)", path)
        held = self.hub.repositories.get(found[1]) if found else None
        if held is None:
            return self._refuse(404, "RepoNotFound")
        if found[2] == "branch":
            if found[3] in held.branches:
                return self._refuse(409)
            held.branches[found[3]] = held.branches["main"]
            return self._json({})
        if found[2] == "preupload":
            files = [entry["path"] for entry in json.loads(body)["files"]]
            modes = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            return self._json({"files": [{"path": name, **modes} for name in files]})
        return self._commit(found[1], held, found[3], body)

    def _commit(self, name, held, branch, body):
        files = dict(held.commits[held.branches[branch]])
        for line in map(json.loads, body.decode().splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = held.commit(branch, files)
        url = f"{self.hub.url}/{name}/commit/{commit}"
        return self._json({"success": True, "commitOid": commit, "commitUrl": url})

    def _info(self, name, revision):
        held = self._seen(name)
        if held is None:
            return None
        commit = held.find(revision)
        if commit is None:
            return self._refuse(404, "RevisionNotFound")
        files = [{"rfilename": n, "size": len(d)} for n, d in held.commits[commit].items()]
        about = {"id": name, "modelId": name, "sha": commit, "private": held.private}
        return self._json({**about, "siblings": files, "tags": []})

    def _file(self, *, with_body):
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._path())
        if not found:
            return self._refuse(404)
        held = self._seen(found[1])
        if held is None:
            return None
        commit = held.find(found[2])
        if commit is None or found[3] not in held.commits[commit]:
            return self._refuse(404, "EntryNotFound")
        data = held.commits[commit][found[3]]
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        return self._answer(200, data, with_body=with_body, ETag=etag, **{"X-Repo-Commit": commit})

    def _seen(self, name):
        """The repository, if this caller may see it; answers otherwise."""
        held, token = self.hub.repositories.get(name), self._token()
        if token not in (None, self.hub.TOKEN):
            self._refuse(self.hub.status)
        elif held is None or (held.private and token is None):
            self._refuse(404 if token else 401, "RepoNotFound")
        else:
            return held
        return None

    def _path(self):
        path = urlsplit(self.path).path
        self.hub.asked.append((self.command, path))
        return path

    def _token(self):
        said = self.headers.get("Authorization")
        return said.removeprefix("Bearer ") if said else None

    def _refuse(self, status, code=""):
        more = {"X-Error-Code": code} if code else {}
        self._answer(status, json.dumps({"error": f"no: {status}"}).encode(), **more)

    def _json(self, value, status=200):
        self._answer(status, json.dumps(value).encode(), **{"Content-Type": "application/json"})

    def _answer(self, status, body, *, with_body=True, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body and self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing on the terminal."""
