"""Reports of the Chat page: asked by a grammar, shown as a form, mended by keys, kept, saved, printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event

import pypdf
import pytest
from PySide6.QtCore import Qt
from PySide6.QtPrintSupport import QPrintDialog, QPrinter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)

from dermagui import paths
from dermagui.chat.bundle import NOTICE
from dermagui.chat.tasks import find_task
from dermagui.storage.chats import StoredTurn, list_chats, turns_of_chat
from dermagui.storage.database import Store
from dermagui.ui.chat import wishing
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.chat.report_form import ReportForm
from dermagui.ui.shell.words import whole
from dermagui.ui.window import Window
from tests.fakes.answering import Script, start_scripted
from tests.fakes.chat_page import ask, attach, make_bundle, make_picture, open_chat, write

Wait = Callable[[Callable[[], object]], None]
FILLED = {
    "picture": "A sharp photograph.",
    "site": "left arm",
    "dermoscopy": ["network", "dots"],
    "differential": [
        {"diagnosis": "naevus", "certainty": "probable", "speaks_for": "even", "speaks_against": ""},
        {"diagnosis": "melanoma", "certainty": "unlikely", "speaks_for": "", "speaks_against": "even"},
    ],
    "urgency": "not urgent",
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    made = start_scripted(monkeypatch)
    make_bundle(tmp_path / "model")
    answer_with(made, json.dumps(FILLED))
    return made


@pytest.fixture
def page(script: Script, window: Window, tmp_path: Path, wait_until: Wait) -> ChatPage:
    """The page with a picture attached and the report chosen."""
    page = open_chat(window, wait_until)
    wait_until(lambda: page.parts.tasks.chips)
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    QTest.mouseClick(page.parts.tasks.chips["report"], Qt.MouseButton.LeftButton)
    return page


def answer_with(script: Script, text: str, until: Event | None = None) -> None:
    """Lets the child say this; the second half when ``until`` is set."""

    def words(question: str, stopped: Event) -> Iterator[str]:
        yield text[: len(text) // 2]
        if until is not None:
            script.wait(stopped)
        yield text[len(text) // 2 :]

    script.words = words  # type: ignore[method-assign]


def kept() -> StoredTurn:
    """The answer in the database."""
    with Store(paths.data_folder(), read_only=True) as store:
        return turns_of_chat(store, list_chats(store)[0]["uid"])[1]


def open_form(page: ChatPage, wait_until: Wait) -> ReportForm:
    wait_until(lambda: page.action("chat.report").isEnabled() and page.talk.at is not None)
    QTest.keyClick(
        page, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    )
    form = page.reporting.form
    assert form is not None
    form.activateWindow()
    wait_until(form.isActiveWindow)
    return form


def named(form: ReportForm, name: str) -> QWidget:
    (found,) = [one for one in form.findChildren(QWidget) if one.accessibleName() == name]
    return found


def press(form: ReportForm, text: str) -> None:
    (button,) = [one for one in form.findChildren(QPushButton) if one.text().replace("&", "") == text]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def close(form: ReportForm, wait_until: Wait, page: ChatPage) -> None:
    QTest.mouseClick(form.buttons.button(QDialogButtonBox.StandardButton.Close), Qt.MouseButton.LeftButton)
    wait_until(lambda: page.reporting.form is None)
    page.window().activateWindow()  # as every system but the offscreen one does
    wait_until(page.window().isActiveWindow)


def test_a_report_is_asked_by_its_grammar_and_read_as_text(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    ask(page, "", wait_until)
    asked = script.asked[-1]
    assert json.loads(asked["schema"]) == find_task("report").schema
    assert asked["sampling"]["max_tokens"] == 2048
    assert kept().text == json.dumps(FILLED)
    view = page.parts.conversation.turns[1]
    assert "Body site: left arm\n" in view.words.toPlainText()
    assert NOTICE in view.words.toPlainText()
    assert "{" not in view.words.toPlainText()
    assert view.buttons["form"].isVisible()


def test_while_it_is_written_the_field_is_told_and_no_json(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    answer_with(script, json.dumps(FILLED), script.go)
    write(page, "")
    wait_until(lambda: page.parts.conversation.turns)
    view = page.parts.conversation.turns[-1]
    wait_until(lambda: "Filling in the form" in view._notes.text())
    assert "(4 of 13)" in view._notes.text()
    assert not view.words.toPlainText()
    script.go.set()
    wait_until(lambda: page.talk.at is not None)
    assert "Filling" not in view._notes.text()


def test_the_form_is_mended_by_keys_and_what_was_written_is_kept(page: ChatPage, wait_until: Wait) -> None:
    ask(page, "", wait_until)
    form = open_form(page, wait_until)
    assert NOTICE in [label.text() for label in form.findChildren(QLabel)]
    assert QApplication.focusWidget() is named(form, "Picture and its quality")
    site = named(form, "Body site")
    assert isinstance(site, QPlainTextEdit)
    site.setFocus()
    site.selectAll()
    QTest.keyClicks(site, "right arm")
    urgency = named(form, "Urgency")
    assert isinstance(urgency, QComboBox)
    urgency.setFocus()
    QTest.keyClick(urgency, Qt.Key.Key_Up)
    diagnosis = named(form, "Differential diagnosis 2: Diagnosis")
    diagnosis.setFocus()
    assert diagnosis.hasFocus()
    QTest.keyClicks(diagnosis, "not ")
    QTest.mouseClick(named(form, "Remove: Differential diagnosis 1"), Qt.MouseButton.LeftButton)
    press(form, "Add to: Differential diagnosis")
    close(form, wait_until, page)
    wait_until(lambda: "form" in kept().figures)
    wait_until(lambda: "right arm" in page.parts.conversation.turns[1].words.toPlainText())
    told = kept().figures["form"]
    assert isinstance(told, dict)
    assert (told["site"], told["urgency"]) == ("right arm", "within weeks")
    assert [row["diagnosis"] for row in told["differential"]] == ["not melanoma"]
    assert told["dermoscopy"] == FILLED["dermoscopy"]
    assert kept().text == json.dumps(FILLED), "what the model said stays"
    assert "Edited by hand" in page.parts.conversation.turns[1]._notes.text()
    form = open_form(page, wait_until)
    again = named(form, "Body site")
    assert isinstance(again, QPlainTextEdit)
    assert again.toPlainText() == "right arm"
    close(form, wait_until, page)


def test_a_form_that_nobody_wrote_in_changes_nothing(page: ChatPage, wait_until: Wait) -> None:
    ask(page, "", wait_until)
    form = open_form(page, wait_until)
    QTest.keyClick(form, Qt.Key.Key_Escape)
    wait_until(lambda: page.reporting.form is None)
    assert "form" not in kept().figures


def test_the_report_is_saved_as_a_page_and_as_text(
    page: ChatPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(page, "", wait_until)
    form = open_form(page, wait_until)

    def saved(name: str) -> bool:
        return name in form.bar.text

    for name in ("report.html", "report.txt"):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, name=name: (str(tmp_path / name), ""))
        press(form, "Save as a file…")
        wait_until(partial(saved, name))
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert NOTICE in text
        assert "left arm" in text
        assert "tiny" in text
        assert ("data:image/png;base64," in text) is (name == "report.html")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no" / "where.html"), ""))
    press(form, "Save as a file…")
    wait_until(lambda: "Saved" not in form.bar.text)
    assert form.isVisible()
    close(form, wait_until, page)


def test_the_report_is_printed_with_its_notice_and_its_picture(
    page: ChatPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report.pdf"

    def agree(dialog: QPrintDialog) -> QDialog.DialogCode:
        dialog.printer().setOutputFormat(QPrinter.OutputFormat.PdfFormat)
        dialog.printer().setOutputFileName(str(out))
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(QPrintDialog, "exec", agree)
    ask(page, "", wait_until)
    form = open_form(page, wait_until)
    press(form, "Print…")
    wait_until(out.is_file)
    sheets = pypdf.PdfReader(out).pages
    words = " ".join(" ".join(sheet.extract_text() for sheet in sheets).split())
    assert NOTICE in words
    assert "left arm" in words
    assert [image for sheet in sheets for image in sheet.images]
    close(form, wait_until, page)


def test_an_answer_that_was_cut_off_is_told_and_stays_text(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    answer_with(script, json.dumps(FILLED)[:60])
    ask(page, "", wait_until)
    assert "left arm"[:4] in page.parts.conversation.turns[1].words.toPlainText()
    wait_until(lambda: page.talk.at is not None)
    QTest.mouseClick(page.parts.conversation.turns[1].buttons["form"], Qt.MouseButton.LeftButton)
    assert page.reporting.form is None
    assert "does not fill in the whole form" in page.parts.bar.text


def test_room_for_a_report_is_made_where_memory_allows(
    script: Script, window: Window, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_chat(window, wait_until)
    wait_until(lambda: page.parts.tasks.chips)
    QTest.mouseClick(page.parts.tasks.chips["report"], Qt.MouseButton.LeftButton)
    wait_until(lambda: "may be cut off" in page.parts.tasks.needs.text())
    assert page.parts.settings.context_tokens.value() == 4096, "a small model holds no more"
    page.parts.tasks.choose("question")
    monkeypatch.setattr(wishing, "_has_room", lambda name, tokens: tokens == 8192)
    QTest.mouseClick(page.parts.tasks.chips["report"], Qt.MouseButton.LeftButton)
    wait_until(lambda: page.parts.settings.context_tokens.value() == 8192)
    assert f"was set to {whole(8192)} tokens" in page.parts.tasks.needs.text()
