"""The middle of the window: the page in view, with its details at the right."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from dermagui.ui.desk import EVERYTHING, Desk
from dermagui.ui.page import Page
from dermagui.ui.pages import PAGES
from dermagui.ui.shell import state
from dermagui.ui.widgets.pages import Pages

_FOLDED = "window/detail_folded"


class PageStack(QSplitter):
    """Makes a page when somebody goes there for the first time, and tells each what changed meanwhile."""

    def __init__(self, desk: Desk, make: Callable[[str], Page], start: QWidget) -> None:
        """``make`` makes the page of a name; ``start`` stands in for pages that need a project."""
        super().__init__(Qt.Orientation.Horizontal)
        self._desk = desk
        self._make = make
        self._start = start
        self.made = _MadePages(self._add)
        """The pages that were made so far, by name; one that is asked for and is not there is made."""
        self.name = next(iter(PAGES))
        """Of the page that was chosen."""
        self._stale: dict[str, frozenset[str]] = {}
        self._stack = Pages()
        self._details = Pages()
        self._stack.addWidget(start)
        self.addWidget(self._stack)
        self.addWidget(self._details)
        self.setStretchFactor(0, 1)
        self.setChildrenCollapsible(False)

    def _add(self, name: str) -> Page:
        page = self._make(name)
        self._stack.addWidget(page)
        if page.detail is not None:
            self._details.addWidget(page.detail)
        page.show_project()
        return page

    @property
    def page(self) -> Page:
        """The page that was chosen; without a project, the ways to one may stand in its place."""
        return self.made[self.name]

    def show_page(self, name: str) -> None:
        """Brings a page into view, with what changed while it was not."""
        if name != self.name:
            self.leave()
        self.name = name
        self._show_chosen()
        stale = self._stale.pop(name, frozenset())
        if stale:
            self.page.show_changes(stale)

    def leave(self) -> None:
        """Lets the page in view keep what its user was about to do."""
        if self.name in self.made:
            self.page.leave()

    def show_project(self) -> None:
        """Another project is open, or none."""
        self._stale.clear()
        for page in self.made.values():
            page.show_project()
        self._show_chosen()

    def show_changes(self, kinds: frozenset[str]) -> None:
        """Rows of these kinds may have changed: the page in view shows it, the others when they come."""
        for name, page in self.made.items():
            if name == self.name:
                page.show_changes(kinds)
            else:
                self._stale[name] = (self._stale.get(name, frozenset()) | kinds) & EVERYTHING

    def toggle_detail(self) -> None:
        """Folds the detail pane away, or unfolds it."""
        state.set_mark(_FOLDED, not state.is_set(_FOLDED))
        self._show_detail()

    def _show_chosen(self) -> None:
        lacks = PAGES[self.name].needs_project and self._desk.project is None
        self._stack.setCurrentWidget(self._start if lacks else self.page)
        self._show_detail()

    def _show_detail(self) -> None:
        is_start = self._stack.currentWidget() is self._start
        detail = None if is_start or state.is_set(_FOLDED) else self.page.detail
        if detail is not None:
            self._details.setCurrentWidget(detail)
        self._details.setVisible(detail is not None)


class _MadePages(dict[str, Page]):
    def __init__(self, make: Callable[[str], Page]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Page:
        page = self[name] = self._make(name)
        return page
