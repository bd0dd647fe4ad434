"""The one window: title strip, rail, pages, detail pane, job strip, and the line that is always in view."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.errors import DermaError
from dermagui.project import create_project
from dermagui.ui import actions, texts
from dermagui.ui.desk import EVERYTHING, Desk
from dermagui.ui.generate.page import GeneratePage
from dermagui.ui.jobs import Jobs
from dermagui.ui.library.page import LibraryPage
from dermagui.ui.page import Page
from dermagui.ui.review.page import ReviewPage

PAGES = (LibraryPage, GeneratePage, ReviewPage)


class Window(QMainWindow):
    """The main window. Closing it leaves jobs running where the user wants that."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(self)
        self.jobs = Jobs(self.desk)
        self.pages: dict[str, Page] = {page.name: page(self.desk, self.jobs) for page in PAGES}
        self._stale: dict[str, frozenset[str]] = {}
        self._rail = QButtonGroup(self)
        self._stack = QStackedWidget()
        self._details = QStackedWidget()
        self._error = QLabel(wordWrap=True)
        self._error.hide()
        self._build()
        self._build_actions()
        self.desk.project_changed.connect(self._on_desk_project_changed)
        self.desk.rows_changed.connect(self._on_desk_rows_changed)
        self.desk.failed.connect(self._on_desk_failed)
        self.show_page("library")

    # -- building -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.setWindowTitle("dermagui")
        self.resize(1280, 800)
        middle = QSplitter(Qt.Orientation.Horizontal)
        middle.addWidget(self._stack)
        middle.addWidget(self._details)
        middle.setStretchFactor(0, 1)
        across = QHBoxLayout()
        across.addLayout(self._build_rail())
        across.addWidget(middle, 1)
        whole = QVBoxLayout()
        whole.addWidget(self._error)
        whole.addLayout(across, 1)
        research = self.tr("Research use only. Not a medical device. Do not use for diagnosis.")
        whole.addWidget(QLabel(research))
        central = QWidget()
        central.setLayout(whole)
        self.setCentralWidget(central)

    def _build_rail(self) -> QVBoxLayout:
        rail = QVBoxLayout()
        titles = {"library": self.tr("Library"), "generate": self.tr("Generate"), "review": self.tr("Review")}
        for name, page in self.pages.items():
            button = QToolButton()
            button.setText(titles[name])
            button.setCheckable(True)
            button.clicked.connect(partial(self.show_page, name))
            self._rail.addButton(button)
            rail.addWidget(button)
            self._stack.addWidget(page)
            self._details.addWidget(page.detail or QWidget())
        rail.addStretch(1)
        return rail

    def _build_actions(self) -> None:
        for action in actions.WINDOW:
            self.addAction(actions.make_action(action, getattr(self, action.method), self))

    # -- pages ----------------------------------------------------------------------------------

    @property
    def page(self) -> Page:
        """The page in view."""
        page = self._stack.currentWidget()
        assert isinstance(page, Page)
        return page

    def show_page(self, name: str) -> None:
        """Brings a page into view, with what changed while it was not."""
        if name != self.page.name:
            self.page.leave()
        index = list(self.pages).index(name)
        self._stack.setCurrentIndex(index)
        self._details.setCurrentIndex(index)
        self._details.setVisible(self.pages[name].detail is not None)
        self._rail.buttons()[index].setChecked(True)
        stale = self._stale.pop(name, frozenset())
        if stale:
            self.page.show_changes(stale)

    def show_library(self) -> None:
        """Ctrl+1."""
        self.show_page("library")

    def show_generate(self) -> None:
        """Ctrl+2."""
        self.show_page("generate")

    def show_review(self) -> None:
        """Ctrl+3."""
        self.show_page("review")

    def focus_search(self) -> None:
        """Ctrl+F."""
        self.page.focus_search()

    # -- projects -------------------------------------------------------------------------------

    def new_project(self) -> None:
        """Asks for a folder and makes a project in it."""
        folder = QFileDialog.getExistingDirectory(self, self.tr("An empty folder for the new project"))
        if folder:
            try:
                create_project(Path(folder))
            except DermaError as error:
                self._on_desk_failed(error)
                return
            self.desk.open_project(Path(folder))

    def open_project(self) -> None:
        """Asks for a project's folder and opens it."""
        folder = QFileDialog.getExistingDirectory(self, self.tr("The project's folder"))
        if folder:
            self.desk.open_project(Path(folder))

    def close_project(self) -> None:
        """Closes the open project."""
        self.page.leave()
        self.desk.close_project()

    # -- what happens ---------------------------------------------------------------------------

    def _on_desk_project_changed(self) -> None:
        self._error.hide()
        self._stale.clear()
        self.setWindowTitle(f"{self.desk.folder.name} - dermagui" if self.desk.folder else "dermagui")
        for page in self.pages.values():
            page.show_project()

    def _on_desk_rows_changed(self, kinds: frozenset[str]) -> None:
        for name, page in self.pages.items():
            if page is self.page:
                page.show_changes(kinds)
            else:
                self._stale[name] = (self._stale.get(name, frozenset()) | kinds) & EVERYTHING

    def _on_desk_failed(self, error: DermaError) -> None:
        self._error.setText(texts.worded(error))
        self._error.show()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.page.leave()
        self.desk.close()
        super().closeEvent(event)
