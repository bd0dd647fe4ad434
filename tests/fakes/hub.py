"""A hub of models on loopback: the answers that huggingface_hub reads, scripted mishaps, and what was asked.

``HEAD`` and ``GET /OWNER/NAME/resolve/REVISION/PATH`` as the real one gives them (commit, size and sha256 in
headers, a redirect to another host for the bytes), ``GET /api/whoami-v2``, ``GET /api/models/OWNER/NAME``
with the files and their hashes, and its refusals with their codes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "1234567890abcdef1234567890abcdef12345678"
PATIENCE_SECONDS = 120

_RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_LISTED = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)/revision/(?P<revision>[^/]+)")
_STORED_APART = (".gguf", ".safetensors", ".bin", ".model")
_RANGE = re.compile(r"bytes=(?P<start>\d+)-")


@dataclass(frozen=True)
class Seen:
    """One request as it arrived, and the status that it got."""

    method: str
    host: str
    path: str
    start: int | None
    authorization: str | None
    user_agent: str
    status: int


@dataclass
class Mishap:
    """What goes wrong with one request for the bytes of a file, after ``after`` of them."""

    after: int = 0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    wait_for: threading.Event | None = None
    wrong: bool = False
    ignore_range: bool = False
    location: str = ""


class Hub:
    """The server; use it as a context manager. ``files`` maps (repository, path) to the bytes."""

    def __init__(
        self, files: Mapping[tuple[str, str], bytes], cdn: str = "", tls: Path | None = None
    ) -> None:
        """``cdn`` is the host name that bytes are redirected to; ``tls`` a file with key and certificate."""
        self.files = dict(files)
        self.cdn = cdn
        self.gated: set[str] = set()
        self.members: set[str] = set()
        self.tokens: dict[str, str] = {}
        self.seen: list[Seen] = []
        self.asked: list[Mishap | None] = []
        """For each HEAD, in turn."""
        self.mishaps: list[Mishap | None] = []
        """For each request of bytes, in turn."""
        self.overdue = 0
        """How often an event that a mishap waits for never came."""
        self.drop: set[str] = set()
        """Headers that this hub does not know of."""
        self.cards: dict[str, dict[str, object]] = {}
        """What the card of a repository says, by name."""
        self.odd: dict[str, dict[str, object]] = {}
        """What the list of a repository says of its files otherwise than it should, by path."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        self.port = self._server.server_address[1]
        self.scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def bodies(self) -> list[Seen]:
        """The requests that were for the bytes of a file, and got some."""
        return [seen for seen in self.seen if seen.method == "GET" and seen.status in (200, 206)]

    def note(self, seen: Seen) -> None:
        """Writes a request down."""
        with self._lock:
            self.seen.append(seen)

    def next_of(self, mishaps: list[Mishap | None]) -> Mishap:
        """The next mishap of a list."""
        with self._lock:
            return (mishaps.pop(0) if mishaps else None) or Mishap()

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined,no-any-return]

    def do_HEAD(self) -> None:
        self._answer(self._resolve)

    def do_GET(self) -> None:
        if self.path == "/api/whoami-v2":
            self._answer(self._whoami)
        elif self.path.startswith("/api/models/"):
            self._answer(self._list)
        elif self.path.startswith("/cdn/"):
            self._answer(lambda: self._bytes(self._by_hash(self.path.removeprefix("/cdn/"))))
        else:
            self._answer(self._resolve)

    def _answer(self, action: Callable[[], None]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            action()

    def _whoami(self) -> None:
        name = self.hub.tokens.get(self._token() or "")
        if name is None:
            self._refuse(401, "", "Invalid credentials in Authorization header")
            return
        self._tell({"type": "user", "name": name})

    def _list(self) -> None:
        found = _LISTED.fullmatch(urlsplit(unquote(self.path)).path)
        assert found, self.path
        repo, hub = found["repo"], self.hub
        mishap = hub.next_of(hub.asked)
        if mishap.status:
            self._refuse(mishap.status, "", "a mishap", mishap.headers)
        elif repo not in {repo for repo, _ in hub.files}:
            self._refuse(401 if self._token() is None else 404, "RepoNotFound", "Repository not found")
        else:
            files = [_listed(path, body) for (owner, path), body in hub.files.items() if owner == repo]
            told = [file | hub.odd.get(str(file["rfilename"]), {}) for file in files]
            gated = "manual" if repo in hub.gated else False
            card = hub.cards.get(repo, {})
            self._tell({"id": repo, "sha": COMMIT, "gated": gated, "cardData": card, "siblings": told})

    def _tell(self, told: object) -> None:
        body = json.dumps(told).encode()
        self._start(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _resolve(self) -> None:
        found = _RESOLVE.fullmatch(unquote(self.path))
        assert found, self.path
        repo, path, token = found["repo"], found["path"], self._token()
        hub = self.hub
        if repo in hub.gated and token not in hub.members:
            restricted = f"Access to model {repo} is restricted."
            self._refuse(403 if token in hub.tokens else 401, "GatedRepo", restricted)
        elif token is not None and token not in hub.tokens:
            self._refuse(401, "", "Invalid credentials in Authorization header")
        elif repo not in {repo for repo, _ in hub.files}:
            self._refuse(401 if token is None else 404, "RepoNotFound", "Repository not found")
        elif found["revision"] not in ("main", COMMIT):
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {found['revision']}")
        elif (repo, path) not in hub.files:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": COMMIT})
        else:
            body = hub.files[repo, path]
            (self._offer if path.endswith(_STORED_APART) else self._offer_small)(body)

    def _offer_small(self, body: bytes) -> None:
        """A file that lies in the repository itself has the name that git gives it, and no redirect."""
        if self.command == "HEAD":
            told = {"X-Repo-Commit": COMMIT, "ETag": f'"{blob_of(body)}"', "Content-Length": str(len(body))}
            self._start(200, told)
        else:
            self._bytes(body)

    def _offer(self, body: bytes) -> None:
        sha256 = hashlib.sha256(body).hexdigest()
        told = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(body)), "X-Linked-ETag": f'"{sha256}"'}
        told = {name: value for name, value in told.items() if name not in self.hub.drop}
        mishap = self.hub.next_of(self.hub.asked) if self.command == "HEAD" else Mishap()
        if mishap.status:
            self._refuse(mishap.status, "", "a mishap", mishap.headers)
        elif self.hub.cdn:
            location = f"{self.hub.scheme}://{self.hub.cdn}:{self.hub.port}/cdn/{sha256}"
            self._start(302, {**told, "Location": location, "Content-Length": "0"})
        elif self.command == "HEAD":
            self._start(200, {**told, "ETag": '"of-the-store"', "Content-Length": str(len(body))})
        else:
            self._bytes(body)

    def _by_hash(self, sha256: str) -> bytes:
        return next(body for body in self.hub.files.values() if hashlib.sha256(body).hexdigest() == sha256)

    def _bytes(self, body: bytes) -> None:
        mishap = self.hub.next_of(self.hub.mishaps)
        if mishap.status:
            self._refuse(mishap.status, "", "a mishap", mishap.headers)
            return
        if mishap.location:
            self._start(302, {"Location": mishap.location, "Content-Length": "0"})
            return
        start = 0 if mishap.ignore_range else (self._range() or 0)
        if mishap.wrong:
            body = body[:-1] + bytes([body[-1] ^ 1])
        length = {"Content-Length": str(len(body) - start), "Accept-Ranges": "bytes"}
        if self._range() is None or mishap.ignore_range:
            self._start(200, length)
        else:
            self._start(206, {**length, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"})
        self._send(body[start:], mishap)

    def _send(self, body: bytes, mishap: Mishap) -> None:
        if mishap.cut or mishap.wait_for:
            self.wfile.write(body[: mishap.after])
            self.wfile.flush()
            if mishap.wait_for and not mishap.wait_for.wait(PATIENCE_SECONDS):
                self.hub.overdue += 1
            body = b"" if mishap.cut else body[mishap.after :]
            self.close_connection = True
        self.wfile.write(body)

    def _refuse(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        told = {"X-Error-Code": code, "X-Error-Message": message, "Content-Length": "0"}
        self._start(status, {name: value for name, value in told.items() if value} | dict(headers or {}))

    def _start(self, status: int, headers: Mapping[str, str]) -> None:
        host, agent = self.headers["Host"], self.headers["User-Agent"]
        authorization = self.headers["Authorization"]
        self.hub.note(
            Seen(self.command, host, unquote(self.path), self._range(), authorization, agent, status)
        )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _range(self) -> int | None:
        found = _RANGE.fullmatch(self.headers["Range"] or "")
        return int(found["start"]) if found else None

    def _token(self) -> str | None:
        authorization = self.headers["Authorization"]
        return authorization.removeprefix("Bearer ") if authorization else None

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def blob_of(body: bytes) -> str:
    """What git calls a content."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


def _listed(path: str, body: bytes) -> dict[str, object]:
    told: dict[str, object] = {"rfilename": path, "size": len(body), "blobId": blob_of(body)}
    if path.endswith(_STORED_APART):
        sha256 = hashlib.sha256(body).hexdigest()
        told["lfs"] = {"sha256": sha256, "size": len(body), "pointerSize": 134}
    return told


class Proxy:
    """An HTTP proxy that asks for a name and a password, and leads every tunnel to one port of loopback."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self.target = port
        self.credentials = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.tunnels: list[str] = []
        self.refused = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Proxy:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as reader:
            lines = [line.decode().strip() for line in iter(reader.readline, b"\r\n") if line]
            if f"Proxy-Authorization: {self.credentials}".casefold() not in map(str.casefold, lines):
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            self.tunnels.append(lines[0].split()[1])
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join(PATIENCE_SECONDS)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until something holds, and fails if it never does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
