"""The conversation: turns from top to bottom, the last of them growing while the model answers."""

from __future__ import annotations

import json
from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QEvent, Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from dermagui.records import Role
from dermagui.ui import theme
from dermagui.ui.chat.desk_work import ShownTurn, Thumb
from dermagui.ui.chat.engine import Question
from dermagui.ui.chat.sentences import Sentences
from dermagui.ui.chat.turn_view import TurnView

_WIDEST = 90 * theme.GRID


class Conversation(QScrollArea):
    """What was said. ``wants`` tells the place of a turn and what is wanted of it (see ``TurnView``)."""

    wants = Signal(int, str)
    picture_chosen = Signal(int, int)
    """The places of a turn and of a picture in it."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[TurnView] = []
        self._sentences = Sentences()
        self._follows = True
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName(self.tr("Conversation"))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = self._inside = QWidget()
        inside.setMaximumWidth(_WIDEST)
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.GRID)
        self._column.addStretch(1)
        self.setWidget(inside)
        self.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        bar = self.verticalScrollBar()
        bar.rangeChanged.connect(self._on_range_changed)
        bar.valueChanged.connect(self._on_value_changed)

    def clear(self) -> None:
        """An empty conversation."""
        self.cut(0)

    def cut(self, place: int) -> None:
        """Takes away the turns from this place on."""
        for view in self.turns[place:]:
            self._column.removeWidget(view)
            view.hide()
            view.deleteLater()
        del self.turns[place:]
        self._sentences = Sentences()

    def show_turns(self, turns: Sequence[ShownTurn]) -> None:
        """Shows a chat that was kept, from its end."""
        self.clear()
        self._follows = True
        for turn in turns:
            self._add(turn.stored.role).show_turn(turn)

    def begin(self, text: str, thumbs: Sequence[Thumb]) -> None:
        """Shows a question, and the place where its answer will grow."""
        question = self._add(Role.USER)
        question.show_text(text)
        question.show_thumbs(thumbs)
        self.begin_answer()

    def begin_answer(self) -> TurnView:
        """Shows the place where an answer will grow."""
        self._follows = True
        return self._add(Role.ASSISTANT)

    def show_question(self, question: Question) -> None:
        """Shows of a question on its way what is no word of its own: its task, its form, its passages."""
        if question.asked:
            self.turns[-2].show_task(question.asked, question.turns[-1].text)
        if question.schema:
            from dermagui.chat.reports import fields_of

            fields = fields_of(json.loads(question.schema))
            self.turns[-1].begin_form([(field.key, field.label) for field in fields])
        self.turns[-1].show_passages(question.passages or ())

    def grow(self, text: str) -> None:
        """More of the answer; whole sentences are said to whoever listens, politely."""
        inside = self._inside
        inside.setUpdatesEnabled(False)
        readable = self.turns[-1].grow(text)
        # All of it is laid out and scrolled now, or it would be painted twice: grown, and once in its place.
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
        inside.resize(inside.width(), max(inside.sizeHint().height(), self.viewport().height()))
        inside.setUpdatesEnabled(True)
        for sentence in self._sentences.add(readable):
            self.announce(sentence)

    def end(self, text: str) -> None:
        """The answer is whole: what was not yet said of it is, and it is shown as the Markdown that it is."""
        self.announce(self._sentences.rest())
        self.turns[-1].show_text(text)

    def announce(self, text: str) -> None:
        """Tells a screen reader something when it has finished its sentence."""
        if text:
            event = QAccessibleAnnouncementEvent(self, text)
            event.setPoliteness(QAccessible.AnnouncementPoliteness.Polite)
            QAccessible.updateAccessibility(event)

    def _add(self, role: Role) -> TurnView:
        place = len(self.turns)
        view = TurnView(role, place // 2 + 1)
        view.wants.connect(lambda what: self.wants.emit(place, what))
        view.picture_chosen.connect(lambda picture: self.picture_chosen.emit(place, picture))
        self.turns.append(view)
        self._column.insertWidget(self._column.count() - 1, view)
        return view

    def _on_range_changed(self, _: int, largest: int) -> None:
        if self._follows:
            self.verticalScrollBar().setValue(largest)

    def _on_value_changed(self, value: int) -> None:
        # Whoever scrolled up reads there, and is not torn away by the next word.
        self._follows = value >= self.verticalScrollBar().maximum() - theme.GRID
