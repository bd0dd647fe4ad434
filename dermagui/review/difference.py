"""The difference between two texts, word by word, for eyes: what was deleted, inserted and kept."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from enum import StrEnum

_WORD = re.compile(r"\s+|\w+|[^\w\s]")


class Change(StrEnum):
    """What became of a piece of text."""

    KEPT = "kept"
    DELETED = "deleted"
    INSERTED = "inserted"


def difference(before: str, after: str) -> list[tuple[Change, str]]:
    """Pieces in reading order: kept and deleted ones make up ``before``, kept and inserted ones ``after``."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    pieces: list[tuple[Change, str]] = []
    for _, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if old[a:b] == new[c:d]:
            pieces.append((Change.KEPT, "".join(old[a:b])))
            continue
        pieces += [(Change.DELETED, "".join(old[a:b]))] if b > a else []
        pieces += [(Change.INSERTED, "".join(new[c:d]))] if d > c else []
    return pieces
