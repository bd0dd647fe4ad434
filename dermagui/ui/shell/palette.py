"""Every action by name, with its shortcut: looked for and run (Ctrl+K), or read as a sheet of keys (F1)."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence, QPalette
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import theme
from dermagui.ui.actions import plain
from dermagui.ui.widgets.rows import RoomyRows

_ACTION = Qt.ItemDataRole.UserRole


def keys(action: QAction) -> str:
    """Its shortcuts as this system writes them."""
    return QKeySequence.listToString(action.shortcuts(), QKeySequence.SequenceFormat.NativeText)


class ActionPalette(QDialog):
    """A line to type in and the actions that hold every word of it; Return runs the chosen one."""

    def __init__(self, actions: list[QAction], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Find an action"))
        self._actions = actions
        self.line = QLineEdit()
        self.line.setPlaceholderText(self.tr("What do you want to do?"))
        self.line.setAccessibleName(self.tr("What do you want to do?"))
        self.line.textChanged.connect(self._fill)
        self.line.installEventFilter(self)
        self.found = QTreeWidget()
        self.found.setAccessibleName(self.tr("Actions that were found"))
        self.found.setColumnCount(2)
        self.found.setHeaderHidden(True)
        self.found.setRootIsDecorated(False)
        self.found.setUniformRowHeights(True)
        self.found.setItemDelegate(RoomyRows(self.found))
        self.found.itemActivated.connect(self._run)
        column = QVBoxLayout(self)
        column.addWidget(self.line)
        column.addWidget(self.found)
        self.finished.connect(self.deleteLater)
        self.resize(64 * theme.GRID, 56 * theme.GRID)
        self._fill("")

    def _fill(self, text: str) -> None:
        words = text.casefold().split()
        self.found.clear()
        for action in self._actions:
            if action.isEnabled() and all(word in plain(action).casefold() for word in words):
                row = QTreeWidgetItem([plain(action), keys(action)])
                row.setData(0, _ACTION, action)
                row.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.found.addTopLevelItem(row)
        self.found.setColumnWidth(0, 44 * theme.GRID)
        self._choose(0)

    def _choose(self, n: int) -> None:
        row = self.found.topLevelItem(n)
        if row is not None:
            self.found.setCurrentItem(row)

    def _run(self, row: QTreeWidgetItem) -> None:
        action = row.data(0, _ACTION)
        self.accept()
        action.trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Up and down move in the list while the line keeps the focus; Return runs what is chosen."""
        if isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            row = self.found.currentIndex().row()
            if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                step = 1 if event.key() == Qt.Key.Key_Down else -1
                count = self.found.topLevelItemCount()
                self._choose(max(0, min(row + step, count - 1)))
                return True
            chosen = self.found.currentItem()
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and chosen is not None:
                self._run(chosen)
                return True
        return super().eventFilter(watched, event)


class KeySheet(QDialog):
    """All keys that work now: those of the page in view, and those of the window."""

    def __init__(self, groups: dict[str, list[QAction]], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Keys of this page"))
        across = QHBoxLayout()
        across.setSpacing(4 * theme.GRID)
        for heading, actions in groups.items():
            if actions:
                across.addLayout(_column(heading, actions))
        note = QLabel(self.tr("Plain letters work where nobody types."))
        note.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self.finished.connect(self.deleteLater)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[3 * theme.GRID] * 4)
        column.setSpacing(2 * theme.GRID)
        column.addLayout(across)
        column.addWidget(note)
        column.addWidget(buttons)


def _column(heading: str, actions: list[QAction]) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(2 * theme.GRID)
    grid.setVerticalSpacing(theme.GRID // 2)
    title = QLabel(heading)
    title.setFont(theme.heading_font(title.font()))
    grid.addWidget(title, 0, 0, 1, 2)
    for n, action in enumerate(actions, 1):
        key = QLabel(keys(action))
        font = key.font()
        font.setBold(True)
        key.setFont(font)
        grid.addWidget(key, n, 0, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(QLabel(plain(action).removesuffix("…")), n, 1)
    grid.setRowStretch(len(actions) + 1, 1)
    return grid
