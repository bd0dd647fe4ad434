"""What a run tells while it goes on: counters of what became of its requests, and a ticker of answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any

from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from dermagui.records import JobState, RequestState
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.generate import choices
from dermagui.ui.generate.cards import AnswerCard, Card, Cards
from dermagui.ui.icons import icon
from dermagui.ui.library.thumbnails import Thumbnails
from dermagui.ui.shell.words import money, state_word, whole
from dermagui.ui.widgets.flow import FlowLayout

_KEPT_ANSWERS = 200
_SHOWN_ANSWERS = 30
_COST_NOTHING = ("practice", "local")

Event = Mapping[str, Any]


class RunView(QWidget):
    """Follows one run by its events. A counter that is pressed shows only what it counts."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = Thumbnails(desk)
        self._thumbnails.loaded.connect(self._show_pictures)
        self._answers: deque[Event] = deque(maxlen=_KEPT_ANSWERS)
        self._warnings: list[str] = []
        self._chosen: str | None = None
        self.is_over = True
        self._provider = ""
        self._kind = ""
        self._title = QLabel()
        self._title.setFont(theme.heading_font(self._title.font()))
        self._told = QLabel()
        self._told.setWordWrap(True)
        self.stop = QPushButton()
        self.show_stopping(False)
        self.review = QPushButton(icon("review"), self.tr("Review the pairs"))
        self.review.hide()
        self._counters = {key: self._build_counter(key) for key in ("flagged", *RequestState)}
        self.cards = Cards(self.tr("Answers, the newest first"))
        head = QHBoxLayout()
        head.addWidget(self._title, 1)
        head.addWidget(self.stop)
        head.addWidget(self.review)
        counters = FlowLayout()
        for counter in self._counters.values():
            counters.addWidget(counter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        layout.addLayout(head)
        layout.addLayout(counters)
        layout.addWidget(self._told)
        layout.addWidget(self.cards, 1)

    def _build_counter(self, key: str) -> QToolButton:
        counter = QToolButton()
        counter.setCheckable(True)
        counter.clicked.connect(partial(self._on_counter_clicked, key))
        counter.hide()
        return counter

    def begin(self, provider: str, *, five: bool = False) -> None:
        """A run begins, which ``provider`` answers; what was shown of another one goes."""
        self._provider = provider
        self._thumbnails.clear()
        kinds = {"practice": self.tr("Rehearsal"), "local": self.tr("On this computer")}
        sending = self.tr("Five to look at") if five else self.tr("Sending")
        self._kind = kinds.get(provider, sending)
        self._answers.clear()
        self._warnings.clear()
        self._chosen = None
        self.is_over = False
        self._show_state(JobState.RUNNING)
        self._told.clear()
        self.cards.show_cards([])
        for counter in self._counters.values():
            counter.hide()
        self.review.setVisible(False)
        self.stop.setVisible(True)
        self.stop.setEnabled(True)

    def _show_state(self, state: str) -> None:
        self._title.setText(f"{self._kind} · {state_word(state)}")

    def show_stopping(self, stopping: bool) -> None:
        """Once asked, a run pauses by itself; the same button then ends it without waiting."""
        self.stop.setIcon(icon("stop" if stopping else "pause"))
        self.stop.setText(self.tr("Stop at once") if stopping else self.tr("Pause"))

    def hear(self, event: Event) -> None:
        """Takes in one event of the run's story."""
        kind = event["event"]
        if kind == "answer":
            self._answers.append(event)
            if self._chosen in (None, "answered") or (self._chosen == "flagged" and event["flags"]):
                self._add_answer(event)
            self._count("flagged", sum(bool(answer["flags"]) for answer in self._answers))
        elif kind == "heartbeat":
            self._show_counts(event["counts"])
            self._told.setText(self._money_words(event))
        elif kind == "warning":
            self._warnings.append(texts.sentence(event["code"], event["values"]))
            self._add_warning(self._warnings[-1])
        elif kind == "end":
            self._end(event)

    def _money_words(self, event: Event) -> str:
        spent = self._spent_words(event["spent_micro_usd"])
        flying = self.tr("{count} in flight").format(count=whole(event.get("in_flight", 0)))
        pause = event.get("pause_seconds") or 0
        if not pause:
            return f"{spent} · {flying}"
        waiting = self.tr("the service asked to wait {seconds} s").format(seconds=whole(round(pause)))
        return f"{spent} · {flying} · {waiting}"

    def _end(self, event: Event) -> None:
        self.is_over = True
        self.stop.setVisible(False)
        self._show_state(event["state"])
        self.review.setVisible(bool(self._answers))
        figures, error = event.get("figures") or {}, event.get("error")
        self._show_counts(figures.get("counts", {}))
        words = self._sent_words().format(
            sent=whole(figures.get("sent", 0)),
            left=whole(figures.get("left", 0)),
            sum=money(figures.get("spent_micro_usd", 0)),
        )
        said = [texts.sentence(error["code"], error["values"])] if error else []
        self._told.setText(" ".join([words, *said]))

    def _sent_words(self) -> str:
        if self._provider == "practice":
            return self.tr("{sent} rehearsed, {left} left. Nothing was sent and nothing was paid.")
        if self._provider == "local":
            return self.tr("{sent} asked, {left} left. Nothing left this computer.")
        return self.tr("{sent} sent, {left} left, {sum} spent.")

    def _spent_words(self, micro_usd: int) -> str:
        if self._provider == "practice":
            return self.tr("nothing is sent and nothing is paid")
        if self._provider == "local":
            return self.tr("nothing leaves this computer")
        return self.tr("{sum} spent").format(sum=money(micro_usd))

    def _show_counts(self, counts: Mapping[str, int]) -> None:
        for state in RequestState:
            self._count(state, counts.get(state, 0))

    def _count(self, key: str, count: int) -> None:
        text = choices.STATES.get(RequestState(key)) if key != "flagged" else ""
        counter = self._counters[key]
        counter.setText(f"{whole(count)}  {choices.words(text) if text else self.tr('Flagged')}")
        counter.setVisible(bool(count) and text is not None)

    def _on_counter_clicked(self, key: str) -> None:
        self._chosen = None if self._chosen == key else key
        for name, counter in self._counters.items():
            counter.setChecked(name == self._chosen)
        self.cards.show_cards([])
        if self._chosen not in (None, "answered", "flagged"):
            for warning in self._warnings:
                self._add_warning(warning)
            if not self._warnings:
                self._add_warning(self.tr("What became of these requests stands in the page Jobs."))
            return
        shown = [event for event in self._answers if event["flags"] or self._chosen != "flagged"]
        for event in shown[-_SHOWN_ANSWERS:]:
            self._add_answer(event)

    def _add_answer(self, event: Event) -> None:
        card = AnswerCard(event, paid=self._provider not in _COST_NOTHING)
        self.cards.add_card(card, most=_SHOWN_ANSWERS)
        self._show_picture(card)

    def _show_pictures(self) -> None:
        for card in self.cards.findChildren(AnswerCard):
            if card.wants_picture:
                self._show_picture(card)

    def _show_picture(self, card: AnswerCard) -> None:
        found = self._thumbnails.find(*card.picture_key)
        if found is not None:
            card.show_thumbnail(found)

    def _add_warning(self, text: str) -> None:
        card = Card()
        card.say(text, theme.WARNING)
        self.cards.add_card(card, most=_SHOWN_ANSWERS)
