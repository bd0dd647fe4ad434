"""Paints a cell of the grid: the thumbnail on neutral grey, the name, and badges of icon and word."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from dermagui.records import FileState
from dermagui.storage.filters import ImageCard
from dermagui.ui import theme
from dermagui.ui.icons import icon
from dermagui.ui.library.badges import Badge, badges, name_of
from dermagui.ui.library.model import CARD_ROLE
from dermagui.ui.library.thumbnails import Thumbnails

_PAD = theme.GRID
_ICON = 14
_BADGE_LINES = 2
_NO_THUMBNAIL = {FileState.READY: "library", FileState.MISSING: "missing", FileState.UNREADABLE: "error"}
_ON_GREY = QColor(255, 255, 255)


class ImageDelegate(QStyledItemDelegate):
    """All cells have the same size: the side of the picture, a name, and two lines of badges."""

    def __init__(self, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._signs: dict[tuple[str, tuple[str, str] | None, bool, float, int], QPixmap] = {}
        self.side = 160

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        line = option.fontMetrics.height()
        return QSize(self.side + 2 * _PAD, self.side + 3 * _PAD + (1 + _BADGE_LINES) * (line + 2))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        card: ImageCard | None = index.data(CARD_ROLE)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        cell = option.rect.adjusted(2, 2, -2, -2)
        painter.save()
        if selected:
            painter.fillRect(cell, option.palette.brush(QPalette.ColorRole.Highlight))
        picture = QRect(option.rect.x() + _PAD, option.rect.y() + _PAD, self.side, self.side)
        painter.fillRect(picture, theme.PICTURE_GREY)
        if card is not None:
            self._paint_picture(painter, picture, card)
            below = QRect(picture.left(), picture.bottom() + _PAD, self.side, option.fontMetrics.height() + 2)
            self._paint_words(painter, below, option, card, selected)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(option.palette.color(QPalette.ColorRole.WindowText))
            painter.drawRect(cell.adjusted(0, 0, -1, -1))
        painter.restore()

    def _paint_picture(self, painter: QPainter, place: QRect, card: ImageCard) -> None:
        ratio = painter.device().devicePixelRatio()
        found = self._thumbnails.find(card.sha256, card.frame) if card.sha256 else QPixmap()
        if found is None:
            return
        if found.isNull():
            name = _NO_THUMBNAIL[card.state]
            side = min(40, place.width() // 2)
            middle = QRect(0, 0, side, side)
            middle.moveCenter(place.center())
            icon(name, (_ON_GREY.name(), _ON_GREY.name())).paint(painter, middle)
            return
        size = QSize(round(found.width() / ratio), round(found.height() / ratio))
        if self._thumbnails.side_pixels != round(self.side * ratio):
            size = found.size().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
        target = QRect(0, 0, size.width(), size.height())
        target.moveCenter(place.center())
        painter.drawPixmap(target, found)

    def _paint_words(
        self, painter: QPainter, line: QRect, option: QStyleOptionViewItem, card: ImageCard, selected: bool
    ) -> None:
        role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text
        metrics = option.fontMetrics
        painter.setPen(option.palette.color(role))
        name = metrics.elidedText(name_of(card), Qt.TextElideMode.ElideMiddle, line.width())
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, name)
        left, row = 0, 1
        for badge in badges(card):
            width = _ICON + 4 + metrics.horizontalAdvance(badge.text)
            if left and left + width > line.width():
                left, row = 0, row + 1
            if row > _BADGE_LINES:
                break
            place = QRect(
                line.left() + left, line.top() + row * line.height(), line.width() - left, line.height()
            )
            self._paint_badge(painter, place, option, badge, selected)
            left += width + _PAD

    def _paint_badge(
        self, painter: QPainter, place: QRect, option: QStyleOptionViewItem, badge: Badge, selected: bool
    ) -> None:
        ratio = painter.device().devicePixelRatio()
        sign = self._sign(badge, selected, ratio, option.palette.cacheKey())
        top = place.top() + (place.height() - _ICON) // 2
        painter.drawPixmap(QRect(place.left(), top, _ICON, _ICON), sign)
        if not selected:
            text = option.palette.color(QPalette.ColorRole.Text)
            painter.setPen(theme.colour(badge.tint, option.palette) if badge.tint else text)
        words = place.adjusted(_ICON + 4, 0, 0, 0)
        elided = option.fontMetrics.elidedText(badge.text, Qt.TextElideMode.ElideRight, words.width())
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, elided)

    def _sign(self, badge: Badge, selected: bool, ratio: float, palette: int) -> QPixmap:
        key = (badge.icon, badge.tint, selected, ratio, palette)
        if key not in self._signs:
            mode = QIcon.Mode.Selected if selected else QIcon.Mode.Normal
            self._signs[key] = icon(badge.icon, badge.tint).pixmap(QSize(_ICON, _ICON), ratio, mode)
        return self._signs[key]
