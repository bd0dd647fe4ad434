"""Every page of the window, once: the rail, the window and the pictures of it read this table.

A page's module is imported, and the page is made, when somebody goes there for the first time: the window
stands before any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

if TYPE_CHECKING:
    from dermagui.ui.page import Page


@dataclass(frozen=True, slots=True)
class PageRow:
    """One row: the page's name, which is its icon's too, its word, and where its class is.

    Without ``needs_project`` the page stands there even when no project is open; the others give way to the
    ways to one.
    """

    name: str
    title: str
    module: str
    class_name: str
    needs_project: bool = True
    at_foot: bool = False

    def label(self) -> str:
        """Its word in the user's language."""
        return QCoreApplication.translate("rail", self.title)

    def kind(self) -> type[Page]:
        """Its class, imported here and now."""
        found: type[Page] = getattr(import_module(self.module), self.class_name)
        return found


def _row(
    name: str, title: object, place: str, *, needs_project: bool = True, at_foot: bool = False
) -> PageRow:
    module, _, class_name = place.rpartition(".")
    return PageRow(name, str(title), f"dermagui.ui.{module}", class_name, needs_project, at_foot)


_ROWS = (
    _row("library", QT_TRANSLATE_NOOP("rail", "Library"), "library.page.LibraryPage"),
    _row("generate", QT_TRANSLATE_NOOP("rail", "Generate"), "generate.page.GeneratePage"),
    _row("review", QT_TRANSLATE_NOOP("rail", "Review"), "review.page.ReviewPage"),
    _row("train", QT_TRANSLATE_NOOP("rail", "Train"), "train.page.TrainPage"),
    _row("chat", QT_TRANSLATE_NOOP("rail", "Chat"), "chat.page.ChatPage", needs_project=False),
    _row("jobs", QT_TRANSLATE_NOOP("rail", "Jobs"), "shell.jobs_page.JobsPage", at_foot=True),
    _row(
        "privacy",
        QT_TRANSLATE_NOOP("rail", "Privacy"),
        "shell.privacy_page.PrivacyPage",
        needs_project=False,
        at_foot=True,
    ),
    _row(
        "settings",
        QT_TRANSLATE_NOOP("rail", "Settings"),
        "settings.page.SettingsPage",
        needs_project=False,
        at_foot=True,
    ),
)

PAGES = {row.name: row for row in _ROWS}
"""Name → row, in the order of the rail."""
