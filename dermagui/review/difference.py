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
    """Pieces in reading order: kept and deleted ones make up ``before``, kept and inserted ones ``after``.

    What is kept between two changes is told as changed too where it is a word or less: it only disturbs.
    """
    old, new = _WORD.findall(before), _WORD.findall(after)
    pieces: list[tuple[Change, str]] = []
    for same, deleted, inserted in _runs(old, new):
        if same:
            pieces.append((Change.KEPT, deleted))
            continue
        pieces += [(Change.DELETED, deleted)] if deleted else []
        pieces += [(Change.INSERTED, inserted)] if inserted else []
    return pieces


def _runs(old: list[str], new: list[str]) -> list[tuple[bool, str, str]]:
    """Whether a run is the same on both sides, and its text on either."""
    runs: list[tuple[bool, str, str]] = []
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for n, (code, a, b, c, d) in enumerate(codes):
        between = 0 < n < len(codes) - 1
        kept = code == "equal" and not (between and sum(map(str.isalnum, old[a:b])) <= 1)
        text = "".join(old[a:b]), "".join(new[c:d])
        if runs and runs[-1][0] is kept:
            _, deleted, inserted = runs.pop()
            text = deleted + text[0], inserted + text[1]
        runs.append((kept, *text))
    return runs
