"""What every page works on: the open project, one thread for its database, a few for pictures, the jobs.

A page never touches the database itself: ``Desk.ask`` runs a function of the project's ``Store`` in the one
thread that owns it, in order, and hands the result back in the window's thread. ``Desk.work`` does the
same for what needs no database, such as decoding a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import shiboken6
from PySide6.QtCore import QObject, Qt, QTimer, Signal

from dermagui.errors import DermaError, from_os_error

if TYPE_CHECKING:
    from dermagui.project import Project
    from dermagui.storage.database import Store

T = TypeVar("T")

EVERYTHING = frozenset({"files", "metadata", "sources", "pairs", "verdicts", "requests", "jobs", "settings"})
"""The kinds of rows that ``rows_changed`` names."""

_LOOK_MILLISECONDS = 1_000
_PICTURE_THREADS = 3


class Desk(QObject):
    """The open project and what may be done with it. Lives as long as the window."""

    project_changed = Signal()
    """Another project is open, or none."""
    rows_changed = Signal(object)
    """A frozenset of kinds (see ``EVERYTHING``) of which rows may differ from what is shown."""
    failed = Signal(object)
    """A ``DermaError`` that nobody else shows: a bar in the page words it."""
    saved = Signal()
    """Something that was asked for here was written."""
    leaving = Signal()
    """The project is about to be closed: what is still to be written into it is asked for now."""
    closing = Signal()
    """The window closes: whoever has threads of its own ends them now."""
    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.selected_images: Callable[[], list[int]] = list
        """The numbers of the images that are selected in the Library."""
        self._database: ThreadPoolExecutor | None = None
        self._pictures = ThreadPoolExecutor(_PICTURE_THREADS, thread_name_prefix="pictures")
        self._version = 0
        self._under_way = 0
        self._opening: dict[ThreadPoolExecutor, Future[Project]] = {}
        """Projects that are being opened, by the thread that will be theirs."""
        self._closed = False
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)
        self._look = QTimer(self, interval=_LOOK_MILLISECONDS)
        self._look.timeout.connect(self._on_look_timeout)

    # -- the project ----------------------------------------------------------------------------

    @property
    def folder(self) -> Path | None:
        """The folder of the open project."""
        return self.project.folder if self.project else None

    @property
    def read_only(self) -> bool:
        """Whether the open project can only be read: another computer holds it, or it may not be written."""
        return self.project is not None and self.project.store.read_only

    def open_project(self, folder: Path, failed: Callable[[DermaError], None] | None = None) -> None:
        """Opens a project in place of the open one, which stays open where that fails."""
        if self._closed:
            return
        database = ThreadPoolExecutor(1, thread_name_prefix="database")

        def opened(project: Project) -> None:
            if self._closed:
                return  # closing it was seen to there
            del self._opening[database]
            self.close_project()
            self.project, self._database = project, database
            self._look.start()
            self.project_changed.emit()

        def refused(error: DermaError) -> None:
            self._opening.pop(database, None)
            database.shutdown(wait=False)
            (failed or self.failed.emit)(error)

        self._opening[database] = self._submit(database, partial(_open, folder), opened, refused, self)

    def close_project(self) -> None:
        """Closes the open project after what was asked of it so far. Waits for that."""
        if self.project is None or self._database is None:
            return
        self.leaving.emit()
        self._look.stop()
        self._database.submit(self.project.close)
        self._database.shutdown(wait=True)
        self.project = self._database = None
        self._version = 0
        self.project_changed.emit()

    def close(self) -> None:
        """Ends all threads; the window calls it last. Whoever asks for anything later gets no answer."""
        self.closing.emit()
        self.close_project()
        self._closed = True
        for database, future in self._opening.items():
            database.submit(_close_when_open, future)
            database.shutdown(wait=True)
        self._opening.clear()
        self._pictures.shutdown(wait=True, cancel_futures=True)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way whose result would still change what is shown."""
        return self._under_way == 0

    # -- work -----------------------------------------------------------------------------------

    def ask(
        self,
        work: Callable[[Store], T],
        then: Callable[[T], None] | None = None,
        *,
        owner: QObject,
        failed: Callable[[DermaError], None] | None = None,
        changes: frozenset[str] = frozenset(),
    ) -> None:
        """Runs ``work`` with the open project's store, after what was asked before, and ``then`` here.

        ``owner`` is who asks: where it is gone, or another project was opened meanwhile, the result is
        dropped. ``changes`` names what ``work`` writes; pages hear of it when it is done. An expected
        error goes to ``failed``, else to the signal of that name.
        """
        project, database = self.project, self._database
        if project is None or database is None:
            return

        def arrived(result: T) -> None:
            if self.project is project:
                if then is not None:
                    then(result)
                if changes:
                    self.saved.emit()
                    self.rows_changed.emit(changes)

        self._submit(database, partial(work, project.store), arrived, failed, owner)

    def work(
        self,
        work: Callable[[], T],
        then: Callable[[T], None] | None = None,
        *,
        owner: QObject,
        failed: Callable[[DermaError], None] | None = None,
    ) -> Future[T]:
        """Runs ``work``, which uses no database, in one of a few threads, and ``then`` here."""
        if self._closed:
            return Future()
        return self.submit(self._pictures, work, then, owner=owner, failed=failed)

    def submit(
        self,
        threads: ThreadPoolExecutor,
        work: Callable[[], T],
        then: Callable[[T], None] | None = None,
        *,
        owner: QObject,
        failed: Callable[[DermaError], None] | None = None,
    ) -> Future[T]:
        """Like ``work``, in threads of somebody's own."""
        return self._submit(threads, work, then, failed, owner)

    def _submit(
        self,
        threads: ThreadPoolExecutor,
        work: Callable[[], T],
        then: Callable[[T], None] | None,
        failed: Callable[[DermaError], None] | None,
        owner: QObject,
    ) -> Future[T]:
        def deliver(future: Future[T]) -> None:
            if future.cancelled() or not shiboken6.isValid(owner):
                return
            error = future.exception()
            if isinstance(error, OSError):
                error = from_os_error(error, self.folder or "")
            if isinstance(error, DermaError):
                (failed or self.failed.emit)(error)
            elif error is not None:
                raise error
            elif then is not None:
                then(future.result())

        self._under_way += 1
        future = threads.submit(work)
        future.add_done_callback(lambda done: self._arrived.emit(partial(deliver, done)))
        return future

    def _on_arrived(self, deliver: Callable[[], None]) -> None:
        self._under_way -= 1
        deliver()

    # -- what other processes do ------------------------------------------------------------------

    def _on_look_timeout(self) -> None:
        self.ask(lambda store: store.value("PRAGMA data_version"), self._on_version, owner=self)

    def _on_version(self, version: int) -> None:
        before, self._version = self._version, version
        if before and version != before:
            self.rows_changed.emit(EVERYTHING)


def _close_when_open(future: Future[Project]) -> None:
    """Closes a project that was still being opened when everything was closed."""
    if future.exception() is None:
        future.result().close()


def _open(folder: Path) -> Project:
    # The window stands before the database is loaded.
    from dermagui.project import Project

    return Project(folder)
