"""Verdicts on their way to the database: one at a time, told as saved only when they are."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from dermagui.errors import DataError, DermaError
from dermagui.records import Person, Turn, Verdict
from dermagui.storage.database import Store
from dermagui.ui.desk import Desk
from dermagui.ui.review import desk_work
from dermagui.ui.review.desk_work import Said

_VERDICTS = frozenset({"verdicts"})
_log = logging.getLogger(__name__)

_Step = Callable[[Store, Person], tuple[Verdict, int | None]]


class Deciding(QObject):
    """Saves, takes back and restores in a person's name."""

    busy_changed = Signal()
    """Whether something is being written."""
    saved = Signal(int, object)
    """The id of a pair, and the ``Said`` about it that is in the database now."""
    not_saved = Signal(object, object)
    """A ``Said`` and the ``DermaError`` that kept it from being written."""
    stepped = Signal(object, object, bool)
    """A verdict, the id of its pair or None, and whether it was taken back (or else restored)."""
    not_stepped = Signal(object)
    """The ``DermaError`` that kept a verdict from being taken back or restored."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self.busy = False

    def forget(self) -> None:
        """Another project is open; what was asked of the one before is answered by nobody."""
        self._set_busy(False)

    def save(self, person: Person, pair_id: int, said: Said) -> None:
        """Writes a verdict; nothing while another one is being written."""
        if not self.busy:
            self._set_busy(True)
            self._desk.ask(
                partial(_save, person=person, said=said),
                partial(self._on_saved, pair_id, said),
                owner=self,
                failed=partial(self._on_not_saved, said),
                changes=_VERDICTS,
            )

    def _on_saved(self, pair_id: int, said: Said, _: None) -> None:
        self._set_busy(False)
        self.saved.emit(pair_id, said)

    def _on_not_saved(self, said: Said, error: DermaError) -> None:
        self._set_busy(False)
        self.not_saved.emit(said, error)

    def undo(self, person: Person) -> None:
        """Takes back the person's last verdict."""
        self._step(desk_work.step_back, person, True)

    def redo(self, person: Person) -> None:
        """Restores what the person took back last."""
        self._step(desk_work.step_forward, person, False)

    def _step(self, step: _Step, person: Person, back: bool) -> None:
        if not self.busy:
            self._set_busy(True)
            self._desk.ask(
                lambda store: step(store, person),
                partial(self._on_stepped, back),
                owner=self,
                failed=self._on_not_stepped,
                changes=_VERDICTS,
            )

    def _on_stepped(self, back: bool, stepped: tuple[Verdict, int | None]) -> None:
        self._set_busy(False)
        self.stepped.emit(*stepped, back)

    def _on_not_stepped(self, error: DermaError) -> None:
        self._set_busy(False)
        self.not_stepped.emit(error)

    def keep_draft(
        self, person: Person, pair_uid: str, turns: tuple[Turn, ...], failed: Callable[[DermaError], None]
    ) -> None:
        """Keeps an edit that was begun; no turns take it away."""
        work = partial(desk_work.keep_begun, person=person, pair_uid=pair_uid, turns=turns)
        self._desk.ask(work, owner=self, failed=failed)

    def _set_busy(self, busy: bool) -> None:
        if busy is not self.busy:
            self.busy = busy
            self.busy_changed.emit()


def _save(store: Store, person: Person, said: Said) -> None:
    """Writes a verdict; even a fault of our own comes back to whoever still has it on the screen."""
    try:
        desk_work.save_verdict(store, person, said)
    except (DermaError, OSError):
        raise
    except Exception as error:
        _log.exception("a verdict was not saved")
        raise DataError("bug") from error


def save_copy(desk: Desk, said: Said, person: str, owner: QWidget, done: Callable[[Path], None]) -> None:
    """Asks for a file and writes a verdict into it that the project could not take."""
    text = json.dumps(said.as_dict(person), ensure_ascii=False, indent=1)
    title = QCoreApplication.translate("review", "Save a copy of the verdict")
    proposed = f"verdict-{said.pair_uid[-8:]}.json"
    name, _ = QFileDialog.getSaveFileName(owner, title, proposed, "JSON (*.json)")
    if name:
        path = Path(name)
        desk.work(lambda: path.write_text(text, encoding="utf-8"), lambda _: done(path), owner=owner)
