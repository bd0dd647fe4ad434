"""An answer is kept when its project or the window closes in its midst; where none can be; drops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication

from dermagui import paths
from dermagui.storage.chats import list_chats, turns_of_chat
from dermagui.storage.database import Store
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.chat.shelf import Place
from dermagui.ui.window import Window
from tests.fakes.answering import Script, start_scripted
from tests.fakes.chat_page import ask, make_bundle, make_picture, open_chat, write

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    made = start_scripted(monkeypatch)
    make_bundle(tmp_path / "model")
    return made


def kept(folder: Path) -> list[list[str]]:
    """What is kept of each chat."""
    with Store(folder, read_only=True) as store:
        return [[turn.text for turn in turns_of_chat(store, row["uid"])] for row in list_chats(store)]


def begin_endless(page: ChatPage, wait_until: Wait) -> str:
    """Asks what is never answered to its end; what can be read of it so far."""
    write(page, "endless")
    wait_until(lambda: page.parts.conversation.turns and "word9" in page.parts.conversation.turns[-1].text)
    return page.parts.conversation.turns[-1].text


def open_demo(window: Window, page: ChatPage, folder: Path, wait_until: Wait) -> None:
    window.desk.open_project(folder)
    wait_until(lambda: window.desk.project is not None and page.talk.place is Place.PROJECT)


@pytest.mark.parametrize("leave", ["project", "window"])
def test_a_partial_answer_is_kept_in_its_project(
    leave: str, script: Script, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    page = open_chat(window, wait_until)
    open_demo(window, page, own_demo, wait_until)
    read = begin_endless(page, wait_until)
    if leave == "project":
        window.desk.close_project()
    else:
        window.close()
    ((question, answer),) = kept(own_demo)
    assert question == "endless"
    assert answer.startswith(read)


def test_a_partial_answer_is_kept_in_the_notebook_when_the_window_closes(
    script: Script, window: Window, wait_until: Wait
) -> None:
    page = open_chat(window, wait_until)
    read = begin_endless(page, wait_until)
    window.close()
    ((question, answer),) = kept(paths.data_folder())
    assert (question, answer[: len(read)]) == ("endless", read)


def test_a_model_that_still_loads_keeps_nobody_from_closing(
    script: Script, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    script.slow_load = True
    page = open_chat(window, wait_until)
    open_demo(window, page, own_demo, wait_until)
    write(page, "a long question")
    wait_until(lambda: page.parts.progress.isVisible())
    window.desk.close_project()
    assert not page.talk.is_asking
    assert kept(own_demo) == []


def test_pictures_are_dropped_on_the_page_by_events_of_the_mouse(
    script: Script, window: Window, tmp_path: Path, wait_until: Wait
) -> None:
    page = open_chat(window, wait_until)
    composer = page.parts.composer
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(make_picture(tmp_path / "mole.png")))])
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    for target in (composer, composer.draft.viewport()):
        enter = QDragEnterEvent(QPoint(5, 5), *how)
        QApplication.sendEvent(target, enter)
        assert enter.isAccepted()
        QApplication.sendEvent(target, QDropEvent(QPointF(5, 5), *how, QEvent.Type.Drop))
        wait_until(lambda: composer.thumbs)
        assert composer.text == "", "the path was dropped as text"
        composer.clear()
    words = QMimeData()
    words.setColorData("red")
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, words, *how[2:])
    QApplication.sendEvent(composer, enter)
    assert not enter.isAccepted()


def test_a_project_that_can_only_be_read_lists_its_chats_and_says_why_nothing_is_kept(
    script: Script, window: Window, own_demo: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_chat(window, wait_until)
    open_demo(window, page, own_demo, wait_until)
    ask(page, "2 naevi", wait_until)
    window.desk.close_project()
    monkeypatch.setattr("dermagui.project.Store", lambda folder, **_: Store(folder, read_only=True))
    window.desk.open_project(own_demo)
    listed = page.parts.history.list
    wait_until(lambda: window.desk.read_only and listed.count() == 1)
    assert "only be read" in page.parts.history._where.text()
    listed.setCurrentRow(0)
    wait_until(lambda: len(page.talk.turns) == 2)
    write(page, "3 more")
    wait_until(lambda: page.parts.bar.isVisible() and len(page.talk.turns) == 4)
    assert "can only be read" in page.parts.bar.text
    assert kept(own_demo) == [["2 naevi", "word0 word1 "]]
    page.new_chat()
    ask(page, "2 others", wait_until)
    window.close()
    assert kept(paths.data_folder()) == [["2 others", "word0 word1 "]]
