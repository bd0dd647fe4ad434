"""What every page of the window is: a widget that shows one part of the open project."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from dermagui.ui import actions
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs


class Page(QWidget):
    """A page of the rail. A subclass sets ``name`` and overrides what it needs; its row is in ``pages.py``.

    The window makes a page when it is first shown. It calls ``show_project`` then and after another project
    was opened or the open one was closed (``desk.project`` is None where none is), ``show_changes`` when rows
    may have changed and the page is in view or comes into view, and ``leave`` before another page is shown.
    Jobs may run when a page is made: what they told last is in ``Jobs.running``. The rows of ``actions.py``
    for ``name`` are made into Qt actions, which call the methods that they name: ``action`` hands them out.
    """

    name: ClassVar[str]
    """Its id in the tables of pages and actions, and its room: ``library``."""
    wants = Signal(str)
    """The name of another page: there what is wrong is mended, or what is lacking is made."""
    wants_model = Signal(str)
    """The name of a bundle that the user wants to chat with."""
    model_changed = Signal(str)
    """The name of the bundle that answers in the chat from now on, or empty."""
    setting_changed = Signal(str)
    """The key of a setting that has another value now."""

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.jobs = jobs
        # Shortcuts of a hidden widget do nothing, so these work while the page is in view, wherever the
        # focus is; a field that somebody types in takes plain letters before any shortcut sees them.
        self._actions = {row.id: self._make_action(row) for row in actions.rows_of(self.name)}
        self.addActions(list(self._actions.values()))

    def _make_action(self, row: actions.Action) -> QAction:
        return actions.make_action(row, lambda: getattr(self, row.method)(), self)

    def action(self, id_: str) -> QAction:
        """The Qt action of a row of this page, for a button's ``setDefaultAction`` or for ``setEnabled``."""
        return self._actions[id_]

    @property
    def detail(self) -> QWidget | None:
        """What the detail pane at the right shows while this page is in view; None folds it away."""
        return None

    def show_project(self) -> None:
        """Shows the project that is open now, or that none is."""

    def show_changes(self, kinds: frozenset[str]) -> None:
        """Shows what may have changed in rows of these kinds."""

    def take_paths(self, paths: list[Path]) -> None:
        """Takes folders and files that the user dropped on the window; the library does."""

    def leave(self) -> None:
        """Keeps what the user was about to do here; another page comes."""

    def focus_search(self) -> None:
        """Puts the cursor into the page's own search field (Ctrl+F)."""
