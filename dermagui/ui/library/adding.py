"""Says what was understood of a drop, asks what only a person knows, and hands over what is to be done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QLocale, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.jobs.work import Parameters
from dermagui.library.scan import parameters_for
from dermagui.library.understand import Understood, UnderstoodFolder, UnderstoodTable
from dermagui.paths import display_path
from dermagui.records import Source
from dermagui.ui import texts, theme
from dermagui.ui.library.mapper import ColumnMapper
from dermagui.ui.library.words import counted

LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0")
"""Offered; any other text can be typed."""


class AddingSheet(QWidget):
    """Nothing is written before the user presses the button: then ``accepted`` carries the jobs."""

    accepted = Signal(object)
    """A list of the parameters of ``add`` jobs, to be done one after the other."""
    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._understood = Understood()
        self._sources: Sequence[Source] = ()
        self._title = QLabel()
        self._title.setFont(theme.heading_font(self._title.font()))
        self._title.setWordWrap(True)
        self._said = QLabel()
        self._said.setWordWrap(True)
        self.mapper = ColumnMapper()
        self._form = self._build_form()
        self.add = QPushButton(self.tr("Add"))
        self.add.setDefault(True)
        self.add.clicked.connect(self._on_add_clicked)
        cancel = QPushButton(self.tr("Cancel"))
        cancel.clicked.connect(self.cancelled)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.GRID * 2, theme.GRID, theme.GRID * 2, theme.GRID)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self._title)
        layout.addWidget(self._said)
        layout.addLayout(self._form)
        layout.addWidget(self.mapper, 1)
        self._space = QWidget()
        layout.addWidget(self._space, 1)
        layout.addLayout(buttons)

    def _build_form(self) -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(theme.GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.licence = QComboBox()
        self.licence.setEditable(True)
        self.licence.addItems(["", *LICENCES])
        self.attribution = QLineEdit()
        self.non_commercial = QCheckBox(self.tr("The licence forbids commercial use"))
        self.table = QComboBox()
        self.table.currentIndexChanged.connect(self._show_columns)
        self.source = QComboBox()
        form.addRow(self.tr("&Licence"), self.licence)
        form.addRow(self.tr("Attri&bution"), self.attribution)
        form.addRow("", self.non_commercial)
        form.addRow(self.tr("&Metadata"), self.table)
        form.addRow(self.tr("A&bout the pictures of"), self.source)
        return form

    # -- what it shows --------------------------------------------------------------------------

    def show_reading(self) -> None:
        """The paths are being looked at."""
        self._title.setText(self.tr("Looking at what this is…"))
        self._said.clear()
        self._show_rows(False, False)
        self.add.setEnabled(False)

    def show_understood(self, understood: Understood, sources: Sequence[Source]) -> None:
        """Says what was understood; ``sources`` are those that a table alone may be about."""
        self._understood, self._sources = understood, sources
        self._said.setText("\n".join(self._lines()))
        self.table.blockSignals(True)
        self.table.clear()
        self.table.addItem(self.tr("none"), None)
        for table in understood.tables:
            self.table.addItem(display_path(table.path.name), table)
        likely = [n for n, table in enumerate(understood.tables, 1) if table.looks_like_metadata]
        self.table.setCurrentIndex((likely or [len(understood.tables) and 1])[0])
        self.table.blockSignals(False)
        self._show_targets()
        self._show_rows(bool(understood.folders), bool(understood.tables))
        usable = bool(understood.folders) or bool(understood.tables and sources)
        self.add.setEnabled(usable)
        self._title.setText(
            self.tr("This is what dermagui understood. Nothing has been added yet.")
            if usable
            else self.tr("There is nothing here that can be added.")
        )
        self._show_columns()
        (self.licence if understood.folders else self.table if usable else self.add).setFocus()

    def _lines(self) -> list[str]:
        lines = [self._folder_text(folder) for folder in self._understood.folders]
        lines += [self._table_text(table) for table in self._understood.tables]
        lines += [texts.worded(error) for error in self._understood.refused]
        if self._understood.folders:
            lines.append(
                self.tr(
                    "The pictures stay on this computer until you say otherwise on the page of their source."
                )
            )
        if self._understood.tables and not self._understood.folders and not self._sources:
            lines.append(self.tr("Add the folder of the pictures first: a table needs pictures to speak of."))
        return lines

    def _folder_text(self, folder: UnderstoodFolder) -> str:
        parts = [counted(folder.pictures, self.tr("1 picture"), self.tr("{count} pictures"))]
        if folder.unreadable:
            one, many = self.tr("1 unreadable"), self.tr("{count} unreadable")
            parts.append(counted(folder.unreadable, one, many))
        if folder.other:
            one, many = self.tr("1 other file"), self.tr("{count} other files")
            parts.append(counted(folder.other, one, many))
        return f"{display_path(folder.path)}: {', '.join(parts)}"

    def _table_text(self, table: UnderstoodTable) -> str:
        text = (
            self.tr("{name}: a table of {count} rows that looks like metadata")
            if table.looks_like_metadata
            else self.tr("{name}: a table of {count} rows whose columns dermagui does not know")
        )
        return text.format(name=display_path(table.path.name), count=_number(table.row_count))

    def _show_targets(self) -> None:
        self.source.clear()
        if self._understood.folders:
            for folder in self._understood.folders:
                self.source.addItem(display_path(folder.path.name), folder.path)
        else:
            for source in self._sources:
                self.source.addItem(source.name, Path(source.root))
        for table in self._understood.tables:
            near = (n for n in range(self.source.count()) if self.source.itemData(n) in table.path.parents)
            self.source.setCurrentIndex(next(near, 0))

    def _show_rows(self, folders: bool, tables: bool) -> None:
        for row, shown in enumerate((folders, folders, folders, tables, tables)):
            self._form.setRowVisible(row, shown)
        self.mapper.setVisible(tables)
        self._space.setVisible(not tables)

    def _show_columns(self) -> None:
        table = self.table.currentData()
        self.mapper.setVisible(table is not None)
        self._space.setVisible(table is None)
        if table is not None:
            self.mapper.show_table(table)

    # -- what the user does ---------------------------------------------------------------------

    def _on_add_clicked(self) -> None:
        table: UnderstoodTable | None = self.table.currentData()
        about = self.source.currentData() if table is not None else None
        said: dict[str, object] = {}
        if self._understood.folders:
            said = {
                "licence": self.licence.currentText().strip() or None,
                "attribution": self.attribution.text().strip() or None,
                "non_commercial": True if self.non_commercial.isChecked() else None,
            }
        roots = [folder.path for folder in self._understood.folders] or ([about] if about else [])
        jobs: list[Parameters] = []
        for root in roots:
            more = dict(said)
            if table is not None and root == about:
                more |= {"metadata": os.fsencode(table.path).hex(), "map": self.mapper.texts()}
            jobs.append(parameters_for(root, **more))
        self.accepted.emit(jobs)


def _number(count: int) -> str:
    return QLocale().toString(count)
