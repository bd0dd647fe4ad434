"""An empty page: one sentence about what belongs here, and the one button that puts it there."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from dermagui.ui import theme


class Empty(QWidget):
    """A sentence and a button in the middle of the page."""

    pressed = Signal()

    def __init__(self, text: str, button: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        words = QLabel(text)
        words.setWordWrap(True)
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.button = QPushButton(button)
        self.button.clicked.connect(self.pressed)
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(words)
        layout.addSpacing(theme.GRID)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)
