"""Tasks of the Chat page by keys and clicks: chips, what they need, what is asked and kept; Review."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QPushButton

from dermagui import paths
from dermagui.chat.tasks import find_task, list_tasks, prompt_of
from dermagui.storage.chats import StoredTurn, list_chats, turns_of_chat
from dermagui.storage.database import Store
from dermagui.storage.metadata import statements_about
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.chat.shelf import Place
from dermagui.ui.window import Window
from tests.fakes.answering import Script, start_scripted
from tests.fakes.chat_page import ask, attach, make_bundle, make_picture, open_chat, write

Wait = Callable[[Callable[[], object]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    made = start_scripted(monkeypatch)
    make_bundle(tmp_path / "model")
    return made


@pytest.fixture
def page(script: Script, window: Window, wait_until: Wait) -> ChatPage:
    page = open_chat(window, wait_until)
    wait_until(lambda: page.parts.tasks.chips and page.parts.tasks.chips["question"].isVisible())
    return page


def click(page: ChatPage, chip: str) -> None:
    QTest.mouseClick(page.parts.tasks.chips[chip], Qt.MouseButton.LeftButton)


def kept(folder: Path | None = None) -> list[StoredTurn]:
    """The turns of the newest chat of the Notebook or of a project."""
    with Store(folder or paths.data_folder(), read_only=True) as store:
        return turns_of_chat(store, list_chats(store)[0]["uid"])


def asked_text(script: Script) -> str:
    return str(script.asked[-1]["turns"][-1]["text"])


def test_each_task_is_a_chip_and_the_arrow_keys_choose(page: ChatPage) -> None:
    assert list(page.parts.tasks.chips) == [*(task.id for task in list_tasks()), "references"]
    assert page.parts.tasks.chosen == "question"
    QTest.keyClick(page, Qt.Key.Key_G, CTRL)
    chips = page.parts.tasks.chips
    assert QApplication.focusWidget() is chips["question"]
    QTest.keyClick(chips["question"], Qt.Key.Key_Left)
    assert page.parts.tasks.chosen == "summarise"
    assert "needs a text" in page.parts.tasks.needs.text()
    QTest.keyClick(chips["summarise"], Qt.Key.Key_Left)
    assert page.parts.tasks.chosen == "patient_version"


def test_what_a_task_needs_is_said_and_nothing_is_asked_without_it(
    page: ChatPage, script: Script, tmp_path: Path, wait_until: Wait
) -> None:
    click(page, "describe")
    assert "attach one" in page.parts.tasks.needs.text()
    write(page, "it itches")
    assert "is about a picture" in page.parts.bar.text
    assert page.parts.composer.text == "it itches"
    assert not page.engine.is_busy
    assert not script.asked
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    assert "attach one" not in page.parts.tasks.needs.text()
    page.parts.composer.clear()
    click(page, "summarise")
    write(page, "")
    assert "needs a text" in page.parts.bar.text
    assert not script.asked


def test_a_task_is_asked_in_its_own_words_and_shown_by_its_name(
    page: ChatPage, script: Script, tmp_path: Path, wait_until: Wait
) -> None:
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    click(page, "describe")
    ask(page, "it itches", wait_until)
    whole = prompt_of(find_task("describe"), text="it itches", has_image=True)
    assert asked_text(script) == whole
    question, answer = kept()
    assert question.text == whole
    assert (question.figures["task"], question.figures["own"]) == ("describe", "it itches")
    assert answer.figures["task"] == "describe"
    view = page.parts.conversation.turns[0]
    assert view._who.text() == "You: Describe"
    assert view.words.toPlainText() == "it itches"
    QTest.mouseClick(view.buttons["sent"], Qt.MouseButton.LeftButton)
    assert view.words.toPlainText() == whole
    assert page.parts.tasks.chosen == "question"
    click(page, "differential")
    ask(page, "", wait_until)
    assert "diagnoses that this picture allows" in asked_text(script), "the chat has a picture already"


def test_answers_are_chosen_for_a_task_of_text(page: ChatPage, script: Script, wait_until: Wait) -> None:
    first = ask(page, "3 naevi", wait_until)
    second = ask(page, "2 warts", wait_until)
    click(page, "summarise")
    answers = page.parts.tasks.answers
    assert [button.isChecked() for button in answers.values()] == [False, True]
    QTest.mouseClick(answers[1], Qt.MouseButton.LeftButton)
    ask(page, "A note of mine.", wait_until)
    told = asked_text(script)
    assert f"Answer 1:\n{first.strip()}\n\nAnswer 2:\n{second.strip()}" in told
    assert "A note of mine." in told
    view = page.parts.conversation.turns[4]
    assert view._who.text() == "You: Summarise, of answers 1, 2"
    click(page, "patient_version")
    for place, button in page.parts.tasks.answers.items():
        button.setChecked(place == 1)
    ask(page, "", wait_until)
    assert first.strip() in asked_text(script)
    assert second.strip() not in asked_text(script).replace(first.strip(), "")


def test_the_last_task_is_edited_and_answered_again_as_the_task_that_it_is(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    click(page, "summarise")
    ask(page, "An ulcer.", wait_until)
    QTest.keyClick(page, Qt.Key.Key_R, CTRL)
    wait_until(lambda: page.talk.turns and page.talk.turns[-1].versions == (0, 1))
    assert asked_text(script) == prompt_of(find_task("summarise"), text="An ulcer.")
    assert kept()[1].figures["task"] == "summarise"
    wait_until(lambda: page.action("chat.edit").isEnabled())
    QTest.keyClick(page, Qt.Key.Key_E, CTRL)
    assert page.parts.tasks.chosen == "summarise"
    assert page.parts.composer.text == "An ulcer."
    QTest.keyClicks(page.parts.composer.draft, " Healed.")
    QTest.keyClick(page.parts.composer.draft, Qt.Key.Key_Return)
    wait_until(lambda: page.talk.turns and page.talk.turns[0].versions == (0, 1))
    assert kept()[0].text == prompt_of(find_task("summarise"), text="An ulcer. Healed.")


def test_a_task_that_is_cancelled_stands_in_the_composer_again(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    script.slow_load = True
    click(page, "summarise")
    write(page, "An ulcer.")
    wait_until(lambda: page.parts.progress.isVisible() and page.parts.progress.value() == 300)
    QTest.keyClick(page, Qt.Key.Key_Period, CTRL)
    wait_until(lambda: page.parts.composer.text == "An ulcer.")
    assert page.parts.tasks.chosen == "summarise"


def test_a_chat_with_a_task_is_read_again_as_it_was_shown(page: ChatPage, wait_until: Wait) -> None:
    click(page, "summarise")
    ask(page, "An ulcer.", wait_until)
    page.new_chat()
    wait_until(lambda: page.parts.history.list.currentRow() == -1 and page.parts.history.list.count() == 1)
    page.parts.history.list.setCurrentRow(0)
    wait_until(lambda: len(page.parts.conversation.turns) == 2)
    assert page.parts.history.list.item(0).text() == "Summarise: An ulcer."
    assert page.parts.conversation.turns[0]._who.text() == "You: Summarise"
    assert page.parts.conversation.turns[0].words.toPlainText() == "An ulcer."


def test_what_the_library_knows_is_told_where_the_user_wants_it(
    script: Script, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    page = open_chat(window, wait_until)
    window.desk.open_project(own_demo)
    wait_until(lambda: window.desk.project is not None and page.parts.tasks.chips)
    with Store(own_demo, read_only=True) as store:
        query = """SELECT images.id FROM images JOIN files ON files.sha256 = images.sha256
            JOIN metadata ON metadata.file_id = files.id WHERE field = 'age' ORDER BY images.id"""
        number = store.value(query)
        assert "diagnosis" in {row["field"] for row in statements_about(store, number)}
    window.desk.selected_images = lambda: [number]
    QTest.keyClick(page, Qt.Key.Key_U, CTRL)
    click(page, "describe")
    facts = page.parts.tasks.facts
    wait_until(facts.isVisible)
    assert "age: " in page.parts.tasks.needs.text()
    assert "diagnosis" not in page.parts.tasks.needs.text()
    ask(page, "", wait_until)
    assert "- age: " not in asked_text(script), "nothing is told that nobody chose"
    click(page, "describe")
    QTest.mouseClick(facts, Qt.MouseButton.LeftButton)
    ask(page, "", wait_until)
    assert "states about the patient and the lesion:\n- " in asked_text(script)
    assert "- age: " in asked_text(script)
    assert "diagnosis:" not in asked_text(script)


# -- Review ----------------------------------------------------------------------------------------


def pairs_of(folder: Path) -> list[dict[str, object]]:
    """What came from chats into a project."""
    with Store(folder, read_only=True) as store:
        query = """SELECT kind, payload FROM pairs
            WHERE json_extract(payload, '$.chat') IS NOT NULL ORDER BY id"""
        return [{"kind": kind, **json.loads(payload)["chat"]} for kind, payload in store.tuples(query)]


def test_an_answer_and_the_whole_chat_go_to_review_with_their_provenance(
    script: Script, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    page = open_chat(window, wait_until)
    window.desk.open_project(own_demo)
    wait_until(lambda: window.desk.project is not None and page.talk.place is Place.PROJECT)
    ask(page, "2 words", wait_until)
    ask(page, "3 more", wait_until)
    view = page.parts.conversation.turns[1]
    QTest.mouseClick(view.buttons["review"], Qt.MouseButton.LeftButton)
    wait_until(lambda: "lies in Review" in page.parts.bar.text)
    QTest.keyClick(page, Qt.Key.Key_D, CTRL | SHIFT)
    wait_until(lambda: "as one dialogue" in page.parts.bar.text)
    answer, dialogue = pairs_of(own_demo)
    assert (answer["kind"], dialogue["kind"]) == ("open", "dialogue")
    assert answer["uid"] == page.talk.at.uid if page.talk.at else None
    assert answer["model"] == "tiny"
    button = next(one for one in page.parts.bar.findChildren(QPushButton) if one.text() == "Show in Review")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert window.page.name == "review"


def test_a_chat_of_the_notebook_goes_into_the_open_project(
    page: ChatPage, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    ask(page, "2 words", wait_until)
    QTest.keyClick(page, Qt.Key.Key_E, CTRL | SHIFT)
    assert "open one, or make one" in page.parts.bar.text
    at = page.talk.at
    window.desk.open_project(own_demo)
    wait_until(lambda: window.desk.project is not None and page.talk.place is Place.PROJECT)
    assert at is not None
    page.talk.open(at, "")
    wait_until(lambda: page.talk.turns)
    QTest.keyClick(page, Qt.Key.Key_E, CTRL | SHIFT)
    wait_until(lambda: "lies in Review" in page.parts.bar.text)
    assert [pair["uid"] for pair in pairs_of(own_demo)] == [at.uid]


def test_nothing_of_a_private_chat_goes_to_review(
    script: Script, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    page = open_chat(window, wait_until)
    window.desk.open_project(own_demo)
    wait_until(lambda: window.desk.project is not None)
    page.new_private_chat()
    ask(page, "2 words", wait_until)
    QTest.keyClick(page, Qt.Key.Key_E, CTRL | SHIFT)
    assert "is private" in page.parts.bar.text
    assert not pairs_of(own_demo)


# -- files ------------------------------------------------------------------------------------------


def test_a_private_chat_is_saved_with_its_pasted_picture_where_the_user_wants_it(
    page: ChatPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.new_private_chat()
    image = QImage(64, 48, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.darkGreen)
    QGuiApplication.clipboard().setImage(image)
    QTest.keyClick(page.parts.composer.draft, Qt.Key.Key_V, CTRL)
    wait_until(lambda: page.parts.composer.thumbs)
    QGuiApplication.clipboard().clear()
    ask(page, "2 words", wait_until)
    chosen = "Web page with pictures (*.html)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "chat"), chosen))
    QTest.keyClick(page, Qt.Key.Key_S, CTRL)
    wait_until(lambda: "Saved as chat.html" in page.parts.bar.text)
    text = (tmp_path / "chat.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in text
    assert "cannot be found" not in text


def test_a_chat_is_saved_as_json_by_the_chosen_kind(
    page: ChatPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(page, "2 naevi", wait_until)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "c.x"), "JSON (*.json)"))
    QTest.keyClick(page, Qt.Key.Key_S, CTRL)
    wait_until(lambda: "Saved as c.x.json" in page.parts.bar.text)
    told = json.loads((tmp_path / "c.x.json").read_text(encoding="utf-8"))
    assert [turn["text"] for turn in told["turns"]] == ["2 naevi", "word0 word1 "]
