"""Looks for words in all that a program could have left: names and contents of files, in several codings."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path


def traces(places: Sequence[Path], words: Sequence[str], *, but: Sequence[Path] = ()) -> list[str]:
    """Files below these folders that hold one of the words, or are called so; not those in ``but``.

    A word of 64 letters is taken for a hash and looked for as bytes too. The database's journal is a file
    like any other.
    """
    needles = [needle for word in words for needle in _needles(word)]
    return [
        f"{path}: {needle!r}"
        for place in places
        for path in sorted(place.rglob("*"))
        if not set(but).intersection((path, *path.parents))
        for needle in needles
        if needle in str(path.relative_to(place)).encode() or (path.is_file() and needle in path.read_bytes())
    ]


def _needles(word: str) -> list[bytes]:
    plain = word.encode()
    found = [plain, word.encode("utf-16-le"), base64.b64encode(plain)[:-4] if len(plain) > 8 else plain]
    return [*found, bytes.fromhex(word)] if len(word) == 64 else found
