"""The window's own icons: SVGs of ``resources/icons``, their ``currentColor`` the palette's when painted."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QIcon,
    QIconEngine,
    QPainter,
    QPaintEvent,
    QPalette,
    QPixmap,
)
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QWidget

from dermagui import paths


class _Engine(QIconEngine):
    """Paints one SVG in the colour that text has on a button now, so that a change of theme needs nothing."""

    def __init__(self, name: str, tint: tuple[str, str] | None) -> None:
        super().__init__()
        self._name = name
        self._tint = tint

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        _paint(painter, rect, self._name, _colour(self._tint, mode))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        made = QPixmap(size)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        self.paint(painter, QRect(0, 0, size.width(), size.height()), mode, state)
        painter.end()
        return made

    def clone(self) -> QIconEngine:
        return _Engine(self._name, self._tint)


def icon(name: str, tint: tuple[str, str] | None = None) -> QIcon:
    """The icon of that name; ``tint`` is a pair of ``theme.py``, such as ``theme.DANGER``."""
    _svg(name)  # one that is missing fails here, and not in the midst of painting
    return QIcon(_Engine(name, tint))


def say_beside_icon(button: QAbstractButton, text: str) -> None:
    """Words on a button, a blank away from its icon; an ampersand would be taken for a key."""
    button.setText(" " + text.replace("&", "&&"))
    button.setAccessibleName(text)


class Sign(QWidget):
    """An icon that is no button, such as the one before a message."""

    def __init__(self, name: str = "info", size_pixels: int = 20, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedSize(size_pixels, size_pixels)
        self.show_icon(name)

    def show_icon(self, name: str, tint: tuple[str, str] | None = None) -> None:
        """Shows another one."""
        _svg(name)
        # No QIcon: the collector of garbage may end its engine, which is in Python, before the icon itself,
        # and the process with them.
        self._name, self._tint = name, tint
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        _paint(painter, self.rect(), self._name, _colour(self._tint))
        painter.end()


def _colour(tint: tuple[str, str] | None, mode: QIcon.Mode = QIcon.Mode.Normal) -> QColor:
    palette = QGuiApplication.palette()
    if mode is QIcon.Mode.Disabled:
        return palette.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText)
    if mode is QIcon.Mode.Selected:
        return palette.color(QPalette.ColorRole.HighlightedText)
    if tint is not None:
        return QColor(tint[palette.color(QPalette.ColorRole.Window).lightness() < 128])
    return palette.color(QPalette.ColorRole.ButtonText)


def _paint(painter: QPainter, rect: QRect, name: str, colour: QColor) -> None:
    _renderer(name, colour.name()).render(painter, QRectF(rect))


@cache
def _svg(name: str) -> str:
    return (paths.resources() / "icons" / f"{name}.svg").read_text(encoding="utf-8")


@cache
def _renderer(name: str, colour: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(_svg(name).replace("currentColor", colour).encode()))
