"""The page Chat in use, for pictures and tests: nobody answers but ``demo.reciting``, and the answers say so.

The model is a bundle of headers without weights. It and the chats are gone when the last view was shown.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from dermagui.chat.bundle import add_model, remove_bundle
from dermagui.demo.reciting import LICENCE, PICTURE_TOKENS, Died, Recital, reciting, write_empty_model
from dermagui.ui.chat.desk_work import Quiet
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.library.page import LibraryPage

if TYPE_CHECKING:
    from dermagui.ui.window import Window

Views = Iterator[tuple[str, QWidget]]

_MODEL = "made-up-model"
_FIRST = "What does this drawing show? (a made-up question)"
_SECOND = "Is its border even? (a made-up question)"
_THIRD = "And what is at its foot? (a made-up question)"
_WHOLE = """**Made up: no model gave this answer.** Where a model answers, here may stand

- what can be seen in the picture
- what it may be, and how sure that is
- what to look at next

This picture is a drawing; nothing can be told from it."""
_SHORT = "**Made up: no model gave this answer.** From a drawing nothing can be told."
_HELD_WORDS = 24
_ROOM_TOKENS = 3_900
MADE_UP = (
    _MODEL, _FIRST, _SECOND, _THIRD, _WHOLE, _SHORT, *_WHOLE.replace("**", "").splitlines(),
    *re.sub(r"(?m)^- |\*\*", "", _WHOLE).splitlines(), _SHORT.replace("**", ""), "F32", LICENCE,
)  # fmt: skip
"""Every text that these views show and that is data, in no language of the window."""

_PATIENCE_SECONDS = 120


class _Scene(Recital):
    """Answers word by word; what is to happen in the midst of one is set from outside."""

    holds = False
    """After some words nothing comes until ``go``."""
    dies = False

    def words(self, question: str, stopped: threading.Event) -> Iterator[str]:
        answer = _WHOLE if question == _FIRST else _SHORT
        for place, word in enumerate(re.findall(r"\S+\s*", answer)):
            if self.dies:
                raise Died
            if self.holds and place == _HELD_WORDS:
                self.wait(stopped)
            yield word


def chat_views(window: Window, calm: Callable[[], None]) -> Views:
    """An answer that comes, that came, a search, a full context, a child that died, a private chat."""
    scene = _Scene(image_tokens=PICTURE_TOKENS, prompt_tokens=PICTURE_TOKENS + 80)
    with _model(), reciting(scene):
        page = _begin(window, calm)
        yield from _answers(window, page, scene, calm)
        yield from _full(window, page, scene, calm)
        yield from _died(window, page, scene, calm)
        page.talk.remove()
        calm()
        yield from _private(window, page, calm)
        page.talk.remove()
        page.new_chat()
        page.engine.stop()
        calm()
    page.show_changes(frozenset())
    calm()


@contextmanager
def _model() -> Iterator[None]:
    with TemporaryDirectory() as folder:
        model, projector = write_empty_model(Path(folder))
        add_model(model, projector, _MODEL, Quiet())
    try:
        yield
    finally:
        remove_bundle(_MODEL)


def _begin(window: Window, calm: Callable[[], None]) -> ChatPage:
    """The page with the model chosen and the first picture of the library attached."""
    window.show_page("library")
    library = window.pages["library"]
    assert isinstance(library, LibraryPage)
    calm()
    library.view.select_numbers(library.model.numbers[:1], library.model.numbers[0])
    window.show_page("chat")
    page = window.pages["chat"]
    assert isinstance(page, ChatPage)
    page.choose_model(_MODEL)
    page.new_chat()
    _until(lambda: page.parts.models.name == _MODEL, calm)
    return page


def _answers(window: Window, page: ChatPage, scene: _Scene, calm: Callable[[], None]) -> Views:
    page.attach_selected()
    _until(lambda: bool(page.parts.composer.thumbs), calm)
    page.parts.composer.fill(_FIRST, page.parts.composer.thumbs)
    calm()
    yield "chat-asking", window
    scene.holds = True
    _ask(page, _FIRST)
    _until(lambda: len(page.parts.conversation.turns[-1].text.split()) == _HELD_WORDS, calm)
    yield "chat-answering", window
    scene.go.set()
    _until(lambda: _is_kept(page, 1), calm)
    scene.holds = False
    yield "chat-answered", window
    page.parts.history.search.setText(_FIRST.split()[3])
    calm()
    yield "chat-search", window
    page.parts.history.search.clear()
    calm()


def _full(window: Window, page: ChatPage, scene: _Scene, calm: Callable[[], None]) -> Views:
    _ask(page, _SECOND)
    _until(lambda: _is_kept(page, 2), calm)
    scene.most_turns, scene.prompt_tokens = 3, _ROOM_TOKENS
    _ask(page, _THIRD)
    _until(lambda: _is_kept(page, 3), calm)
    yield "chat-full", window


def _died(window: Window, page: ChatPage, scene: _Scene, calm: Callable[[], None]) -> Views:
    scene.dies = True
    _ask(page, _SECOND)
    _until(lambda: not page.talk.is_asking and page.parts.bar.isVisible(), calm)
    yield "chat-died", window
    scene.dies = False
    page.parts.composer.clear()
    page.parts.bar.hide()


def _private(window: Window, page: ChatPage, calm: Callable[[], None]) -> Views:
    page.new_private_chat()
    _ask(page, _SECOND)
    _until(lambda: _is_kept(page, 1), calm)
    yield "chat-private", window


def _ask(page: ChatPage, text: str) -> None:
    page.parts.composer.fill(text, list(page.parts.composer.thumbs))
    page.send()


def _is_kept(page: ChatPage, questions: int) -> bool:
    return not page.talk.is_asking and page.talk.at is not None and len(page.talk.turns) == 2 * questions


def _until(is_true: Callable[[], bool], calm: Callable[[], None]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    calm()
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError(f"the chat did not get there within {_PATIENCE_SECONDS} s")
        calm()
    calm()
