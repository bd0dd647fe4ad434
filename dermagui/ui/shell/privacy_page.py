"""Privacy: whether anything may leave this computer, the switch that stops it, and all that ever left."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from dermagui.storage.ledger import ledger_entries
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page
from dermagui.ui.shell.ledger_model import LedgerModel, Lines, write_csv
from dermagui.ui.shell.privacy import Privacy
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.bar import Bar, Level


class PrivacyPage(Page):
    """The door and its ledger."""

    name: ClassVar[str] = "privacy"

    def __init__(self, desk: Desk, jobs: Jobs, privacy: Privacy, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self._privacy = privacy
        self._model = LedgerModel(self)
        self._bar = Bar()
        self._airplane = QCheckBox(self.tr("Airplane mode: nothing leaves this computer"))
        self._airplane.clicked.connect(privacy.set_airplane)
        self._images = QLabel()
        self._images.setWordWrap(True)
        self._filter = QLineEdit()
        self._filter.setPlaceholderText(self.tr("Words to look for: a host, a date, an image, an outcome"))
        self._filter.setClearButtonEnabled(True)
        self._filter.textChanged.connect(self._on_filter_changed)
        self._local = QCheckBox()
        self._local.hide()
        self._local.toggled.connect(self._on_local_toggled)
        self._count = QLabel()
        self._rest = QWidget()
        """Takes the place of an empty table."""
        self._export = QPushButton(self.tr("Export as CSV…"))
        self._export.clicked.connect(self._on_export_clicked)
        self._table = self._build_table()
        self._build()
        privacy.changed.connect(self._show_door)
        self._show_door()

    def _build_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self._model)
        table.setAccessibleName(self.tr("Everything that ever left this computer"))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        table.setAlternatingRowColors(True)
        table.verticalHeader().hide()
        table.horizontalHeader().setStretchLastSection(True)
        table.horizontalHeader().setDefaultAlignment(
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        )
        table.horizontalHeader().setHighlightSections(False)
        table.horizontalHeader().setMinimumHeight(3 * theme.GRID)
        for column, grids in enumerate((20, 18, 36, 12, 18)):
            table.setColumnWidth(column, grids * theme.GRID)
        return table

    def _build(self) -> None:
        title = QLabel(self.tr("What may leave this computer"))
        ledger = QLabel(self.tr("What &ever left it"))
        ledger.setBuddy(self._filter)
        for heading in (title, ledger):
            heading.setFont(theme.heading_font(heading.font()))
        across = QHBoxLayout()
        across.addWidget(self._filter, 1)
        across.addWidget(self._count)
        across.addWidget(self._export)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[3 * theme.GRID] * 4)
        column.setSpacing(theme.GRID)
        for widget in (self._bar, title, self._airplane, self._images):
            column.addWidget(widget)
        column.addSpacing(2 * theme.GRID)
        column.addWidget(ledger)
        column.addLayout(across)
        column.addWidget(self._local)
        column.addWidget(self._table, 1)
        column.addWidget(self._rest, 1)

    def showEvent(self, event: QShowEvent) -> None:
        """Reads the ledger when somebody looks: it may lead into many projects."""
        super().showEvent(event)
        self._read()

    def show_changes(self, kinds: frozenset[str]) -> None:
        if kinds & {"requests", "jobs"}:
            self._read()

    def _read(self) -> None:
        self.desk.work(lambda: list(ledger_entries()), self._on_read, owner=self)

    def focus_search(self) -> None:
        self._filter.setFocus()

    def _on_read(self, lines: Lines) -> None:
        self._model.show_lines(lines)
        local = self._model.local_count
        words = self.tr("Also show what a rehearsal or a test asked of this same computer: {count}")
        self._local.setText(words.format(count=whole(local)))
        self._local.setVisible(local > 0)
        self._show_count()

    def _on_filter_changed(self, text: str) -> None:
        self._model.show_only(text)
        self._show_count()

    def _on_local_toggled(self, wanted: bool) -> None:
        self._model.show_local(wanted)
        self._show_count()

    def _show_count(self) -> None:
        count = self._model.rowCount()
        nothing = count == 0 and not self._filter.text()
        told = self.tr("Nothing has left yet") if nothing else self.tr("Lines: {count}")
        self._count.setText(told.format(count=whole(count)))
        self._table.setVisible(not nothing)
        self._rest.setVisible(nothing)
        self._export.setEnabled(count > 0)

    def _show_door(self) -> None:
        door = self._privacy.door
        self._airplane.setChecked(door.airplane)
        if not door.leaving:
            words = self.tr(
                "No image may leave: no source is marked so. A test of your key, lists of "
                "models and downloads of models may go out while airplane mode is off."
            )
        else:
            words = self.tr(
                "Images of {sources} may go to {receiver} when a generation is started. "
                "The mark is taken back in the Library, at the source."
            )
        receiver = door.receiver or self.tr("nowhere")
        self._images.setText(
            words.format(sources=", ".join(f"“{name}”" for name in door.leaving), receiver=receiver)
        )

    def _on_export_clicked(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, self.tr("Export the ledger"), "ledger.csv", "CSV (*.csv)"
        )
        if chosen:
            self.export(Path(chosen))

    def export(self, path: Path) -> None:
        """Writes what the filter leaves into a file."""
        told = self.tr("The ledger was written to {path}.").format(path=path)
        self.desk.work(
            partial(write_csv, list(self._model.lines), path),
            lambda _: self._bar.tell(told, Level.DONE),
            owner=self,
            failed=self._bar.tell_error,
        )
