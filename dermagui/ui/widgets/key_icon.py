"""A key as a small picture, so that a button shows the key that does the same."""

from __future__ import annotations

import shiboken6
from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QAction,
    QFont,
    QFontMetrics,
    QGuiApplication,
    QIcon,
    QIconEngine,
    QKeySequence,
    QPainter,
    QPalette,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QPushButton

_NATIVE = QKeySequence.SequenceFormat.NativeText
_SIDE, _GAP = 20, 4
"""How high a cap is, and how far the words beside it stand off, in pixels."""


class _Engine(QIconEngine):
    """Paints the cap of one key in the colours that the palette has now."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        group = QPalette.ColorGroup.Disabled if mode is QIcon.Mode.Disabled else QPalette.ColorGroup.Normal
        palette = QGuiApplication.palette()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(palette.color(group, QPalette.ColorRole.PlaceholderText), 1))
        painter.setBrush(palette.brush(QPalette.ColorRole.Base))
        rect = rect.adjusted(0, 0, -_GAP, 0)
        painter.drawRoundedRect(QRectF(rect).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        painter.setPen(palette.color(group, QPalette.ColorRole.ButtonText))
        painter.setFont(_font(rect.height()))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, self._text)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        made = QPixmap(size)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        self.paint(painter, QRect(0, 0, size.width(), size.height()), mode, state)
        painter.end()
        return made

    def clone(self) -> QIconEngine:
        return _Engine(self._text)


def _font(height: int) -> QFont:
    font = QFont(QGuiApplication.font())
    font.setPixelSize(max(9, round(height * 0.65)))
    return font


def key_icon(sequence: QKeySequence) -> tuple[QIcon, QSize]:
    """The first key of a shortcut, and the size that shows it whole."""
    text = sequence.toString(_NATIVE)
    width = QFontMetrics(_font(_SIDE)).horizontalAdvance(text) + _SIDE // 2
    return QIcon(_Engine(text)), QSize(max(_SIDE, width) + _GAP, _SIDE)


def follow_action(button: QPushButton, action: QAction) -> None:
    """Gives a button the words, the key and the state of an action, and lets it do the same."""

    def show_action() -> None:
        if not shiboken6.isValid(button):  # the action outlives buttons that a page makes anew
            action.changed.disconnect(show_action)
            return
        button.setText(action.text())
        button.setEnabled(action.isEnabled())
        button.setToolTip(action.toolTip())

    icon, size = key_icon(action.shortcut())
    button.setIcon(icon)
    button.setIconSize(size)
    button.setAutoDefault(False)
    button.clicked.connect(action.trigger)
    action.changed.connect(show_action)
    show_action()
