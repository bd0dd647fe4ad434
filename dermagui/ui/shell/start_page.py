"""What stands in place of a page as long as no project is open: the ways to one."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QPalette, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dermagui import paths
from dermagui.ui import theme
from dermagui.ui.actions import plain
from dermagui.ui.desk import Desk
from dermagui.ui.shell import state
from dermagui.ui.widgets.rows import RoomyRows

_WIDE = 72 * theme.GRID
_PATH = Qt.ItemDataRole.UserRole


class StartPage(QWidget):
    """Three buttons and the projects that were open before."""

    def __init__(self, desk: Desk, actions: list[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        title = QLabel(self.tr("No project is open"))
        title.setFont(theme.heading_font(title.font()))
        words = QLabel(
            self.tr(
                "A project is one folder. It remembers your pictures, where they lie, the pairs and every "
                "verdict; the pictures themselves stay where they are."
            )
        )
        words.setWordWrap(True)
        buttons = QHBoxLayout()
        for action in actions:
            button = QPushButton(plain(action))
            button.clicked.connect(action.trigger)
            buttons.addWidget(button)
        buttons.addStretch(1)
        self._label = QLabel(self.tr("&Recent projects"))
        self._label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.recent = QListWidget()
        self.recent.setItemDelegate(RoomyRows(self.recent))
        self.recent.itemActivated.connect(self._on_recent_activated)
        self.recent.itemClicked.connect(self._on_recent_activated)
        self._label.setBuddy(self.recent)
        column = QVBoxLayout()
        column.setSpacing(2 * theme.GRID)
        for widget in (title, words):
            column.addWidget(widget)
        column.addLayout(buttons)
        column.addWidget(self._label)
        column.addWidget(self.recent)
        column.addStretch(1)
        inner = QWidget()
        inner.setLayout(column)
        inner.setFixedWidth(_WIDE)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(theme.GRID, 6 * theme.GRID, theme.GRID, theme.GRID)
        whole.addStretch(1)
        whole.addWidget(inner)
        whole.addStretch(1)

    def showEvent(self, event: QShowEvent) -> None:
        """Lists what was open meanwhile."""
        super().showEvent(event)
        self.recent.clear()
        for folder in state.recent_projects():
            row = QListWidgetItem(f"{folder.name}    {paths.display_path(folder.parent)}")
            row.setData(_PATH, folder)
            self.recent.addItem(row)
        for widget in (self._label, self.recent):
            widget.setVisible(self.recent.count() > 0)

    def _on_recent_activated(self, row: QListWidgetItem) -> None:
        self._desk.open_project(row.data(_PATH))
