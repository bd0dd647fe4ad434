"""What may leave this computer now, read from the door itself and from the sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from PySide6.QtCore import QObject, QTimer, Signal

from dermagui.errors import DermaError
from dermagui.ui.desk import Desk

if TYPE_CHECKING:
    from dermagui.records import Source
    from dermagui.storage.database import Store

_LOOK_MILLISECONDS = 1_000
_GOOGLE = ".googleapis.com"


@dataclass(frozen=True, slots=True)
class Door:
    """The two facts: whether anything may go out, and from which sources images may."""

    airplane: bool = True
    receiver: str = ""
    """The host that images would go to."""
    leaving: tuple[str, ...] = ()
    """Names of the sources whose images may leave, airplane mode apart."""
    policy: str = ""
    """The file in which whoever keeps this machine fixes settings; empty where nothing is fixed."""

    @property
    def is_open(self) -> bool:
        """Whether an image may leave at this moment."""
        return bool(self.leaving) and not self.airplane


class Privacy(QObject):
    """Looks once a second, since a command line or another window may turn airplane mode on or off."""

    changed = Signal()
    """``door`` differs from before."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.door = Door()
        self._desk = desk
        self._leaving: tuple[str, ...] = ()
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MILLISECONDS)
        self._timer.timeout.connect(self.look)
        desk.project_changed.connect(self._on_desk_project_changed)
        desk.rows_changed.connect(self._on_desk_rows_changed)

    def watch(self) -> None:
        """Looks now and from now on."""
        self._timer.start()
        self.look()

    def look(self) -> None:
        """Reads the door."""
        self._desk.work(_read_door, self._on_read, owner=self)

    def set_airplane(self, on: bool) -> None:
        """Turns airplane mode on or off, for every process of this user."""
        self._turn(lambda _: on)

    def toggle_airplane(self) -> None:
        """Turns it the other way, whatever was seen last."""
        self._turn(lambda airplane_is_on: not airplane_is_on)

    def _turn(self, to: Callable[[bool], bool]) -> None:
        def turn() -> Door:
            from dermagui import network

            network.set_airplane(to(network.airplane_is_on()))
            return _read_door()

        self._desk.work(turn, self._on_turned, owner=self)

    def _on_turned(self, read: Door) -> None:
        self._on_read(read)
        # Told whatever was known before: turned twice between two looks, the box that was clicked shows the
        # first turn and the door the second.
        self.changed.emit()

    def _on_read(self, read: Door) -> None:
        self._show(replace(read, leaving=self._leaving))

    def _show(self, door: Door) -> None:
        if door != self.door:
            self.door = door
            self.changed.emit()

    def _on_desk_project_changed(self) -> None:
        self._on_listed([])
        self._desk.ask(_list_sources, self._on_listed, owner=self)

    def _on_desk_rows_changed(self, kinds: frozenset[str]) -> None:
        if "sources" in kinds:
            self._desk.ask(_list_sources, self._on_listed, owner=self)

    def _on_listed(self, found: list[Source]) -> None:
        self._leaving = tuple(source.name for source in found if source.may_leave)
        self._show(replace(self.door, leaving=self._leaving))


def _list_sources(store: Store) -> list[Source]:
    from dermagui.storage import sources

    return sources.list_sources(store)


def _read_door() -> Door:
    """The door without the sources, which are in the database."""
    from dermagui import network, paths, settings

    try:
        host = urlsplit(settings.text("gemini.base_url")).hostname or ""
        fixed = bool(settings.policy())
    except (DermaError, ValueError):  # the page of settings says what is wrong with them
        host, fixed = "?", True
    receiver = "Google" if host.endswith(_GOOGLE) else host
    policy = paths.display_path(paths.policy_file()) if fixed else ""
    return Door(network.airplane_is_on(), receiver, policy=policy)
