"""The page Chat where models are chosen, compared and asked for labels, for pictures and tests.

Nobody answers but ``demo.reciting``, and the answers say so; the models are headers without weights, and gone
when the last view was shown. Nothing is downloaded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from dermagui.chat.bundle import add_model, remove_bundle
from dermagui.demo.reciting import PICTURE_TOKENS, Recital, reciting, write_empty_model
from dermagui.ui.chat.classifying import Classified
from dermagui.ui.chat.desk_work import Quiet
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.library.page import LibraryPage

if TYPE_CHECKING:
    from dermagui.ui.window import Window

Views = Iterator[tuple[str, QWidget]]

_MODELS = ("made-up-first", "made-up-second")
_QUESTION = "What does this drawing show? (a made-up question)"
_LABELS = ("made-up circle", "made-up star")
_WORDS = ("Made up: a round shape, and its border is even.", "Made up: two shades of brown, no hair.")
MADE_UP = (*_MODELS, _QUESTION, *_LABELS, *_WORDS)
"""Every text that these views show and that is data, in no language of the window."""

_PATIENCE_SECONDS = 120


class _Scene(Recital):
    """The model that is loaded first says the first words."""

    def words(self, question: str, stopped: threading.Event) -> Iterator[str]:
        yield _WORDS[(len(self.children) - 1) % 2]


def model_views(window: Window, calm: Callable[[], None]) -> Views:
    """One's own file, two answers, the chosen one, labels for a picture and for many."""
    scene = _Scene(image_tokens=PICTURE_TOKENS)
    with TemporaryDirectory() as folder, _models(Path(folder)) as own, reciting(scene):
        page = _begin(window, calm)
        sheet = page.choosing.sheet
        page.choosing.take_model(own)
        _until(lambda: bool(sheet.found and sheet.offers), calm)
        yield "chat-models", window
        sheet._show_found([])
        page.choosing.close_sheet()
        yield from _compared(window, page, calm)
        yield from _classified(window, page, calm)
        page.talk_again()
        page.engine.release()
        page.modes.clear()
        calm()
    page.show_changes(frozenset())
    calm()


@contextmanager
def _models(folder: Path) -> Iterator[Path]:
    model, projector = write_empty_model(folder)
    for name in _MODELS:
        add_model(model, projector, name, Quiet())
    try:
        yield model
    finally:
        for name in _MODELS:
            remove_bundle(name)


def _begin(window: Window, calm: Callable[[], None]) -> ChatPage:
    """The page with the models, and the first picture of the library selected."""
    window.show_page("library")
    library = window.pages["library"]
    assert isinstance(library, LibraryPage)
    calm()
    library.view.select_numbers(library.model.numbers[:1], library.model.numbers[0])
    window.show_page("chat")
    page = window.pages["chat"]
    assert isinstance(page, ChatPage)
    page.choose_model(_MODELS[0])
    page.new_chat()
    _until(lambda: page.parts.models.name == _MODELS[0], calm)
    return page


def _compared(window: Window, page: ChatPage, calm: Callable[[], None]) -> Views:
    view = page.modes.comparing.view
    page.compare()
    calm()
    yield "chat-compare", window
    page.attach_selected()
    _until(lambda: bool(page.parts.composer.thumbs), calm)
    page.parts.composer.fill(_QUESTION, page.parts.composer.thumbs)
    page.send()
    _until(view.columns[0].choose.isEnabled, calm)
    yield "chat-compared", window
    page.modes.comparing.choose(0)
    _until(page.parts.bar.isVisible, calm)
    yield "chat-chosen", window
    page.parts.bar.hide()


def _classified(window: Window, page: ChatPage, calm: Callable[[], None]) -> Views:
    view = page.modes.classifying.view
    page.classify()
    view.labels_text.setPlainText("\n".join(_LABELS))
    page.attach_selected()
    _until(lambda: bool(page.parts.composer.thumbs), calm)
    page.send()
    _until(view.ranking.isVisible, calm)
    yield "chat-label", window
    page.parts.composer.clear()
    view.show_ranking([], "")
    view.show_rows([Classified(n, f"{n}.png", *_LABELS, "classify.leaning") for n in range(1, 9)])
    view.table.selectRow(0)
    calm()
    yield "chat-labels", window


def _until(is_true: Callable[[], bool], calm: Callable[[], None]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError(f"the chat did not get there within {_PATIENCE_SECONDS} s")
        calm()
    calm()
