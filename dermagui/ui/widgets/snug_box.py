"""A combination box that is as wide as what it says now, so that nothing is cut and a row reads on."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QWidget

from dermagui.ui import theme

_WIDEST = 36 * theme.GRID


class SnugBox(QComboBox):
    """Its list opens as wide as the longest choice."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.currentTextChanged.connect(lambda _: self.updateGeometry())

    def sizeHint(self) -> QSize:
        return self._snug(_WIDEST)

    def minimumSizeHint(self) -> QSize:
        return self._snug(10 * theme.GRID)

    def _snug(self, widest: int) -> QSize:
        """Room for the words in view, or for as many of them as that width takes."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        words = self.fontMetrics().size(0, self.currentText())
        content = QSize(min(words.width() + theme.GRID, widest), max(words.height(), 14) + 2)
        return self.style().sizeFromContents(QStyle.ContentsType.CT_ComboBox, option, content, self)

    def showPopup(self) -> None:
        self.view().setMinimumWidth(self.view().sizeHintForColumn(0) + 4 * theme.GRID)
        super().showPopup()
