"""The sheet of the reference library: files are added and taken out, for the project or for all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.errors import DermaError
from dermagui.ui import theme
from dermagui.ui.chat.library import Library
from dermagui.ui.chat.shelf import Place
from dermagui.ui.chat.words import state_words
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.bar import Bar
from dermagui.ui.widgets.button_row import tab_as_seen
from dermagui.ui.widgets.rows import RoomyRows

if TYPE_CHECKING:
    from dermagui.storage.database import Row


class ReferenceSheet(QDialog):
    """Shows one of the libraries; what is done here is done at once."""

    def __init__(self, library: Library, project: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Reference library"))
        self.setAcceptDrops(True)
        self._library = library
        self._problems: list[str] = []
        self.bar = Bar()
        self.place = QComboBox()
        if project:
            self.place.addItem(self.tr("Only for {project}").format(project=project), Place.PROJECT)
        self.place.addItem(self.tr("For all projects"), Place.NOTEBOOK)
        self.files = QListWidget()
        self.files.setAccessibleName(self.tr("Files of the library"))
        self.files.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.files.setItemDelegate(RoomyRows(self.files))
        self.files.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.add_files = QPushButton(self.tr("&Add files…"))
        self.add_folder = QPushButton(self.tr("Add a &folder…"))
        self.remove = QPushButton(self.tr("&Take out of the library"))
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._build()
        self._connect()
        self._list()

    def _build(self) -> None:
        about = QLabel(
            self.tr(
                "Your own guidelines, drug texts and notes: text, Markdown, CSV and PDF. They are searched "
                "on this computer; the files stay where they are."
            )
        )
        about.setWordWrap(True)
        which = QLabel(self.tr("&Library"))
        which.setBuddy(self.place)
        top, below = QHBoxLayout(), QHBoxLayout()
        top.addWidget(which)
        top.addWidget(self.place, 1)
        for button in (self.add_files, self.add_folder, self.remove):
            button.setAutoDefault(False)
            below.addWidget(button)
        below.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, 2 * theme.GRID, 2 * theme.GRID, 2 * theme.GRID)
        column.setSpacing(theme.GRID)
        column.addWidget(self.bar)
        column.addWidget(about)
        column.addLayout(top)
        column.addWidget(self.files, 1)
        column.addWidget(self.state)
        column.addLayout(below)
        column.addWidget(self.buttons)
        tab_as_seen(self.buttons)
        self.resize(72 * theme.GRID, 56 * theme.GRID)

    def _connect(self) -> None:
        self.place.currentIndexChanged.connect(lambda _: self._list())
        self.add_files.clicked.connect(self._choose_files)
        self.add_folder.clicked.connect(self._choose_folder)
        self.remove.clicked.connect(self._remove)
        self.files.itemSelectionChanged.connect(self._allow)
        self.buttons.rejected.connect(self.reject)
        self.finished.connect(lambda _: self.deleteLater())
        self._library.changed.connect(self._list)
        self._library.reading.connect(self._on_reading)
        self._library.failed.connect(self._tell)

    @property
    def _place(self) -> Place:
        return Place(self.place.currentData())

    def _list(self) -> None:
        self._library.show(self._place, self._on_listed)

    def _on_listed(self, rows: list[Row]) -> None:
        self.files.clear()
        for row in rows:
            name = Path(row["path"]).name
            passages = self.tr("passages: {count}").format(count=whole(row["passages"]))
            said = " · ".join(part for part in (name, passages, state_words(row["state"])) if part)
            line = QListWidgetItem(said)
            line.setToolTip(row["path"])
            line.setData(Qt.ItemDataRole.UserRole, row["uid"])
            self.files.addItem(line)
        empty = self.tr("No file is in this library yet. Add some, or drop them here.")
        self.state.setText("" if rows else empty)
        self.state.setVisible(not rows)
        self._allow()

    def _allow(self) -> None:
        self.remove.setEnabled(bool(self.files.selectedItems()))

    def _choose_files(self) -> None:
        kinds = self.tr("Texts (*.txt *.md *.markdown *.csv *.tsv *.pdf);;All files (*)")
        names, _ = QFileDialog.getOpenFileNames(self, self.tr("Add reference files"), "", kinds)
        self.take_paths([Path(name) for name in names])

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self.tr("Add a folder of reference files"))
        self.take_paths([Path(name)] if name else [])

    def take_paths(self, paths: list[Path]) -> None:
        """Reads files and folders into the library in view."""
        if paths:
            self._problems = []
            self.bar.hide()
            self._library.add(self._place, paths)

    def _remove(self) -> None:
        uids = [line.data(Qt.ItemDataRole.UserRole) for line in self.files.selectedItems()]
        self._library.remove(self._place, uids)

    def _on_reading(self, name: str, at: int, total: int) -> None:
        if name:
            words = self.tr("Reading {name} ({number} of {total})…")
            self.state.setText(words.format(name=name, number=whole(at), total=whole(total)))
        self.state.setVisible(bool(name))

    def _tell(self, error: DermaError) -> None:
        from dermagui.ui import texts
        from dermagui.ui.widgets.bar import Level

        self._problems.append(texts.worded(error))
        self.bar.tell("\n".join(self._problems[:5]), Level.ERROR)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        urls = event.mimeData().urls()
        self.take_paths([Path(url.toLocalFile()) for url in urls if url.isLocalFile()])
        event.acceptProposedAction()
