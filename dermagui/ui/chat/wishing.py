"""Makes a question of what stands in the composer and of the chosen chip, and says what is lacking."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from dermagui.errors import DermaError, UserError
from dermagui.records import Role
from dermagui.ui.chat import desk_work
from dermagui.ui.chat.desk_work import ShownTurn
from dermagui.ui.chat.facts import Shown, facts_of
from dermagui.ui.chat.layout import ChatLayout
from dermagui.ui.chat.library import Library
from dermagui.ui.chat.references import ReferenceSheet
from dermagui.ui.chat.talk import Talk
from dermagui.ui.chat.task_chips import FREE, GROUNDED, REPORT_CONTEXT_TOKENS
from dermagui.ui.chat.wishes import Wish, wish_again, wish_for
from dermagui.ui.desk import Desk
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.bar import Level

if TYPE_CHECKING:
    from dermagui.chat.reference import Passage
    from dermagui.chat.tasks import ChatTask


class Wishing(QObject):
    """``ready`` brings a ``Wish``, at once or after passages were found for it; what stands in the composer
    stays there until then.
    """

    ready = Signal(object)
    failed = Signal(object)
    """A ``DermaError``."""
    changed = Signal()
    """It begins or ends to look for passages."""

    def __init__(self, desk: Desk, talk: Talk, library: Library, parts: ChatLayout, page: QWidget) -> None:
        super().__init__(page)
        self._desk, self._talk, self._library, self._parts, self._page = desk, talk, library, parts, page
        self._passages = 0
        self._room = ""
        self._known: tuple[Shown, ...] = ()
        self.edited: int | None = None
        """The place of the question that is asked anew in other words."""
        parts.tasks.changed.connect(self._on_chip)
        parts.tasks.library_wanted.connect(self.open_library)
        parts.composer.changed.connect(self.refresh)
        parts.settings.context_tokens.valueChanged.connect(self._on_context)
        library.changed.connect(self.count)

    def begin(self) -> None:
        """Another chat, or another project."""
        from dermagui.chat.tasks import list_tasks

        self.edited, self._known = None, ()
        self._library.leave()
        self._parts.tasks.show_facts({})
        self._parts.tasks.reset()
        if not self._parts.tasks.chips:
            self._desk.work(list_tasks, self._on_tasks, owner=self, failed=self.failed.emit)
        self.count()

    def _on_tasks(self, tasks: list[ChatTask]) -> None:
        self._parts.tasks.show_tasks(tasks)
        self.refresh()

    def count(self) -> None:
        """Looks whether there is anything in the reference library."""
        self._library.count(self._on_counted)

    def _on_counted(self, passages: int) -> None:
        self._passages = passages
        self.refresh()

    # -- what is needed -------------------------------------------------------------------------

    @property
    def _before(self) -> list[ShownTurn]:
        return self._talk.turns if self.edited is None else self._talk.turns[: self.edited]

    @property
    def _has_image(self) -> bool:
        return bool(self._parts.composer.thumbs) or any(turn.stored.images for turn in self._before)

    @property
    def _shown(self) -> tuple[Shown, ...]:
        """The pictures that a task is about: those of the question, else the last ones of the chat."""
        here = [one.attachment for one in self._parts.composer.thumbs if one.attachment]
        if here:
            return tuple((one.sha256, one.picture.frame) for one in here)
        last = next((turn for turn in reversed(self._before) if turn.stored.images), None)
        return tuple((one.file_sha256, one.frame) for one in last.stored.images) if last else ()

    def _look_up(self) -> None:
        """Asks the library for what it knows of the pictures, where these are others than before."""
        shown = self._shown
        if shown == self._known or self._desk.project is None:
            return
        self._known = shown

        def show(facts: dict[str, str]) -> None:
            if self._known == shown:
                self._parts.tasks.show_facts(facts)
                self.refresh()

        self._desk.ask(partial(facts_of, shown=shown), show, owner=self, failed=self.failed.emit)

    def refresh(self) -> None:
        """Says anew what the chosen chip needs."""
        self._look_up()
        places = [n for n, turn in enumerate(self._before) if turn.stored.role is Role.ASSISTANT]
        self._parts.tasks.show_answers(places)
        self._parts.tasks.show_needs(
            has_image=self._has_image,
            has_text=bool(self._parts.composer.text),
            has_library=self._passages > 0,
            room=self._room,
        )

    def _on_chip(self) -> None:
        self._room = ""
        task = self._parts.tasks.task
        if task is not None and task.schema is not None:
            self._make_room()
        self.refresh()

    def _make_room(self) -> None:
        """A report needs more context than a question: it is raised where memory allows, else it is said."""
        if self._parts.settings.context_tokens.value() < REPORT_CONTEXT_TOKENS and self._parts.models.card:
            look = partial(_has_room, self._parts.models.name, REPORT_CONTEXT_TOKENS)
            self._desk.work(look, self._on_room, owner=self, failed=self.failed.emit)

    def _on_room(self, fits: bool) -> None:
        task = self._parts.tasks.task
        if task is None or task.schema is None:
            return
        tokens = whole(REPORT_CONTEXT_TOKENS)
        if fits:
            self._parts.settings.context_tokens.setValue(REPORT_CONTEXT_TOKENS)
            self._room = self.tr("The context was set to {tokens} tokens, which a report needs.")
        else:
            self._room = self.tr(
                "A report needs a context of {tokens} tokens, which this model or this computer's memory "
                "does not hold: it may be cut off. “Context in tokens” stands under Answering, among the "
                "advanced settings."
            )
        self._room = self._room.format(tokens=tokens)
        self.refresh()

    def _on_context(self) -> None:
        if self._parts.settings.context_tokens.value() != REPORT_CONTEXT_TOKENS:
            self._room = ""
            self.refresh()

    # -- asking ---------------------------------------------------------------------------------

    def make(self) -> None:
        """Makes the wish of what stands there; what it lacks is said, and nothing is asked."""
        composer, chips = self._parts.composer, self._parts.tasks
        if chips.task is None:
            if chips.chosen == GROUNDED and composer.text:
                self._find(Wish(composer.text))
            elif chips.chosen != GROUNDED and (composer.text or composer.thumbs):
                self.ready.emit(Wish(composer.text))
            composer.draft.setFocus()
            return
        try:
            label, answers = chips.chips[chips.task.id].text(), chips.chosen_answers
            wish = wish_for(
                chips.task,
                label,
                composer.text,
                self._before,
                answers,
                facts=chips.chosen_facts,
                has_image=self._has_image,
            )
        except UserError as error:
            self._parts.bar.tell_error(error)
            composer.draft.setFocus()
            return
        self.ready.emit(wish)

    def _find(self, wish: Wish) -> None:
        self._library.find(wish.text, partial(self._on_found, wish), self._on_failed)
        self.changed.emit()

    def _on_failed(self, error: DermaError) -> None:
        self.changed.emit()
        self.failed.emit(error)

    def _on_found(self, wish: Wish, passages: tuple[Passage, ...]) -> None:
        self.changed.emit()
        found = replace(wish, passages=passages)
        if passages:
            self.ready.emit(found)
            return
        self._parts.bar.tell(
            self.tr("Nothing in your reference library fits this question, so nothing was asked yet."),
            Level.WARNING,
            self.tr("Ask without it"),
            lambda: self.ready.emit(found),
        )

    def again(self) -> Wish:
        """The last question once more, as it was asked."""
        question, answer = self._talk.turns[-2:]
        task = self._parts.tasks.tasks.get(str(question.stored.figures.get("task", "")))
        return wish_again(question, answer, task.max_tokens if task and task.schema else 0)

    def take_back(self, n: int) -> None:
        """Takes the question at that place into the composer, with its chip and its answers."""
        self.edited = n
        question, chips = self._talk.turns[n], self._parts.tasks
        asked = question.stored.figures
        is_grounded = isinstance(self._talk.turns[n + 1].stored.figures.get("passages"), list)
        chips.choose(str(asked.get("task", "")) or (GROUNDED if is_grounded else FREE))
        text = str(asked["own"]) if asked else question.stored.text
        self._parts.composer.fill(text, list(question.thumbs))
        wanted = {2 * int(part) - 1 for part in str(asked.get("answers", "")).split(", ") if part}
        for place, button in chips.answers.items():
            button.setChecked(place in wanted)
        self._parts.composer.draft.setFocus()

    # -- the reference library ------------------------------------------------------------------

    def open_library(self) -> None:
        """Shows the files of the reference library."""
        folder = self._desk.folder
        sheet = ReferenceSheet(self._library, folder.name if folder else "", self._page)
        sheet.open()


def _has_room(name: str, context_tokens: int) -> bool:
    """Whether a bundle, and the memory of this computer, hold a context of so many tokens."""
    cards, memory_bytes = desk_work.list_models(context_tokens)
    card = next((card for card in cards if card.name == name), None)
    if card is None or card.error is not None:
        return False
    return card.memory_bytes <= memory_bytes and card.context_length >= context_tokens
