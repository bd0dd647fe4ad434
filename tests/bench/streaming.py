"""Streaming at 200 tokens a second: how often the window repaints, what a repaint costs, how long it blocks.

The answer is one paragraph in which no sentence ends, the worst that a model can say: nothing of it is ever
finished. Processor time of the window's thread is what counts, so that other programs change little.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest

from .measure import Ratio, cost, say, temporary_folder

TOKENS_PER_SECOND = 200
TOKENS = 2_400
MOST_REPAINTS = 31
"""In a second: 30, and one for the edge of the measured time."""
_ONE_GO_SECONDS = 0.005
_PATIENCE_SECONDS = 120


def measure() -> list[Ratio]:
    """Four ratios: counts in a second, and costs against others of the same run."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtCore import QEvent, QObject
    from PySide6.QtWidgets import QApplication

    from dermagui.ui.chat.page import ChatPage
    from dermagui.ui.theme import apply_theme
    from dermagui.ui.window import Window
    from tests.fakes.answering import Script, start_scripted
    from tests.fakes.chat_page import make_bundle, write

    class Endless(Script):
        """Words without a full stop."""

        def words(self, question: str, stopped: threading.Event) -> Iterator[str]:
            yield from (f"word{place} " for place in islice(count(), TOKENS))

    class Painted(QObject):
        """Notes when a widget is painted: what is painted of it at one go is one repaint."""

        times: list[float] = []  # noqa: RUF012

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            now = time.perf_counter()
            if event.type() == QEvent.Type.Paint and (
                not self.times or now - self.times[-1] > _ONE_GO_SECONDS
            ):
                self.times.append(now)
            return False

    application = QApplication.instance() or QApplication(["bench"])
    assert isinstance(application, QApplication)
    apply_theme(application, "light")
    with pytest.MonkeyPatch.context() as patch:
        script = start_scripted(patch, Endless())
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
        painted = Painted()
        write(page, "What is it?")
        words = page.parts.conversation.turns[-1].words
        words.viewport().installEventFilter(painted)
        turns = _spin(application, lambda: page.talk.is_asking is False, lambda: len(heard))
        _spin(application, lambda: page.talk.at)
        whole = _seconds(lambda: words.show_markdown(page.talk.turns[-1].stored.text))
        window.close()
        window.deleteLater()
    seconds = heard[-1] - heard[0]
    during = [at for at in painted.times if heard[0] <= at <= heard[-1]]
    rate, tokens = len(during) / seconds, TOKENS / seconds
    early, late = turns[: len(turns) // 4], turns[-len(turns) // 4 :]
    longest = max(turns)
    say(f"  {tokens:.0f} tokens/s, {rate:.1f} repaints/s, longest block {longest * 1000:.0f} ms")
    # The columns of milliseconds hold counts in a second in the first two lines.
    return [
        Ratio("streaming: repaints in a second, a count", rate / 1000, MOST_REPAINTS / 1000, rate, 31, False),
        Ratio(
            "streaming: tokens in a second / 200", tokens / 1000, 0.2, tokens / TOKENS_PER_SECOND, 0.95, True
        ),
        cost(
            "streaming: a repaint of a long answer / of a short one",
            (statistics.median(late), statistics.median(early)),
            at_most=8,
        ),
        cost("streaming: longest block / one layout of the whole", (longest, whole), at_most=20),
    ]


def _spin(
    application: object, is_true: Callable[[], object], heard: Callable[[], int] = lambda: 0
) -> list[float]:
    """Lets events happen until something is true; the seconds of the thread's processor time that each round
    took in which something was ``heard``, in order.
    """
    from PySide6.QtWidgets import QApplication

    assert isinstance(application, QApplication)
    spent, end = [], time.monotonic() + _PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < end, "waited in vain"
        before = heard()
        seconds = _seconds(application.processEvents)
        if heard() > before:
            spent.append(seconds)
        time.sleep(0.001)
    return spent


def _seconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start
