"""Rows of a list that are read and clicked: Qt's own stand as close as lines of text."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from dermagui.ui import theme


class RoomyRows(QStyledItemDelegate):
    """Draws as ever, with some air above and below the words."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return super().sizeHint(option, index) + QSize(0, theme.GRID)
