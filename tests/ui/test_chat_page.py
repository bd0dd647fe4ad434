"""The Chat page by keys and clicks, with a scripted child: asking, stopping, crashing, editing, keeping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QAccessibleEvent,
    QGuiApplication,
    QImage,
)
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QFileDialog, QPushButton

from dermagui import paths
from dermagui.storage.chats import list_chats, turns_of_chat
from dermagui.storage.database import Store
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.chat.shelf import Place
from dermagui.ui.window import Window
from tests.fakes.answering import CONTEXT_TOKENS, Script, start_scripted
from tests.fakes.chat_page import ask, attach, make_bundle, make_picture, open_chat, write

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    made = start_scripted(monkeypatch)
    make_bundle(tmp_path / "model")
    return made


@pytest.fixture
def page(script: Script, window: Window, wait_until: Wait) -> ChatPage:
    return open_chat(window, wait_until)


def notebook() -> list[list[str]]:
    """What is kept of each chat in the Notebook, the newest first."""
    with Store(paths.data_folder()) as store:
        return [[turn.text for turn in turns_of_chat(store, row["uid"])] for row in list_chats(store)]


def titles(page: ChatPage) -> list[str]:
    """The list of chats as it stands there."""
    listed = page.parts.history.list
    return [listed.item(row).text() for row in range(listed.count())]


def test_a_question_is_answered_and_kept_in_the_notebook(page: ChatPage, wait_until: Wait) -> None:
    answer = ask(page, "3 words", wait_until)
    assert answer == "word0 word1 word2 "
    assert notebook() == [["3 words", answer]]
    assert page.parts.conversation.turns[1].words.toPlainText().split() == ["word0", "word1", "word2"]
    assert page.parts.composer.text == ""
    assert "tiny" in page.parts.conversation.turns[1]._quiet.text()
    assert "3.0 tokens/s" in page.parts.conversation.turns[1]._quiet.text()
    assert page.parts.used.text() == f"103 of {CONTEXT_TOKENS} tokens of context"


def test_the_whole_chat_goes_with_the_next_question(page: ChatPage, script: Script, wait_until: Wait) -> None:
    first = ask(page, "3 words", wait_until)
    ask(page, "2 more", wait_until)
    assert [turn["text"] for turn in script.asked[-1]["turns"]] == ["3 words", first, "2 more"]
    assert script.asked[-1]["turns"][1]["tokens"] == [1, 2, 3]


def test_shift_enter_is_a_new_line(page: ChatPage) -> None:
    draft = page.parts.composer.draft
    QTest.keyClicks(draft, "one")
    QTest.keyClick(draft, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(draft, "two")
    assert draft.toPlainText().splitlines() == ["one", "two"]
    assert not page.engine.is_busy


def test_an_endless_answer_is_stopped_and_what_came_is_kept(page: ChatPage, wait_until: Wait) -> None:
    write(page, "endless")
    wait_until(lambda: page.parts.conversation.turns and "word9" in page.parts.conversation.turns[-1].text)
    QTest.keyClick(page, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.talk.at is not None)
    assert page.talk.turns[-1].stored.figures["ended"] == "stopped"
    assert notebook()[0][1].startswith("word0 word1")
    assert "Stopped." in page.parts.conversation.turns[-1]._notes.text()


def test_loading_can_be_cancelled_and_the_question_is_not_lost(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    script.slow_load = True
    write(page, "a long question")
    wait_until(lambda: page.parts.progress.isVisible() and page.parts.progress.value() == 300)
    assert page.parts.waiting.text() == "Loading the model"
    QTest.mouseClick(page.parts.composer.buttons["stop"], Qt.MouseButton.LeftButton)
    wait_until(lambda: page.parts.composer.text == "a long question")
    assert not page.parts.conversation.turns
    assert not page.parts.progress.isVisible()


def test_a_child_that_died_is_a_bar_and_starts_again(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    write(page, "crash")
    wait_until(lambda: page.parts.bar.isVisible())
    assert "ended while it was answering" in page.parts.bar.text
    assert page.parts.composer.text == "crash"
    page.parts.composer.draft.setPlainText("2 words")
    button = next(one for one in page.parts.bar.findChildren(QPushButton) if one.text() == "Start again")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    wait_until(lambda: page.talk.at is not None)
    assert len(script.children) == 2
    assert notebook() == [["2 words", "word0 word1 "]]


def test_an_answer_given_again_is_another_version(page: ChatPage, wait_until: Wait) -> None:
    ask(page, "2 words", wait_until)
    QTest.keyClick(page, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.talk.turns and page.talk.turns[-1].versions == (0, 1))
    later = page.parts.conversation.turns[-1]
    wait_until(lambda: later.buttons["earlier"].isVisible())
    assert not later.buttons["later"].isVisible()
    QTest.mouseClick(later.buttons["earlier"], Qt.MouseButton.LeftButton)
    wait_until(lambda: page.talk.turns[-1].stored.version == 0)
    wait_until(lambda: page.parts.conversation.turns[-1].buttons["later"].isVisible())
    assert len(notebook()[0]) == 2


def test_the_last_question_is_edited(page: ChatPage, script: Script, wait_until: Wait) -> None:
    ask(page, "2 words", wait_until)
    QTest.keyClick(page, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    assert page.parts.composer.text == "2 words"
    QTest.keyClicks(page.parts.composer.draft, " please")
    QTest.keyClick(page.parts.composer.draft, Qt.Key.Key_Return)
    wait_until(lambda: page.talk.turns and page.talk.turns[0].versions == (0, 1))
    assert [turn["text"] for turn in script.asked[-1]["turns"]] == ["2 words please"]
    assert notebook() == [["2 words please", "word0 word1 "]]


def test_a_draft_goes_into_no_other_chat(page: ChatPage, wait_until: Wait) -> None:
    ask(page, "2 words", wait_until)
    kept = page.talk.at
    page.parts.composer.draft.setPlainText("a draft of the kept chat")
    page.new_private_chat()
    assert page.parts.composer.text == ""
    ask(page, "3 words", wait_until)
    page.edit()
    page._on_chat_chosen(kept)
    assert page.parts.composer.text == "a draft of the kept chat"
    assert page.wishing.edited is None
    page.new_private_chat()
    page.parts.composer.draft.setPlainText("a private draft")
    page.new_chat()
    assert page.parts.composer.text == ""
    page.parts.composer.draft.setPlainText("begun")
    page._on_chat_chosen(kept)
    page.new_chat()
    assert page.parts.composer.text == "begun"


def test_an_edited_chat_keeps_its_name_in_view(page: ChatPage, wait_until: Wait) -> None:
    ask(page, "2 words", wait_until)
    wait_until(lambda: page.parts.title.text() == "2 words")
    QTest.keyClick(page, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(page.parts.composer.draft, Qt.Key.Key_Return)
    wait_until(lambda: page.talk.turns and page.talk.turns[0].versions == (0, 1))
    assert page.parts.title.text() == "2 words"


def test_a_picture_is_shown_and_what_the_model_saw_stands_beside(
    page: ChatPage, script: Script, tmp_path: Path, wait_until: Wait
) -> None:
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    ask(page, "2 words", wait_until)
    (seen,) = script.asked[-1]["images"]
    assert seen["sha256"] in page.parts.seen.facts.replace("\n", "")
    assert f"{seen['width']} × {seen['height']} pixels" in page.parts.seen.facts
    assert "16 tokens" in page.parts.seen.facts
    assert page.parts.seen.view.has_image
    assert len(page.parts.conversation.turns[0].thumbs.buttons) == 1
    assert not page.parts.composer.thumbs


def test_a_chat_is_opened_again_with_its_pictures(page: ChatPage, tmp_path: Path, wait_until: Wait) -> None:
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    ask(page, "2 words", wait_until)
    before = page.parts.seen.facts
    page.new_chat()
    assert not page.parts.conversation.turns
    listed = page.parts.history.list
    wait_until(lambda: listed.count() == 1 and listed.currentRow() == -1)
    listed.setCurrentRow(0)
    wait_until(lambda: page.parts.seen.facts == before)
    assert [view.text for view in page.parts.conversation.turns] == ["2 words", "word0 word1 "]
    assert page.parts.seen.view.has_image
    (tmp_path / "mole.png").unlink()
    page.new_chat()
    wait_until(lambda: page.parts.history.list.currentRow() == -1)
    page.parts.history.list.setCurrentRow(0)
    wait_until(lambda: "cannot be found" in page.parts.seen.facts)


def test_a_pasted_picture_is_written_only_when_its_question_was_answered(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    image = QImage(40, 30, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.darkRed)
    QGuiApplication.clipboard().setImage(image)
    QTest.keyClick(page.parts.composer.draft, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.parts.composer.thumbs)
    assert not (paths.data_folder() / "pasted").exists()
    ask(page, "2 words", wait_until)
    assert len(list((paths.data_folder() / "pasted").glob("*.png"))) == 1
    QGuiApplication.clipboard().clear()


def test_dropped_files_are_attached_and_one_can_be_removed(
    page: ChatPage, tmp_path: Path, wait_until: Wait
) -> None:
    data = QMimeData()
    names = [make_picture(tmp_path / f"{n}.png", (n, n, n)) for n in (10, 200)]
    data.setUrls([QUrl.fromLocalFile(str(name)) for name in [*names, tmp_path / "notes.txt"]])
    (tmp_path / "notes.txt").write_text("no picture")
    page.parts.composer.draft.insertFromMimeData(data)
    wait_until(lambda: len(page.parts.composer.thumbs) == 2)
    assert "notes.txt" in page.parts.bar.text
    page.parts.composer._row.removed.emit(0)
    assert [thumb.name for thumb in page.parts.composer.thumbs] == ["200.png"]


def test_a_full_context_leaves_out_the_oldest_and_says_so(
    page: ChatPage, script: Script, tmp_path: Path, wait_until: Wait
) -> None:
    script.most_turns = 3
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    for _ in range(3):
        ask(page, "1 word", wait_until)
    told = script.asked[-1]
    assert len(told["turns"]) == 3
    assert told["turns"][0]["images"] == [0], "the picture of a question that was left out is kept"
    assert "left out, with their answers: 1." in page.parts.conversation.turns[-1]._notes.text()
    assert not page.parts.conversation.turns[3]._notes.text()


def test_chats_are_searched_renamed_and_deleted(page: ChatPage, wait_until: Wait) -> None:
    ask(page, "2 naevi", wait_until)
    page.new_chat()
    ask(page, "2 warts", wait_until)
    history = page.parts.history
    wait_until(lambda: history.list.count() == 2)
    QTest.keyClick(page.window(), Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(history.search, "naev")
    wait_until(lambda: history.list.count() == 1)
    history.search.clear()
    wait_until(lambda: history.list.count() == 2)
    QTest.keyClick(page, Qt.Key.Key_F2)
    QTest.keyClicks(page.parts.title, "About warts")
    QTest.keyClick(page.parts.title, Qt.Key.Key_Return)
    wait_until(lambda: titles(page)[:1] == ["About warts"])
    page.action("chat.delete").trigger()
    assert len(notebook()) == 2, "nothing is deleted before somebody said yes"
    QTest.mouseClick(page.parts.bar.findChildren(QPushButton)[0], Qt.MouseButton.LeftButton)
    wait_until(lambda: history.list.count() == 1)
    assert notebook() == [["2 naevi", "word0 word1 "]]


def test_a_chat_is_saved_as_a_file(
    page: ChatPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(page, "2 naevi", wait_until)
    out = tmp_path / "chat.md"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(out), ""))
    page.action("chat.export").trigger()
    wait_until(lambda: "Saved as chat.md" in page.parts.bar.text)
    text = out.read_text(encoding="utf-8")
    assert "2 naevi" in text
    assert "Not a medical device" in text


def test_an_answer_is_written_into_the_chat_it_was_asked_in(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    write(page, "endless")
    wait_until(lambda: page.parts.conversation.turns[-1].text)
    page.new_chat()
    wait_until(lambda: page.parts.history.list.count() == 1)
    assert not page.parts.conversation.turns
    assert not page.talk.turns
    assert notebook()[0][0] == "endless"


def test_a_chat_in_a_project_is_kept_there(
    script: Script, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    page = open_chat(window, wait_until)
    window.desk.open_project(own_demo)
    wait_until(lambda: window.desk.project is not None and page.talk.place is Place.PROJECT)
    ask(page, "2 words", wait_until)
    with Store(own_demo, read_only=True) as store:
        assert [row["title"] for row in list_chats(store)] == ["2 words"]


def test_the_librarys_selection_is_attached(
    script: Script, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    page = open_chat(window, wait_until)
    window.desk.open_project(own_demo)
    wait_until(lambda: window.desk.project is not None)
    with Store(own_demo, read_only=True) as store:
        number = store.value("SELECT id FROM images ORDER BY id")
    window.desk.selected_images = lambda: [number]
    QTest.keyClick(page, Qt.Key.Key_U, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.parts.composer.thumbs)


def test_the_window_hears_of_an_answer_thirty_times_a_second_at_most(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    heard = QSignalSpy(page.engine.grew)
    ask(page, "3000 words", wait_until)
    assert len(page.talk.turns[-1].stored.tokens) == 3000
    # Each signal but the last carries what came in a thirtieth of a second: far more than one word.
    assert 0 < heard.count() < 1500


def test_the_chat_ends_with_the_window(script: Script, window: Window, wait_until: Wait) -> None:
    page = open_chat(window, wait_until)
    write(page, "endless")
    wait_until(lambda: page.parts.conversation.turns[-1].text)
    window.close()
    assert all(child.is_gone for child in script.children)
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith(("chat", "notebook"))]
    assert not left


def test_an_answer_is_announced_politely_sentence_by_sentence(
    page: ChatPage, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[QAccessibleEvent] = []
    monkeypatch.setattr(QAccessible, "updateAccessibility", said.append)
    ask(page, "12 words", wait_until)
    spoken = [event for event in said if isinstance(event, QAccessibleAnnouncementEvent)]
    polite = QAccessible.AnnouncementPoliteness.Polite
    assert {event.politeness() for event in spoken} == {polite}
    assert [event.message() for event in spoken] == [
        "word0 word1 word2 word3 word4.",
        "word5 word6 word7 word8 word9.",
        "word10 word11",
    ]
