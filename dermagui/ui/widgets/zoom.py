"""Buttons for a picture's zoom, and the scale in per cent."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QLocale
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from dermagui.ui import theme
from dermagui.ui.icons import icon
from dermagui.ui.widgets.picture import PictureView


class ZoomTools(QWidget):
    """Fit, 1:1, closer and away for one ``PictureView``."""

    def __init__(self, view: PictureView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._scale = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID // 2)
        for text, sign, call, tip in (
            (self.tr("Fit"), "", view.zoom_fit, self.tr("Whole picture (0)")),
            ("1:1", "", view.zoom_full, self.tr("Every pixel (1)")),
            ("", "zoom_out", view.zoom_out, self.tr("Zoom out (-)")),
            ("", "zoom_in", view.zoom_in, self.tr("Zoom in (+)")),
        ):
            row.addWidget(self._make_button(text, sign, call, tip))
        row.addWidget(self._scale)
        view.zoom_changed.connect(self._show_scale)
        self._show_scale(view.zoom)

    def _make_button(self, text: str, sign: str, call: Callable[[], None], tip: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        if sign:
            button.setIcon(icon(sign))
        button.setToolTip(tip)
        # What is read on it comes first, so that whoever speaks to the computer can say it.
        said = [words for words in (text, tip, self._view.accessibleName()) if words]
        button.setAccessibleName(": ".join(said))
        button.clicked.connect(lambda: call())
        return button

    def _show_scale(self, scale: float) -> None:
        percent = QLocale().toString(scale * 100, "f", 0)
        self._scale.setText(self.tr("{percent} %").format(percent=percent))
