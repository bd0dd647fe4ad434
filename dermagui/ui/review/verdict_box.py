"""Under the text of a pair: the form, a line of one's own, the verdicts with their keys, what was saved."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTime, Signal
from PySide6.QtGui import QAction, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from dermagui.records import Verdict, VerdictKind
from dermagui.ui import theme
from dermagui.ui.review.rubric_box import RubricBox
from dermagui.ui.review.words import VERDICTS, capitalized, translated
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.flow import FlowLayout
from dermagui.ui.widgets.key_icon import follow_action

_DECIDING = ("accept", "edit", "reject", "unsure")
_RATING = ("rate_1", "rate_2", "rate_3", "rate_4")
_EDITING = ("save_edit", "leave_edit")
_BACK = ("skip", "undo", "redo")


class VerdictBox(QWidget):
    """What a reviewer says about the pair above. Everything it does is an action of the page."""

    committed = Signal()
    """The line was written and Return was pressed."""

    def __init__(self, action: Callable[[str], QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rubric = RubricBox([action(f"review.{name}") for name in _RATING])
        self._note_label = QLabel()
        self.note = QLineEdit()
        self._note_label.setBuddy(self.note)
        self.note.returnPressed.connect(self.committed)
        self.buttons = {name: _button(action(f"review.{name}")) for name in (*_DECIDING, *_EDITING, *_BACK)}
        self._progress = QLabel()
        self._status = QLabel()
        self._status.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._build()
        self.show_editing(False)

    def _build(self) -> None:
        note = QHBoxLayout()
        note.setSpacing(theme.GRID)
        note.addWidget(self._note_label)
        note.addWidget(self.note, 1)
        below = QHBoxLayout()
        below.setSpacing(theme.GRID)
        below.addWidget(self._progress)
        below.addStretch(1)
        below.addWidget(self._status)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, theme.GRID)
        column.setSpacing(theme.GRID // 2)
        column.addWidget(self.rubric)
        column.addLayout(note)
        for names in (_DECIDING, _EDITING, _BACK):
            column.addLayout(self._build_row(names))
        column.addLayout(below)

    def _build_row(self, names: tuple[str, ...]) -> FlowLayout:
        """Buttons that go on in another line where their words are long: none is cut."""
        row = FlowLayout()
        for name in names:
            row.addWidget(self.buttons[name])
        return row

    def show_said(self, said: Verdict | None) -> None:
        """Puts back what this reviewer said of the pair before, or empties all."""
        self.rubric.show_answers(said.rubric if said else {})
        self.note.setText(said.note if said else "")
        self.note.setReadOnly(False)

    @property
    def said(self) -> tuple[str, dict[str, str]]:
        """The note and the answers of the form, as they stand now."""
        return self.note.text().strip(), self.rubric.answers

    def lock_note(self) -> None:
        """An impression that was given before the answer was seen is not changed after it."""
        self.note.setReadOnly(bool(self.note.text().strip()))

    def show_editing(self, editing: bool) -> None:
        """Shows the buttons that an edit wants, or those of a verdict."""
        for name in _DECIDING:
            self.buttons[name].setVisible(not editing)
        for name in _EDITING:
            self.buttons[name].setVisible(editing)
        for name in _BACK:
            self.buttons[name].setVisible(not editing)

    def ask_for_impression(self, first: bool) -> None:
        """Calls the line an impression that comes first, or a note."""
        self._note_label.setText(self.tr("My &impression") if first else self.tr("N&ote"))
        self.note.setPlaceholderText(
            self.tr("What do you see? Then Return") if first else self.tr("N to write one")
        )

    def show_progress(self, read: int, total: int) -> None:
        """How many of how many this reviewer has read."""
        words = self.tr("Decided by you: {n} of {count}")
        self._progress.setText(words.format(n=whole(read), count=whole(total)))
        self._progress.setToolTip(self.tr("Pairs of this choice that you have decided about"))

    def show_status(self, text: str) -> None:
        """Says what happened last."""
        self._status.setText(text)

    def show_saved(self, kind: VerdictKind) -> None:
        """Says what was said, that the database has it, and when."""
        time = QTime.currentTime().toString("HH:mm:ss")
        words = self.tr("{verdict}, saved {time}")
        self.show_status(words.format(verdict=capitalized(translated(VERDICTS[kind])), time=time))

    @property
    def status(self) -> str:
        """What it says happened last."""
        return self._status.text()

    @property
    def progress(self) -> str:
        """What it says of the progress."""
        return self._progress.text()


def _button(action: QAction) -> QPushButton:
    button = QPushButton()
    follow_action(button, action)
    return button
