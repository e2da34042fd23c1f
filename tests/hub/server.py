"""A hub on this machine: what the hub's libraries ask of huggingface.co, and its faults.

It serves repositories of models and of data sets, each at one commit, from folders:
``models/ORG/NAME`` and ``datasets/ORG/NAME`` below its root. Small files come from the hub
itself; weights and data are redirected, as there, to a server of another name ("CDN") that takes
ranges and no token. Faults are switched on by path, for a number of requests.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_thisIsASecretThatNobodyMayEverSee"  # nobody's
LARGE = (".bin", ".safetensors", ".parquet", ".jsonl", ".gz")
"""How files end that the hub keeps elsewhere."""

_PAGE = 20  # files that one answer lists
_KINDS = {"models": "", "datasets": "datasets/"}
_API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+))?/?")
_WRITTEN = re.compile(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main")
_FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Fault:
    """What happens to requests whose path holds some words, so many times.

    Attributes:
        path: The words.
        status: The answer, or none where the file comes, but not as it should.
        times: How often.
        code: The hub's own name of the error, as X-Error-Code.
        headers: What the answer says besides, or otherwise.
        cut: Bytes after which a file ends too early.
        spoilt: Whether its first byte is another.
        delay: Seconds before the answer.
    """

    path: str
    status: int = 0
    times: int = 10**9
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    spoilt: bool = False
    delay: float = 0.0


@dataclass(frozen=True)
class Request:
    """What was asked: with which range of bytes, and with which token."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    host: str

    @property
    def is_content(self) -> bool:
        """Whether it is for what a file holds."""
        return self.method == "GET" and self.path.startswith(("/cdn/", "/kept/"))


class Hub:
    """The server's folders, its repositories' commits and rules, and what it was asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commits: dict[str, str] = {}  # by repository, where not COMMIT
        self.gated: set[str] = set()  # repositories that want a token
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.made: list[dict[str, Any]] = []  # what was said of repositories that were made
        self.port = 0

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT names."""
        return f"http://127.0.0.1:{self.port}"

    def commit(self, name: str) -> str:
        """The one commit of a repository."""
        return self.commits.get(name, COMMIT)

    def folder(self, kind: str, name: str) -> Path:
        """Where a repository's files are."""
        return self.root / kind / name

    def asked(self, words: str = "", *, content: bool = False) -> list[Request]:
        """The requests whose path holds some words; those for what files hold, if so asked."""
        found = [request for request in self.requests if words in request.path]
        return [request for request in found if request.is_content or not content]

    def fault(self, path: str) -> Fault | None:
        """The first fault of a path that is not used up."""
        for fault in self.faults:
            if fault.path in path and fault.times > 0:
                fault.times -= 1
                return fault
        return None


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """Serve the repositories below a folder on a port of this machine."""
    hub = Hub(root)
    server = _Server(hub)
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@cache
def _digest(path: Path, size: int, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sha256(path: Path) -> str:
    about = path.stat()
    return _digest(path, about.st_size, about.st_mtime_ns)


def _is_large(path: Path) -> bool:
    return path.name.endswith(LARGE)


def _listed(path: Path, folder: Path) -> dict[str, Any]:
    digest, size = _sha256(path), path.stat().st_size
    about = {
        "type": "file",
        "oid": digest[:40],
        "size": size,
        "path": f"{path.relative_to(folder)}",
    }
    kept = {"lfs": {"oid": digest, "size": size, "pointerSize": 134}} if _is_large(path) else {}
    return about | kept


class _Server(ThreadingHTTPServer):
    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.hub = hub


class _Answer(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    said: Mapping[str, str] = {}  # headers that a fault puts in the place of ours

    server: _Server

    @property
    def _hub(self) -> Hub:
        return self.server.hub

    def log_message(self, *_: Any) -> None:
        """Say nothing: requests are kept."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def _answer(self, body: str = "") -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        known = (self.headers.get(name) for name in ("Range", "Authorization", "Host"))
        self._hub.requests.append(Request(self.command, path, *known))
        fault, self.said = self._hub.fault(path), {}
        if fault is not None:
            time.sleep(fault.delay)
            self.said = fault.headers
            if fault.status:
                self._fail(fault.status, fault.code)
                return
        if path.startswith(("/cdn/", "/kept/")):
            self._content(self._hub.root / path.split("/", 2)[2], fault or Fault(path))
        elif path in ("/api/repos/create", "/api/validate-yaml") or _WRITTEN.fullmatch(path):
            self._write(path, body)
        elif match := _FILE.fullmatch(path):
            self._file("datasets" if match[1] else "models", *match.groups()[1:])
        elif match := _API.fullmatch(re.sub(r"(/tree/[^/]+)/.*", r"\1", path)):
            below = re.sub(r".*/tree/[^/]+/?", "", path) if "/tree/" in path else ""
            self._api(*match.groups(), below, parse_qs(address.query) | parse_qs(body))
        else:
            self._fail(404)

    def _write(self, path: str, body: str) -> None:
        """What an upload asks: to make a repository, to check a card, and to commit files."""
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._fail(401, headers={"X-Error-Message": "Invalid username or password."})
        elif path == "/api/repos/create":
            said = json.loads(body)
            self._hub.made.append(said)
            name = f"{said['organization']}/{said['name']}"
            self._hub.folder("models", name).mkdir(parents=True)
            self._json({"url": f"{self._hub.endpoint}/{name}", "name": name, "id": name})
        elif match := _WRITTEN.fullmatch(path):
            self._commit(match[1], match[2], body)
        else:
            self._json({"errors": [], "warnings": []})

    def _commit(self, name: str, what: str, body: str) -> None:
        if what == "preupload":
            found = [{"path": one["path"]} for one in json.loads(body)["files"]]
            kept = {"uploadMode": "regular", "shouldIgnore": False}
            self._json({"files": [{**one, **kept} for one in found]})
            return
        folder = self._hub.folder("models", name)
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                (folder / line["value"]["path"]).write_bytes(b64decode(line["value"]["content"]))
        self._json(
            {"commitUrl": f"{self._hub.endpoint}/{name}/commit/{COMMIT}", "commitOid": COMMIT}
        )

    def _is_there(self, kind: str, name: str, revision: str | None) -> bool:
        """Whether a repository has a revision; if not, the hub's answer is given."""
        if not self._hub.folder(kind, name).is_dir():
            if self.headers.get("Authorization"):
                self._fail(404, "RepoNotFound")
            else:  # the hub does not tell strangers what it has
                self._fail(401, headers={"X-Error-Message": "Invalid username or password."})
            return False
        if revision not in (None, "main", self._hub.commit(name)):
            self._fail(404, "RevisionNotFound")
            return False
        return True

    def _api(
        self,
        kind: str,
        name: str,
        what: str | None,
        revision: str | None,
        below: str,
        said: dict[str, list[str]],
    ) -> None:
        if not self._is_there(kind, name, revision):
            return
        folder = self._hub.folder(kind, name)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if what == "paths-info":
            wanted = [folder / path for path in said.get("paths", [])]
            self._json([_listed(path, folder) for path in files if path in wanted])
        elif what == "tree":
            self._tree(files, folder, below, said)
        else:
            siblings = [{"rfilename": str(path.relative_to(folder))} for path in files]
            gated = "manual" if name in self._hub.gated else False
            about = {"id": name, "sha": self._hub.commit(name), "private": False, "gated": gated}
            self._json({**about, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0})

    def _tree(
        self, files: list[Path], folder: Path, below: str, said: dict[str, list[str]]
    ) -> None:
        here = folder / below
        found: list[dict[str, Any]]
        if said.get("recursive", ["False"])[0].lower() in ("true", "1"):
            found = [_listed(path, folder) for path in files if path.is_relative_to(here)]
        elif here.is_dir():
            inner = sorted(path for path in here.iterdir() if path.is_dir())
            found = [
                {"type": "directory", "oid": "0" * 40, "path": str(path.relative_to(folder))}
                for path in inner
            ]
            found += [_listed(path, folder) for path in files if path.parent == here]
        else:
            self._fail(404, "EntryNotFound")
            return
        start = int(said.get("cursor", ["0"])[0])
        headers = {}
        if start + _PAGE < len(found):
            own = self.path.split("?")[0]
            given = {name: values[0] for name, values in said.items() if name != "cursor"}
            query = "&".join(f"{k}={v}" for k, v in {**given, "cursor": start + _PAGE}.items())
            headers["Link"] = f'<{self._hub.endpoint}{own}?{query}>; rel="next"'
        self._json(found[start : start + _PAGE], headers)

    def _file(self, kind: str, name: str, revision: str, inner: str) -> None:
        if not self._is_there(kind, name, revision):
            return
        path = self._hub.folder(kind, name) / inner
        commit = {"X-Repo-Commit": self._hub.commit(name)}
        if name in self._hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._fail(403 if self.headers.get("Authorization") else 401, "GatedRepo", commit)
            return
        if not path.is_file():
            self._fail(404, "EntryNotFound", commit)
            return
        where = path.relative_to(self._hub.root)
        digest, size = _sha256(path), str(path.stat().st_size)
        if _is_large(path):
            found = f"http://localhost:{self._hub.port}/cdn/{where}"
            linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": size}
            self._send(302, b"", {**commit, **linked, "Location": found})
        else:
            about = {"X-Linked-Size": size, "ETag": f'"{digest[:40]}"'}
            self._send(307, b"", {**commit, **about, "Location": f"/kept/{where}"})

    def _content(self, path: Path, fault: Fault) -> None:
        content = path.read_bytes()
        if fault.spoilt:
            content = bytes([content[0] ^ 1]) + content[1:]
        name = self._hub.commit("/".join(path.relative_to(self._hub.root).parts[1:3]))
        headers = {"X-Repo-Commit": name, "Accept-Ranges": "bytes"}
        headers["ETag"] = f'"{_sha256(path)[: None if _is_large(path) else 40]}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._send(200, content, headers, fault.cut)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._send(206, content[first : last + 1], headers, fault.cut)

    def _json(self, content: Any, headers: Mapping[str, str] = {}) -> None:
        self._send(
            200, json.dumps(content).encode(), {"Content-Type": "application/json", **headers}
        )

    def _fail(self, status: int, code: str = "", headers: Mapping[str, str] = {}) -> None:
        named = {"X-Error-Code": code} if code else {}
        self._send(status, json.dumps({"error": code or "?"}).encode(), {**named, **headers})

    def _send(
        self, status: int, content: bytes, headers: Mapping[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        said = {**headers, **self.said, "Content-Length": str(len(content))}
        for name, value in said.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:cut])
        if cut is not None:
            self.close_connection = True
