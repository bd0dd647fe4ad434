"""The reference library as the window uses it: files are read off its thread, databases asked in theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from dermagui.errors import DermaError
from dermagui.ui.chat.shelf import Place, Shelf
from dermagui.ui.desk import Desk

if TYPE_CHECKING:
    from dermagui.chat.reference import Passage
    from dermagui.storage.database import Row


class Library(QObject):
    """Two libraries: that of the open project, and the one for all projects (``Place.NOTEBOOK``)."""

    changed = Signal()
    """Files were added or taken out."""
    reading = Signal(str, int, int)
    """The file that is being read, the how manieth it is, and of how many; an empty name at the end."""
    failed = Signal(object)
    """A ``DermaError``; other files go on."""

    def __init__(self, desk: Desk, shelf: Shelf) -> None:
        super().__init__(desk)
        self._desk, self._shelf = desk, shelf
        self._round = object()
        self.is_looking = False
        """Whether passages are being looked for."""

    @property
    def places(self) -> list[Place]:
        """The libraries that can be searched now, the nearest first."""
        return [Place.PROJECT, Place.NOTEBOOK] if self._desk.project is not None else [Place.NOTEBOOK]

    def leave(self) -> None:
        """Nobody waits for what is being looked for any more."""
        self._round, self.is_looking = object(), False

    def find(
        self,
        question: str,
        then: Callable[[tuple[Passage, ...]], None],
        failed: Callable[[DermaError], None],
    ) -> None:
        """Looks for the passages that fit a question best."""
        from dermagui.chat.reference import number_passages, rank_passages

        self.leave()
        self.is_looking, looking = True, self._round
        ranked: list[list[Row]] = []
        places = self.places

        def go_on(found: list[Row]) -> None:
            if self._round is looking:
                ranked.append(found)
                step()

        def step() -> None:
            if len(ranked) < len(places):
                rank = partial(rank_passages, question=question)
                self._shelf.ask(places[len(ranked)], rank, go_on, owner=self, failed=fail)
            else:
                self._desk.work(partial(number_passages, ranked), end, owner=self, failed=fail)

        def end(found: list[Passage]) -> None:
            if self._round is looking:
                self.leave()
                then(tuple(found))

        def fail(error: DermaError) -> None:
            if self._round is looking:
                self.leave()
                failed(error)

        step()

    def count(self, then: Callable[[int], None]) -> None:
        """How many passages can be found now."""
        from dermagui.storage.references import count_passages

        counts: list[int] = []
        places = self.places

        def go_on(count: int) -> None:
            counts.append(count)
            if len(counts) == len(places):
                then(sum(counts))

        for place in places:
            self._shelf.ask(place, count_passages, go_on, owner=self, failed=self.failed.emit)

    def show(self, place: Place, then: Callable[[list[Row]], None]) -> None:
        """Tells the files of a library, with their states."""
        from dermagui.chat.reference import with_states
        from dermagui.storage.references import list_references

        def look(rows: list[Row]) -> None:
            self._desk.work(partial(with_states, rows), then, owner=self, failed=self.failed.emit)

        self._shelf.ask(place, list_references, look, owner=self, failed=self.failed.emit)

    def add(self, place: Place, paths: Sequence[Path]) -> None:
        """Reads files, or what can be read of folders, one after the other."""
        self._desk.work(
            partial(_files_of, paths), partial(self._read_on, place, 0), owner=self, failed=self.failed.emit
        )

    def _read_on(self, place: Place, at: int, files: list[Path]) -> None:
        from dermagui.chat.reference import read_reference
        from dermagui.storage.references import save_reference

        if at == len(files):
            self.reading.emit("", at, at)
            self.changed.emit()
            return
        self.reading.emit(files[at].name, at + 1, len(files))
        go_on = partial(self._read_on, place, at + 1, files)

        def fail(error: DermaError) -> None:
            self.failed.emit(error)
            go_on()

        def save(read: tuple[object, object]) -> None:
            keep = partial(save_reference, file=read[0], passages=read[1])  # type: ignore[arg-type]
            self._shelf.ask(place, keep, lambda _: go_on(), owner=self, failed=fail)

        self._desk.work(partial(read_reference, files[at]), save, owner=self, failed=fail)

    def remove(self, place: Place, uids: Sequence[str]) -> None:
        """Takes files out of a library; the files themselves stay."""
        from dermagui.storage.references import remove_reference

        for uid in uids:
            remove = partial(remove_reference, uid=uid)
            self._shelf.ask(place, remove, lambda _: self.changed.emit(), owner=self, failed=self.failed.emit)


def _files_of(paths: Sequence[Path]) -> list[Path]:
    from dermagui.chat.reference import files_to_read

    return [file for path in paths for file in files_to_read(path)]
