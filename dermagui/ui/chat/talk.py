"""The chat that is open: what was said in it, what is being asked; each answer is kept once it came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from dermagui.errors import DermaError
from dermagui.records import Picture, Role
from dermagui.ui.chat import desk_work
from dermagui.ui.chat.desk_work import ShownTurn, Thumb
from dermagui.ui.chat.engine import Answered, Engine, Question, Said
from dermagui.ui.chat.shelf import ChatAt, Place, Shelf
from dermagui.ui.desk import Desk

if TYPE_CHECKING:
    from dermagui.chat.keeping import Attachment
    from dermagui.project import Project
    from dermagui.storage.database import Store
    from dermagui.ui.chat.desk_work import Read


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question on its way, and the chat that it belongs to."""

    question: Question
    thumbs: tuple[Thumb, ...]
    before: tuple[ShownTurn, ...]
    """What stands before the question."""
    at: ChatAt | None
    place: Place
    n: int | None
    """The place of the turn that is asked or answered anew."""
    project: Project | None
    chat: object


class Talk(QObject):
    """One chat at a time. Its answers are written into the chat in which they were asked for."""

    opened = Signal()
    """Another chat is open, or this one was read anew: ``turns`` are other ones."""
    began = Signal(object)
    """A ``Question`` is on its way; ``turns`` are those before it."""
    ended = Signal(object)
    """The ``Answered`` question is over, and its turns are the last of ``turns``."""
    given_back = Signal(str, object)
    """A question without an answer: its text and its ``Thumb`` pictures, for another try."""
    kept = Signal()
    """A chat was written: the list of chats differs."""
    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(self, desk: Desk, engine: Engine, shelf: Shelf) -> None:
        super().__init__(desk)
        self._desk = desk
        self._engine = engine
        self._shelf = shelf
        self._asked: _Asked | None = None
        self._chat = object()
        self._held: dict[tuple[str, int], Attachment] = {}
        self.at: ChatAt | None = None
        self.place = Place.NOTEBOOK
        self.title = ""
        self.turns: list[ShownTurn] = []
        engine.answered.connect(self._on_answered)
        engine.failed.connect(self._on_failed)
        desk.leaving.connect(engine.finish)

    # -- which chat -----------------------------------------------------------------------------

    def begin(self, *, private: bool = False) -> None:
        """An empty chat; it is written with its first answer."""
        self._leave()
        self.at, self.title, self.turns = None, "", []
        self.place = Place.PRIVATE if private else self._shelf.usual
        self.opened.emit()

    def open(self, at: ChatAt, title: str) -> None:
        """Shows a chat that was kept."""
        self._leave()
        self.at, self.place, self.title, self.turns = at, at.place, title, []
        self._read()

    def _leave(self) -> None:
        """What is being answered is stopped, and what there is of it is kept."""
        if self._asked is not None:
            self._engine.stop()
        self._chat = object()

    def _read(self) -> None:
        if self.at is None:
            return
        chat, uid, held = self._chat, self.at.uid, dict(self._held)

        def read(store: Store) -> list[Read]:
            return desk_work.read_turns(store, uid, held)

        def decode(found: list[Read]) -> None:
            if self._chat is chat:
                self._desk.work(partial(_shown, found), show, owner=self, failed=self.failed.emit)

        def show(turns: list[ShownTurn]) -> None:
            if self._chat is chat:
                self.turns = turns
                self.opened.emit()

        self._shelf.ask(self.at.place, read, decode, owner=self, failed=self.failed.emit)

    # -- asking ---------------------------------------------------------------------------------

    @property
    def held(self) -> dict[tuple[str, int], Picture]:
        """Pictures that may lie in no file: those that were asked about in this window."""
        return {key: one.picture for key, one in self._held.items()}

    @property
    def is_asking(self) -> bool:
        """Whether an answer is on its way."""
        return self._asked is not None

    def ask(self, text: str, thumbs: Sequence[Thumb], how: Question, n: int | None = None) -> None:
        """Asks; ``how`` is a question without turns. ``n``: the place of the question that this replaces."""
        before = tuple(self.turns if n is None else self.turns[:n])
        attachments = tuple(thumb.attachment for thumb in thumbs if thumb.attachment)
        said = (*_said(before), Said(Role.USER, text, attachments))
        self._begin(replace(how, turns=said), tuple(thumbs), before, n)

    def again(self, how: Question) -> None:
        """Lets the last question be answered anew."""
        if not self.turns:
            return
        before, question = tuple(self.turns[:-2]), self.turns[-2]
        said = _said((*before, question))
        self._begin(replace(how, turns=said), question.thumbs, before, len(self.turns) - 1)

    def _begin(
        self, question: Question, thumbs: tuple[Thumb, ...], before: tuple[ShownTurn, ...], n: int | None
    ) -> None:
        if self._asked is not None or self._engine.is_busy:
            return
        self._asked = _Asked(question, thumbs, before, self.at, self.place, n, self._desk.project, self._chat)
        self.turns = list(before)
        for one in question.turns[-1].attachments:
            self._held[one.sha256, one.picture.frame] = one
        self.began.emit(question)
        self._engine.ask(question)

    # -- what came ------------------------------------------------------------------------------

    def _on_answered(self, answered: Answered) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return
        if not answered.answer.text and answered.answer.ended == "stopped":
            self._give_back(asked)
            return
        if asked.chat is self._chat:
            question, answer = desk_work.stored_turns(asked.question, answered)
            schema = json.loads(asked.question.schema) if asked.question.schema else None
            shown = ShownTurn(answer, (), schema=schema)
            self.turns = [*asked.before, ShownTurn(question, asked.thumbs), shown]
            self.ended.emit(answered)
        self._keep(asked, answered)

    def _keep(self, asked: _Asked, answered: Answered) -> None:
        if asked.place is Place.PROJECT and asked.project is not self._desk.project:
            return  # that project was closed meanwhile
        keep = partial(
            desk_work.keep,
            at=asked.at,
            question=asked.question,
            answered=answered,
            place=asked.place,
            n=asked.n,
        )

        def written(at: ChatAt) -> None:
            if asked.chat is self._chat:
                self.at = at
                if asked.n is not None:  # now there are several versions to choose from
                    self._read()
            self.kept.emit()

        self._shelf.ask(asked.place, keep, written, owner=self, failed=self.failed.emit)

    def _on_failed(self, error: DermaError) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            self._give_back(asked)
        self.failed.emit(error)

    def _give_back(self, asked: _Asked) -> None:
        """Nothing was answered, so nothing was said: the question goes back to whoever wrote it."""
        if asked.chat is not self._chat:
            return
        if asked.n is not None:
            self._read()
        if asked.n is None or asked.n % 2 == 0:
            question = asked.question
            text = question.asked["own"] if question.asked else question.turns[-1].text
            self.given_back.emit(text, asked.thumbs)
        else:
            self.opened.emit()

    # -- what can be done with a chat -----------------------------------------------------------

    def show_version(self, n: int, later: bool) -> None:
        """Shows the version of a turn before or after the one in view."""
        from dermagui.storage.chats import show_version

        turn, at = self.turns[n], self.at
        place = turn.versions.index(turn.stored.version) + (1 if later else -1)
        if at is None or not 0 <= place < len(turn.versions):
            return
        version = turn.versions[place]
        self._shelf.ask(
            at.place,
            lambda store: show_version(store, at.uid, n, version),
            lambda _: self._read(),
            owner=self,
            failed=self.failed.emit,
        )

    def keep_form(self, n: int, form: Mapping[str, object]) -> None:
        """Keeps what the user made of a report."""
        from dermagui.storage.chats import keep_form

        at = self.at
        if at is not None:
            keep = partial(keep_form, uid=at.uid, n=n, form=form)
            self._shelf.ask(at.place, keep, lambda _: self._read(), owner=self, failed=self.failed.emit)

    def rename(self, title: str) -> None:
        """Gives the chat another name."""
        from dermagui.storage.chats import rename_chat

        at = self.at
        if at is not None:
            self.title = title
            rename = partial(rename_chat, uid=at.uid, title=title)
            self._shelf.ask(at.place, rename, lambda _: self.kept.emit(), owner=self, failed=self.failed.emit)

    def remove(self) -> None:
        """Removes the chat with all that was said in it."""
        at = self.at
        if at is not None:
            self._shelf.ask(
                at.place, partial(_remove, uid=at.uid), lambda _: self.kept.emit(), owner=self,
                failed=self.failed.emit,
            )  # fmt: skip
            self.begin(private=at.place is Place.PRIVATE)


def _remove(store: Store, uid: str) -> None:
    from dermagui.chat.keeping import remove_chats

    remove_chats(store, [uid])


def _said(turns: Sequence[ShownTurn]) -> tuple[Said, ...]:
    return tuple(
        Said(
            turn.stored.role,
            turn.stored.text,
            tuple(thumb.attachment for thumb in turn.thumbs if thumb.attachment),
            tuple(turn.stored.tokens),
        )
        for turn in turns
    )


def _shown(found: Sequence[Read]) -> list[ShownTurn]:
    from dermagui.chat.tasks import schema_of

    return [
        ShownTurn(
            turn,
            desk_work.thumbs_of(pictures),
            versions,
            schema_of(turn.figures) if turn.role is Role.ASSISTANT else None,
        )
        for turn, pictures, versions in found
    ]
