"""Thumbnails: one small JPEG for each image, in the project's cache, named by the file's hash."""

from __future__ import annotations

import os
from pathlib import Path


def thumbnail_path(project: Path, sha256: str, frame: int) -> Path:
    """Where the thumbnail of a frame lies."""
    return project / "cache" / "thumbnails" / sha256[:2] / f"{sha256}-{frame}.jpg"


def write_thumbnail(path: Path, jpeg: bytes) -> None:
    """Writes a thumbnail; one that is there already is the same one."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_bytes(jpeg)
    beside.replace(path)


def forget_thumbnails(project: Path, sha256: str) -> int:
    """Removes the thumbnails of a file; returns how many there were."""
    found = list((project / "cache" / "thumbnails" / sha256[:2]).glob(f"{sha256}-*"))
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)
