"""A row of widgets that goes on in the next line where the first is full, like words."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget

from dermagui.ui import theme


class FlowLayout(QLayout):
    """Lays its widgets out from left to right at their own sizes, in as many lines as the width asks for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parts: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(theme.GRID)

    def addItem(self, part: QLayoutItem) -> None:
        self._parts.append(part)

    def insert_widget(self, index: int, widget: QWidget) -> None:
        """Adds a widget before the one at that place."""
        self.addWidget(widget)
        self._parts.insert(index, self._parts.pop())
        self.invalidate()

    def count(self) -> int:
        return len(self._parts)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._parts[index] if 0 <= index < len(self._parts) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._parts.pop(index) if 0 <= index < len(self._parts) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._lay_out(QRect(0, 0, width, 0), False)

    def setGeometry(self, place: QRect) -> None:
        super().setGeometry(place)
        self._lay_out(place, True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        size = QSize()
        for part in self._parts:
            size = size.expandedTo(part.minimumSize())
        return size

    def _lay_out(self, place: QRect, moves: bool) -> int:
        """Places the widgets, or only says how high they are together."""
        x, y, line_height = place.x(), place.y(), 0
        for part in self._parts:
            if part.isEmpty():
                continue
            size = part.sizeHint().boundedTo(QSize(max(place.width(), 1), 16_777_215))
            if x > place.x() and x + size.width() > place.x() + place.width():
                x, y, line_height = place.x(), y + line_height + self.spacing(), 0
            if moves:
                part.setGeometry(QRect(QPoint(x, y), size))
            x += size.width() + self.spacing()
            line_height = max(line_height, size.height())
        return y + line_height - place.y()
