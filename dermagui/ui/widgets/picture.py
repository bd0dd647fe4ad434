"""A picture that is looked at closely: fit, 1:1, wheel and drag; not smoothed where it is magnified.

What it shows is the decode of what is sent: ``read_levels`` makes it with ``library/pixels.py``, in a thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QObject, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleInterface,
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAccessibleWidget, QWidget

from dermagui.library.pixels import full_rows
from dermagui.records import Picture, Region
from dermagui.ui import theme

UNSMOOTHED_FROM = 2.0
"""From this scale on every pixel is a square of its own."""
_LARGEST_SCALE = 32.0
_STEP = 1.25
_SMALLEST_LEVEL_PIXELS = 512
_WORDS = QColor(255, 255, 255)


def read_levels(picture: Picture, redactions: tuple[Region, ...] = ()) -> tuple[QImage, ...]:
    """A picture at full size, then halved again and again, for ``PictureView.show_image``.

    Takes as long as decoding does: for ``Desk.work``. Raises like ``decode.open_picture``.
    """
    width, height, rows = full_rows(picture, redactions)
    # The copy owns its bytes; 32 bits are what the painter wants.
    full = QImage(rows, width, height, 3 * width, QImage.Format.Format_RGB888)
    return halved(full.convertToFormat(QImage.Format.Format_RGB32))


def halved(image: QImage) -> tuple[QImage, ...]:
    """The image, then halved again and again: scaling down by more than half at once loses fine lines."""
    levels = [image]
    while max(levels[-1].width(), levels[-1].height()) > 2 * _SMALLEST_LEVEL_PIXELS:
        size = QSize(max(1, levels[-1].width() // 2), max(1, levels[-1].height() // 2))
        levels.append(
            levels[-1].scaled(
                size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
        )
    return tuple(levels)


class PictureView(QWidget):
    """One picture on neutral grey, or a line of text in its place.

    A scale of 1 shows every pixel of the picture as one pixel of the screen, whatever the screen's own
    scale. While it fits, it goes on fitting when the widget is resized.
    """

    zoom_changed = Signal(float)
    """The scale differs from before."""
    view_changed = Signal(float, QPointF)
    """The user moved or zoomed: the scale, and the point in the middle as fractions of the picture."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._levels: tuple[QImage, ...] = ()
        self._text = ""
        self._fits = True
        self._scale = 1.0
        self._middle = QPointF(0.5, 0.5)
        self._dragged_from: QPointF | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(theme.GRID * 12, theme.GRID * 12)
        self.setAccessibleName(self.tr("Picture"))

    # -- what is shown --------------------------------------------------------------------------

    def show_image(self, image: QImage, *smaller: QImage) -> None:
        """Shows a picture; ``smaller`` are the other levels of ``read_levels``. Fits it where it fitted."""
        self._levels, self._text = (image, *smaller), ""
        self._middle = QPointF(0.5, 0.5)
        self._refit()
        self.update()

    def show_text(self, text: str) -> None:
        """Shows a sentence in place of a picture, such as why there is none; empty clears."""
        self._levels, self._text = (), text
        self.update()

    @property
    def levels(self) -> tuple[QImage, ...]:
        """What ``show_image`` was given; empty where there is no picture."""
        return self._levels

    @property
    def has_image(self) -> bool:
        """Whether a picture is shown."""
        return bool(self._levels)

    def sizeHint(self) -> QSize:
        return QSize(theme.GRID * 40, theme.GRID * 40)

    # -- zoom -----------------------------------------------------------------------------------

    @property
    def zoom(self) -> float:
        """Pixels of the screen for one of the picture."""
        return self._scale

    @property
    def fits(self) -> bool:
        """Whether the whole picture is kept in view."""
        return self._fits

    def zoom_fit(self) -> None:
        """Shows the whole picture; a small one is not enlarged beyond its pixels."""
        self.fit_along()
        self._told()

    def fit_along(self) -> None:
        """The same, because another picture fits; tells nobody."""
        self._fits = True
        self._middle = QPointF(0.5, 0.5)
        self._refit()

    def zoom_full(self) -> None:
        """One pixel of the picture on one of the screen."""
        self.zoom_to(1.0)

    def zoom_in(self) -> None:
        """One step closer."""
        self.zoom_to(self._scale * _STEP)

    def zoom_out(self) -> None:
        """One step away."""
        self.zoom_to(self._scale / _STEP)

    def zoom_to(self, scale: float, at: QPointF | None = None) -> None:
        """Scales; the point ``at`` of the widget, or the middle, stays where it is."""
        if not self._levels:
            return
        at = at or QPointF(self.width() / 2, self.height() / 2)
        held = self._place_of(at)
        self._fits = False
        self._set_scale(min(max(scale, self._fitting() / 4, 1 / 64), _LARGEST_SCALE))
        moved = self._place_of(at)
        self._move_to(self._middle + held - moved)
        self._told()

    def show_view(self, scale: float, middle: QPointF) -> None:
        """Takes over the view of another picture, as ``view_changed`` told it, and tells nobody."""
        if self._levels:
            self._fits = False
            self._set_scale(scale)
            self._move_to(middle)

    # -- geometry -------------------------------------------------------------------------------

    def _fitting(self) -> float:
        ratio = self.devicePixelRatioF()
        size = self._levels[0].size()
        across, down = self.width() * ratio / size.width(), self.height() * ratio / size.height()
        return min(1.0, across, down)

    def _refit(self) -> None:
        if self._levels and self._fits:
            self._set_scale(self._fitting())

    def _set_scale(self, scale: float) -> None:
        if not math.isclose(scale, self._scale):
            self._scale = scale
            self.zoom_changed.emit(scale)
        self.update()

    def _shown_size(self) -> tuple[float, float]:
        scale = self._scale / self.devicePixelRatioF()
        return self._levels[0].width() * scale, self._levels[0].height() * scale

    def _place_of(self, at: QPointF) -> QPointF:
        """A point of the widget as fractions of the picture."""
        width, height = self._shown_size()
        across = (at.x() - self.width() / 2) / width + self._middle.x()
        return QPointF(across, (at.y() - self.height() / 2) / height + self._middle.y())

    def _move_to(self, middle: QPointF) -> None:
        """Brings a point to the middle, but never empty grey where there could be picture."""
        width, height = self._shown_size()
        across = _held(middle.x(), self.width() / 2 / width)
        self._middle = QPointF(across, _held(middle.y(), self.height() / 2 / height))
        self.update()

    def _told(self) -> None:
        self.view_changed.emit(self._scale, self._middle)

    def _target(self) -> QRectF:
        width, height = self._shown_size()
        ratio = self.devicePixelRatioF()
        left = self.width() / 2 - self._middle.x() * width
        top = self.height() / 2 - self._middle.y() * height
        # On whole pixels of the screen, or 1:1 would be a blur of two neighbours.
        return QRectF(round(left * ratio) / ratio, round(top * ratio) / ratio, width, height)

    # -- events ---------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.PICTURE_GREY)
        if self._levels:
            smooth = self._scale < UNSMOOTHED_FROM and not math.isclose(self._scale, 1.0)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
            level = _level_for(self._levels, self._scale)
            painter.drawImage(self._target(), level, QRectF(level.rect()))
        elif self._text:
            around = self.rect().adjusted(theme.GRID * 2, theme.GRID, -theme.GRID * 2, -theme.GRID)
            painter.setPen(_WORDS)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(around, int(flags), self._text)
        if self.hasFocus():
            painter.setPen(self.palette().color(self.palette().ColorRole.Highlight))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._refit()
        if self._levels and not self._fits:
            self._move_to(self._middle)

    def wheelEvent(self, event: QWheelEvent) -> None:
        steps = event.angleDelta().y() / 120
        self.zoom_to(self._scale * _STEP**steps, event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton and self._levels:
            self._dragged_from = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragged_from is None or not self._levels:
            return
        width, height = self._shown_size()
        by = event.position() - self._dragged_from
        self._dragged_from = event.position()
        self._move_to(self._middle - QPointF(by.x() / width, by.y() / height))
        self._told()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._dragged_from = None
        self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._fits:
            self.zoom_to(1.0, event.position())
        else:
            self.zoom_fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        calls = {
            Qt.Key.Key_Plus: self.zoom_in,
            Qt.Key.Key_Minus: self.zoom_out,
            Qt.Key.Key_0: self.zoom_fit,
            Qt.Key.Key_1: self.zoom_full,
        }
        call = calls.get(Qt.Key(event.key()))
        if call is None:
            super().keyPressEvent(event)
        else:
            call()


def _held(middle: float, half: float) -> float:
    """A middle between 0 and 1 such that what is seen, ``half`` to either side, lies within."""
    return 0.5 if half >= 0.5 else min(max(middle, half), 1 - half)


def _level_for(levels: Sequence[QImage], scale: float) -> QImage:
    """The smallest level that still has a pixel for every one on the screen."""
    wanted = levels[0].width() * scale
    return next((level for level in reversed(levels) if level.width() >= wanted), levels[0])


def _as_picture(_: str, thing: QObject) -> QAccessibleInterface | None:
    """What a screen reader is told of a ``PictureView``: that it is a picture, and not just any widget."""
    return QAccessibleWidget(thing, QAccessible.Role.Graphic) if isinstance(thing, PictureView) else None


QAccessible.installFactory(_as_picture)
