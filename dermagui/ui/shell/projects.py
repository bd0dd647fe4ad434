"""The menu of the project: make, open, open again, copy, close; and the demo."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from dermagui import paths
from dermagui.errors import DermaError
from dermagui.ui.desk import Desk
from dermagui.ui.shell import state
from dermagui.ui.widgets.bar import Bar, Level
from dermagui.ui.widgets.new_folder import ask_new_folder

if TYPE_CHECKING:
    from dermagui.ui.shell.child import Child


class Projects(QObject):
    """Works on the desk; asks for folders with the system's own dialog; says what failed in the bar."""

    pictures_dropped = Signal(object)
    """Paths that were dropped before there was a project to add them to; now there is."""

    busy_with = Signal(str)
    """What is under way, in words; empty when it is over."""

    def __init__(self, desk: Desk, bar: Bar, window: QWidget) -> None:
        super().__init__(window)
        self._dropped: list[Path] = []
        self._desk = desk
        self._bar = bar
        self._window = window
        self._demo: Child | None = None
        self.recent = QMenu(self.tr("Recent projects"), window)
        self.recent.aboutToShow.connect(self._build_recent)
        desk.project_changed.connect(self._on_desk_project_changed)

    def new(self) -> None:
        """Asks where it shall lie, makes a project and opens it."""
        folder = ask_new_folder(self._window, self.tr("Name of the new project"), self.tr("Skin study"))
        if folder:
            self.make(folder)
        else:
            self._dropped = []

    def take(self, dropped: list[Path]) -> None:
        """Opens the project that was dropped, or asks for a new one to which the pictures are added."""
        if len(dropped) == 1 and (dropped[0] / paths.DATABASE_NAME).is_file():
            self._desk.open_project(dropped[0])
            return
        self._dropped = dropped
        self.new()

    def make(self, folder: Path) -> None:
        """Makes a project in a new or empty folder and opens it."""
        from dermagui.project import create_project

        self._desk.work(
            partial(create_project, folder),
            lambda _: self._desk.open_project(folder),
            owner=self,
            failed=self._on_make_failed,
        )

    def _on_make_failed(self, error: DermaError) -> None:
        self._dropped = []
        self._desk.failed.emit(error)

    def open(self) -> None:
        """Asks for a project's folder and opens it."""
        folder = QFileDialog.getExistingDirectory(self._window, self.tr("The project's folder"))
        if folder:
            self._desk.open_project(Path(folder))

    def copy(self) -> None:
        """Asks for a folder and saves a copy of the open project there."""
        from dermagui.project import copy_project

        source = self._desk.folder
        if source is None:
            self._bar.tell(self.tr("There is no project open that could be copied."))
            return
        proposed = self.tr("{name} copy").format(name=source.name)
        folder = ask_new_folder(self._window, self.tr("Name of the copy"), proposed)
        if folder is None:
            return
        words = self.tr("A copy was saved in {path}. The pictures themselves stay where they are.")
        told = words.format(path=paths.display_path(folder))
        self._desk.work(
            partial(copy_project, source, folder), lambda _: self._bar.tell(told, Level.DONE), owner=self
        )

    def open_demo(self) -> None:
        """Opens the demo, which a child process makes where it is not there yet."""
        if self._demo is not None:
            return
        folder = paths.data_folder() / "demo"
        self._bar.tell(self.tr("The demo is being drawn and rehearsed; that takes half a minute or less…"))
        self.busy_with.emit(self.tr("Making the demo"))
        from dermagui.ui.shell.child import Child

        self._demo = Child(self)
        self._demo.run(["demo-project", str(folder)], self._on_demo_made)

    def _on_demo_made(self, answer: dict[str, object]) -> None:
        self._demo = None
        self._bar.hide()
        self.busy_with.emit("")
        if answer.get("error"):
            from dermagui.ui.shell.child import Child

            self._bar.tell_error(Child.error_of(answer))
        else:
            self._desk.open_project(Path(str(answer["folder"])))

    def _build_recent(self) -> None:
        self.recent.clear()
        for folder in state.recent_projects():
            text = paths.display_path(folder).replace("&", "&&")
            self.recent.addAction(text, partial(self._desk.open_project, folder))
        if self.recent.isEmpty():
            self.recent.addAction(self.tr("None yet")).setEnabled(False)

    def _on_desk_project_changed(self) -> None:
        if self._desk.folder is not None:
            state.remember_project(self._desk.folder)
            if self._dropped:
                dropped, self._dropped = self._dropped, []
                # Not before every page knows the project.
                QTimer.singleShot(0, self, partial(self.pictures_dropped.emit, dropped))
