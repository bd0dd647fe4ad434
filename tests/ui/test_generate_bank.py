"""The editor of question banks: what ships is copied, what is typed is kept, what is wrong is not saved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QKeySequence, QPalette, QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

from dermagui.generation.bank import load_bank
from dermagui.generation.own_banks import kept_draft, own_folder
from dermagui.storage.banks import freeze_bank
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.generate.bank_editor import BankEditor
from dermagui.ui.generate.page import GeneratePage
from dermagui.ui.jobs import Jobs
from tests.fakes.projects import new_store

Wait = Callable[[Callable[[], object]], None]
COPY = "general-questions-about-skin-images-my-copy"


@pytest.fixture
def page(
    desk: Desk, jobs: Jobs, demo: Path, wait_until: Wait, application: QApplication
) -> Iterator[GeneratePage]:
    """The page with the demo, whose bank was used."""
    made = GeneratePage(desk, jobs)
    desk.project_changed.connect(made.show_project)
    made.resize(1200, 700)
    made.show()
    made.activateWindow()
    assert QTest.qWaitForWindowActive(made)
    desk.open_project(demo)
    wait_until(lambda: made._outlook)
    yield made
    made.leave()
    wait_until(lambda: desk.is_idle)
    made.close()
    made.deleteLater()


@pytest.fixture
def editor(page: GeneratePage, wait_until: Wait) -> BankEditor:
    """The editor with the bank that ships."""
    QTest.mouseClick(page.form.edit_bank, Qt.MouseButton.LeftButton)
    wait_until(lambda: page.editor.questions.count())
    return page.editor


@pytest.fixture
def own(editor: BankEditor, wait_until: Wait) -> BankEditor:
    """The editor with a copy of one's own."""
    click(editor.copy)
    wait_until(lambda: not editor.name.isReadOnly())
    return editor


def click(button: QPushButton) -> None:
    assert button.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def saved() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((own_folder() / f"{COPY}.json").read_text(encoding="utf-8"))
    return found


def said(editor: BankEditor) -> str:
    return "\n".join(label.text() for label in editor.preview.findChildren(QLabel))


def type_variation(editor: BankEditor, text: str) -> None:
    field = editor.form.variations
    field.setFocus()
    field.moveCursor(QTextCursor.MoveOperation.End)
    QTest.keyClick(field, Qt.Key.Key_Return)
    QTest.keyClicks(field, text)


def test_what_ships_is_looked_at_on_one_image_and_not_changed(editor: BankEditor, wait_until: Wait) -> None:
    assert editor.form.key.isReadOnly()
    assert not editor.save.isVisible()
    wait_until(lambda: "Describe what you can see in this image." in said(editor))
    first = said(editor)
    field = editor.form.variations
    field.setFocus()
    for _ in range(3):
        QTest.keyClick(field, Qt.Key.Key_Down)
    wait_until(lambda: said(editor) != first)
    second = said(editor)
    click(editor.preview.next_image)
    wait_until(lambda: said(editor) != second)


def test_a_copy_is_edited_saved_and_chosen(page: GeneratePage, own: BankEditor, wait_until: Wait) -> None:
    type_variation(own, "What would you tell a friend?")
    wait_until(own.save.isEnabled)
    wait_until(lambda: "What would you tell a friend?" in said(own))
    QTest.keySequence(own.form.variations, QKeySequence(QKeySequence.StandardKey.Save))
    wait_until(lambda: "Saved as version" in own.bar.text)
    assert saved()["questions"][0]["variations"][-1] == "What would you tell a friend?"
    assert not own.save.isEnabled()
    click(own.back)
    wait_until(lambda: page.form.bank.currentData() == COPY)
    assert page.form.bank.currentText() == "General questions about skin images, my copy"
    plan = page.form.plan()
    assert plan is not None
    assert plan.bank == COPY


def test_what_is_wrong_is_said_and_cannot_be_saved(own: BankEditor, wait_until: Wait) -> None:
    type_variation(own, "How long has {name} had this?")
    assert "asks for name" in own.form.problem.text()
    assert own.form.problem.isVisible()
    assert not own.save.isEnabled()
    QTest.keyClick(own.form.variations, Qt.Key.Key_Backspace)
    for _ in range(len("How long has {name} had this")):
        QTest.keyClick(own.form.variations, Qt.Key.Key_Backspace)
    assert not own.form.problem.isVisible()


def test_another_theme_leaves_nothing_in_the_colours_of_the_last(
    own: BankEditor, application: QApplication, wait_until: Wait
) -> None:
    def wears(paper: QColor, ink: QColor) -> bool:
        marks = own.form.variations.extraSelections()
        marked = marks[0]  # named, and the list too: what it holds goes with it
        written = own.form.problem.palette().windowText().color()
        return (marked.format.background().color(), written) == (paper, ink)

    try:
        for choice in ("light", "dark"):
            theme.apply_theme(application, choice)
            expected = theme.palette_of(choice == "dark")
            paper = expected.color(QPalette.ColorRole.AlternateBase)
            wait_until(partial(wears, paper, theme.colour(theme.DANGER, expected)))
    finally:
        theme.apply_theme(application, "light")


def test_questions_are_added_and_removed(own: BankEditor, wait_until: Wait) -> None:
    before = own.questions.count()
    click(own.list.add)
    assert own.questions.count() == before + 1
    assert "has no variations" in own.form.problem.text()
    QTest.keyClicks(own.form.variations, "Is there a scar?")
    own.form.key.setFocus()
    own.form.key.selectAll()
    QTest.keyClicks(own.form.key, "scar")
    assert own.questions.item(before).text() == "scar"
    own.questions.setCurrentRow(0)
    click(own.list.remove)
    click(own.save)
    wait_until(lambda: "Saved as version" in own.bar.text)
    keys = [question["key"] for question in saved()["questions"]]
    assert (len(keys), keys[-1]) == (before, "scar")
    assert "overview" not in keys


def test_questions_are_moved_by_key_and_button_and_the_bank_speaks_another_language(
    own: BankEditor, wait_until: Wait
) -> None:
    before = [question["key"] for question in saved()["questions"]]
    own.questions.setFocus()
    own.questions.setCurrentRow(0)
    assert not own.list.up.isEnabled()
    QTest.keyClick(own.questions, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    click(own.list.down)
    assert (own.list.row, own.form.key.text()) == (2, before[0])
    QTest.keyClick(own.questions, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    own.language.setFocus()
    QTest.keyClick(own.language, Qt.Key.Key_Down)
    click(own.save)
    wait_until(lambda: "Saved as version" in own.bar.text)
    assert own.list.row == 1
    assert [question["key"] for question in saved()["questions"]] == [before[1], before[0], *before[2:]]
    assert saved()["language"] == "de"


def test_a_question_that_does_not_fit_the_image_says_why(own: BankEditor, wait_until: Wait) -> None:
    own.form.modalities.setFocus()
    QTest.keyClicks(own.form.modalities, "histology")
    wait_until(lambda: "is for images of histology" in said(own))


def test_what_was_typed_outlives_the_page(
    page: GeneratePage, own: BankEditor, wait_until: Wait, desk: Desk
) -> None:
    type_variation(own, "Half a {")
    click(own.back)
    wait_until(lambda: kept_draft(COPY))
    click(page.form.edit_bank)
    wait_until(lambda: "What you had not saved is here." in own.bar.text)
    assert own.form.variations.toPlainText().endswith("Half a {")
    click(own.bar._button)
    wait_until(lambda: kept_draft(COPY) is None)
    assert not own.form.variations.toPlainText().endswith("Half a {")


def test_a_used_version_is_left_as_it_was(
    tmp_path: Path, page: GeneratePage, own: BankEditor, desk: Desk, wait_until: Wait
) -> None:
    folder = tmp_path / "another"
    with new_store(folder) as store:
        freeze_bank(store, load_bank(own_folder() / f"{COPY}.json"))
    desk.open_project(folder)
    wait_until(lambda: desk.folder == folder and page.form.plan() and desk.is_idle)
    page.form.use_bank(COPY)
    click(page.form.edit_bank)
    wait_until(lambda: own.isVisible() and own.save.isVisible() and desk.is_idle)
    type_variation(own, "What would you tell a friend?")
    click(own.save)
    wait_until(lambda: "Version 1 was used in this project" in own.bar.text)
    assert saved()["version"] == "2"
