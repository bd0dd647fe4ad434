"""Answers from the reference library: files added and taken out, passages found, given, shown and cited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QPushButton

from dermagui import paths
from dermagui.chat.reference import add_references
from dermagui.project import home_project
from dermagui.storage.chats import StoredTurn, list_chats, turns_of_chat
from dermagui.storage.database import Store
from dermagui.storage.references import list_references
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.chat.references import ReferenceSheet
from dermagui.ui.chat.shelf import Place
from dermagui.ui.window import Window
from tests.fakes.answering import Script, start_scripted
from tests.fakes.chat_page import ask, make_bundle, open_chat, write

Wait = Callable[[Callable[[], object]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
DOSE = "Methotrexate for psoriasis is given once a week, never daily."
PREGNANT = "Methotrexate must not be given in pregnancy."


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    made = start_scripted(monkeypatch)
    make_bundle(tmp_path / "model")
    return made


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "dose.md").write_text(f"{DOSE}\n", encoding="utf-8")
    (folder / "pregnancy.txt").write_text(f"{PREGNANT}\n", encoding="utf-8")
    return folder


@pytest.fixture
def page(script: Script, window: Window, wait_until: Wait) -> ChatPage:
    page = open_chat(window, wait_until)
    wait_until(lambda: page.parts.tasks.chips)
    return page


@pytest.fixture
def filled(page: ChatPage, texts: Path, wait_until: Wait) -> ChatPage:
    """The page with two files in the library for all projects, asking it."""
    with Store(home_project()) as store:
        add_references(store, texts)
    page.wishing.count()
    QTest.mouseClick(page.parts.tasks.chips["references"], Qt.MouseButton.LeftButton)
    wait_until(lambda: "keeps to your reference library" in page.parts.tasks.needs.text())
    return page


def say(script: Script, *answers: str) -> None:
    """Lets the child give these answers, one after the other."""
    left = iter(answers)

    def words(question: str, stopped: Event) -> Iterator[str]:
        yield next(left)

    script.words = words  # type: ignore[method-assign]


def asked_texts(script: Script) -> list[str]:
    return [turn["text"] for turn in script.asked[-1]["turns"]]


def kept() -> list[StoredTurn]:
    with Store(paths.data_folder(), read_only=True) as store:
        return turns_of_chat(store, list_chats(store)[0]["uid"])


def files_of(folder: Path) -> list[str]:
    with Store(folder, read_only=True) as store:
        return [Path(row["path"]).name for row in list_references(store)]


def notes(page: ChatPage, place: int = -1) -> str:
    return page.parts.conversation.turns[place]._notes.text()


def test_passages_are_given_shown_and_cited(filled: ChatPage, script: Script, wait_until: Wait) -> None:
    page = filled
    say(script, "Once a week [1].")
    ask(page, "How often is methotrexate given for psoriasis?", wait_until)
    (told,) = asked_texts(script)
    assert f"[1] dose.md, line 1:\n{DOSE}" in told
    question, answer = kept()
    assert question.text == "How often is methotrexate given for psoriasis?"
    passages = answer.figures["passages"]
    assert isinstance(passages, list)
    assert [one["name"] for one in passages] == ["dose.md", "pregnancy.txt"]
    shown = page.parts.conversation.turns[1].passages
    assert "[1] dose.md · line 1 · cited" in shown.lines[0].text()
    assert "cited" not in shown.lines[1].text()
    assert not shown.texts[0].isVisible()
    QTest.mouseClick(shown.lines[0], Qt.MouseButton.LeftButton)
    assert shown.texts[0].isVisible()
    assert shown.texts[0].text() == DOSE
    assert "cites passages 1" in notes(page)
    assert page.parts.tasks.chosen == "references", "the next question is about the library too"


def test_an_answer_without_support_says_so(filled: ChatPage, script: Script, wait_until: Wait) -> None:
    say(script, "Every day.", "Daily [7].")
    ask(filled, "How often is methotrexate given?", wait_until)
    assert "names no passage" in notes(filled)
    ask(filled, "And methotrexate for psoriasis?", wait_until)
    assert "cites 7" in notes(filled)


def test_the_passages_of_earlier_questions_are_not_told_again(
    filled: ChatPage, script: Script, wait_until: Wait
) -> None:
    say(script, "Once a week [1].", "No [1].")
    ask(filled, "How often is methotrexate given for psoriasis?", wait_until)
    ask(filled, "Methotrexate in pregnancy?", wait_until)
    first, _, last = asked_texts(script)
    assert first == "How often is methotrexate given for psoriasis?"
    assert PREGNANT in last


def test_where_nothing_fits_nothing_is_asked_before_the_user_wants_it(
    filled: ChatPage, script: Script, wait_until: Wait
) -> None:
    write(filled, "Isotretinoin and lipids?")
    wait_until(lambda: "Nothing in your reference library fits" in filled.parts.bar.text)
    assert not script.asked
    assert filled.parts.composer.text == "Isotretinoin and lipids?"
    wait_until(lambda: filled.action("chat.send").isEnabled())
    button = next(one for one in filled.parts.bar.findChildren(QPushButton) if one.text() == "Ask without it")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    wait_until(lambda: filled.talk.at is not None)
    assert asked_texts(script) == ["Isotretinoin and lipids?"]
    assert kept()[1].figures["passages"] == []
    assert "has no support there" in notes(filled)


def test_answered_again_it_keeps_to_the_same_passages(
    filled: ChatPage, script: Script, texts: Path, wait_until: Wait
) -> None:
    say(script, "Once a week [1].", "Weekly.")
    ask(filled, "How often is methotrexate given for psoriasis?", wait_until)
    (before,) = asked_texts(script)
    QTest.keyClick(filled, Qt.Key.Key_R, CTRL)
    wait_until(lambda: filled.talk.turns and filled.talk.turns[-1].versions == (0, 1))
    assert asked_texts(script) == [before]
    assert "names no passage" in notes(filled)


def test_what_became_of_a_file_is_said(
    filled: ChatPage, script: Script, texts: Path, wait_until: Wait
) -> None:
    (texts / "dose.md").unlink()
    (texts / "pregnancy.txt").write_text("Something else about methotrexate.", encoding="utf-8")
    say(script, "Once a week [1].")
    ask(filled, "Methotrexate, psoriasis, pregnancy?", wait_until)
    lines = " ".join(line.text() for line in filled.parts.conversation.turns[1].passages.lines)
    assert "its file is gone" in lines
    assert "its file was changed since" in lines


def open_sheet(page: ChatPage, wait_until: Wait) -> ReferenceSheet:
    QTest.keyClick(page, Qt.Key.Key_L, CTRL | SHIFT)
    (sheet,) = page.findChildren(ReferenceSheet)
    wait_until(sheet.isVisible)
    return sheet


def close(sheet: ReferenceSheet) -> None:
    QTest.keyClick(sheet, Qt.Key.Key_Escape)


def test_files_are_added_and_taken_out_and_a_bad_one_stops_no_other(
    page: ChatPage, texts: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    QTest.mouseClick(page.parts.tasks.chips["references"], Qt.MouseButton.LeftButton)
    wait_until(lambda: "library is empty" in page.parts.tasks.needs.text())
    (texts / "a.pdf").write_bytes(b"%PDF-1.4 no more")
    sheet = open_sheet(page, wait_until)
    assert sheet.place.count() == 1
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(texts))
    QTest.mouseClick(sheet.add_folder, Qt.MouseButton.LeftButton)
    wait_until(lambda: sheet.files.count() == 2)
    assert "a.pdf cannot be read as a PDF file" in sheet.bar.text
    assert files_of(paths.data_folder()) == ["dose.md", "pregnancy.txt"]
    wait_until(lambda: "keeps to your reference library" in page.parts.tasks.needs.text())
    sheet.files.setFocus()
    QTest.keyClick(sheet.files, Qt.Key.Key_Home)
    QTest.keyClick(sheet.files, Qt.Key.Key_Space)
    QTest.mouseClick(sheet.remove, Qt.MouseButton.LeftButton)
    wait_until(lambda: sheet.files.count() == 1)
    assert files_of(paths.data_folder()) == ["pregnancy.txt"]
    assert (texts / "dose.md").is_file()
    close(sheet)


def test_a_project_has_a_library_of_its_own_which_comes_first(
    script: Script, window: Window, own_demo: Path, texts: Path, wait_until: Wait
) -> None:
    with Store(home_project()) as store:
        add_references(store, texts / "pregnancy.txt")
    page = open_chat(window, wait_until)
    window.desk.open_project(own_demo)
    wait_until(lambda: window.desk.project is not None and page.talk.place is Place.PROJECT)
    wait_until(lambda: page.parts.tasks.chips)
    sheet = open_sheet(page, wait_until)
    assert sheet.place.currentText() == "Only for Demo"
    sheet.take_paths([texts / "dose.md"])
    wait_until(lambda: sheet.files.count() == 1)
    QTest.keyClick(sheet.place, Qt.Key.Key_Down)
    wait_until(lambda: sheet.files.item(0) and "pregnancy.txt" in sheet.files.item(0).text())
    close(sheet)
    assert files_of(own_demo) == ["dose.md"]
    QTest.mouseClick(page.parts.tasks.chips["references"], Qt.MouseButton.LeftButton)
    say(script, "No [2].")
    ask(page, "Is methotrexate given?", wait_until)
    lines = [line.text() for line in page.parts.conversation.turns[1].passages.lines]
    assert lines == ["[1] dose.md · line 1", "[2] pregnancy.txt · line 1 · cited"]


def test_a_question_to_the_library_is_edited(filled: ChatPage, script: Script, wait_until: Wait) -> None:
    say(script, "Once a week [1].", "Never [1].")
    ask(filled, "Methotrexate for psoriasis?", wait_until)
    QTest.mouseClick(filled.parts.tasks.chips["question"], Qt.MouseButton.LeftButton)
    QTest.keyClick(filled, Qt.Key.Key_E, CTRL)
    assert filled.parts.tasks.chosen == "references"
    filled.parts.composer.draft.selectAll()
    write(filled, "Methotrexate in pregnancy?")
    wait_until(lambda: filled.talk.turns and filled.talk.turns[0].versions == (0, 1))
    assert [turn.text for turn in kept()] == ["Methotrexate in pregnancy?", "Never [1]."]
