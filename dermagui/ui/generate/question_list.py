"""The questions of a bank in their order, with what adds, removes and moves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QGridLayout, QListWidget, QPushButton, QVBoxLayout, QWidget

from dermagui.ui import theme
from dermagui.ui.generate.question_form import RawQuestion
from dermagui.ui.widgets.rows import RoomyRows

_KEYS = {"up": "Alt+Up", "down": "Alt+Down"}
_WITHIN = Qt.ShortcutContext.WidgetWithChildrenShortcut
_NATIVE = QKeySequence.SequenceFormat.NativeText


class QuestionList(QWidget):
    """Works on the list of questions that it was given: what holds it sees every change."""

    changed = Signal()
    """The user added, removed or moved a question."""
    chosen = Signal(int)
    """Another question is in view, by its row; -1 where there is none."""
    added = Signal()
    """A new question is in view, and has no words yet."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._questions: list[RawQuestion] = []
        self.rows = QListWidget()
        self.rows.setItemDelegate(RoomyRows(self.rows))
        self.rows.setAccessibleName(self.tr("Questions of the bank"))
        self.rows.currentRowChanged.connect(self._on_row_changed)
        self.add, self.remove = QPushButton(self.tr("Add a question")), QPushButton(self.tr("Remove it"))
        self.up, self.down = QPushButton(self.tr("Move it up")), QPushButton(self.tr("Move it down"))
        self.add.clicked.connect(self._add_question)
        self.remove.clicked.connect(self._remove_question)
        self._give_key(self.up, _KEYS["up"], lambda: self._move(-1))
        self._give_key(self.down, _KEYS["down"], lambda: self._move(1))
        buttons = QGridLayout()
        buttons.setSpacing(theme.GRID)
        for place, button in enumerate((self.add, self.remove, self.up, self.down)):
            buttons.addWidget(button, place // 2, place % 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(self.rows, 1)
        column.addLayout(buttons)

    def _give_key(self, button: QPushButton, keys: str, call: Callable[[], None]) -> None:
        """The key works in the list and does what the button does; the button says it."""
        button.clicked.connect(call)
        button.setToolTip(QKeySequence(keys).toString(_NATIVE))
        QShortcut(QKeySequence(keys), self, context=_WITHIN).activated.connect(button.click)

    def show_questions(self, questions: list[RawQuestion], *, editable: bool) -> None:
        """Lists these, the first in view; the buttons are there where the list may be ``editable``."""
        self._questions = questions
        for button in (self.add, self.remove, self.up, self.down):
            button.setVisible(editable)
        self.show_row(0)

    @property
    def row(self) -> int:
        """The row of the question in view; -1 where there is none."""
        return self.rows.currentRow()

    @property
    def question(self) -> RawQuestion | None:
        """The question in view."""
        return self._questions[self.row] if 0 <= self.row < len(self._questions) else None

    def replace(self, question: RawQuestion) -> None:
        """Puts another content in the place of the question in view."""
        self._questions[self.row] = question
        self.rows.item(self.row).setText(str(question["key"]))

    def show_row(self, row: int) -> None:
        """Lists the questions anew with this one in view."""
        with QSignalBlocker(self.rows):
            self.rows.clear()
            self.rows.addItems(_names(self._questions))
            self.rows.setCurrentRow(row)
        self._on_row_changed(self.rows.currentRow())

    def _on_row_changed(self, row: int) -> None:
        last = len(self._questions) - 1
        self.remove.setEnabled(row >= 0)
        self.up.setEnabled(row > 0)
        self.down.setEnabled(0 <= row < last)
        self.chosen.emit(row)

    # -- what the user does -----------------------------------------------------------------------

    def _add_question(self) -> None:
        names = set(_names(self._questions))
        key = next(f"question_{n}" for n in range(1, 10_000) if f"question_{n}" not in names)
        made = {"key": key, "type": "overview", "kind": "open", "weight": 1.0}
        self._questions.append({**made, "modalities": [], "variations": []})
        self._tell(len(self._questions) - 1)
        self.added.emit()

    def _remove_question(self) -> None:
        if self.question is not None:
            row = self.row
            del self._questions[row]
            self._tell(min(row, len(self._questions) - 1))

    def _move(self, by: int) -> None:
        row, there = self.row, self.row + by
        if row >= 0 and 0 <= there < len(self._questions):
            self._questions.insert(there, self._questions.pop(row))
            self._tell(there)

    def _tell(self, row: int) -> None:
        self.changed.emit()
        self.show_row(row)


def _names(questions: Sequence[RawQuestion]) -> list[str]:
    return [str(question.get("key", "")) for question in questions]
