"""Where chats are kept: in the open project, without one in the Notebook, a private one in memory alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject

from dermagui.errors import DermaError
from dermagui.ui.desk import Desk

if TYPE_CHECKING:
    from dermagui.storage.database import Row, Store

T = TypeVar("T")


class Place(StrEnum):
    """Where a chat is kept."""

    PROJECT = "project"
    NOTEBOOK = "notebook"
    """A database in the data folder, for chats without a project."""
    PRIVATE = "private"
    """The memory of this window: gone when it closes."""


@dataclass(frozen=True, slots=True)
class ChatAt:
    """A chat that is kept somewhere."""

    uid: str
    place: Place


@dataclass(frozen=True, slots=True)
class Listed:
    """A chat as the history shows it."""

    at: ChatAt
    title: str
    changed_at: str
    model: str


class Shelf(QObject):
    """Asks the database of a place; ``Desk.ask`` for the project's, one thread for both others."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._thread: ThreadPoolExecutor | None = None
        self._stores: dict[Place, Store] = {}
        self._is_closed = False
        desk.closing.connect(self.close)

    @property
    def usual(self) -> Place:
        """Where a new chat is kept that nobody wants to be private."""
        may_write = self._desk.project is not None and not self._desk.read_only
        return Place.PROJECT if may_write else Place.NOTEBOOK

    def ask(
        self,
        place: Place,
        work: Callable[[Store], T],
        then: Callable[[T], None] | None = None,
        *,
        owner: QObject,
        failed: Callable[[DermaError], None] | None = None,
    ) -> None:
        """Runs ``work`` with the store of a place, after what was asked of it before, and ``then`` here."""
        if self._is_closed:
            return
        if place is Place.PROJECT:
            self._desk.ask(work, then, owner=owner, failed=failed)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="notebook")
        self._desk.submit(self._thread, lambda: work(self._store(place)), then, owner=owner, failed=failed)

    def list(
        self, words: str, then: Callable[[list[Listed]], None], *, owner: QObject, failed: Callable[..., None]
    ) -> None:
        """The chats in which these words were said, or all: private ones first, then those of the open
        project, or without one those of the Notebook.
        """
        place = Place.PROJECT if self._desk.project is not None else Place.NOTEBOOK

        def add_others(private: list[Listed]) -> None:
            find = partial(_found, place=place, words=words)
            self.ask(place, find, lambda others: then([*private, *others]), owner=owner, failed=failed)

        find_private = partial(_found, place=Place.PRIVATE, words=words)
        self.ask(Place.PRIVATE, find_private, add_others, owner=owner, failed=failed)

    def close(self) -> None:
        """Closes both databases after what was asked of them; what was private is gone."""
        self._is_closed = True
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.submit(self._close_stores)
            thread.shutdown(wait=True)

    def _close_stores(self) -> None:
        for store in self._stores.values():
            store.close()
        self._stores.clear()

    def _store(self, place: Place) -> Store:
        """Opened in the thread that it belongs to, when it is first needed."""
        from dermagui.project import home_project
        from dermagui.storage.database import Store

        if place not in self._stores:
            is_private = place is Place.PRIVATE
            self._stores[place] = Store.in_memory() if is_private else Store(home_project())
        return self._stores[place]


def _found(store: Store, place: Place, words: str) -> list[Listed]:
    from dermagui.storage.chats import search_chats

    return [_listed(row, place) for row in search_chats(store, words)]


def _listed(row: Row, place: Place) -> Listed:
    return Listed(ChatAt(row["uid"], place), row["title"], row["changed_at"], row["model"])
