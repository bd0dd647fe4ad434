"""Jobs: all that were started in this project, how far they are, and their stories; found again any time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from dermagui import logs
from dermagui.errors import UserError
from dermagui.jobs.report import Event, last_events
from dermagui.jobs.work import job_folder
from dermagui.records import JobState, RequestState
from dermagui.storage import jobs as job_rows
from dermagui.storage.database import Row
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page
from dermagui.ui.shell.jobs_model import JobsModel
from dermagui.ui.shell.words import figure_lines, state_word
from dermagui.ui.widgets.bar import Bar
from dermagui.ui.widgets.empty import Empty

_RETRY = {"generate": {"retry_refused": True}}
"""Kind → what is added to its parameters where a person wants what failed to be tried again."""
_FAILED = (RequestState.BLOCKED, RequestState.TRUNCATED, RequestState.INVALID, RequestState.PERMANENT)
_OF_TRAININGS = ("train.stopped", "train.failed")
"""How a job ends that leaves a training from which one can go on."""
_OUTPUT_BYTES = 20_000


class JobsPage(Page):
    """The job centre."""

    name: ClassVar[str] = "jobs"

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self._model = JobsModel(jobs)
        self._bar = Bar()
        self._empty = Empty(
            self.tr("Nothing was started in this project yet. Adding images is the first job."),
            self.tr("Go to Library"),
        )
        self._empty.pressed.connect(partial(self.wants.emit, "library"))
        self._empty.hide()
        self._full = QWidget()
        self._table = self._build_table()
        self._log_label = QLabel(self.tr("&What it told"))
        self._log = QPlainTextEdit()
        self._log.setReadOnly(True)
        self._log_label.setBuddy(self._log)
        self._build()
        jobs.changed.connect(self._on_jobs_changed)
        jobs.told.connect(self._on_jobs_told)
        self._show_selected()

    def _build_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self._model)
        table.setAccessibleName(self.tr("Jobs of this project"))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        table.verticalHeader().hide()
        table.horizontalHeader().setStretchLastSection(True)
        table.horizontalHeader().setDefaultAlignment(
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        )
        table.horizontalHeader().setHighlightSections(False)
        table.horizontalHeader().setMinimumHeight(3 * theme.GRID)
        for column, grids in enumerate((18, 18, 28, 16, 22)):
            table.setColumnWidth(column, grids * theme.GRID)
        table.selectionModel().selectionChanged.connect(lambda *_: self._show_selected())
        return table

    def _build(self) -> None:
        buttons = QHBoxLayout()
        for action in self.actions():
            button = QPushButton(action.text())
            button.clicked.connect(action.trigger)
            action.enabledChanged.connect(button.setEnabled)
            buttons.addWidget(button)
        buttons.addStretch(1)
        below = QWidget()
        column = QVBoxLayout(below)
        column.setContentsMargins(0, theme.GRID, 0, 0)
        column.addWidget(self._log_label)
        column.addWidget(self._log)
        halves = QSplitter()
        halves.setOrientation(Qt.Orientation.Vertical)
        halves.addWidget(self._table)
        halves.addWidget(below)
        full = QVBoxLayout(self._full)
        full.setContentsMargins(0, 0, 0, 0)
        full.setSpacing(theme.GRID)
        full.addLayout(buttons)
        full.addWidget(halves, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(*[3 * theme.GRID] * 4)
        whole.setSpacing(theme.GRID)
        whole.addWidget(self._bar)
        whole.addWidget(self._empty, 1)
        whole.addWidget(self._full, 1)

    # -- what is shown --------------------------------------------------------------------------

    def show_project(self) -> None:
        self._model.show_rows([], {})
        self._show_selected()
        self._on_jobs_changed()

    def show_changes(self, kinds: frozenset[str]) -> None:
        if "jobs" in kinds:
            self._read()

    def showEvent(self, event: QShowEvent) -> None:
        """Reads when somebody looks."""
        super().showEvent(event)
        self._read()

    def _read(self) -> None:
        self.desk.ask(job_rows.list_jobs, self._on_listed, owner=self)

    def _on_listed(self, rows: list[Row]) -> None:
        folder = self.desk.folder
        if folder is not None:
            self.desk.work(
                partial(_last_progress, folder, [row["id"] for row in rows]),
                partial(self._on_read, folder, rows),
                owner=self,
            )

    def _on_read(self, folder: Path, rows: list[Row], progress: dict[str, Event]) -> None:
        if folder != self.desk.folder:
            return
        self._model.show_rows(rows, progress)
        self._empty.setVisible(not rows)
        self._full.setVisible(bool(rows))
        if rows and self._selected() is None:
            self._table.selectRow(0)
        self._show_selected()

    def _on_jobs_changed(self) -> None:
        if self.isVisible():
            self._read()

    def _on_jobs_told(self, job_id: str, event: Event) -> None:
        self._model.refresh()
        row = self._selected()
        if row is not None and row["id"] == job_id and event["event"] != "progress":
            self._show_log(row)

    def _selected(self) -> Row | None:
        found = self._table.selectionModel().selectedRows()
        return self._model.rows[found[0].row()] if found else None

    def _show_selected(self) -> None:
        row = self._selected()
        running = row is not None and row["state"] == JobState.RUNNING
        pausing = row is not None and self.jobs.is_stopping(row["id"])
        self.action("jobs.pause").setEnabled(running and not pausing)
        self.action("jobs.stop").setEnabled(running)
        self.action("jobs.resume").setEnabled(row is not None and _can_resume(row))
        self.action("jobs.retry").setEnabled(row is not None and _can_retry(row))
        self.action("jobs.folder").setEnabled(row is not None)
        if row is None:
            self._log.clear()
        else:
            self._show_log(row)

    def _show_log(self, row: Row) -> None:
        folder = self.desk.folder
        if folder is not None:
            self.desk.work(
                partial(_read_log, job_folder(folder, row["id"])), partial(self._on_log, row), owner=self
            )

    def _on_log(self, row: Row, log: tuple[list[Event], str]) -> None:
        if (selected := self._selected()) is not None and selected["id"] == row["id"]:
            lines = [line for event in log[0] for line in _story_lines(event)]
            if row["error"] and row["state"] == JobState.DIED:  # whose story has no end
                lines.append(texts.sentence(row["error"]["code"], row["error"]["values"]))
            self._log.setPlainText("\n".join([*lines, *([log[1]] if log[1] else [])]))

    # -- what is done ---------------------------------------------------------------------------

    def pause(self) -> None:
        """Lets the selected job finish what is in flight and save it."""
        if (row := self._selected()) is not None:
            self.jobs.pause(row["id"])

    def stop(self) -> None:
        """Ends the selected job at once."""
        if (row := self._selected()) is not None:
            self.jobs.end(row["id"])

    def resume(self) -> None:
        """Starts the selected job again: what was done counts."""
        row = self._selected()
        if row is None:
            return
        parameters = _to_resume(row)
        if parameters is None:
            self.wants.emit("train")
        else:
            self._start(row["kind"], parameters)

    def retry(self) -> None:
        """Starts it again, and asks again what was refused."""
        if (row := self._selected()) is not None:
            self._start(row["kind"], row["parameters"] | _RETRY.get(row["kind"], {}))

    def open_folder(self) -> None:
        """Shows the selected job's folder in the system's own program."""
        row, folder = self._selected(), self.desk.folder
        if row is not None and folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(job_folder(folder, row["id"]))))

    def _start(self, kind: str, parameters: Row) -> None:
        def start(secret: str | None) -> None:
            self.jobs.start(kind, parameters, secret=secret, failed=self._bar.tell_error)

        sends = kind == "generate" and parameters["plan"]["provider"] != "practice"
        self.desk.work(
            _key if sends else _no_key,
            start,
            owner=self,
            failed=lambda error: self._bar.tell_error(
                error, self.tr("Open settings"), partial(self.wants.emit, "settings")
            ),
        )


def _can_resume(row: Row) -> bool:
    """Whether something of the job is left to do: one that is done may have had a limit."""
    if row["state"] == JobState.DONE:
        return bool((row["figures"] or {}).get("left"))
    return bool(row["state"] != JobState.RUNNING)


def _can_retry(row: Row) -> bool:
    """Whether asking again could bring answers that a service refused."""
    counts = (row["figures"] or {}).get("counts", {})
    failed = row["state"] != JobState.DONE or any(counts.get(state) for state in _FAILED)
    return row["kind"] in _RETRY and row["state"] != JobState.RUNNING and failed


def _to_resume(row: Row) -> Row | None:
    """The parameters that go on with a job: a training goes on by its name, where its end tells it.

    None where only the page Train knows which training it was.
    """
    parameters: Row = row["parameters"]
    if row["kind"] != "train" or parameters.get("resume") or parameters.get("dry_run"):
        return parameters
    name = (row["error"] or {}).get("values", {}).get("name")
    return {"resume": name} if name and row["error"]["code"] in _OF_TRAININGS else None


def _key() -> str:
    """The key for Gemini. The keyring may take its time."""
    from dermagui.api_key import find_key

    found = find_key()
    if found is None:
        raise UserError("key.missing")
    return found.value


def _no_key() -> None:
    return None


def _last_progress(folder: Path, job_ids: list[str]) -> dict[str, Event]:
    found = {}
    for job_id in job_ids:
        told = [event for event in last_events(job_folder(folder, job_id)) if event["event"] == "progress"]
        if told:
            found[job_id] = told[-1]
    return found


def _read_log(folder: Path) -> tuple[list[Event], str]:
    """The newest events, and the end of what the process printed."""
    try:
        with (folder / "output.log").open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _OUTPUT_BYTES))
            output = file.read().decode("utf-8", "replace")
    except OSError:
        output = ""
    return last_events(folder), logs.redacted(output)


def _story_lines(event: Event) -> list[str]:
    if event["event"] == "warning":
        return [texts.sentence(event["code"], event["values"])]
    if event["event"] != "end":
        return []
    error = event["error"]
    told = [texts.sentence(**error)] if error else []
    return [f"{state_word(event['state'])}.", *told, *figure_lines(event["figures"])]
