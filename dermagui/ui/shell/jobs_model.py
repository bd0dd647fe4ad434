"""The jobs of the open project as a table, newest first; running ones are kept up to date."""

from __future__ import annotations

from typing import Any, ClassVar

from PySide6.QtCore import (
    QT_TRANSLATE_NOOP,
    QAbstractTableModel,
    QCoreApplication,
    QDateTime,
    QLocale,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
)

from dermagui.jobs.report import Event
from dermagui.records import JobState
from dermagui.storage.database import Row
from dermagui.ui import theme
from dermagui.ui.icons import icon
from dermagui.ui.jobs import Jobs
from dermagui.ui.shell.words import KINDS, STATES, count_words, in_words, rate_words, state_word, time_left

Index = QModelIndex | QPersistentModelIndex

_TINTS = {JobState.DONE: theme.GOOD, JobState.FAILED: theme.DANGER, JobState.CRASHED: theme.DANGER}


class JobsModel(QAbstractTableModel):
    """Rows are jobs; ``progress`` is the last one told, by id, of those that run no more."""

    TITLES: ClassVar[tuple[str, ...]] = (
        str(QT_TRANSLATE_NOOP("jobs", "Job")),
        str(QT_TRANSLATE_NOOP("jobs", "State")),
        str(QT_TRANSLATE_NOOP("jobs", "Progress")),
        str(QT_TRANSLATE_NOOP("jobs", "Rate")),
        str(QT_TRANSLATE_NOOP("jobs", "Time left")),
        str(QT_TRANSLATE_NOOP("jobs", "Started")),
    )

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(jobs)
        self._jobs = jobs
        self.rows: list[Row] = []
        self._progress: dict[str, Event] = {}

    def show_rows(self, rows: list[Row], progress: dict[str, Event]) -> None:
        """Shows these; where they are the same jobs as before, a selection stays."""
        same = [row["id"] for row in rows] == [row["id"] for row in self.rows]
        self._progress = progress
        if same:
            self.rows = rows
            self.refresh()
            return
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def refresh(self) -> None:
        """Paints anew what running jobs have told."""
        if self.rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, len(self.TITLES) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.TITLES)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return QCoreApplication.translate("jobs", self.TITLES[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._cells(row)[index.column()]
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 1:
            state = JobState(row["state"])
            return icon(STATES[state][0], _TINTS.get(state))
        return None

    def _cells(self, row: Row) -> tuple[str, ...]:
        followed = self._jobs.running.get(row["id"])
        progress = followed.progress if followed else self._progress.get(row["id"], {})
        seconds = followed.seconds_left() if followed else None
        rate = followed.per_second() if followed else None
        started = QDateTime.fromString(row["started_at"], Qt.DateFormat.ISODateWithMs).toLocalTime()
        return (
            in_words(KINDS, row["kind"]),
            state_word(row["state"]),
            count_words(progress["done"], progress["total"], progress["unit"]) if progress else "",
            "" if rate is None else rate_words(rate),
            "" if seconds is None else time_left(seconds),
            QLocale().toString(started, QLocale.FormatType.ShortFormat),
        )
