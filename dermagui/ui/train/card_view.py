"""A card of a training or of a model, folded away until somebody wants to read it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QTextBrowser, QToolButton, QVBoxLayout, QWidget

from dermagui.ui import theme

_HEIGHT = 44 * theme.GRID


class CardView(QWidget):
    """A button with what it unfolds: Markdown, whose links lead nowhere."""

    wanted = Signal()
    """It was unfolded: whoever has the text shows it."""

    def __init__(self, title: str, name: str) -> None:
        super().__init__()
        self.fold = QToolButton()
        self.fold.setText(title)
        self.fold.setAccessibleName(name)
        self.fold.setCheckable(True)
        self.text = QTextBrowser()
        self.text.setOpenLinks(False)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName(self.tr("Text of: {name}").format(name=name))
        self.text.setFixedHeight(_HEIGHT)
        self.text.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID // 2)
        column.addWidget(self.fold)
        column.addWidget(self.text)
        self.fold.toggled.connect(self._on_toggled)

    @property
    def is_open(self) -> bool:
        """Whether it can be read."""
        return self.fold.isChecked()

    def show_markdown(self, text: str) -> None:
        """Shows a card in place of the one before."""
        if text != self.text.property("card"):
            self.text.setProperty("card", text)
            self.text.setMarkdown(text)

    def _on_toggled(self, is_open: bool) -> None:
        self.text.setVisible(is_open)
        if is_open:
            self.wanted.emit()
