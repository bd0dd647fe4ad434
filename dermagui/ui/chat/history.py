"""The chats that were held: a list to search, and what can be done with the chosen one."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QDateTime, QLocale, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import (
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import theme
from dermagui.ui.chat.shelf import ChatAt, Listed, Place
from dermagui.ui.icons import icon
from dermagui.ui.widgets.rows import RoomyRows

_PATIENCE_MILLISECONDS = 200


class History(QWidget):
    """The list. ``chosen`` tells a ``ChatAt``; ``searched`` that other words were written."""

    chosen = Signal(object)
    searched = Signal()

    def __init__(self, actions: Sequence[QAction], menu: Sequence[QAction]) -> None:
        super().__init__()
        self._uid = ""
        self._where = QLabel()
        self._where.setWordWrap(True)
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search all chats"))
        self.search.setAccessibleName(self.tr("Search all chats"))
        self.search.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Chats"))
        self.list.setItemDelegate(RoomyRows(self.list))
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.list.addActions(list(menu))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PATIENCE_MILLISECONDS)
        self._timer.timeout.connect(self.searched)
        self.search.textChanged.connect(lambda _: self._timer.start())
        self.list.currentItemChanged.connect(self._on_current_changed)
        self._build(actions, menu)

    def _build(self, actions: Sequence[QAction], menu: Sequence[QAction]) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        for action in actions:
            button = QPushButton(action.text())
            button.setAutoDefault(False)
            button.clicked.connect(action.trigger)
            action.changed.connect(lambda button=button, action=action: button.setEnabled(action.isEnabled()))
            column.addWidget(button)
        column.addWidget(self.search)
        column.addWidget(self._where)
        column.addWidget(self.list, 1)
        more = QToolButton()
        more.setText(self.tr("This chat"))
        more.setAccessibleName(self.tr("What can be done with this chat"))
        more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        more.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        choices = QMenu(more)
        choices.addActions(list(menu))
        more.setMenu(choices)
        column.addWidget(more)

    @property
    def words(self) -> str:
        """What is searched for."""
        return self.search.text().strip()

    def say_where(self, text: str) -> None:
        """Says where the chats of this list are kept."""
        self._where.setText(text)

    def show_chats(self, chats: Sequence[Listed], uid: str) -> None:
        """Shows these, the open one marked."""
        self._uid = uid
        self.list.blockSignals(True)
        self.list.clear()
        for chat in chats:
            row = QListWidgetItem(chat.title or self.tr("Without a title"))
            is_private = chat.at.place is Place.PRIVATE
            if is_private:
                row.setIcon(icon("lock"))
            at = QLocale().toString(
                QDateTime.fromString(chat.changed_at, Qt.DateFormat.ISODateWithMs).toLocalTime(),
                QLocale.FormatType.ShortFormat,
            )
            about = self.tr("Private: gone when the window closes") if is_private else ""
            row.setToolTip("\n".join(part for part in (row.text(), chat.model, at, about) if part))
            said = self.tr("{title}, private") if is_private else "{title}"
            row.setData(Qt.ItemDataRole.AccessibleTextRole, said.format(title=row.text()))
            row.setData(Qt.ItemDataRole.UserRole, chat.at)
            self.list.addItem(row)
            if chat.at.uid == uid:
                self.list.setCurrentItem(row)
        if not uid:
            self.list.setCurrentRow(-1)
        self.list.blockSignals(False)

    def _on_current_changed(self, row: QListWidgetItem | None, _: QListWidgetItem | None) -> None:
        if row is not None:
            at: ChatAt = row.data(Qt.ItemDataRole.UserRole)
            if at.uid != self._uid:
                self._uid = at.uid
                self.chosen.emit(at)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Down and self.search.hasFocus():
            self.list.setFocus()
        else:
            super().keyPressEvent(event)
