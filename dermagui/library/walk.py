"""Walks a folder of pictures: what might be one, what is none, and what could not be looked at."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dermagui.errors import DataError, UserError
from dermagui.library.opening import SUFFIXES, file_error
from dermagui.paths import DATABASE_NAME, display_path

_JUNK_FILES = frozenset(["thumbs.db", "desktop.ini", ".ds_store", ".directory"])
_JUNK_FOLDERS = frozenset(
    ["__macosx", "@eadir", "$recycle.bin", "system volume information", ".trashes", ".spotlight-v100", ".git"]
)
_APPLE_DOUBLE = "._"


class FoundKind(StrEnum):
    """What a name in the folder turned out to be."""

    PICTURE = "picture"
    """A readable kind of file with a suffix that we know; whether it is a picture shows when it is opened."""
    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"
    """A file or a folder with an ``error``."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One name below the root: its raw bytes, with forward slashes, and what ``stat`` says of it.

    ``inode`` is 0 where the system does not tell it; ``error`` is set for what is unreadable.
    """

    path: bytes
    kind: FoundKind
    size_bytes: int = 0
    mtime_ns: int = 0
    inode: int = 0
    error: DataError | None = None


def walk_folder(root: str | os.PathLike[str]) -> Iterator[FoundFile]:
    """Yield every file below a folder: those of a folder before its subfolders, both by their bytes.

    Links to folders come last and are followed only to where the walk has not been. Junk of operating
    systems and project folders are passed over. Raises ``UserError`` folder.unreadable,
    folder.is_project.
    """
    root = os.fspath(root)
    try:
        with os.scandir(root):
            pass
        seen = {_identity(root)}
    except OSError as error:
        raise UserError("folder.unreadable", path=display_path(root), reason=error.strerror) from error
    if os.path.lexists(os.path.join(root, DATABASE_NAME)):
        raise UserError("folder.is_project", path=display_path(root))
    links: list[str] = []
    yield from _walk(root, "", seen, links)
    while links:
        link = links.pop(0)
        yield from _follow(root, link, seen, links)


def _walk(root: str, top: str, seen: set[tuple[int, int]], links: list[str]) -> Iterator[FoundFile]:
    """Walk the real folder ``top`` (relative to the root); links to folders are put on ``links``."""
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            yield FoundFile(os.fsencode(folder), FoundKind.UNREADABLE, error=file_error(error))
            continue
        if any(entry.name == DATABASE_NAME for entry in entries):
            continue
        folders: list[str] = []
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not _is_folder(entry):
                yield from _found(entry, path)
            elif entry.name.lower() not in _JUNK_FOLDERS:
                (links if entry.is_symlink() else folders).append(path)
        pending.extend(reversed([path for path in folders if _is_new(os.path.join(root, path), seen)]))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _follow(root: str, link: str, seen: set[tuple[int, int]], links: list[str]) -> Iterator[FoundFile]:
    target = os.path.realpath(os.path.join(root, link))
    above = os.path.realpath(root).startswith(os.path.join(target, ""))
    if not above and _is_new(target, seen):
        yield from _walk(root, link, seen, links)


def _found(entry: os.DirEntry[str], path: str) -> Iterator[FoundFile]:
    name = entry.name.lower()
    if name in _JUNK_FILES or name.startswith(_APPLE_DOUBLE):
        return
    if os.path.splitext(name)[1] not in SUFFIXES:
        yield FoundFile(os.fsencode(path), FoundKind.UNSUPPORTED)
        return
    try:
        status = entry.stat()
    except OSError as error:
        yield FoundFile(os.fsencode(path), FoundKind.UNREADABLE, error=file_error(error))
        return
    facts = (status.st_size, status.st_mtime_ns, status.st_ino)
    if stat.S_ISREG(status.st_mode):
        yield FoundFile(os.fsencode(path), FoundKind.PICTURE, *facts)
    else:
        yield FoundFile(os.fsencode(path), FoundKind.UNREADABLE, *facts, DataError("image.not_regular"))


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Remember a folder; whether the walk sees it for the first time. What cannot be asked is new."""
    try:
        identity = _identity(folder)
    except OSError:
        return True
    known = identity in seen
    seen.add(identity)
    return not known


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
