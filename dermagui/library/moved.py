"""Whether a folder holds the images of a source that is not where it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

from dermagui.errors import UserError
from dermagui.library.walk import FoundKind, walk_folder
from dermagui.paths import display_path
from dermagui.storage.images import KnownFile

_HASHED_AT_MOST = 50


def check_same_images(folder: Path, known: Collection[KnownFile]) -> None:
    """Passes where a file of the folder has the hash of a known one; the next scan looks at all of them.

    Only files of a known size are hashed, and of these the first 50: another folder is told apart at once.
    Raises ``UserError`` ``source.other_images``, and what the walk raises.
    """
    hashes = {file.sha256 for file in known if file.sha256}
    sizes = {file.size_bytes for file in known if file.sha256}
    left = _HASHED_AT_MOST
    for found in walk_folder(folder):
        if found.kind is FoundKind.PICTURE and found.size_bytes in sizes and left:
            left -= 1
            if _hash_of(os.path.join(folder, os.fsdecode(found.path))) in hashes:
                return
    raise UserError("source.other_images", path=display_path(folder))


def _hash_of(path: str) -> str | None:
    try:
        with open(path, "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None
