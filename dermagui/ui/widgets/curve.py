"""A small chart of lines over steps: axes with round numbers, the value under the mouse or the arrow keys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QLocale, QObject, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QAccessibleInterface,
    QColor,
    QFocusEvent,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QAccessibleWidget, QWidget

from dermagui.ui import theme

Point = tuple[float, float]

_DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
_ROLES = (QPalette.ColorRole.Accent, QPalette.ColorRole.WindowText, QPalette.ColorRole.PlaceholderText)
_TICKS = 4
_MOST_POINTS = 1_000
"""More than there are pixels: of more, the highest and the lowest of each stretch are drawn."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its name; x are steps in rising order."""

    name: str
    points: tuple[Point, ...]


class Curve(QWidget):
    """Draws lines that differ in dash and shade; Left, Right, Home and End go from point to point."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._lines: tuple[Line, ...] = ()
        self._total = 0.0
        self._place: float | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumHeight(20 * theme.GRID)
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        return QSize(60 * theme.GRID, 24 * theme.GRID)

    def show_lines(self, lines: Sequence[Line], total: float = 0) -> None:
        """Draws these; ``total`` is how far the axis of steps reaches at least."""
        kept = tuple(Line(line.name, _finite(line.points)) for line in lines)
        if (kept, total) != (self._lines, self._total):
            self._lines, self._total = kept, total
            self._tell()

    @property
    def values(self) -> str:
        """What is under the cursor, in words; without one, the newest values."""
        return ", ".join(words for _, words in self._words())

    def _words(self) -> list[tuple[int, str]]:
        """The step, then each line that has begun there, by its number, with its value."""
        steps = self._steps()
        if not steps:
            return [(-1, QCoreApplication.translate("curve", "nothing yet"))]
        place = steps[-1] if self._place is None else self._place
        found = [(-1, QCoreApplication.translate("curve", "step {step}").format(step=_number(place)))]
        for n, line in enumerate(self._lines):
            before = [y for x, y in line.points if x <= place]
            if before:
                found.append((n, f"{line.name} {_number(before[-1])}"))
        return found

    def _steps(self) -> list[float]:
        return sorted({x for line in self._lines for x, _ in line.points})

    def _move_to(self, place: float | None) -> None:
        if place != self._place:
            self._place = place
            self._tell()

    def _tell(self) -> None:
        self.setAccessibleDescription(self.values)
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.DescriptionChanged))
        self.update()

    # -- keys and mouse -------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = self._steps()
        here = len(steps) - 1 if self._place is None else sum(x <= self._place for x in steps) - 1
        places = {
            Qt.Key.Key_Left: here - 1,
            Qt.Key.Key_Right: here + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: len(steps) - 1,
        }
        place = places.get(Qt.Key(event.key()))
        if place is None or not steps:
            super().keyPressEvent(event)
            return
        self._move_to(steps[min(max(place, 0), len(steps) - 1)])

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        steps, frame = self._steps(), self._frame()
        if steps and frame.width() > 0:
            wanted = (event.position().x() - frame.left()) / frame.width() * self._reach()
            self._move_to(min(steps, key=lambda x: abs(x - wanted)))

    def leaveEvent(self, event: object) -> None:
        self._move_to(None)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._move_to(None)
        super().focusOutEvent(event)

    # -- drawing --------------------------------------------------------------------------------

    def _reach(self) -> float:
        return max([self._total, *self._steps()], default=0) or 1

    def _frame(self) -> QRectF:
        """Where the lines are drawn: under the title, right of the widest number, over the steps."""
        metrics = QFontMetricsF(self.font())
        left = max(metrics.horizontalAdvance(_number(tick)) for tick in self._y_ticks()) + theme.GRID
        height = metrics.height()
        return QRectF(self.rect()).adjusted(left, 1.5 * height, -2 * theme.GRID, -1.5 * height)

    def _y_ticks(self) -> list[float]:
        values = [y for line in self._lines for _, y in line.points]
        return ticks(min([0, *values]), max(values, default=1) or 1)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame, rows = self._frame(), self._y_ticks()
        self._draw_head(painter)
        self._draw_axes(painter, frame, rows)
        low, high, reach = rows[0], rows[-1], self._reach()

        def at(x: float, y: float) -> QPointF:
            return QPointF(
                frame.left() + x / reach * frame.width(),
                frame.bottom() - (y - low) / (high - low) * frame.height(),
            )

        for n, line in enumerate(self._lines):
            painter.setPen(self._pen(n))
            drawn = QPolygonF([at(x, y) for x, y in thin(line.points)])
            painter.drawPolyline(drawn)
            if len(line.points) == 1:
                painter.drawEllipse(at(*line.points[0]), 2, 2)
        if self._place is not None:
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.PlaceholderText), 1))
            painter.drawLine(at(self._place, low), at(self._place, high))
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Accent), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _pen(self, n: int) -> QPen:
        return QPen(self._colour(n), 1.8, _DASHES[n % len(_DASHES)])

    def _colour(self, n: int) -> QColor:
        return self.palette().color(_ROLES[n % len(_ROLES)])

    def _draw_head(self, painter: QPainter) -> None:
        """The title, and at the right the step, then each line's dash with its name and value."""
        metrics = QFontMetricsF(self.font())
        base = metrics.ascent() + 2
        step, *values = self._words()
        words = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(words)
        painter.drawText(QPointF(theme.GRID, base), self._title)
        x = self.width() - 2.0 * theme.GRID
        for n, value in reversed(values):
            x -= metrics.horizontalAdvance(value)
            painter.drawText(QPointF(x, base), value)
            if len(values) > 1:
                x -= 4 * theme.GRID
                painter.setPen(self._pen(n))
                middle = base - metrics.ascent() / 3
                painter.drawLine(QPointF(x, middle), QPointF(x + 3 * theme.GRID, middle))
                painter.setPen(words)
            x -= 2 * theme.GRID
        painter.drawText(QPointF(x - metrics.horizontalAdvance(step[1]), base), step[1])

    def _draw_axes(self, painter: QPainter, frame: QRectF, rows: list[float]) -> None:
        metrics = QFontMetricsF(self.font())
        grid, words = (
            self.palette().color(theme.LINE),
            self.palette().color(QPalette.ColorRole.PlaceholderText),
        )
        low, high, reach = rows[0], rows[-1], self._reach()
        for tick in rows:
            y = frame.bottom() - (tick - low) / (high - low) * frame.height()
            painter.setPen(grid)
            painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
            painter.setPen(words)
            told = _number(tick)
            x = frame.left() - metrics.horizontalAdvance(told) - theme.GRID / 2
            painter.drawText(QPointF(x, y + metrics.ascent() / 2 - 1), told)
        for tick in (step for step in ticks(0, reach) if step <= reach):
            told = _number(tick)
            x = frame.left() + tick / reach * frame.width() - metrics.horizontalAdvance(told) / 2
            painter.drawText(QPointF(x, frame.bottom() + metrics.ascent() + 4), told)


def _finite(points: Sequence[Point]) -> tuple[Point, ...]:
    return tuple((x, y) for x, y in points if math.isfinite(y))


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from below ``low`` to above ``high``: about four steps of 1, 2 or 5 of a power."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / _TICKS))
    step = next(power * n for n in (1, 2, 5, 10) if power * n * _TICKS >= span)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def thin(points: Sequence[Point]) -> list[Point]:
    """Of more points than can be drawn, the lowest and the highest of each stretch, in order."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    size = math.ceil(2 * len(points) / _MOST_POINTS)
    kept: list[Point] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept


def _number(value: float) -> str:
    """A number with four digits that matter, as people of this place write it."""
    if value == int(value) and abs(value) < 1e6:
        return QLocale().toString(int(value))
    return QLocale().toString(value, "g", 4)


def _as_picture(key: str, thing: QObject) -> QAccessibleInterface | None:
    """A screen reader takes a chart for a picture with a name, and its values for what it shows."""
    return QAccessibleWidget(thing, QAccessible.Role.Graphic) if isinstance(thing, Curve) else None


QAccessible.installFactory(_as_picture)
