"""Which column of a table means which field, with the first rows for comparison."""

from __future__ import annotations

import itertools

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from dermagui.library.fields import known_fields
from dermagui.library.understand import UnderstoodTable, mapping_texts
from dermagui.ui.library.field_words import field_label

_COLUMNS_AT_MOST = 200
"""Further columns keep their own names; nobody reads through more."""


class ColumnMapper(QTableWidget):
    """A line for each column: its name, what it means (a choice), and what stands in its first rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: UnderstoodTable | None = None
        self._choices: dict[str, QComboBox] = {}
        self.setAccessibleName(self.tr("Columns and what they mean"))
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()

    def show_table(self, table: UnderstoodTable) -> None:
        """Shows the columns of a table with what was guessed."""
        self._table = table
        self._choices.clear()
        columns = table.columns[:_COLUMNS_AT_MOST]
        self.setRowCount(len(columns))
        self.setColumnCount(2 + len(table.preview))
        rows = [self.tr("Row {number}").format(number=n + 1) for n in range(len(table.preview))]
        self.setHorizontalHeaderLabels([self.tr("Column"), self.tr("Means"), *rows])
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        for row, column in enumerate(columns):
            self.setItem(row, 0, QTableWidgetItem(column))
            self._choices[column] = self._make_choice(column, table)
            self.setCellWidget(row, 1, self._choices[column])
            for n, said in enumerate(table.preview):
                self.setItem(row, 2 + n, QTableWidgetItem(said.get(column, "")))
        for before, after in itertools.pairwise((self, *self._choices.values())):
            QWidget.setTabOrder(before, after)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.resizeRowsToContents()
        for section, width in ((0, 180), (1, 190)):
            self.setColumnWidth(section, width)

    def _make_choice(self, column: str, table: UnderstoodTable) -> QComboBox:
        choice = QComboBox()
        choice.setAccessibleName(self.tr("Meaning of {column}").format(column=column))
        choice.addItem(self.tr("keeps its own name"), "")
        for name in known_fields():
            choice.addItem(field_label(name), name)
        guessed = next((field for field, columns in table.mapping.items() if column in columns), "")
        choice.setCurrentIndex(choice.findData(guessed))
        # The wheel scrolls the list and changes nothing by accident.
        choice.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        choice.wheelEvent = lambda event: event.ignore()  # type: ignore[method-assign]
        return choice

    def choose(self, column: str, field: str) -> None:
        """Says what a column means; an empty field: it keeps its own name."""
        self._choices[column].setCurrentIndex(self._choices[column].findData(field))

    def texts(self) -> list[str]:
        """What the user changed, as ``field=column`` for the job that reads the table."""
        if self._table is None:
            return []
        wanted = {column: str(choice.currentData()) for column, choice in self._choices.items()}
        return mapping_texts(self._table.mapping, wanted)
