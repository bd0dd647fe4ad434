"""Of a private chat nothing is written: each folder that window and child know is searched for it."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest

from dermagui import logs, paths
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.chat.shelf import Place
from dermagui.ui.window import Window
from tests.fakes.answering import start_scripted
from tests.fakes.chat_page import ask, attach, make_bundle, make_picture, open_chat, write
from tests.fakes.traces import traces

Wait = Callable[[Callable[[], object]], None]

CANARY = "kanarienvogel"
_VARIABLES = {
    "DERMAGUI_HOME": "data",
    "HOME": "home",
    "TMPDIR": "tmp",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "share",
    "XDG_STATE_HOME": "state",
}


@pytest.fixture
def everywhere(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, qt_stays: None
) -> Iterator[Path]:
    """A folder that holds all others: data, home, caches and what is temporary, of this process and its
    children. The window's log is written as in the program.
    """
    top = tmp_path_factory.mktemp("e")
    for name, folder in _VARIABLES.items():
        (top / folder).mkdir()
        monkeypatch.setenv(name, str(top / folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(top / "home")
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    logs.start_logging()
    yield top
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.fixture
def qt_stays(application: object) -> None:
    """The application has found its own folders before they are moved."""


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """Where the user's own pictures lie, which are called by the word that is looked for."""
    folder = tmp_path / "taken"
    folder.mkdir()
    return folder


def begin_private(window: Window, project: Path, wait_until: Wait) -> ChatPage:
    """The page with a project open and a private chat begun by its key."""
    page = open_chat(window, wait_until)
    window.desk.open_project(project)
    wait_until(lambda: window.desk.project is not None and page.talk.place is Place.PROJECT)
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(page, Qt.Key.Key_T, keys)
    assert page.parts.private.isVisible()
    return page


def paste(page: ChatPage, wait_until: Wait) -> None:
    """Pastes a picture that lies in no file."""
    image = QImage(64, 48, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.darkGreen)
    QGuiApplication.clipboard().setImage(image)
    count = len(page.parts.composer.thumbs)
    QTest.keyClick(page.parts.composer.draft, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: len(page.parts.composer.thumbs) > count)
    QGuiApplication.clipboard().clear()


def words_of(page: ChatPage) -> list[str]:
    """All that a private chat must not leave: what was typed and said, the hashes of files and pixels."""
    turns = page.talk.turns
    pictures = [image for turn in turns for image in turn.stored.images]
    seen = [str(image.pixels["sha256"]) for image in pictures]
    said = [turn.stored.text.strip() for turn in turns]
    files = [image.file_sha256 for image in pictures]
    return [CANARY, *(text for text in said if len(text) > 4), *seen, *files]


@pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not compiled")
def test_window_and_real_child_leave_nothing_of_a_private_chat(
    everywhere: Path, taken: Path, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    make_bundle(everywhere / "home" / "model")
    page = begin_private(window, own_demo, wait_until)
    page.parts.settings.max_tokens.setValue(12)
    attach(page, make_picture(taken / f"{CANARY}.png"), wait_until)
    paste(page, wait_until)
    ask(page, f"What is this {CANARY}?", wait_until)
    words = words_of(page)
    assert len(words) >= 6
    assert (paths.log_folder() / "chat.log").is_file(), "the child wrote no log that could be searched"
    assert (own_demo / "dermagui.db-wal").exists(), "the project has no journal that could be searched"
    places = [everywhere, own_demo]
    assert not traces(places, words)

    (taken / f"{CANARY}-broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + CANARY.encode())
    page.take_paths([taken / f"{CANARY}-broken.png"])
    wait_until(lambda: CANARY in page.parts.bar.text)
    session = page.engine._session
    assert session is not None
    assert session._child is not None
    os.kill(session._child.process.pid, signal.SIGKILL)
    session._child.process.wait()
    ask(page, f"And now, {CANARY}?", wait_until)
    page.rename()
    QTest.keyClicks(page.parts.title, CANARY)
    QTest.keyClick(page.parts.title, Qt.Key.Key_Return)
    wait_until(lambda: page.parts.history.list.item(0).text() == CANARY)
    words = words_of(page)
    page.new_chat()
    page.parts.history.search.setText(CANARY)
    wait_until(lambda: page.parts.history.list.count() == 1 and page.parts.history.list.currentRow() == -1)
    page.parts.history.list.setCurrentRow(0)
    wait_until(lambda: len(page.talk.turns) == 4 and page.parts.seen.view.has_image)
    assert not traces(places, words)
    window.close()
    assert not traces(places, words)


def test_a_private_question_that_failed_or_was_never_sent_leaves_nothing(
    everywhere: Path,
    taken: Path,
    window: Window,
    own_demo: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = start_scripted(monkeypatch)
    make_bundle(everywhere / "home" / "model")
    page = begin_private(window, own_demo, wait_until)
    attach(page, make_picture(taken / f"{CANARY}.png"), wait_until)
    write(page, f"crash {CANARY}")
    wait_until(lambda: page.parts.bar.isVisible() and CANARY in page.parts.composer.text)
    write(page, f" endless {CANARY}")
    wait_until(lambda: script.children[-1].is_gone or page.parts.conversation.turns)
    window.close()
    assert not traces([everywhere, own_demo], [CANARY, "word0 word1"])


@pytest.mark.parametrize("place", ["project", "notebook"])
def test_what_is_kept_is_found_by_the_same_search(
    everywhere: Path,
    taken: Path,
    window: Window,
    own_demo: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    start_scripted(monkeypatch)
    make_bundle(everywhere / "home" / "model")
    page = open_chat(window, wait_until)
    if place == "project":
        window.desk.open_project(own_demo)
        wait_until(lambda: page.talk.place is Place.PROJECT)
    attach(page, make_picture(taken / f"{CANARY}.png"), wait_until)
    paste(page, wait_until)
    ask(page, f"3 {CANARY}", wait_until)
    *words, pasted = words_of(page)
    found = traces([everywhere, own_demo], words)
    missed = [word for word in words if not any(word in line for line in found)]
    assert not missed, f"{missed} would not be found where they stand"
    assert any("pasted" in line for line in traces([everywhere, own_demo], [pasted]))
    hidden = traces([everywhere, own_demo], words, but=[everywhere, own_demo])
    assert not hidden
