"""Where a question is written: several lines, pictures beside them, Enter sends."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDragMoveEvent, QDropEvent, QImage, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from dermagui.ui import theme
from dermagui.ui.chat.desk_work import Thumb
from dermagui.ui.chat.thumbs import Thumbs

_LINES = 4


class Draft(QPlainTextEdit):
    """The text. Enter is ``sent``, Shift+Enter a new line; pictures that are pasted or dropped go on."""

    sent = Signal()
    files_given = Signal(object)
    """A list of paths."""
    image_given = Signal(QImage)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("Your question"))
        self.say_what_for("talk")
        self.setTabChangesFocus(True)
        line = self.fontMetrics().lineSpacing()
        self.setFixedHeight(_LINES * line + 2 * theme.GRID)

    def say_what_for(self, mode: str) -> None:
        """Says what is done with what is written."""
        words = {
            "talk": self.tr("Ask about a picture, or anything. Enter sends, Shift+Enter: new line."),
            "compare": self.tr("Ask both models about a picture, or anything. Enter sends."),
            "classify": self.tr("Another question than the usual one, or nothing. Enter sends the picture."),
        }
        self.setPlaceholderText(words[mode])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.sent.emit()
        else:
            super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        return source.hasImage() or bool(_files(source)) or super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:
        files = _files(source)
        if files:
            self.files_given.emit(files)
        elif source.hasImage() and not source.hasText():
            image = source.imageData()
            if isinstance(image, QImage) and not image.isNull():
                self.image_given.emit(image)
        else:
            super().insertFromMimeData(source)


class Composer(QWidget):
    """The draft, its pictures and its buttons. Where there is a question, ``sent`` is emitted."""

    sent = Signal()
    files_given = Signal(object)
    image_given = Signal(QImage)
    changed = Signal()
    """Other pictures, or other words."""

    def __init__(self, actions: dict[str, QAction]) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self.draft = Draft()
        self.draft.sent.connect(self.sent)
        self.draft.files_given.connect(self.files_given)
        self.draft.image_given.connect(self.image_given)
        self.draft.textChanged.connect(self.changed)
        self.thumbs: list[Thumb] = []
        self._row = Thumbs(removable=True)
        self._row.removed.connect(self._on_removed)
        self.buttons: dict[str, QPushButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(self._row)
        column.addWidget(self.draft)
        column.addLayout(self._build_buttons(actions))

    def _build_buttons(self, actions: dict[str, QAction]) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        for place, (name, action) in enumerate(actions.items()):
            button = QPushButton(action.text())
            button.setAutoDefault(False)
            button.clicked.connect(action.trigger)
            action.changed.connect(lambda button=button, action=action: button.setEnabled(action.isEnabled()))
            self.buttons[name] = button
            row.addWidget(button)
            if place == 1:
                row.addStretch(1)
        return row

    @property
    def text(self) -> str:
        """What is written."""
        return self.draft.toPlainText().strip()

    def add(self, thumb: Thumb) -> None:
        """Adds a picture, once."""
        known = {one.attachment.sha256 for one in self.thumbs if one.attachment}
        if thumb.attachment and thumb.attachment.sha256 not in known:
            self.thumbs.append(thumb)
            self._show_thumbs()
            self.changed.emit()

    def fill(self, text: str, thumbs: list[Thumb]) -> None:
        """Puts back what was written before, for another try."""
        self.thumbs = [thumb for thumb in thumbs if thumb.attachment]
        self._show_thumbs()
        self.draft.setPlainText(text)
        self.changed.emit()
        cursor = self.draft.textCursor()
        cursor.movePosition(cursor.MoveOperation.End)
        self.draft.setTextCursor(cursor)

    def clear(self) -> None:
        """An empty draft."""
        self.fill("", [])

    def _show_thumbs(self) -> None:
        self._row.show_thumbs(self.thumbs)
        self._row.stand_before(self.draft)

    def _on_removed(self, place: int) -> None:
        del self.thumbs[place]
        self._show_thumbs()
        self.changed.emit()
        self.draft.setFocus()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.draft.canInsertFromMimeData(event.mimeData()):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self.draft.insertFromMimeData(event.mimeData())
        event.acceptProposedAction()


def _files(source: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in source.urls() if url.isLocalFile()]
