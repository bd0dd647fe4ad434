"""The trainings of the project as a table, the newest first."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QT_TRANSLATE_NOOP, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from dermagui.training.run_state import RunState
from dermagui.ui import theme
from dermagui.ui.icons import icon
from dermagui.ui.shell.words import whole
from dermagui.ui.train.desk_work import Run
from dermagui.ui.train.words import STATES, figure, words
from dermagui.ui.widgets.rows import RoomyRows

_ICONS = {
    RunState.PREPARED: "info",
    RunState.RUNNING: "start",
    RunState.STOPPING: "jobs",
    RunState.DONE: "done",
    RunState.STOPPED: "stop",
}
_EXPORTED = str(QT_TRANSLATE_NOOP("train", "Packed for another computer"))
_ADOPTED = str(QT_TRANSLATE_NOOP("train", "Weights from elsewhere"))
_ROWS_SHOWN = 5


class History(QTableWidget):
    """One row a training; ``chosen`` tells the uid of the one that is looked at."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 6, parent)
        titles = [self.tr("Training"), self.tr("How it stands"), self.tr("Steps"), self.tr("Loss")]
        self.setHorizontalHeaderLabels([*titles, self.tr("Eval loss"), self.tr("Recipe")])
        self.setAccessibleName(self.tr("Trainings of this project"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setItemDelegate(RoomyRows(self))
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setFixedHeight(_ROWS_SHOWN * 4 * theme.GRID)
        self._uids: list[str] = []
        self.itemSelectionChanged.connect(self._on_selection_changed)

    def show_runs(self, runs: Sequence[Run], chosen: str) -> None:
        """Shows these, with that one marked."""
        self.blockSignals(True)
        self._uids = [run.row["uid"] for run in runs]
        self.setRowCount(len(runs))
        for n, run in enumerate(runs):
            for column, text in enumerate(_cells(run)):
                cell = self.item(n, column)
                if cell is None:
                    cell = QTableWidgetItem()
                    self.setItem(n, column, cell)
                cell.setText(text)
                if column in (2, 3, 4):
                    cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                if column == 1:
                    cell.setIcon(icon("done" if run.is_adopted else _ICONS.get(run.view.state, "error")))
        self.resizeColumnToContents(1)
        self.blockSignals(False)
        self.choose(chosen)

    def choose(self, uid: str) -> None:
        """Marks one, without a word."""
        self.blockSignals(True)
        if uid in self._uids:
            self.selectRow(self._uids.index(uid))
        self.blockSignals(False)

    def _on_selection_changed(self) -> None:
        rows = self.selectionModel().selectedRows()
        if rows:
            self.chosen.emit(self._uids[rows[0].row()])


def _cells(run: Run) -> list[str]:
    view = run.view
    losses = [view.steps[view.step]["loss"]] if view.steps else []
    evals = [view.evals[max(view.evals)]] if view.evals else []
    steps = f"{whole(view.step)} / {whole(view.total)}" if view.total else ""
    return [
        run.row["name"],
        how_it_stands(run),
        steps,
        *(figure(found[0]) if found else "" for found in (losses, evals)),
        run.row["recipe"]["name"],
    ]


def how_it_stands(run: Run) -> str:
    """The state of a training in words."""
    if run.is_adopted:
        return words(_ADOPTED)
    is_away = run.row["outcome"] == "exported" and run.view.state is RunState.PREPARED
    return words(_EXPORTED if is_away else STATES[run.view.state])
