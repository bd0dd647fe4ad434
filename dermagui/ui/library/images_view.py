"""The images as a grid or as a table, with one selection for both."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPalette, QRegion
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QListView,
    QStackedWidget,
    QTableView,
    QWidget,
)

from dermagui.ui.library.delegate import ImageDelegate
from dermagui.ui.library.model import ImagesModel
from dermagui.ui.library.thumbnails import Thumbnails

SMALLEST_SIDE, LARGEST_SIDE = 96, 256
_BATCH_ROWS = 500
_COLUMN_WIDTHS = (184, 120, 96, 56, 184)


class _Grid(QListView):
    """A list that never walks through all of its rows, as Qt's does for typed letters and a selection."""

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        return QRegion(self.viewport().rect())

    def keyboardSearch(self, search: str) -> None:
        pass

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.activated.emit(self.currentIndex())
        else:
            super().keyPressEvent(event)


class _Table(QTableView):
    """The same for the table."""

    def keyboardSearch(self, search: str) -> None:
        pass


class ImagesView(QStackedWidget):
    """Shows ``ImagesModel``; what is selected stays selected when grid and table change places."""

    selection_changed = Signal()
    opened = Signal(int)
    """The user pressed Enter on an image, or clicked it twice: its number."""

    def __init__(self, model: ImagesModel, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._thumbnails = thumbnails
        self.delegate = ImageDelegate(thumbnails, self)
        self.grid = self._build_grid()
        self.table = self._build_table()
        for view in (self.grid, self.table):
            view.activated.connect(self._on_view_activated)
            model.listed.connect(view.viewport().update)
            self.addWidget(view)
        self._kept: tuple[list[int], int | None] = ([], None)
        self._scroll_to: int | None = None
        self.grid.verticalScrollBar().rangeChanged.connect(self._on_scroll_bar_range_changed)
        model.modelAboutToBeReset.connect(self._on_model_about_to_be_reset)
        model.modelReset.connect(self._on_model_reset)
        thumbnails.loaded.connect(self.grid.viewport().update)
        self._selection.selectionChanged.connect(lambda *_: self.selection_changed.emit())
        self._selection.currentChanged.connect(lambda *_: self.selection_changed.emit())

    def _build_grid(self) -> QListView:
        grid = _Grid()
        grid.setModel(self._model)
        grid.setItemDelegate(self.delegate)
        grid.setViewMode(QListView.ViewMode.IconMode)
        grid.setMovement(QListView.Movement.Static)
        grid.setResizeMode(QListView.ResizeMode.Adjust)
        # Both are what makes 100,000 rows as quick as 1,000: no row is measured, and none is laid out early.
        grid.setUniformItemSizes(True)
        grid.setLayoutMode(QListView.LayoutMode.Batched)
        grid.setBatchSize(_BATCH_ROWS)
        grid.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        grid.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        grid.setAccessibleName(self.tr("Images"))
        grid.setFrameShape(QListView.Shape.NoFrame)
        return grid

    def _build_table(self) -> QTableView:
        table = _Table()
        table.setModel(self._model)
        table.setSelectionModel(self.grid.selectionModel())
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setAlternatingRowColors(True)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.setAccessibleName(self.tr("Images as a table"))
        table.setFrameShape(QTableView.Shape.NoFrame)
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 8)
        table.verticalHeader().hide()
        # To highlight a column it would ask of every row of it whether that is selected.
        table.horizontalHeader().setHighlightSections(False)
        table.verticalHeader().setHighlightSections(False)
        table.horizontalHeader().setSectionsClickable(False)
        table.horizontalHeader().setDefaultAlignment(
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        )
        table.horizontalHeader().setBackgroundRole(QPalette.ColorRole.Window)
        for column, width in enumerate(_COLUMN_WIDTHS):
            table.setColumnWidth(column, width)
        return table

    @property
    def _selection(self) -> QItemSelectionModel:
        return self.grid.selectionModel()

    # -- how it looks ---------------------------------------------------------------------------

    @property
    def shows_table(self) -> bool:
        """Whether the table is in front."""
        return self.currentWidget() is self.table

    def show_table(self, table: bool) -> None:
        """Brings the table or the grid to the front, with the same image in view."""
        had_focus = self.grid.hasFocus() or self.table.hasFocus()
        view = self.table if table else self.grid
        self.setCurrentWidget(view)
        self._select_whole_rows()
        if self._selection.currentIndex().isValid():
            view.scrollTo(self._selection.currentIndex())
        if had_focus:
            view.setFocus()

    def show_side(self, side: int) -> None:
        """The pictures of the grid get this side, in pixels that do not depend on the screen."""
        self.delegate.side = side
        self._thumbnails.show_side(round(side * self.devicePixelRatioF()))
        for column, width in enumerate(_COLUMN_WIDTHS):
            self.table.setColumnWidth(column, width)
        self.grid.scheduleDelayedItemsLayout()

    # -- what is selected -----------------------------------------------------------------------

    def selected_numbers(self) -> list[int]:
        """The numbers of the selected rows, in their order."""
        return [self._model.numbers[row] for row in sorted(set(self._selected_rows()))]

    def _selected_rows(self) -> Iterator[int]:
        for part in self._selection.selection().toList():
            yield from range(part.top(), part.bottom() + 1)

    @property
    def selected_count(self) -> int:
        """How many rows are selected."""
        return len(set(self._selected_rows()))

    @property
    def current_number(self) -> int | None:
        """The number of the image that has the cursor, or None."""
        row = self.current_row
        return None if row is None else self._model.numbers[row]

    @property
    def current_row(self) -> int | None:
        """The row that has the cursor, or None."""
        row = self._selection.currentIndex().row()
        return row if 0 <= row < len(self._model.numbers) else None

    def focus(self) -> None:
        """Puts the keyboard into what is in front."""
        (self.table if self.shows_table else self.grid).setFocus()

    def select_numbers(self, numbers: list[int], current: int | None = None) -> None:
        """Selects these, as far as they are listed, and puts the cursor on one of them."""
        rows = sorted(row for number in numbers if (row := self._model.row_of(number)) is not None)
        selection = QItemSelection()
        last = self._model.columnCount() - 1
        start = 0
        for end in range(1, len(rows) + 1):
            if end == len(rows) or rows[end] != rows[end - 1] + 1:
                selection.select(self._model.index(rows[start], 0), self._model.index(rows[end - 1], last))
                start = end
        row = self._model.row_of(current) if current is not None else None
        if row is not None:
            index = self._model.index(row, 0)
            self._selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        self._selection.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _select_whole_rows(self) -> None:
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        self._selection.select(self._selection.selection(), flags)

    # -- what happens ---------------------------------------------------------------------------

    def _on_view_activated(self, index: QModelIndex) -> None:
        self.opened.emit(self._model.numbers[index.row()])

    def _on_model_about_to_be_reset(self) -> None:
        self._kept = (self.selected_numbers(), self.current_number)
        self._scroll_to = self.grid.verticalScrollBar().value()

    def _on_model_reset(self) -> None:
        numbers, current = self._kept
        self.select_numbers(numbers, current)
        self.selection_changed.emit()

    def _on_scroll_bar_range_changed(self, lowest: int, highest: int) -> None:
        """Cells come in batches: what was in view comes back as soon as there is so much of them again."""
        if self._scroll_to is not None and highest >= self._scroll_to:
            self.grid.verticalScrollBar().setValue(self._scroll_to)
            self._scroll_to = None
