"""Lets two models answer the same question, one after the other, and keeps which answer a person chose."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from dermagui.errors import DermaError
from dermagui.records import Role
from dermagui.ui.chat import desk_work
from dermagui.ui.chat.choosing import Choosing
from dermagui.ui.chat.compare_view import CompareView
from dermagui.ui.chat.desk_work import Thumb
from dermagui.ui.chat.engine import Answered, Engine, Question, Said
from dermagui.ui.chat.words import notes_of
from dermagui.ui.desk import Desk

if TYPE_CHECKING:
    from dermagui.storage.database import Store


@dataclass(slots=True)
class _Round:
    """One question to both, and what came of it so far."""

    text: str
    thumbs: list[Thumb]
    questions: tuple[Question, Question]
    """As they stand, left and right."""
    blinded: bool
    seed: int
    answered: list[Answered] = field(default_factory=list)
    is_over: bool = False
    """One was chosen, or it was shown which is which."""


class Comparing(QObject):
    """Rounds of one question, two answers and one choice. The chat's engine serves, with a second one where
    memory holds both models.
    """

    changed = Signal()
    """It began or ended to ask, or other models are chosen."""
    kept = Signal()
    """A choice was kept in the project."""
    unkept = Signal()
    """A choice was shown and not kept, as there is no project to keep it in, or the chat is private."""
    given_back = Signal(str, object)
    """A question that was not answered, and its pictures."""
    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(self, desk: Desk, engine: Engine, choosing: Choosing, view: CompareView) -> None:
        super().__init__(view)
        self._desk, self._choosing = desk, choosing
        self._engines = (engine, Engine(desk))
        self._asked: Engine | None = None
        self._round: _Round | None = None
        self._is_private = False
        self.view = view
        for one in self._engines:
            one.grew.connect(partial(self._on_grew, one))
            one.answered.connect(partial(self._on_answered, one))
            one.failed.connect(partial(self._on_failed, one))
        self.second.failed.connect(self.failed)  # that of the first is told by the chat
        self.view.changed.connect(self._on_models_changed)
        self.view.chosen.connect(self.choose)
        self.view.revealed.connect(self._reveal)
        choosing.changed.connect(lambda: self.view.show_models(choosing.cards))

    @property
    def second(self) -> Engine:
        """The engine of the second model, where memory holds both."""
        return self._engines[1]

    @property
    def is_busy(self) -> bool:
        """Whether one of the two is answering."""
        return self._asked is not None

    @property
    def can_ask(self) -> bool:
        """Whether two different models are chosen."""
        return len(self.view.cards) == 2 and self.view.names[0] != self.view.names[1]

    @property
    def _fits(self) -> bool:
        from dermagui.chat.side_by_side import fit_together

        needed = [card.needed for card in self.view.cards if card.needed is not None]
        return len(needed) == 2 and fit_together(needed, self._choosing.memory_bytes)

    @property
    def _may_keep(self) -> bool:
        has_project = self._desk.project is not None and not self._desk.read_only
        return has_project and not self._is_private

    def say_private(self, private: bool) -> None:
        """Whether nothing of what is asked may be written down; says so where no choice will be kept."""
        self._is_private = private
        self.view.hint.setVisible(not self._may_keep)

    def _on_models_changed(self) -> None:
        self.view.say_memory(self._fits, self._choosing.memory_bytes)
        self.changed.emit()

    # -- asking ---------------------------------------------------------------------------------

    def ask(self, text: str, thumbs: list[Thumb], how: Question) -> None:
        """Asks both; ``how`` is a question without turns, of which model and adapter are replaced."""
        from dermagui.chat.session import random_seed
        from dermagui.chat.side_by_side import order_of

        seed, blinded = random_seed(), self.view.blinded.isChecked()
        pictures = tuple(thumb.attachment for thumb in thumbs if thumb.attachment)
        turns = (Said(Role.USER, text, pictures),)
        left, right = (self.view.names[place] for place in order_of(seed, blinded=blinded))
        questions = [
            replace(how, model=name, turns=turns, adapters=self._choosing.adapters_of(name))
            for name in (left, right)
        ]
        self._round = _Round(text, thumbs, (questions[0], questions[1]), blinded, seed)
        self.view.begin(text, thumbs, ("", "") if blinded else (left, right))
        self._ask_next(self._round)

    def _ask_next(self, asked: _Round) -> None:
        question = asked.questions[len(asked.answered)]
        is_second = self._fits and question.model == self.view.names[1]
        self._asked = self._engines[is_second]
        if not self._fits:
            self.second.release()
        self.view.columns[len(asked.answered)].state.setText(self.tr("Answering…"))
        self._asked.ask(question)
        self.changed.emit()

    def stop(self) -> None:
        """Ends both answers; what was said so far stays."""
        if self._asked is not None:
            self._asked.stop()

    def clear(self) -> None:
        """Nothing is asked any more, as in another project; the second model gives its memory back."""
        self.stop()
        self._asked = self._round = None
        self.view.begin("", [], ("", ""))
        self.second.release()

    def _on_grew(self, engine: Engine, text: str) -> None:
        if self._asked is engine and self._round is not None:
            self.view.columns[len(self._round.answered)].words.append_text(text)

    def _on_answered(self, engine: Engine, answered: Answered) -> None:
        asked = self._round
        if self._asked is not engine or asked is None:
            return
        self._asked = None
        if answered.answer.ended == "stopped":
            self._give_back(asked)
            return
        column = self.view.columns[len(asked.answered)]
        column.words.show_markdown(answered.answer.text)
        column.state.setText(" ".join(notes_of({"ended": answered.answer.ended})))
        asked.answered.append(answered)
        if len(asked.answered) < 2:
            self._ask_next(asked)
        else:
            self.view.allow_choice(True, asked.blinded)
            self.view.columns[0].choose.setFocus()
            self.changed.emit()

    def _on_failed(self, engine: Engine, _: DermaError) -> None:
        if self._asked is engine and self._round is not None:
            self._asked = None
            self._give_back(self._round)

    def _give_back(self, asked: _Round) -> None:
        self._round = None
        self.view.begin("", [], ("", ""))
        self.given_back.emit(asked.text, asked.thumbs)
        self.changed.emit()

    # -- choosing -------------------------------------------------------------------------------

    def choose(self, place: int) -> None:
        """The answer there is the better one: kept in the project, and shown which is which."""
        asked = self._round
        if asked is None or len(asked.answered) < 2 or asked.is_over:
            return
        if not self._may_keep:
            self._show_choice(asked, place)
            self.unkept.emit()
            return
        self.view.allow_choice(False, False)
        self._desk.ask(
            partial(_prefer, asked=asked, place=place),
            lambda _: self._on_kept(asked, place),
            owner=self,
            failed=lambda error: self._on_not_kept(asked, error),
            changes=frozenset({"verdicts"}),
        )

    def _on_kept(self, asked: _Round, place: int) -> None:
        if asked is self._round:
            self._show_choice(asked, place)
        self.kept.emit()

    def _on_not_kept(self, asked: _Round, error: DermaError) -> None:
        if asked is self._round:
            self.view.allow_choice(True, asked.blinded)
        self.failed.emit(error)

    def _show_choice(self, asked: _Round, place: int | None) -> None:
        asked.is_over = True
        for n, (column, question) in enumerate(zip(self.view.columns, asked.questions, strict=True)):
            column.show_model(question.model, is_better=n == place)
        self.view.allow_choice(False, False)

    def _reveal(self) -> None:
        """Neither is chosen: whoever knows which is which cannot choose blindly any more."""
        if self._round is not None and not self._round.is_over:
            self._show_choice(self._round, None)


def _prefer(store: Store, asked: _Round, place: int) -> str:
    from dermagui import settings
    from dermagui.chat.side_by_side import prefer
    from dermagui.storage.people import person

    who = person(store, settings.text("person.name"))
    (question, left), (_, right) = (
        desk_work.stored_turns(one, told) for one, told in zip(asked.questions, asked.answered, strict=True)
    )
    return prefer(store, who, [question], (left, right), place, blinded=asked.blinded, seed=asked.seed)
