"""One question or answer of a conversation: its words, its pictures, how it came about, what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QSize, Qt, QUrl, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QPalette, QTextCursor, QTextDocument, QWheelEvent
from PySide6.QtWidgets import QFrame, QLabel, QTextBrowser, QToolButton, QVBoxLayout

from dermagui.records import Role
from dermagui.ui import theme
from dermagui.ui.chat import words
from dermagui.ui.chat.desk_work import ShownTurn, Thumb
from dermagui.ui.chat.passages import Passages
from dermagui.ui.chat.thumbs import Thumbs
from dermagui.ui.widgets.flow import FlowLayout

_MEASURE_LETTERS = 80
"""Lines longer than this are tiring to read."""


class Words(QTextBrowser):
    """Text that is read and copied, as high as it needs; it fetches nothing that a model names in it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setTabChangesFocus(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.viewport().setAutoFillBackground(False)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        return None

    def append_text(self, text: str) -> None:
        """Adds letters at the end and leaves what is selected alone."""
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text)

    def show_markdown(self, text: str) -> None:
        """Shows Markdown; tags of HTML in it stay letters."""
        features = QTextDocument.MarkdownFeature.MarkdownDialectGitHub
        self.document().setMarkdown(text, features | QTextDocument.MarkdownFeature.MarkdownNoHTML)

    def _fit(self) -> None:
        height = round(self.document().size().height()) + 2
        if self.horizontalScrollBar().isVisible():
            height += self.horizontalScrollBar().height()
        if height != self.height():
            self.setFixedHeight(height)

    def sizeHint(self) -> QSize:
        width = self.fontMetrics().averageCharWidth() * _MEASURE_LETTERS
        return QSize(width, round(self.document().size().height()) + 2)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the conversation scrolls, never one answer

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # Scrolling keys belong to the conversation, those that select and copy to the text.
        if event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            event.ignore()
        else:
            super().keyPressEvent(event)


class TurnView(QFrame):
    """A turn. ``wants`` tells what was clicked: ``copy``, ``again``, ``edit``, ``earlier``, ``later``."""

    wants = Signal(str)
    picture_chosen = Signal(int)

    def __init__(self, role: Role, number: int) -> None:
        super().__init__()
        self.role = role
        self.text = ""
        self.figures: Mapping[str, Any] = {}
        self.turn: ShownTurn | None = None
        self._asked: Mapping[str, Any] = {}
        self._form: Sequence[tuple[str, str]] = ()
        is_user = role is Role.USER
        who = self.tr("You") if is_user else self.tr("Model")
        called = self.tr("Question {number}") if is_user else self.tr("Answer {number}")
        self.called = called.format(number=number)
        self.words = Words(self.called)
        self.thumbs = Thumbs()
        self.thumbs.chosen.connect(self.picture_chosen)
        self.passages = Passages()
        self._quiet = QLabel()
        self._notes = QLabel()
        for label in (self._quiet, self._notes):
            label.setWordWrap(True)
            label.hide()
        self._quiet.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.buttons: dict[str, QToolButton] = {}
        self._who = QLabel(who)
        self._build()

    def _build(self) -> None:
        font = self._who.font()
        font.setBold(True)
        self._who.setFont(font)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, theme.GRID)
        column.setSpacing(theme.GRID // 2)
        for widget in (self._who, self.thumbs, self.words, self._notes, self.passages, self._quiet):
            column.addWidget(widget)
        column.addLayout(self._build_buttons())
        if self.role is Role.USER:
            self.setAutoFillBackground(True)
            self.setBackgroundRole(QPalette.ColorRole.AlternateBase)

    def _build_buttons(self) -> FlowLayout:
        row = FlowLayout()
        row.setSpacing(theme.GRID // 2)
        texts = {
            "copy": (self.tr("Copy"), self.tr("Copy: {turn}")),
            "edit": (self.tr("Edit"), self.tr("Edit: {turn}")),
            "again": (self.tr("Answer again"), self.tr("Answer again: {turn}")),
            "form": (self.tr("Open as a form"), self.tr("Open as a form: {turn}")),
            "review": (self.tr("Send to Review"), self.tr("Send to Review: {turn}")),
            "sent": (self.tr("What was sent"), self.tr("What was sent: {turn}")),
            "earlier": (self.tr("Earlier version"), self.tr("Earlier version: {turn}")),
            "later": (self.tr("Later version"), self.tr("Later version: {turn}")),
        }
        for what, (text, name) in texts.items():
            button = QToolButton()
            button.setText(text)
            button.setAccessibleName(name.format(turn=self.called))
            button.setAutoRaise(True)
            button.clicked.connect(lambda _=False, what=what: self._on_clicked(what))
            if what != "copy":  # what is shown before it has a parent would be a window of its own
                button.hide()
            self.buttons[what] = button
            row.addWidget(button)
        return row

    def _on_clicked(self, what: str) -> None:
        if what == "copy":
            QGuiApplication.clipboard().setText(self.text)
        elif what == "sent":
            self._show_task(self.buttons["sent"].isChecked())
        else:
            self.wants.emit(what)

    def show_text(self, text: str) -> None:
        """Shows a question as it was written, an answer as the Markdown that it is."""
        self.text = text
        if self.role is Role.USER:
            self.words.setPlainText(text)
        else:
            self.words.show_markdown(text)
        self.words.setVisible(bool(text))

    def show_turn(self, turn: ShownTurn) -> None:
        """Shows a turn that was kept."""
        self.turn = turn
        self.show_text(turn.markdown)
        self.text = turn.text
        self.show_thumbs(turn.thumbs)
        if self.role is Role.ASSISTANT:
            self.show_figures(turn.stored.figures, len(turn.stored.tokens))
            self.buttons["form"].setVisible(turn.schema is not None)
        else:
            self.show_task(turn.stored.figures, turn.stored.text)
        place = turn.versions.index(turn.stored.version) if turn.stored.version in turn.versions else 0
        self.buttons["earlier"].setVisible(place > 0)
        self.buttons["later"].setVisible(place < len(turn.versions) - 1)

    def show_task(self, asked: Mapping[str, Any], text: str) -> None:
        """Shows a task by its name, with what the user added; its whole words (``text``) at a click."""
        self.text, self._asked = text, asked
        self.buttons["sent"].setVisible(bool(asked))
        self.buttons["sent"].setCheckable(True)
        self._show_task(self.buttons["sent"].isChecked())

    def _show_task(self, whole: bool) -> None:
        if not self._asked:
            return
        label, answers = str(self._asked.get("label", "")), str(self._asked.get("answers", ""))
        if answers:
            label = self.tr("{task}, of answers {numbers}").format(task=label, numbers=answers)
        self._who.setText(self.tr("You: {task}").format(task=label))
        shown = self.text if whole else str(self._asked.get("own", ""))
        self.words.setPlainText(shown)
        self.words.setVisible(bool(shown))

    def show_passages(self, passages: Sequence[Mapping[str, Any]]) -> None:
        """Shows what the answer is to keep to."""
        from dermagui.chat.reference import cited_numbers

        self.passages.show_passages(passages, cited_numbers(self.text), self.called)

    def show_thumbs(self, thumbs: Sequence[Thumb]) -> None:
        """Shows the pictures of a question."""
        self.thumbs.show_thumbs(thumbs)
        self.thumbs.stand_before(self.words)

    def begin_form(self, labels: Sequence[tuple[str, str]]) -> None:
        """What grows fills in a form with these fields (key, label): which one is told, not its JSON."""
        self._form = labels

    def grow(self, text: str) -> str:
        """Adds what the model said since; returns what of it is to be told aloud."""
        self.text += text
        if self._form:
            return self._fill_in()
        self.words.setVisible(True)
        self.words.append_text(text)
        return text

    def _fill_in(self) -> str:
        begun = [label for key, label in self._form if f'"{key}":' in self.text]
        words = self.tr("Filling in the form: {field} ({number} of {total})").format(
            field=begun[-1] if begun else "…", number=len(begun), total=len(self._form)
        )
        if words == self._notes.text():
            return ""
        self._notes.setText(words)
        self._notes.show()
        return f"{words}\n"

    def show_figures(self, figures: Mapping[str, Any], token_count: int) -> None:
        """Shows under an answer how it came about."""
        self.figures = figures
        self._quiet.setText(words.quiet_line(figures, token_count))
        self._quiet.show()
        notes = words.notes_of(figures, self.text)
        if isinstance(figures.get("passages"), list):
            self.show_passages(figures["passages"])
        self._notes.setText("\n".join(notes))
        self._notes.setVisible(bool(notes))

    def allow(self, *what: str) -> None:
        """Which of ``edit``, ``again`` and ``review`` can be done with this turn now."""
        for name in ("edit", "again", "review"):
            self.buttons[name].setVisible(name in what)
