"""Who reviews: asked once, kept as a setting, and changed whenever somebody else sits down."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from dermagui.ui import theme


class NamePanel(QWidget):
    """Asks for the name that stands beside every verdict."""

    named = Signal(str)
    """A name, without spaces around it, that is not empty."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = QLabel(self.tr("Who reviews?"))
        title.setFont(theme.heading_font(title.font()))
        words = QLabel(
            self.tr(
                "Your name stands beside every verdict of yours in this project. "
                "The order of the pairs is your own, and your place is kept."
            )
        )
        words.setWordWrap(True)
        label = QLabel(self.tr("Your &name"))
        self.line = QLineEdit()
        label.setBuddy(self.line)
        self.button = QPushButton(self.tr("Begin"))
        self.button.setEnabled(False)
        self.line.textChanged.connect(lambda text: self.button.setEnabled(bool(text.strip())))
        self.line.returnPressed.connect(self._on_asked)
        self.button.clicked.connect(self._on_asked)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)
        box = QWidget()
        box.setFixedWidth(60 * theme.GRID)
        column = QVBoxLayout(box)
        column.setSpacing(2 * theme.GRID)
        column.addWidget(title)
        column.addWidget(words)
        column.addLayout(row)
        outer = QVBoxLayout(self)
        outer.addStretch(1)
        outer.addLayout(_centred(box))
        outer.addStretch(2)

    def ask(self, name: str) -> None:
        """Asks anew, with the name that was known."""
        self.line.setText(name)
        self.line.selectAll()
        self.line.setFocus()

    def _on_asked(self) -> None:
        name = " ".join(self.line.text().split())
        if name:
            self.named.emit(name)


class EmptyPanel(QWidget):
    """Says in a sentence why nothing is shown, with buttons for what to do about it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = QLabel()
        self._words.setWordWrap(True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words.setFixedWidth(70 * theme.GRID)  # a label that may shrink is cut where it wraps
        self._row = QHBoxLayout()
        self._row.setSpacing(theme.GRID)
        column = QVBoxLayout(self)
        column.setSpacing(2 * theme.GRID)
        column.addStretch(1)
        column.addLayout(_centred(self._words))
        column.addLayout(self._row)
        column.addStretch(2)

    @property
    def text(self) -> str:
        """What it says."""
        return self._words.text()

    def tell(self, words: str, *buttons: QPushButton) -> None:
        """Says this, with these buttons under it."""
        self._words.setText(words)
        while (part := self._row.takeAt(0)) is not None:
            widget = part.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._row.addStretch(1)
        for button in buttons:
            self._row.addWidget(button)
        self._row.addStretch(1)


def _centred(widget: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addStretch(1)
    row.addWidget(widget)
    row.addStretch(1)
    return row
