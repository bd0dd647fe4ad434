"""The jobs of the open project as the window knows them: started anywhere, followed by their stories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from dermagui.errors import DermaError
from dermagui.jobs.launch import start_child, stop_job
from dermagui.jobs.report import STOP_NAME, Event, read_events
from dermagui.jobs.work import Parameters, bury_dead, claim, job_folder
from dermagui.records import JobState
from dermagui.storage import jobs
from dermagui.storage.database import Row, Store
from dermagui.ui.desk import EVERYTHING, Desk

_FOLLOW_MILLISECONDS = 200


@dataclass(slots=True)
class Followed:
    """A running job and how far its story has been read."""

    row: Row
    position: int = 0
    progress: Event = field(default_factory=dict)
    """The newest ``progress`` event: done, total, unit."""


class Jobs(QObject):
    """Starts, follows and stops jobs. A job is a process of its own and outlives the window."""

    changed = Signal()
    """``running`` or the list of all jobs differs from before."""
    told = Signal(str, object)
    """The id of a running job, and one event of its story (see ``dermagui.jobs.report``)."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.running: dict[str, Followed] = {}
        self._desk = desk
        self._reading = False
        self._timer = QTimer(self, interval=_FOLLOW_MILLISECONDS)
        self._timer.timeout.connect(self._on_timer_timeout)
        desk.project_changed.connect(self._on_desk_project_changed)
        desk.rows_changed.connect(self._on_desk_rows_changed)

    def start(
        self,
        kind: str,
        parameters: Parameters,
        *,
        secret: str | None = None,
        started: Callable[[str], None] | None = None,
        failed: Callable[[DermaError], None] | None = None,
    ) -> None:
        """Starts a job; ``started`` gets its id. ``failed`` gets ``job.already_running`` and the like."""

        def begin(store: Store) -> str:
            job_id = claim(store, kind, parameters)
            start_child(store.folder, job_id, secret).poll()
            return job_id

        self._desk.ask(begin, started, owner=self, failed=failed, changes=frozenset({"jobs"}))

    def stop(self, job_id: str) -> None:
        """Asks a job to stop after what is in flight; a second time ends its process."""
        followed, folder = self.running.get(job_id), self._desk.folder
        if followed is None or folder is None:
            return
        stop = job_folder(folder, job_id) / STOP_NAME
        grace_seconds = 0.0 if stop.exists() else 15.0
        self._desk.work(
            partial(stop_job, folder, followed.row, grace_seconds=grace_seconds), _nothing, owner=self
        )

    def _on_desk_project_changed(self) -> None:
        self.running.clear()
        self._timer.stop()
        self._look()

    def _on_desk_rows_changed(self, kinds: frozenset[str]) -> None:
        if "jobs" in kinds:
            self._look()

    def _look(self) -> None:
        self._desk.ask(_running_jobs, self._on_looked, owner=self)

    def _on_looked(self, rows: list[Row]) -> None:
        ended = self.running.keys() - {row["id"] for row in rows}
        self.running = {row["id"]: self.running.get(row["id"]) or Followed(row) for row in rows}
        for row in rows:
            self.running[row["id"]].row = row
        if self.running:
            self._timer.start()
        else:
            self._timer.stop()
        self.changed.emit()
        if ended:
            self._desk.rows_changed.emit(EVERYTHING - {"jobs"})

    def _on_timer_timeout(self) -> None:
        folder = self._desk.folder
        if folder is None or self._reading:
            return
        self._reading = True
        positions = {job_id: followed.position for job_id, followed in self.running.items()}
        self._desk.work(partial(_read_stories, folder, positions), self._on_read, owner=self)

    def _on_read(self, stories: dict[str, tuple[list[Event], int]]) -> None:
        self._reading = False
        over = False
        for job_id, (events, position) in stories.items():
            followed = self.running.get(job_id)
            if followed is None:
                continue
            followed.position = position
            for event in events:
                if event["event"] == "progress":
                    followed.progress = event
                over = over or event["event"] == "end"
                self.told.emit(job_id, event)
        if over:
            self._look()


def _running_jobs(store: Store) -> list[Row]:
    if not store.read_only:
        bury_dead(store)
    return jobs.list_jobs(store, state=JobState.RUNNING)


def _read_stories(folder: Path, positions: dict[str, int]) -> dict[str, tuple[list[Event], int]]:
    return {
        job_id: read_events(job_folder(folder, job_id), position) for job_id, position in positions.items()
    }


def _nothing(_: object) -> None:
    """For work whose result is seen elsewhere."""
