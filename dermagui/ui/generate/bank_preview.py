"""One variation of a question put to one image: what the model would be told, as it is being written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dermagui.errors import DermaError
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.generate import desk_work
from dermagui.ui.generate.cards import Card, Cards, PreviewCard
from dermagui.ui.generate.desk_work import Prepare
from dermagui.ui.generate.question_form import RawQuestion

if TYPE_CHECKING:
    from dermagui.generation.plan import Plan
    from dermagui.generation.preview import Preview


class BankPreview(QWidget):
    """Shows one variation on one image; a button goes on to the next image."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._plan: Plan | None = None
        self._nth = 0
        self._asked: tuple[RawQuestion, int] | None = None
        self.cards = Cards(self.tr("What the model would see"))
        self.next_image = QPushButton(self.tr("Another image"))
        self.next_image.clicked.connect(self._show_next_image)
        row = QHBoxLayout()
        row.addWidget(QLabel(self.tr("On one image, exactly")), 1)
        row.addWidget(self.next_image)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addLayout(row)
        column.addWidget(self.cards, 1)

    def use_plan(self, plan: Plan) -> None:
        """Previews as this plan asks."""
        self._plan = plan

    def show_question(self, raw: RawQuestion | None, variation: int) -> None:
        """Shows this variation of a question, or nothing where it is none or not right yet."""
        self._asked = None if raw is None else (raw, variation)
        self._show()

    def _show_next_image(self) -> None:
        self._nth += 1
        self._show()

    def _show(self) -> None:
        from dermagui.generation.bank import parse_question

        if self._plan is None or self._asked is None:
            self.cards.show_cards([])
            return
        raw, variation = self._asked
        try:
            question = parse_question(raw)
        except DermaError:
            self.cards.show_cards([])  # below the fields it says what is wrong
            return
        ask = partial(
            desk_work.plan_one, plan=self._plan, question=question, variation=variation, nth=self._nth
        )
        self._desk.ask(ask, self._on_planned, owner=self, failed=self._say)

    def _on_planned(self, prepare: Prepare) -> None:
        self._desk.work(prepare, self._on_prepared, owner=self, failed=self._say)

    def _on_prepared(self, found: tuple[Preview, QImage]) -> None:
        self.cards.show_cards([PreviewCard(*found)])

    def _say(self, error: DermaError) -> None:
        card = Card()
        card.say(texts.worded(error))
        self.cards.show_cards([card])
