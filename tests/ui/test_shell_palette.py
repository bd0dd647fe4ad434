"""The palette runs actions by name, the sheet tells the keys, and plain letters go to whoever types."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import actions
from dermagui.ui.pages import PAGES
from dermagui.ui.shell.palette import ActionPalette, KeySheet
from dermagui.ui.window import Window

Wait = Callable[[Callable[[], object]], None]


def _palette(window: Window) -> ActionPalette:
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    return window.findChild(ActionPalette)


def test_an_action_is_found_by_parts_of_its_name_and_run(window: Window, wait_until: Wait) -> None:
    palette = _palette(window)
    QTest.keyClicks(palette.line, "priv go")
    assert palette.found.topLevelItemCount() == 1
    assert palette.found.topLevelItem(0).text(1) == "Ctrl+L"
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert window.page.name == "privacy"
    assert not palette.isVisible()


def test_arrows_choose_while_the_line_keeps_the_focus(window: Window) -> None:
    palette = _palette(window)
    QTest.keyClicks(palette.line, "go to")
    for _ in range(4):
        QTest.keyClick(palette.line, Qt.Key.Key_Down)
    QTest.keyClick(palette.line, Qt.Key.Key_Up)
    chosen = palette.found.currentItem().text(0)
    fourth = list(PAGES)[3]
    assert chosen == f"Go to {PAGES[fourth].label()}"
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert window.page.name == fourth


def test_what_cannot_be_done_now_is_not_offered(window: Window) -> None:
    window.page.leave()
    window._on_desk_project_changed()
    palette = _palette(window)
    QTest.keyClicks(palette.line, "close project")
    assert palette.found.topLevelItemCount() == 0
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert palette.isVisible(), "return without a choice must do nothing"
    palette.reject()


def test_the_sheet_tells_the_keys_of_the_page_in_view(window: Window) -> None:
    window.show_jobs()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_F1)
    sheet = window.findChild(KeySheet)
    texts = [label.text() for label in sheet.findChildren(QLabel)]
    for row in (*actions.JOBS, *actions.WINDOW):
        assert row.text.removesuffix("…") in texts, row.id
        assert any(row.shortcut in text for text in texts), row.id
    sheet.reject()


@pytest.mark.parametrize("kind", [QLineEdit, QPlainTextEdit, QTextEdit, QSpinBox, QComboBox])
def test_a_letter_belongs_to_whoever_types(
    kind: type[QWidget], window: Window, application: QApplication
) -> None:
    window.show_privacy()
    done: list[str] = []
    row = actions.Action("test.accept", "Accept", "A", "library", "accept")
    window.page.addAction(actions.make_action(row, lambda: done.append("a"), window.page))
    field = kind()
    if isinstance(field, QComboBox):
        field.setEditable(True)
    holder = QWidget(window)
    QVBoxLayout(holder).addWidget(field)
    holder.show()
    window.activateWindow()
    window.page.setFocus()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_A)
    assert done == ["a"], "where nobody types the letter must work"
    field.setFocus()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_A)
    assert done == ["a"]


def test_the_keys_of_a_page_sleep_while_another_is_in_view(window: Window) -> None:
    window.show_privacy()
    done: list[str] = []
    row = actions.Action("test.accept", "Accept", "A", "library", "accept")
    window.page.addAction(actions.make_action(row, lambda: done.append("a"), window.page))
    window.show_jobs()
    window.activateWindow()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_A)
    assert done == []
