"""Two to four images side by side; what one of them shows, all of them show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QPointF, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from dermagui.errors import DermaError
from dermagui.records import Picture, Region
from dermagui.storage.database import Store
from dermagui.storage.filters import ImageCard, cards_of
from dermagui.storage.images import redactions_of
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.library.badges import name_of
from dermagui.ui.library.detail import find_picture
from dermagui.ui.widgets.picture import PictureView, read_levels
from dermagui.ui.widgets.zoom import ZoomTools

MOST = 4

Compared = list[tuple[ImageCard, Picture | DermaError, tuple[Region, ...]]]


class Compare(QWidget):
    """Each picture with its name. Zoom and place are linked until the user unlinks them."""

    closed = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._asked = 0
        self.views: list[PictureView] = []
        self._cells = QWidget()
        self._grid = QGridLayout(self._cells)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.GRID)
        self.linked = QCheckBox(self.tr("Zoom and move all of them together"))
        self.linked.setChecked(True)
        back = QPushButton(self.tr("Back to the images"))
        back.clicked.connect(self.closed)
        tools = QHBoxLayout()
        tools.addWidget(self.linked)
        tools.addStretch(1)
        tools.addWidget(back)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        layout.addLayout(tools)
        layout.addWidget(self._cells, 1)

    def show_images(self, numbers: Sequence[int]) -> None:
        """Shows these images, at most four."""
        self._asked += 1
        chosen = [number for number in numbers if number > 0][:MOST]
        self._desk.ask(partial(_read, chosen), partial(self._on_read, self._asked), owner=self)

    def clear(self) -> None:
        """Lets go of the pictures."""
        self._asked += 1
        self.views = []
        while (old := self._grid.takeAt(0)) is not None:
            if (cell := old.widget()) is not None:
                cell.hide()
                cell.deleteLater()

    def _on_read(self, asked: int, found: Compared) -> None:
        if asked != self._asked:
            return
        self.clear()
        across = 2 if len(found) == MOST else len(found)
        for n, (card, picture, redactions) in enumerate(found):
            view = PictureView()
            view.setAccessibleName(
                self.tr("Picture {number}: {name}").format(number=n + 1, name=name_of(card))
            )
            view.view_changed.connect(partial(self._on_view_changed, view))
            self.views.append(view)
            self._grid.addWidget(_make_cell(view, name_of(card)), n // across, n % across)
            if isinstance(picture, DermaError):
                view.show_text(texts.worded(picture))
            else:
                then = partial(self._on_decoded, self._asked, view)
                failed = partial(self._on_not_decoded, self._asked, view)
                self._desk.work(partial(read_levels, picture, redactions), then, owner=view, failed=failed)
        if self.views:
            self.views[0].setFocus()

    def _on_decoded(self, asked: int, view: PictureView, levels: tuple[QImage, ...]) -> None:
        if asked == self._asked:
            view.show_image(*levels)

    def _on_not_decoded(self, asked: int, view: PictureView, error: DermaError) -> None:
        if asked == self._asked:
            view.show_text(texts.worded(error))

    def _on_view_changed(self, view: PictureView, scale: float, middle: QPointF) -> None:
        if not self.linked.isChecked():
            return
        for other in self.views:
            if other is view:
                continue
            if view.fits:
                other.fit_along()
            else:
                other.show_view(scale, middle)


def _make_cell(view: PictureView, name: str) -> QWidget:
    cell = QWidget()
    layout = QVBoxLayout(cell)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(theme.GRID // 2)
    layout.addWidget(view, 1)
    label = QLabel(name)
    # A long name must not make the window wider.
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    label.setToolTip(name)
    layout.addWidget(label)
    below = QHBoxLayout()
    below.addWidget(ZoomTools(view))
    below.addStretch(1)
    layout.addLayout(below)
    return cell


def _read(numbers: Sequence[int], store: Store) -> Compared:
    cards = cards_of(store, numbers)
    return [
        (cards[number], find_picture(store, number), redactions_of(store, number))
        for number in numbers
        if number in cards
    ]
