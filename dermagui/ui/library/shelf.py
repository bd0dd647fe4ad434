"""The left side: all images, the sources, and the saved filters, each with how many images it holds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dermagui.records import FileState, Source
from dermagui.storage import filters, images, sources
from dermagui.storage.database import Store
from dermagui.storage.filters import Filter
from dermagui.ui import theme
from dermagui.ui.icons import icon
from dermagui.ui.widgets.rows import RoomyRows

_FILTER, _SOURCE, _NAME = (Qt.ItemDataRole.UserRole + n for n in range(3))


@dataclass(frozen=True, slots=True)
class Shelves:
    """What the left side shows: how many there are of all, of each source, of each saved filter."""

    total: int = 0
    sources: Sequence[Source] = ()
    counts: Mapping[int, int] = field(default_factory=dict)
    files: Mapping[int, Mapping[FileState, int]] = field(default_factory=dict)
    """How many files of each source are in each state."""
    saved: Mapping[str, tuple[Filter, int]] = field(default_factory=dict)

    @property
    def names(self) -> dict[int, str]:
        """The names of the sources by their ids."""
        return {source.id: source.name for source in self.sources}


def read_shelves(store: Store) -> Shelves:
    """Reads them; a saved filter is run to be counted."""
    saved = {
        name: (one, len(filters.find_images(store, one)))
        for name, one in filters.saved_filters(store).items()
    }
    total, counts = filters.count_listed(store)
    files = images.count_files_by_source(store)
    return Shelves(total, sources.list_sources(store), counts, files, saved)


def first_lost(known: Sequence[Source]) -> Source | None:
    """The first source whose folder is not there; asks the disk."""
    return next((source for source in known if not os.path.isdir(source.root)), None)


class Shelf(QWidget):
    """Lists the shelves; choosing one wants its filter."""

    filter_chosen = Signal(object)
    source_opened = Signal(int)
    """The user wants the page of this source."""
    filter_removed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sources: Sequence[Source] = ()
        self.tree = QTreeWidget()
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(0)
        self.tree.setItemDelegate(RoomyRows(self.tree))
        self.tree.setAccessibleName(self.tr("Sources and saved filters"))
        self.tree.setFrameShape(QTreeWidget.Shape.NoFrame)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.currentItemChanged.connect(self._on_tree_current_item_changed)
        self.tree.itemActivated.connect(self._on_tree_item_activated)
        self._about = QPushButton(self.tr("About this source…"))
        self._about.clicked.connect(self._open_source)
        self._remove = QPushButton(self.tr("Remove this filter"))
        self._remove.clicked.connect(self._on_remove_clicked)
        buttons = QHBoxLayout()
        buttons.addWidget(self._about)
        buttons.addWidget(self._remove)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.tree, 1)
        layout.addLayout(buttons)
        self.setMinimumWidth(theme.GRID * 22)
        self._show_buttons()

    def show_shelves(self, shelves: Shelves, shown: Filter) -> None:
        """Shows what was read; the row of the filter that is shown is marked."""
        self._sources = shelves.sources
        self.tree.blockSignals(True)
        self.tree.clear()
        self._add_row(self.tr("All images"), shelves.total, "library", Filter())
        self._add_title(self.tr("Sources"), bool(shelves.sources))
        for source in shelves.sources:
            count = shelves.counts.get(source.id, 0)
            sign = "leave" if source.may_leave else "stay"
            row = self._add_row(source.name, count, sign, Filter(source_id=source.id))
            row.setData(0, _SOURCE, source.id)
            leave = self.tr("may leave this computer") if source.may_leave else self.tr("stays here")
            row.setToolTip(0, f"{source.root}\n{leave}")
        self._add_title(self.tr("Saved filters"), bool(shelves.saved))
        for name, (wanted, count) in shelves.saved.items():
            self._add_row(name, count, "search", wanted).setData(0, _NAME, name)
        self._mark(shown)
        self.tree.blockSignals(False)
        self._show_buttons()

    def show_filter(self, shown: Filter) -> None:
        """Marks the row of this filter, if it has one."""
        self.tree.blockSignals(True)
        self._mark(shown)
        self.tree.blockSignals(False)
        self._show_buttons()

    @property
    def source_id(self) -> int | None:
        """The source that is marked."""
        row = self.tree.currentItem()
        return row.data(0, _SOURCE) if row else None

    @property
    def _only(self) -> int | None:
        """The source that is meant without being chosen: there is no other."""
        return self._sources[0].id if len(self._sources) == 1 else None

    def _add_row(self, text: str, count: int, sign: str, wanted: Filter) -> QTreeWidgetItem:
        row = QTreeWidgetItem([text, QLocale().toString(count)])
        row.setIcon(0, icon(sign))
        row.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.setData(0, _FILTER, wanted)
        self.tree.addTopLevelItem(row)
        return row

    def _add_title(self, text: str, shown: bool) -> None:
        if shown:
            row = QTreeWidgetItem([text])
            row.setFlags(Qt.ItemFlag.NoItemFlags)
            self.tree.addTopLevelItem(row)

    def _mark(self, shown: Filter) -> None:
        rows = [self.tree.topLevelItem(n) for n in range(self.tree.topLevelItemCount())]
        found = next((row for row in rows if row and row.data(0, _FILTER) == shown), None)
        if found is None:
            self.tree.setCurrentIndex(self.tree.rootIndex())
            self.tree.clearSelection()
        else:
            self.tree.setCurrentItem(found)

    def _show_buttons(self) -> None:
        row = self.tree.currentItem()
        self._about.setVisible(bool(self._sources))
        self._about.setEnabled(self.source_id is not None or self._only is not None)
        self._remove.setVisible(row is not None and row.data(0, _NAME) is not None)

    def _open_source(self) -> None:
        if self.source_id is not None:
            self.source_opened.emit(self.source_id)
        elif self._only is not None:
            self.source_opened.emit(self._only)

    def _on_tree_item_activated(self, row: QTreeWidgetItem, _: int) -> None:
        if row.data(0, _SOURCE) is not None:
            self.source_opened.emit(row.data(0, _SOURCE))

    def _on_tree_current_item_changed(self, row: QTreeWidgetItem | None, _: object) -> None:
        self._show_buttons()
        if row is not None and row.data(0, _FILTER) is not None:
            self.filter_chosen.emit(row.data(0, _FILTER))

    def _on_remove_clicked(self) -> None:
        row = self.tree.currentItem()
        if row is not None and row.data(0, _NAME) is not None:
            self.filter_removed.emit(row.data(0, _NAME))
