"""Looks through folders, one after the other, as jobs; and moves a source to where its images lie now."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from dermagui.errors import DermaError
from dermagui.jobs.report import Event
from dermagui.jobs.work import Parameters
from dermagui.library.moved import check_same_images
from dermagui.library.scan import parameters_for
from dermagui.storage import sources
from dermagui.storage.images import KnownFile, known_files
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs


class Additions(QObject):
    """What waits to be looked through. A project runs one such job at a time."""

    failed = Signal(object)
    """A ``DermaError``: a job could not be started, or a folder is not the one that is looked for."""
    done = Signal(object)
    """The figures of a job that ended: what it found."""
    moved = Signal()
    """A source has another folder now, and a job looks through it."""

    def __init__(self, desk: Desk, jobs: Jobs, parent: QObject) -> None:
        super().__init__(parent)
        self._desk = desk
        self._jobs = jobs
        self._waiting: list[Parameters] = []
        self._starting = False
        self._mine: set[str] = set()
        jobs.changed.connect(self._start_next)
        jobs.told.connect(self._on_jobs_told)

    def clear(self) -> None:
        """Another project is open: what waited belongs to the one before."""
        self._waiting.clear()
        self._starting = False

    def add(self, jobs: Iterable[Parameters]) -> None:
        """Does these after what waits already."""
        self._waiting += jobs
        self._start_next()

    def _start_next(self) -> None:
        adding = any(followed.row["kind"] == "add" for followed in self._jobs.running.values())
        if self._waiting and not adding and not self._starting:
            self._starting = True
            parameters = self._waiting.pop(0)
            self._jobs.start("add", parameters, started=self._on_started, failed=self._on_failed)

    def _on_started(self, job_id: str) -> None:
        self._starting = False
        self._mine.add(job_id)

    def _on_jobs_told(self, job_id: str, event: Event) -> None:
        if event["event"] == "end" and job_id in self._mine:
            self._mine.discard(job_id)
            if event["figures"]:
                self.done.emit(event["figures"])

    def _on_failed(self, error: DermaError) -> None:
        self._starting = False
        self.failed.emit(error)

    def move_source(self, source_id: int, folder: Path) -> None:
        """Takes a folder for the place of a source if the same images are there, and looks through it."""

        def compare(files: dict[bytes, KnownFile]) -> None:
            check = partial(check_same_images, folder, list(files.values()))
            self._desk.work(check, lambda _: move(), owner=self, failed=self.failed.emit)

        def move() -> None:
            self._desk.ask(
                lambda store: sources.move_source(store, source_id, folder.resolve()),
                lambda _: moved(),
                owner=self,
                failed=self.failed.emit,
                changes=frozenset({"sources"}),
            )

        def moved() -> None:
            self.add([parameters_for(folder)])
            self.moved.emit()

        self._desk.ask(lambda store: known_files(store, source_id), compare, owner=self)
