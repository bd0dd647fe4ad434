"""Streaming: how often the conversation is repainted while 200 tokens a second come, and how long it blocks."""

from __future__ import annotations

import os
import time

import pytest

from .measure import Ratio, say, temporary_folder

TOKENS_PER_SECOND = 200
TOKENS = 1_200
MOST_REPAINTS = 31
"""In a second: 30, and one for the edge of the measured time."""
_PATIENCE_SECONDS = 120


def measure() -> list[Ratio]:
    """One ratio: signals of the engine in a second, against 30; the longest block is told."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtWidgets import QApplication

    from dermagui.ui.chat.page import ChatPage
    from dermagui.ui.theme import apply_theme
    from dermagui.ui.window import Window
    from tests.fakes.answering import start_scripted
    from tests.fakes.chat_page import make_bundle, write

    application = QApplication.instance() or QApplication(["bench"])
    assert isinstance(application, QApplication)
    apply_theme(application, "light")
    with pytest.MonkeyPatch.context() as patch:
        script = start_scripted(patch)
        script.seconds_between = 1 / TOKENS_PER_SECOND
        make_bundle(temporary_folder() / "streaming", "streaming")
        window = Window()
        window.resize(1280, 800)
        window.show()
        window.show_page("chat")
        page = window.page
        assert isinstance(page, ChatPage)
        _spin(application, lambda: page.parts.models.card)
        heard: list[float] = []
        page.engine.grew.connect(lambda _: heard.append(time.perf_counter()))
        write(page, f"{TOKENS} words")
        longest = _spin(application, lambda: page.talk.at)
        window.close()
        window.deleteLater()
    rate = (len(heard) - 1) / (heard[-1] - heard[0])
    tokens = TOKENS / (heard[-1] - heard[0])
    say(f"  {tokens:.0f} tokens/s, {rate:.1f} repaints/s, longest block {longest * 1000:.0f} ms")
    # The columns of milliseconds hold repaints in a second in this line.
    name = "streaming: repaints in a second, a count"
    return [Ratio(name, rate / 1000, MOST_REPAINTS / 1000, rate, MOST_REPAINTS, is_floor=False)]


def _spin(application: object, is_true: object) -> float:
    """Lets events happen until something is true; returns the longest time that they took at once."""
    from PySide6.QtWidgets import QApplication

    assert isinstance(application, QApplication)
    assert callable(is_true)
    longest, end = 0.0, time.monotonic() + _PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < end, "waited in vain"
        start = time.perf_counter()
        application.processEvents()
        longest = max(longest, time.perf_counter() - start)
        time.sleep(0.001)
    return longest
