"""A chat's child that needs no model: slow, endless, crashing answers, told by what the question says.

``start_scripted`` puts the reciter of ``dermagui.demo`` in the place of the real child. A question that says
``endless`` is answered until it is stopped, ``crash`` ends the child after three words, ``wait`` holds the
answer back until ``go`` is set, ``N words`` are that many tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count, islice

import pytest

from dermagui.demo.reciting import CONTEXT_TOKENS, IMAGE_TOKENS, Died, Recital, Reciter

__all__ = ["CONTEXT_TOKENS", "IMAGE_TOKENS", "Script", "start_scripted"]


class Script(Recital):
    """What scripted children were asked, and what holds them back."""

    def words(self, question: str, stopped: threading.Event) -> Iterator[str]:
        """Numbered words; every fifth ends a sentence."""
        if "wait" in question:
            self.wait(stopped)
        first = next(iter(question.split()), "")
        most = int(first) if first.isdecimal() else None if "endless" in question else 5
        for place in islice(count(), most):
            yield f"word{place}. " if place % 5 == 4 else f"word{place} "
            if "crash" in question and place == 2:
                raise Died


def start_scripted(monkeypatch: pytest.MonkeyPatch, script: Script | None = None) -> Script:
    """Lets every chat of this process start scripted children."""
    script = script or Script()
    monkeypatch.setattr("dermagui.chat.session.Child", lambda give_up: Reciter(script))
    return script
