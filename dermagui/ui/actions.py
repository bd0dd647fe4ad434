"""Every action of the window, once: menus, palette, buttons and the sheet of keys read this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QObject
from PySide6.QtGui import QAction, QKeySequence


@dataclass(frozen=True, slots=True)
class Action:
    """One row: what it is called, its keys, where it works, and the method that does it.

    ``page`` is the name of a page, on which ``method`` is then called, or empty for the window itself.
    ``shortcut`` is as QKeySequence reads it; single letters work only where nobody types.
    """

    id: str
    text: str
    shortcut: str
    page: str
    method: str

    def label(self) -> str:
        """Its text in the user's language."""
        return QCoreApplication.translate("actions", self.text)


def _row(id_: str, text: object, shortcut: str, method: str, page: str = "") -> Action:
    return Action(id_, str(text), shortcut, page, method)


WINDOW = (
    _row("project.new", QT_TRANSLATE_NOOP("actions", "New project…"), "Ctrl+N", "new_project"),
    _row("project.open", QT_TRANSLATE_NOOP("actions", "Open project…"), "Ctrl+O", "open_project"),
    _row("project.demo", QT_TRANSLATE_NOOP("actions", "Open the demo"), "Ctrl+Shift+O", "open_demo"),
    _row(
        "project.copy",
        QT_TRANSLATE_NOOP("actions", "Save a copy of the project…"),
        "Ctrl+Shift+S",
        "copy_project",
    ),
    _row("project.close", QT_TRANSLATE_NOOP("actions", "Close project"), "Ctrl+W", "close_project"),
    _row("page.library", QT_TRANSLATE_NOOP("actions", "Go to Library"), "Ctrl+1", "show_library"),
    _row("page.generate", QT_TRANSLATE_NOOP("actions", "Go to Generate"), "Ctrl+2", "show_generate"),
    _row("page.review", QT_TRANSLATE_NOOP("actions", "Go to Review"), "Ctrl+3", "show_review"),
    _row("page.jobs", QT_TRANSLATE_NOOP("actions", "Go to Jobs"), "Ctrl+J", "show_jobs"),
    _row("page.privacy", QT_TRANSLATE_NOOP("actions", "Go to Privacy"), "Ctrl+L", "show_privacy"),
    _row("page.settings", QT_TRANSLATE_NOOP("actions", "Go to Settings"), "Ctrl+,", "show_settings"),
    _row("window.palette", QT_TRANSLATE_NOOP("actions", "Find an action"), "Ctrl+K", "show_palette"),
    _row("window.keys", QT_TRANSLATE_NOOP("actions", "Keys of this page"), "F1", "show_keys"),
    _row("window.find", QT_TRANSLATE_NOOP("actions", "Find on this page"), "Ctrl+F", "focus_search"),
    _row("window.detail", QT_TRANSLATE_NOOP("actions", "Show or hide the details"), "F9", "toggle_detail"),
    _row(
        "window.airplane",
        QT_TRANSLATE_NOOP("actions", "Turn airplane mode on or off"),
        "Ctrl+Shift+A",
        "toggle_airplane",
    ),
    _row(
        "window.welcome",
        QT_TRANSLATE_NOOP("actions", "Show the welcome again"),
        "Ctrl+Shift+W",
        "show_welcome",
    ),
    _row(
        "window.report",
        QT_TRANSLATE_NOOP("actions", "Save a report about dermagui…"),
        "Ctrl+Shift+R",
        "show_report",
    ),
    _row("window.quit", QT_TRANSLATE_NOOP("actions", "Quit"), "Ctrl+Q", "close"),
)

LIBRARY: tuple[Action, ...] = ()
"""The actions of the page Library."""
GENERATE: tuple[Action, ...] = ()
"""The actions of the page Generate."""
REVIEW: tuple[Action, ...] = ()
"""The actions of the page Review."""

JOBS = (
    _row("jobs.stop", QT_TRANSLATE_NOOP("actions", "Stop this job"), "Ctrl+.", "stop", "jobs"),
    _row("jobs.resume", QT_TRANSLATE_NOOP("actions", "Resume this job"), "Ctrl+R", "resume", "jobs"),
    _row("jobs.retry", QT_TRANSLATE_NOOP("actions", "Retry what failed"), "Ctrl+T", "retry", "jobs"),
    _row("jobs.folder", QT_TRANSLATE_NOOP("actions", "Open its folder"), "Ctrl+E", "open_folder", "jobs"),
)
"""The actions of the page Jobs."""


def rows_of(page: str) -> tuple[Action, ...]:
    """The rows of the page of that name; an empty name means the window itself."""
    rows = {"": WINDOW, "library": LIBRARY, "generate": GENERATE, "review": REVIEW, "jobs": JOBS}
    return rows.get(page, ())


def make_action(action: Action, call: Callable[[], object], parent: QObject) -> QAction:
    """The Qt action of a row, which calls ``call``."""
    made = QAction(action.label(), parent)
    made.setObjectName(action.id)
    if action.shortcut:
        made.setShortcut(QKeySequence(action.shortcut))
    made.triggered.connect(lambda *_: call())
    return made
