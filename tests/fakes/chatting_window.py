"""The window as a program of its own, whose chats are answered by a recital of three sentences, word by word.

python -m tests.fakes.chatting_window
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator

from dermagui.demo.reciting import Recital, reciting
from dermagui.ui.app import main

ANSWER = "The **border** is even.\n\nIt is 3.5 mm wide. Nothing else can be told"
HEARD = ["The border is even.", "It is 3.5 mm wide.", "Nothing else can be told"]
"""What a screen reader is to hear of it, in this order."""
_SECONDS_BETWEEN = 0.1


class Sentences(Recital):
    """The same answer to every question."""

    def words(self, question: str, stopped: threading.Event) -> Iterator[str]:
        """In parts that end within words and before spaces."""
        yield from re.findall(r".{1,4}", ANSWER, re.DOTALL)


if __name__ == "__main__":
    with reciting(Sentences(seconds_between=_SECONDS_BETWEEN)):
        sys.exit(main())
