"""One picture on the whole screen, until Escape or the key that asked for it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QLabel, QVBoxLayout, QWidget

from dermagui.ui.widgets.picture import PictureView


class FullScreen(QDialog):
    """Shows what ``view`` shows, at a zoom of its own."""

    def __init__(self, view: PictureView, key: QKeySequence, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Picture"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.view = PictureView()
        self.view.show_image(*view.levels)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view, 1)
        column.addWidget(QLabel(self.tr("Esc closes it. + and − zoom, 0 shows the whole picture.")))
        QShortcut(key, self).activated.connect(self.reject)
        self.setWindowState(Qt.WindowState.WindowFullScreen)


def view_with_picture(within: QWidget) -> PictureView | None:
    """The picture that is in view there: the one with the focus, else the first; None where there is none."""
    views = [view for view in within.findChildren(PictureView) if view.isVisible() and view.has_image]
    return next((view for view in views if view.hasFocus()), views[0] if views else None)
