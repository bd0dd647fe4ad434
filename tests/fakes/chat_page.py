"""The Chat page with a model of random weights, as tests of it begin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from dermagui.chat.bundle import add_model
from dermagui.ui.chat.desk_work import Quiet
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.window import Window
from tests.fakes.tiny_models import llama_pair

Wait = Callable[[Callable[[], object]], None]


def make_bundle(folder: Path, name: str = "tiny") -> str:
    """A bundle of a model that sees; it loads in the real engine too."""
    folder.mkdir(exist_ok=True)
    pair = llama_pair(folder)
    return add_model(pair.model, pair.projector, name, Quiet()).name


def make_picture(path: Path, colour: tuple[int, int, int] = (180, 120, 90)) -> Path:
    """A picture file of one colour."""
    Image.new("RGB", (120, 80), colour).save(path)
    return path


def open_chat(window: Window, wait_until: Wait) -> ChatPage:
    """The page, ready to ask."""
    window.show_page("chat")
    page = window.page
    assert isinstance(page, ChatPage)
    wait_until(lambda: page.parts.models.card)
    return page


def write(page: ChatPage, text: str) -> None:
    """Types a question and presses Enter."""
    page.parts.composer.draft.setFocus()
    QTest.keyClicks(page.parts.composer.draft, text)
    QTest.keyClick(page.parts.composer.draft, Qt.Key.Key_Return)


def ask(page: ChatPage, text: str, wait_until: Wait) -> str:
    """Asks, and waits until the answer is there and kept; returns it."""
    turns = len(page.talk.turns)
    write(page, text)
    wait_until(lambda: len(page.talk.turns) == turns + 2 and page.talk.at is not None)
    return page.talk.turns[-1].stored.text


def attach(page: ChatPage, path: Path, wait_until: Wait) -> None:
    """Attaches a file as a drop does."""
    count = len(page.parts.composer.thumbs)
    page.take_paths([path])
    wait_until(lambda: len(page.parts.composer.thumbs) > count)
