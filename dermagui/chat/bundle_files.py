"""The files of a bundle: linked or copied into its folder, and hashed on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from dermagui.errors import DataError, UserError, from_os_error
from dermagui.paths import display_path
from dermagui.records import Progress

FILE_NAMES = {"model": "model.gguf", "mmproj": "mmproj.gguf", "template": "template.jinja"}
"""Role of a file → its name in the folder: the same in every bundle, so that it is safe on every system."""

_CHUNK_BYTES = 4 << 20
_RESERVE_BYTES = 64 << 20


class Listener(Protocol):
    """Whom long work tells how far it is; the report of a job is one."""

    def progress(self, progress: Progress) -> None:
        """So much is done."""

    def warn(self, code: str, **values: object) -> None:
        """Something that the user should know and that does not end the work."""

    def stop_if_asked(self) -> None:
        """Raises ``Stopped`` where somebody asked for it."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a bundle."""

    sha256: str
    size_bytes: int
    origin: str = ""
    """What it was called where it came from."""


def read_text(path: Path) -> str:
    """A template or a schema. Raises ``UserError`` ``chat.not_text``, or what the disk refuses."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, path) from error
    except UnicodeDecodeError as error:
        raise UserError("chat.not_text", path=os.fspath(path)) from error


class Counter:
    """Adds up the bytes that were read and tells them."""

    def __init__(self, total: int, listener: Listener) -> None:
        self.done, self.total, self.listener = 0, total, listener

    def add(self, count: int) -> None:
        """So many more; the moment to stop where somebody asked for it."""
        self.done += count
        self.listener.progress(Progress(self.done, self.total, "bytes"))
        self.listener.stop_if_asked()


def take_files(sources: Mapping[str, Path], folder: Path, listener: Listener) -> dict[str, BundleFile]:
    """Links each file, by its role, into a folder, or copies it where the disk has no links.

    Raises ``UserError`` ``disk.full`` before it copies anything, ``DataError`` ``bundle.file_changing``
    where somebody writes to a file meanwhile, and ``OSError``.
    """
    sizes = {role: path.stat().st_size for role, path in sources.items()}
    to_copy = [role for role, path in sources.items() if not _link(path, folder / FILE_NAMES[role])]
    _check_room(folder, sum(sizes[role] for role in to_copy))
    counter = Counter(sum(sizes.values()), listener)
    files = {}
    for role, source in sources.items():
        target, size = folder / FILE_NAMES[role], sizes[role]
        copied = role in to_copy
        found = _copy(source, target, size, counter) if copied else hash_file(target, counter, size)
        if found[1] != size:
            raise DataError("bundle.file_changing", path=display_path(source))
        files[role] = BundleFile(*found, display_path(source.name))
    return files


def hash_file(path: Path, counter: Counter, most_bytes: int | None = None) -> tuple[str, int]:
    """SHA-256 and size of a file; one that is larger than ``most_bytes`` is not read to its end."""
    with path.open("rb") as file:
        return _hash(file, counter, most_bytes)


def _check_room(folder: Path, size_bytes: int) -> None:
    if size_bytes and size_bytes + _RESERVE_BYTES > shutil.disk_usage(folder).free:
        raise UserError("disk.full", path=display_path(folder.parent), size_bytes=size_bytes)


def _link(source: Path, target: Path) -> bool:
    """Gives a file a second name; False where the disk cannot, or the two lie on different ones."""
    try:
        os.link(source.resolve(strict=True), target)
    except (OSError, NotImplementedError):
        return False
    return True


def _copy(source: Path, target: Path, size_bytes: int, counter: Counter) -> tuple[str, int]:
    with source.open("rb") as file, target.open("xb") as copy:
        told = _hash(file, counter, size_bytes, copy)
        copy.flush()
        os.fsync(copy.fileno())
    return told


def _hash(
    file: BinaryIO, counter: Counter, most_bytes: int | None, copy: BinaryIO | None = None
) -> tuple[str, int]:
    """SHA-256 and size of a file, which is written elsewhere on the way.

    A file that grows as fast as it is read would have no end: it ends with the first byte too many.
    """
    digest, size = sha256(), 0
    while most_bytes is None or size <= most_bytes:
        chunk = file.read(_CHUNK_BYTES)
        if not chunk:
            break
        digest.update(chunk)
        if copy:
            copy.write(chunk)
        size += len(chunk)
        counter.add(len(chunk))
    return digest.hexdigest(), size
