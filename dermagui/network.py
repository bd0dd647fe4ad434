"""The door: nothing leaves this computer but through here, for a named purpose, to a named host.

The ledger is a file of lines that only grows. Sendings of images are rows of their project's
``requests``; the ledger holds one line for each such run, and ``dermagui ledger`` shows both together.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from enum import StrEnum
from functools import cache, lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dermagui import paths
from dermagui.errors import UserError

if TYPE_CHECKING:
    import ssl

    import httpx2


class Purpose(StrEnum):
    """Why something may leave the computer."""

    GENERATE = "generate"
    LIST_MODELS = "list_models"
    DOWNLOAD = "download"


sent_bytes: ContextVar[list[int] | None] = ContextVar("sent_bytes", default=None)
"""Where a caller wants the size of what was sent on its behalf: a list that the door appends to."""


def airplane_is_on() -> bool:
    """Whether nothing may leave this computer. Running children ask before each connection."""
    return _airplane_flag().exists()


def set_airplane(on: bool) -> None:
    """Turns airplane mode on or off, for every process of this user at once."""
    if on:
        _airplane_flag().touch()
    else:
        _airplane_flag().unlink(missing_ok=True)


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host is this very computer."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=64)
def host_of(url: str) -> str:
    """The host of an address; only loopback may do without TLS. Raises ``network.bad_address``."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UserError("network.bad_address", address=url) from error
    host = parts.hostname or ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise UserError("network.bad_address", address=url)
    return host


def check_allowed(host: str, allowed: Iterable[str]) -> None:
    """Raises ``network.airplane`` or ``network.host_not_allowed`` unless a request may go there.

    ``.example.org`` allows every host below that domain. Loopback is this computer: airplane mode does
    not stop it.
    """
    if not any(host == place or (place.startswith(".") and host.endswith(place)) for place in allowed):
        raise UserError("network.host_not_allowed", host=host)
    if not is_loopback(host) and airplane_is_on():
        raise UserError("network.airplane", host=host)


def write_ledger(purpose: Purpose, host: str, **values: object) -> None:
    """Appends one line to the ledger, in one write, so that processes do not mix their lines."""
    from datetime import UTC, datetime

    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = json.dumps({"at": moment, "purpose": purpose, "host": host, **values}, ensure_ascii=False) + "\n"
    descriptor = os.open(ledger_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        data = line.encode("utf-8", "backslashreplace")
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(ledger_file()))
    finally:
        os.close(descriptor)


def read_ledger() -> Iterator[dict[str, Any]]:
    """The lines of the ledger, oldest first; one that a full disk cut off is left out, and was never sent."""
    try:
        with ledger_file().open(encoding="utf-8") as file:
            for line in file:
                with suppress(ValueError):
                    yield json.loads(line)
    except FileNotFoundError:
        return


def ledger_file() -> Path:
    """Where the ledger lies."""
    return paths.data_folder() / "ledger.jsonl"


def async_transport(purpose: Purpose, hosts: Iterable[str], connections: int) -> httpx2.AsyncBaseTransport:
    """A transport for httpx2 clients that goes through the door: allowed hosts only, airplane mode obeyed.

    It honours the system's proxy and the system's certificates. Requests for another purpose than
    generating, whose rows are its entries, are written into the ledger before they are sent.
    """
    import httpx2

    allowed = frozenset(hosts)
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)

    class Door(httpx2.AsyncBaseTransport):
        def __init__(self) -> None:
            self.by_proxy: dict[str | None, httpx2.AsyncHTTPTransport] = {}

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            proxy = _proxy_for(_let_out(request, purpose, allowed))
            if proxy not in self.by_proxy:
                verify = system_certificates()
                self.by_proxy[proxy] = httpx2.AsyncHTTPTransport(verify=verify, limits=limits, proxy=proxy)
            return await self.by_proxy[proxy].handle_async_request(request)

        async def aclose(self) -> None:
            for inner in self.by_proxy.values():
                await inner.aclose()

    return Door()


def transport(purpose: Purpose, hosts: Iterable[str]) -> httpx2.BaseTransport:
    """The same for clients that wait for their answer, which may be led from one host to another."""
    import httpx2

    allowed = frozenset(hosts)

    class Door(httpx2.BaseTransport):
        def __init__(self) -> None:
            self.by_proxy: dict[str | None, httpx2.HTTPTransport] = {}

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            proxy = _proxy_for(_let_out(request, purpose, allowed))
            if proxy not in self.by_proxy:
                self.by_proxy[proxy] = httpx2.HTTPTransport(verify=system_certificates(), proxy=proxy)
            return self.by_proxy[proxy].handle_request(request)

        def close(self) -> None:
            for inner in self.by_proxy.values():
                inner.close()

    return Door()


def _let_out(request: httpx2.Request, purpose: Purpose, allowed: frozenset[str]) -> str:
    """Checks a request, writes it down, and returns the host that it goes to."""
    host = host_of(str(request.url))
    check_allowed(host, allowed)
    size = int(request.headers.get("content-length", 0))
    if purpose is not Purpose.GENERATE:
        write_ledger(purpose, host, bytes=size)
    counted = sent_bytes.get()
    if counted is not None:
        counted.append(size)
    return host


def system_certificates() -> ssl.SSLContext:
    """What the system trusts, or what ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` names instead."""
    return _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _certificates(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Kept, since reading them takes tens of milliseconds."""
    import ssl

    import truststore

    if file or folder:
        return ssl.create_default_context()
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy_for(host: str) -> str | None:
    import urllib.request  # a tenth of the window's start, which asks the door only whether it is open

    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get("https")


def _airplane_flag() -> Path:
    return paths.data_folder() / "airplane"
