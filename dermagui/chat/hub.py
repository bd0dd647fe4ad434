"""The hub of models, through huggingface_hub: what it says of a file, and its bytes from anywhere on.

huggingface_hub makes addresses and headers, reads the hub's answers and tells its refusals apart, with a
client of ours that goes through the door. Its own download is not used: since version 1 it gives every
attempt a new temporary file, so that nothing could be resumed. So nothing of it writes to the disk, and
neither its cache nor Xet is touched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dermagui import __version__, settings
from dermagui.errors import DataError, DermaError, ServiceError, UserError
from dermagui.network import Purpose, check_allowed, host_of, transport

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import RepoSibling

SILENCE_SECONDS = 60.0
"""How long a connection may be silent before it counts as lost."""
PASSING = ("hub.unreachable", "hub.unavailable")
"""Codes of what may well be gone at the next attempt."""

_CHUNK_BYTES = 256 << 10
_PASSING_STATUS = (408, 429, 500, 502, 503, 504)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_QUIET = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub while the connection is open, and the user's token for it."""

    endpoint: str
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the hub offers it now; ``commit`` pins the very version that hash and size are of.

    Of a small file, which lies in the repository itself, the hub knows only the name that git gives its
    content: ``blob``, and then ``sha256`` is empty.
    """

    repo: str
    path: str
    commit: str
    sha256: str
    size_bytes: int
    blob: str = ""

    @property
    def digest(self) -> str:
        """The hash that it must have."""
        return self.sha256 or self.blob


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository as it is now."""

    repo: str
    commit: str
    licence: str
    """As its owner calls it; empty where nobody said."""
    gated: bool
    """Whether its files are given only to accounts that were let in."""
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        """What its files weigh together."""
        return sum(file.size_bytes for file in self.files)


@contextmanager
def connect(token: str | None) -> Iterator[Hub]:
    """Gives huggingface_hub a client that goes through the door: to the endpoint of the settings, and to
    the hosts that it hands large files out from. Raises ``network.bad_address``.
    """
    os.environ.update(_QUIET)  # read when huggingface_hub is imported
    import httpx2
    import huggingface_hub

    endpoint = settings.text("hub.endpoint").rstrip("/")
    hosts = [host_of(endpoint), *settings.text("hub.redirect_hosts").split()]

    def client() -> httpx2.Client:
        door = transport(Purpose.DOWNLOAD, hosts)
        return httpx2.Client(transport=door, follow_redirects=True, timeout=httpx2.Timeout(SILENCE_SECONDS))

    huggingface_hub.set_client_factory(client)
    try:
        yield Hub(endpoint, token)
    finally:
        huggingface_hub.close_session()


def ask(hub: Hub, repo: str, revision: str, path: str) -> RemoteFile:
    """What the hub says of a file.

    Raises ``UserError``: ``hub.gated``, ``hub.token_refused``, ``hub.redirected``, ``hub.certificate``,
    ``network.airplane``, ``network.proxy_asks``; ``ServiceError``: ``hub.not_found``, ``hub.refused``,
    ``hub.unavailable``, ``hub.unreachable``; ``DataError``: ``hub.not_a_hub``, ``hub.cannot_check``.
    """
    from huggingface_hub import get_hf_file_metadata

    with _told_apart(hub, repo, path):
        found = get_hf_file_metadata(
            _address(hub, repo, revision, path),
            headers=_headers(hub),
            token=False,
            timeout=SILENCE_SECONDS,
            endpoint=hub.endpoint,
        )
    if not found.commit_hash or not found.etag:
        raise DataError("hub.not_a_hub", address=hub.endpoint)
    whole, small = _SHA256.fullmatch(found.etag), _SHA1.fullmatch(found.etag)
    if not (whole or small) or not found.size:
        raise DataError("hub.cannot_check", path=path, address=hub.endpoint)
    sha256, blob = (found.etag, "") if whole else ("", found.etag)
    return RemoteFile(repo, path, found.commit_hash, sha256, found.size, blob)


def list_files(hub: Hub, repo: str, revision: str) -> Listing:
    """What a repository holds, and under which terms. Raises like ``ask``; of a gated one everybody is told
    what it holds.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.endpoint, library_name="dermagui", library_version=__version__)
    with _told_apart(hub, repo, revision):
        try:
            found = api.model_info(
                repo,
                revision=revision,
                files_metadata=True,
                token=hub.token or False,
                timeout=SILENCE_SECONDS,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError("hub.not_a_hub", address=hub.endpoint) from error
    if not _SHA1.fullmatch(found.sha or ""):
        raise DataError("hub.not_a_hub", address=hub.endpoint)
    files = tuple(_listed(hub, repo, str(found.sha), sibling) for sibling in found.siblings or ())
    return Listing(repo, str(found.sha), _licence_of(found.card_data), bool(found.gated), files)


def _listed(hub: Hub, repo: str, commit: str, sibling: RepoSibling) -> RemoteFile:
    sha256, blob = (sibling.lfs.sha256, "") if sibling.lfs else ("", sibling.blob_id or "")
    size = sibling.lfs.size if sibling.lfs else sibling.size
    known = _SHA256.fullmatch(sha256) if sibling.lfs else _SHA1.fullmatch(blob)
    if not known or not isinstance(size, int) or size < 0:
        raise DataError("hub.cannot_check", path=sibling.rfilename, address=hub.endpoint)
    return RemoteFile(repo, sibling.rfilename, commit, sha256, size, blob)


def _licence_of(card: object) -> str:
    """The licence on a repository's card, by its own name where the short one is only ``other``."""
    told = getattr(card, "license", None) or ""
    named = getattr(card, "license_name", None) if told == "other" else None
    return str(named or (", ".join(map(str, told)) if isinstance(told, list) else told))


@contextmanager
def open_from(hub: Hub, remote: RemoteFile, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    """The bytes of a file from an offset on, and from where they really come: a server may start anew.

    Raises like ``ask``, also while the bytes are read.
    """
    from huggingface_hub import get_session, hf_raise_for_status

    address = _address(hub, remote.repo, remote.commit, remote.path)
    headers = (
        _headers(hub) | {"accept-encoding": "identity"} | ({"range": f"bytes={offset}-"} if offset else {})
    )
    with (
        _told_apart(hub, remote.repo, remote.path),
        get_session().stream("GET", address, headers=headers) as response,
    ):
        hf_raise_for_status(response)
        yield (offset if response.status_code == 206 else 0), _chunks(response)


def owner_of_token(hub: Hub) -> str:
    """The name of the account that the token belongs to. Raises like ``ask``."""
    from huggingface_hub import HfApi

    with _told_apart(hub, "", ""):
        return str(HfApi(endpoint=hub.endpoint).whoami(token=hub.token or False)["name"])


def _address(hub: Hub, repo: str, revision: str, path: str) -> str:
    from huggingface_hub import hf_hub_url

    return hf_hub_url(repo, path, revision=revision, endpoint=hub.endpoint)


def _headers(hub: Hub) -> dict[str, str]:
    """The token goes to the hub only: the client takes it off where it is led to another host."""
    named = {"user-agent": f"dermagui/{__version__}"}
    return named | ({"authorization": f"Bearer {hub.token}"} if hub.token else {})


def _chunks(response: httpx2.Response) -> Iterator[bytes]:
    host = response.url.host
    for chunk in response.iter_bytes(_CHUNK_BYTES):
        check_allowed(host, [host])  # a file takes long: airplane mode ends it in the middle
        yield chunk


@contextmanager
def _told_apart(hub: Hub, repo: str, path: str) -> Iterator[None]:
    """Turns what huggingface_hub, the client and the door raise into errors with a cure."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        raise _refusal(hub, repo, path, error) from error
    except httpx2.TransportError as error:
        raise _failure(hub, error) from error
    except httpx2.HTTPError as error:
        raise DataError("hub.not_a_hub", address=hub.endpoint) from error
    except UserError as error:
        if error.code == "network.host_not_allowed":
            raise UserError("hub.redirected", **error.values) from error
        raise


def _refusal(hub: Hub, repo: str, path: str, error: HfHubHTTPError) -> DermaError:
    """What an HTTP status means. The hub answers 401 also for what is not there, so as not to tell."""
    response = error.response
    status, host = response.status_code, response.url.host
    code, message = (response.headers.get(f"x-error-{name}", "") for name in ("code", "message"))
    if status in _PASSING_STATUS:
        return ServiceError("hub.unavailable", host=host, status=status, wait_seconds=_wait_asked(response))
    if code == "GatedRepo":
        return UserError("hub.gated", repo=repo, page=f"{hub.endpoint}/{repo}")
    if status in (401, 403) and hub.token and host == urlsplit(hub.endpoint).hostname:
        return UserError("hub.token_refused", host=host, message=message)
    if status in (401, 404):
        return ServiceError("hub.not_found", repo=repo, path=path, page=f"{hub.endpoint}/{repo}")
    return ServiceError("hub.refused", host=host, status=status, message=message)


def _wait_asked(response: httpx2.Response) -> int:
    """The seconds of ``Retry-After``; its other form, a date, is left alone."""
    value = response.headers.get("retry-after", "")
    return int(value) if value.isascii() and value.isdecimal() else 0


def _failure(hub: Hub, error: httpx2.TransportError) -> DermaError:
    """What a failed connection means."""
    import httpx2

    host, detail = urlsplit(hub.endpoint).hostname, str(error) or type(error).__name__
    if isinstance(error, httpx2.ProxyError) and "407" in detail:
        return UserError("network.proxy_asks")
    if "CERTIFICATE_VERIFY_FAILED" in detail:
        return UserError("hub.certificate", host=host, detail=detail)
    return ServiceError("hub.unreachable", host=host, detail=detail)
