"""Thumbnails of a question's pictures, each a button: those to be sent can be taken away again."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QToolButton, QVBoxLayout, QWidget

from dermagui.ui.chat.desk_work import THUMBNAIL_PIXELS, Thumb
from dermagui.ui.icons import icon
from dermagui.ui.widgets.flow import FlowLayout


class Thumbs(QWidget):
    """A row of pictures. ``chosen`` tells the place of the one that was clicked, ``removed`` that of the one
    whose button was.
    """

    chosen = Signal(int)
    removed = Signal(int)

    def __init__(self, parent: QWidget | None = None, *, removable: bool = False) -> None:
        super().__init__(parent)
        self._removable = removable
        self.buttons: list[QToolButton] = []
        self._stops: list[QToolButton] = []
        self._row = FlowLayout(self)
        self.hide()

    def show_thumbs(self, thumbs: Sequence[Thumb]) -> None:
        """Shows these and no others."""
        while (part := self._row.takeAt(0)) is not None:
            if (widget := part.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.buttons.clear()
        self._stops.clear()
        for place, thumb in enumerate(thumbs):
            self._row.addWidget(self._build(place, thumb))
        self.setVisible(bool(thumbs))
        self.updateGeometry()

    def stand_before(self, widget: QWidget) -> None:
        """Has Tab come to these pictures right before a widget: what is made later would come last of all."""
        last: QWidget = widget
        for stop in self._stops:
            QWidget.setTabOrder(last, stop)
            last = stop
        QWidget.setTabOrder(last, widget)

    def _build(self, place: int, thumb: Thumb) -> QWidget:
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        button = QToolButton()
        button.setAutoRaise(True)
        button.setIconSize(QSize(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        button.setIcon(_icon(thumb, self.devicePixelRatioF()))
        name = thumb.name or self.tr("Picture")
        missing = self.tr("{name}: its file cannot be found").format(name=name)
        button.setAccessibleName(
            self.tr("Picture {number}: {name}").format(
                number=place + 1, name=name if thumb.image is not None else missing
            )
        )
        button.setToolTip(name if thumb.image is not None else missing)
        button.clicked.connect(lambda: self.chosen.emit(place))
        self.buttons.append(button)
        self._stops.append(button)
        column.addWidget(button)
        if self._removable:
            remove = QToolButton()
            remove.setText(self.tr("Remove"))
            remove.setIcon(icon("close"))
            remove.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            remove.setAutoRaise(True)
            remove.setAccessibleName(
                self.tr("Remove picture {number}: {name}").format(number=place + 1, name=name)
            )
            remove.clicked.connect(lambda: self.removed.emit(place))
            self._stops.append(remove)
            column.addWidget(remove, 0, Qt.AlignmentFlag.AlignHCenter)
        return whole


def _icon(thumb: Thumb, ratio: float) -> QIcon:
    if thumb.image is None:
        return icon("missing")
    side = round(THUMBNAIL_PIXELS * ratio)
    scaled = thumb.image.scaled(
        side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    scaled.setDevicePixelRatio(ratio)
    return QIcon(QPixmap.fromImage(scaled))
