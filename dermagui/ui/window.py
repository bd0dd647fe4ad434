"""The one window: title strip, rail, pages, detail pane, job strip, and the line that is always in view."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from dermagui import settings
from dermagui.errors import DermaError
from dermagui.ui import actions, theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page
from dermagui.ui.pages import PAGES
from dermagui.ui.shell import state
from dermagui.ui.shell.job_strip import JobStrip
from dermagui.ui.shell.mending import mending
from dermagui.ui.shell.page_stack import PageStack
from dermagui.ui.shell.privacy import Privacy
from dermagui.ui.shell.projects import Projects
from dermagui.ui.shell.rail import Rail
from dermagui.ui.shell.start_page import StartPage
from dermagui.ui.shell.title_strip import TitleStrip
from dermagui.ui.widgets.bar import Bar, Level

_MENU = (
    "project.new",
    "project.open",
    "",
    "project.demo",
    "project.copy",
    "project.close",
    "",
    "window.quit",
)
"""The project's menu; an empty name is a line, the first one with the recent projects before it."""

_BEGIN = ("project.demo", "project.new", "project.open")
"""The buttons where no project is open."""


class Window(QMainWindow):
    """The main window. Closing it leaves jobs running where the user wants that."""

    painted = Signal()
    """It stands on the screen for the first time: whatever takes a while may begin now."""

    def __init__(self) -> None:
        super().__init__()
        self._was_painted = False
        self.desk = Desk(self)
        self.jobs = Jobs(self.desk)
        self.privacy = Privacy(self.desk)
        self.bar = Bar()
        self.held = Bar(lasting=True)
        self.projects = Projects(self.desk, self.bar, self)
        self._rail = Rail()
        self._actions = {row.id: self._make_action(row) for row in actions.WINDOW}
        self._strip = TitleStrip(self._build_menu(), self._actions["window.palette"], self.show_page)
        self._job_strip = JobStrip(self.jobs)
        begin = [self._actions[id_] for id_ in _BEGIN]
        self._start = StartPage(self.desk, begin)
        self._middle = PageStack(self.desk, self._make_page, self._start)
        self.pages = self._middle.made
        self._build()
        self._connect()
        self._allow_for_project(False)
        self.show_page("library")
        self.restoreGeometry(state.kept_bytes("window/geometry"))
        self._middle.restoreState(state.kept_bytes("window/middle"))

    # -- building -------------------------------------------------------------------------------

    def _make_page(self, name: str) -> Page:
        """Makes a page, which somebody wants to see now."""
        page = PAGES[name].kind()(self.desk, self.jobs, *((self.privacy,) if name == "privacy" else ()))
        page.wants.connect(self.show_page)
        page.wants_model.connect(self._chat_with)
        page.model_changed.connect(self._strip.show_model)
        page.setting_changed.connect(self._on_setting_changed)
        return page

    def _make_action(self, row: actions.Action) -> QAction:
        action = actions.make_action(row, lambda: getattr(self, row.method)(), self)
        self.addAction(action)
        return action

    def _build_menu(self) -> QMenu:
        menu = QMenu(self)
        for id_ in _MENU:
            if id_:
                menu.addAction(self._actions[id_])
            elif self.projects.recent.menuAction() not in menu.actions():
                menu.addMenu(self.projects.recent)
                menu.addSeparator()
            else:
                menu.addSeparator()
        return menu

    def _build(self) -> None:
        self.setWindowTitle("dermagui")
        self.setAcceptDrops(True)
        self.resize(1280, 800)
        across = QHBoxLayout()
        across.setSpacing(0)
        across.addWidget(self._rail)
        across.addWidget(_line(QFrame.Shape.VLine))
        across.addWidget(self._middle, 1)
        research = QLabel(self.tr("Research use only. Not a medical device. Do not use for diagnosis."))
        research.setContentsMargins(2 * theme.GRID, theme.GRID // 2, theme.GRID, theme.GRID // 2)
        whole = QVBoxLayout()
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        for widget in (self._strip, _line(QFrame.Shape.HLine), self.held, self.bar):
            whole.addWidget(widget)
        whole.addLayout(across, 1)
        for widget in (_line(QFrame.Shape.HLine), self._job_strip, _line(QFrame.Shape.HLine), research):
            whole.addWidget(widget)
        central = QWidget()
        central.setLayout(whole)
        self.setCentralWidget(central)

    def _connect(self) -> None:
        self._rail.chosen.connect(self.show_page)
        self._job_strip.job.clicked.connect(self.show_jobs)
        self.projects.pictures_dropped.connect(self._on_pictures_dropped)
        self.projects.busy_with.connect(self._job_strip.show_other)
        self.privacy.changed.connect(lambda: self._strip.show_door(self.privacy.door))
        self.painted.connect(self.privacy.watch)
        self.desk.project_changed.connect(self._on_desk_project_changed)
        self.desk.rows_changed.connect(self._middle.show_changes)
        self.desk.failed.connect(self.show_error)
        self.desk.saved.connect(self._job_strip.show_saved)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._on_scheme_changed)

    # -- pages ----------------------------------------------------------------------------------

    @property
    def page(self) -> Page:
        """The page that was chosen; without a project, the ways to one may stand in its place."""
        return self._middle.page

    def show_page(self, name: str) -> None:
        """Brings a page into view, with what changed while it was not."""
        self._rail.show_page(name)
        self._middle.show_page(name)

    def _chat_with(self, model: str) -> None:
        from dermagui.ui.chat.page import ChatPage

        self.show_page("chat")
        assert isinstance(self.page, ChatPage)
        self.page.choose_model(model)

    def toggle_detail(self) -> None:
        """Folds the detail pane away, or unfolds it."""
        self._middle.toggle_detail()

    def show_full_screen(self) -> None:
        """The picture in view on the whole screen."""
        from dermagui.ui.widgets.full_screen import FullScreen, view_with_picture

        view = view_with_picture(self._middle)
        if view is None:
            self.bar.tell(self.tr("No picture is in view here."))
        else:
            FullScreen(view, self._actions["window.picture"].shortcut(), self).open()

    def show_library(self) -> None:
        """Ctrl+1."""
        self.show_page("library")

    def show_generate(self) -> None:
        """Ctrl+2."""
        self.show_page("generate")

    def show_review(self) -> None:
        """Ctrl+3."""
        self.show_page("review")

    def show_train(self) -> None:
        """Ctrl+4."""
        self.show_page("train")

    def show_chat(self) -> None:
        """Ctrl+5."""
        self.show_page("chat")

    def show_jobs(self) -> None:
        """All jobs of the project."""
        self.show_page("jobs")

    def show_privacy(self) -> None:
        """The door and its ledger."""
        self.show_page("privacy")

    def show_settings(self) -> None:
        """The settings and the key."""
        self.show_page("settings")

    def focus_search(self) -> None:
        """Puts the cursor into the page's search field."""
        self.page.focus_search()

    # -- all actions ----------------------------------------------------------------------------

    def show_palette(self) -> None:
        """Every action by name, to be run."""
        from dermagui.ui.shell.palette import ActionPalette

        ActionPalette([*self.page.actions(), *self.actions()], self).open()

    def show_keys(self) -> None:
        """The keys of this page."""
        from dermagui.ui.shell.palette import KeySheet

        groups = {
            PAGES[self._middle.name].label(): self.page.actions(),
            self.tr("Everywhere"): self.actions(),
        }
        KeySheet(groups, self).open()

    def show_report(self) -> None:
        """What may be sent to whoever helps, to be read before it is saved."""
        from dermagui.ui.shell.report import ReportDialog

        ReportDialog(self.desk, self).open()

    def show_welcome(self) -> None:
        """The pages of the first start."""
        from dermagui.ui.shell.welcome import Welcome

        welcome = Welcome(self.desk, self)
        welcome.wants_demo.connect(self.open_demo)
        welcome.wants_project.connect(self.projects.make)
        welcome.wants_chat.connect(self.show_chat)
        welcome.changed_setting.connect(self._on_setting_changed)
        welcome.open()

    def toggle_airplane(self) -> None:
        """Stops everything that leaves, or lets it leave again."""
        self.privacy.toggle_airplane()

    # -- projects -------------------------------------------------------------------------------

    def new_project(self) -> None:
        """Asks for a folder and makes a project in it."""
        self.projects.new()

    def open_project(self) -> None:
        """Asks for a project's folder and opens it."""
        self.projects.open()

    def open_demo(self) -> None:
        """Opens the project to look around in."""
        self.projects.open_demo()

    def copy_project(self) -> None:
        """Saves a copy of the open project."""
        self.projects.copy()

    def close_project(self) -> None:
        """Closes the open project."""
        self._middle.leave()
        self.desk.close_project()

    # -- what happens ---------------------------------------------------------------------------

    def _on_desk_project_changed(self) -> None:
        self.bar.hide()
        self._job_strip.forget_saved()
        name = self.desk.folder.name if self.desk.folder else ""
        self.setWindowTitle(f"{name} - dermagui" if name else "dermagui")
        self._strip.show_project(name)
        self._allow_for_project(bool(name))
        self._show_held()
        self._middle.show_project()

    def _allow_for_project(self, is_open: bool) -> None:
        for id_ in ("project.copy", "project.close"):
            self._actions[id_].setEnabled(is_open)

    def _show_held(self) -> None:
        """Says that the project can only be read, and who holds it."""
        if not self.desk.read_only or self.desk.project is None:
            self.held.hide()
            return
        holder = self.desk.project.held_by
        words = (
            self.tr(
                "{user} has this project open on {computer}: you can look at all of it and change nothing."
            )
            if holder
            else self.tr("This project is write-protected: you can look at all of it and change nothing.")
        )
        self.held.tell(words.format(**(holder or {})), Level.WARNING)

    def show_error(self, error: DermaError) -> None:
        """Says what went wrong, with the page that mends it where there is one."""
        found = mending(error)
        if found is None:
            self.bar.tell_error(error)
        else:
            text, page = found
            self.bar.tell_error(error, text, partial(self.show_page, page))

    def _on_setting_changed(self, key: str) -> None:
        if key == "window.theme":
            self._on_scheme_changed()
        self.privacy.look()

    def _on_scheme_changed(self) -> None:
        application = QApplication.instance()
        if isinstance(application, QApplication):
            theme.apply_theme(application, chosen_theme())

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.desk.project is not None:
            self.pages["library"].dragEnterEvent(event)
        elif event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self.show_page("library")
        if self.desk.project is not None:
            self.pages["library"].dropEvent(event)
            return
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        event.acceptProposedAction()
        # Not here: as long as a question is open in this event, the program that the drag came from waits.
        QTimer.singleShot(0, self, partial(self.projects.take, paths))

    def _on_pictures_dropped(self, paths: list[Path]) -> None:
        self.show_page("library")
        self.page.take_paths(paths)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._was_painted:
            self._was_painted = True
            QTimer.singleShot(0, self, self.painted.emit)

    # -- the end --------------------------------------------------------------------------------

    def end(self) -> None:
        """Closes without a question, as the system wants it; jobs run on."""
        self.jobs.running.clear()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        from dermagui.ui.shell.closing import Answer, ask_about_jobs

        answer = ask_about_jobs(self) if self.jobs.running else Answer.KEEP
        if answer is Answer.STAY:
            event.ignore()
            return
        if answer is Answer.STOP:
            self.jobs.ask_all_to_stop()
        self._middle.leave()
        kept = state.window_state()
        kept.setValue("window/geometry", self.saveGeometry())
        kept.setValue("window/middle", self._middle.saveState())
        self.desk.close()
        self.jobs.let_go()
        super().closeEvent(event)


def chosen_theme() -> str:
    """The look that the user set; where the file of settings is damaged, its page says so."""
    try:
        return settings.text("window.theme")
    except DermaError:
        return "system"


def _line(shape: QFrame.Shape) -> QFrame:
    line = QFrame()
    line.setFrameShape(shape)
    line.setForegroundRole(theme.LINE)
    return line
