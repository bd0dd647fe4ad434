"""The jobs of the open project as the window knows them: started anywhere, followed by their stories."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, QTimer, Signal

from dermagui.errors import DermaError
from dermagui.ui.desk import EVERYTHING, Desk

if TYPE_CHECKING:
    import subprocess
    from datetime import datetime

    from dermagui.jobs.report import Event
    from dermagui.jobs.work import Parameters
    from dermagui.storage.database import Row, Store

_FOLLOW_MILLISECONDS = 200
_KEPT_EVENTS = 500


@dataclass(slots=True)
class Followed:
    """A running job and how far its story has been read."""

    row: Row
    position: int = 0
    progress: Event = field(default_factory=dict)
    """The newest ``progress`` event: done, total, unit."""
    first: Event = field(default_factory=dict)
    """The first ``progress`` event with the same unit and total, from which the rate is reckoned."""
    heartbeat: Event = field(default_factory=dict)
    """The newest ``heartbeat`` event; a generation's tells ``spent_micro_usd``."""
    newest: deque[Event] = field(default_factory=lambda: deque(maxlen=_KEPT_EVENTS))
    """What was told last, for a page that comes later."""
    is_over: bool = False
    """Whether its end was told."""

    def hear(self, event: Event) -> None:
        """Takes in one event of the story."""
        self.newest.append(event)
        self.is_over = self.is_over or event["event"] == "end"
        if event["event"] == "heartbeat":
            self.heartbeat = event
        elif event["event"] == "progress":
            same = all(self.first.get(name) == event[name] for name in ("unit", "total"))
            self.first = self.first if same else event
            self.progress = event

    def per_second(self) -> float | None:
        """How much gets done in a second, on the average so far; None as long as nobody can know."""
        if not self.first:
            return None
        seconds = (_moment(self.progress) - _moment(self.first)).total_seconds()
        done = self.progress["done"] - self.first["done"]
        return done / seconds if seconds >= 1 and done > 0 else None

    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate."""
        rate, total = self.per_second(), self.progress.get("total")
        return None if rate is None or not total else (total - self.progress["done"]) / rate

    def money(self) -> tuple[int | None, int | None]:
        """Micro-dollars spent and the budget, where the job tells of money that is really spent."""
        plan = self.row["parameters"].get("plan", {})
        if plan.get("provider") == "practice":
            return None, None
        return self.heartbeat.get("spent_micro_usd"), plan.get("budget_micro_usd")


@dataclass(frozen=True, slots=True)
class Story:
    """A part of a job's story, from one position to another, and whether its process lives."""

    begin: int
    events: list[Event]
    end: int
    lives: bool


Stories = dict[str, Story]


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
        self._stopping: set[str] = set()
        self._children: list[subprocess.Popen[bytes]] = []
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

        def begin(store: Store) -> Row:
            from dermagui.jobs.launch import start_child
            from dermagui.jobs.work import claim
            from dermagui.storage.jobs import find_job

            job_id = claim(store, kind, parameters)
            # Here and not when it is told: the window may close before.
            self._children.append(start_child(store.folder, job_id, secret))
            return cast("Row", find_job(store, job_id))

        def begun(row: Row) -> None:
            # From now on, since it may be over before anybody looks for what runs.
            self.running.setdefault(row["id"], Followed(row))
            if started is not None:
                started(row["id"])

        self._desk.ask(begin, begun, owner=self, failed=failed, changes=frozenset({"jobs"}))

    def pause(self, job_id: str) -> None:
        """Asks a job to stop after what is in flight; what is done is saved, and resuming goes on from it."""
        folder = self._desk.folder
        if job_id in self.running and folder is not None:
            self._desk.work(partial(_leave_word, folder, job_id), owner=self)
            self._stopping.add(job_id)
            self.changed.emit()

    def end(self, job_id: str) -> None:
        """Ends a job's process at once; what was in flight may have been paid in vain."""
        from dermagui.jobs.launch import stop_job

        followed, folder = self.running.get(job_id), self._desk.folder
        if followed is not None and folder is not None:
            end = partial(stop_job, folder, followed.row, grace_seconds=0)
            self._desk.work(end, owner=self)
            self._stopping.add(job_id)
            self.changed.emit()

    def stop(self, job_id: str) -> None:
        """Pauses a job; where that was asked already, ends it."""
        (self.end if job_id in self._stopping else self.pause)(job_id)

    def is_stopping(self, job_id: str) -> bool:
        """Whether this window asked that job to stop."""
        return job_id in self._stopping

    def ask_all_to_stop(self) -> None:
        """Leaves word for every running job to stop, and waits for none: the window is about to close."""
        folder = self._desk.folder
        for job_id in self.running if folder else ():
            with suppress(OSError):
                _leave_word(cast(Path, folder), job_id)

    def let_go(self) -> None:
        """Leaves the jobs to themselves; the window calls it last."""
        for child in self._children:
            if child.poll() is None:
                child.returncode = 0  # so that nobody takes it for forgotten: it shall outlive us
        self._children.clear()

    def _on_desk_project_changed(self) -> None:
        self.running.clear()
        self._stopping.clear()
        self._timer.stop()
        self._look()

    def _on_desk_rows_changed(self, kinds: frozenset[str]) -> None:
        if "jobs" in kinds:
            self._look()

    def _look(self) -> None:
        self._desk.ask(partial(_read_jobs, known=frozenset(self.running)), self._on_looked, owner=self)

    def _on_looked(self, rows: list[Row]) -> None:
        from dermagui.records import JobState

        # Asking for its end is what lets a process that ended go.
        for child in [child for child in self._children if child.poll() is not None]:
            self._children.remove(child)
        for row in rows:
            self.running.setdefault(row["id"], Followed(row)).row = row
        over = [row["id"] for row in rows if row["state"] != JobState.RUNNING]
        if over:
            self._read(over, self._on_last_read)
        if self.running:
            self._timer.start()
        self.changed.emit()

    def _on_last_read(self, stories: Stories) -> None:
        """What a job told last; where its story has no end, or not yet, the database says how it ended."""
        self._tell(stories)
        for job_id in stories:
            followed = self.running.get(job_id)
            if followed is not None and not followed.is_over:
                self._tell_one(job_id, followed, _end_of(followed.row))
            self.running.pop(job_id, None)
        if not self.running:
            self._timer.stop()
        self.changed.emit()
        self._desk.rows_changed.emit(EVERYTHING - {"jobs"})

    def _read(self, job_ids: Iterable[str], then: Callable[[Stories], None]) -> None:
        asked = {job_id: (self.running[job_id].position, self.running[job_id].row) for job_id in job_ids}
        if self._desk.folder is not None:
            self._desk.work(partial(_read_stories, self._desk.folder, asked), then, owner=self)

    def _on_timer_timeout(self) -> None:
        if self._desk.folder is not None and not self._reading:
            self._reading = True
            self._read(list(self.running), self._on_read)

    def _on_read(self, stories: Stories) -> None:
        self._reading = False
        if self._tell(stories):
            self._look()

    def _tell(self, stories: Stories) -> bool:
        """Tells what is new in the stories; whether one of the jobs is over."""
        over = False
        for job_id, story in stories.items():
            followed = self.running.get(job_id)
            if followed is None or followed.position != story.begin:
                continue  # another look was faster
            followed.position = story.end
            over = over or not story.lives
            for event in story.events:
                self._tell_one(job_id, followed, event)
            over = over or followed.is_over
        return over

    def _tell_one(self, job_id: str, followed: Followed, event: Event) -> None:
        followed.hear(event)
        self.told.emit(job_id, event)


def _leave_word(folder: Path, job_id: str) -> None:
    """Asks a job to stop: it looks for this file."""
    from dermagui.jobs.report import STOP_NAME
    from dermagui.jobs.work import job_folder

    (job_folder(folder, job_id) / STOP_NAME).touch()


def _read_jobs(store: Store, known: frozenset[str]) -> list[Row]:
    """The jobs that run, and what became of those that were known to."""
    from dermagui.jobs.work import bury_dead
    from dermagui.records import JobState
    from dermagui.storage import jobs

    if not store.read_only:
        bury_dead(store)
    running = jobs.list_jobs(store, state=JobState.RUNNING)
    over = (jobs.find_job(store, job_id) for job_id in known - {row["id"] for row in running})
    return [*running, *(row for row in over if row is not None)]


def _read_stories(folder: Path, asked: dict[str, tuple[int, Row]]) -> Stories:
    """What each job told since; a killed one tells nobody of its end."""
    from dermagui.jobs.report import read_events
    from dermagui.jobs.work import is_alive, job_folder

    found = {}
    for job_id, (begin, row) in asked.items():
        events, end = read_events(job_folder(folder, job_id), begin)
        found[job_id] = Story(begin, events, end, is_alive(row["pid"], row["process_started"]))
    return found


def _end_of(row: Row) -> Event:
    """The end of a job's story as its row tells it."""
    told = {name: row[name] for name in ("state", "figures", "error", "not_before")}
    return {"at": row["finished_at"], "event": "end", **told, "figures": row["figures"] or {}}


def _moment(event: Event) -> datetime:
    from datetime import datetime

    return datetime.fromisoformat(event["at"])
