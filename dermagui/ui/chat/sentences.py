"""Cuts an answer that grows into the sentences that a screen reader is told, each once, when it is whole."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?:](?=\s)|[。！？]|\n")
_MARKS = re.compile(r"^\s*(?:#+|[-*>])\s+|\*+(?=\S)|(?<=\S)\*+|`+", re.MULTILINE)
"""What Markdown writes for the eye alone."""


class Sentences:
    """What was said and not yet told. However long a sentence is, each letter is looked at once."""

    def __init__(self) -> None:
        self._untold = ""

    def add(self, text: str) -> list[str]:
        """The sentences that these letters complete."""
        # Whether a full stop ends a sentence is known by the letter behind it only.
        looked = max(0, len(self._untold) - 1)
        self._untold += text
        found, start = [], 0
        for end in _END.finditer(self._untold, looked):
            found.append(_spoken(self._untold[start : end.end()]))
            start = end.end()
        self._untold = self._untold[start:]
        return [sentence for sentence in found if sentence]

    def rest(self) -> str:
        """What no end came for, and nothing from then on."""
        rest, self._untold = _spoken(self._untold), ""
        return rest


def _spoken(text: str) -> str:
    return _MARKS.sub("", text).strip()
