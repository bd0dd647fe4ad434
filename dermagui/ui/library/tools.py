"""The row above the images: what can be done, how many are shown, how large, and as what."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from dermagui.ui import theme
from dermagui.ui.icons import icon
from dermagui.ui.library.images_view import LARGEST_SIDE, SMALLEST_SIDE
from dermagui.ui.library.words import counted

_SIDE_STEP = 32


class Tools(QWidget):
    """Its buttons are the page's actions, found by their id."""

    def __init__(self, action: Callable[[str], QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._action = action
        self.count = QLabel()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(SMALLEST_SIDE // _SIDE_STEP, LARGEST_SIDE // _SIDE_STEP)
        self.slider.setPageStep(1)
        self.slider.setFixedWidth(theme.GRID * 12)
        self.slider.setAccessibleName(self.tr("Size of the pictures"))
        self.slider.setToolTip(self.tr("Size of the pictures"))
        self.slider.setValue(5)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID)
        for id_, sign in (
            ("library.folder", "add"),
            ("library.metadata", "table"),
            ("library.compare", "compare"),
        ):
            row.addWidget(self._make_button(id_, sign))
        action("library.compare").setIconText(self.tr("Compare"))
        row.addSpacing(theme.GRID)
        row.addWidget(self.count)
        row.addStretch(1)
        row.addWidget(self.slider)
        row.addWidget(self._make_button("library.view", "grid"))
        self.show_table(False)

    def _make_button(self, id_: str, sign: str) -> QToolButton:
        button = QToolButton()
        self._action(id_).setIcon(icon(sign))
        # By itself Qt takes the dots away that say that something will be asked.
        self._action(id_).setIconText(self._action(id_).text())
        button.setDefaultAction(self._action(id_))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        return button

    @property
    def side_pixels(self) -> int:
        """How large a picture of the grid is to be."""
        return self.slider.value() * _SIDE_STEP

    def show_table(self, table: bool) -> None:
        """Says whether the images stand in a table or in a grid."""
        action = self._action("library.view")
        action.setIcon(icon("table" if table else "grid"))
        action.setIconText(self.tr("View: table") if table else self.tr("View: grid"))
        self.slider.setVisible(not table)

    def show_count(self, count: int, selected: int) -> None:
        """Says how many images the filter finds, and how many of them are selected."""
        text = counted(count, self.tr("1 image"), self.tr("{count} images"))
        if selected:
            text += " · " + self.tr("{count} selected").format(count=QLocale().toString(selected))
        self.count.setText(text)
