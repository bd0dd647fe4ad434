"""Two answers to one question, side by side, and the buttons that say which one is better."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import theme
from dermagui.ui.chat.desk_work import ModelCard, Thumb
from dermagui.ui.chat.thumbs import Thumbs
from dermagui.ui.chat.turn_view import Words
from dermagui.ui.chat.words import gigabytes


class AnswerColumn(QWidget):
    """One of the two answers; ``better`` says that it was chosen."""

    better = Signal()

    def __init__(self, letter: str) -> None:
        super().__init__()
        self.title = QLabel()
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.title.setWordWrap(True)
        self._letter = letter
        self._name = self.tr("Answer {letter}").format(letter=letter)
        self.words = Words(self._name)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.state.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.choose = QPushButton(self.tr("{letter} is better").format(letter=letter))
        self.choose.setAutoDefault(False)
        self.choose.clicked.connect(self.better)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, theme.GRID, 0)
        column.addWidget(self.words)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setAccessibleName(self.tr("Answer {letter}, to be scrolled").format(letter=letter))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(theme.GRID)
        outer.addWidget(self.title)
        outer.addWidget(scroll, 1)
        outer.addWidget(self.state)
        outer.addWidget(self.choose)
        self.begin("")

    def begin(self, model: str) -> None:
        """An empty answer; ``model`` is empty where it is not to be known whose."""
        self.words.clear()
        self.state.clear()
        self.show_model(model)

    def show_model(self, model: str, *, is_better: bool = False) -> None:
        """Says whose answer it is, and whether it was chosen."""
        parts = [self._name, model, self.tr("chosen") if is_better else ""]
        self.title.setText(" · ".join(part for part in parts if part))


class CompareView(QWidget):
    """``chosen`` carries the place of the better answer, left 0 and right 1."""

    changed = Signal()
    """Other models are chosen."""
    chosen = Signal(int)
    revealed = Signal()
    """The user wants to know which is which without choosing."""

    def __init__(self) -> None:
        super().__init__()
        self._cards: dict[str, ModelCard] = {}
        self.pickers = (QComboBox(), QComboBox())
        self.blinded = QCheckBox(self.tr("&Hide which is which until one is chosen"))
        self.blinded.setChecked(True)
        self.memory = QLabel()
        self.memory.setWordWrap(True)
        self.memory.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.hint = QLabel(self.tr("A choice is kept only in an open project, and never in a private chat."))
        self.hint.setWordWrap(True)
        self.question = QLabel()
        self.question.setWordWrap(True)
        self.thumbs = Thumbs()
        self.columns = (AnswerColumn("A"), AnswerColumn("B"))
        self.reveal = QPushButton(self.tr("Choose neither, show which is which"))
        self.reveal.setAutoDefault(False)
        self.reveal.clicked.connect(self.revealed)
        for place, column in enumerate(self.columns):
            column.better.connect(lambda place=place: self.chosen.emit(place))
        for picker in self.pickers:
            picker.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            picker.setMinimumContentsLength(20)
            picker.currentIndexChanged.connect(lambda _: self.changed.emit())
        self._build()
        self.allow_choice(False, False)

    def _build(self) -> None:
        top, answers, bottom = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for text, picker in zip((self.tr("&First"), self.tr("Seco&nd")), self.pickers, strict=True):
            label = QLabel(text)
            label.setBuddy(picker)
            top.addWidget(label)
            top.addWidget(picker, 1)
        for column in self.columns:
            answers.addWidget(column, 1)
        bottom.addStretch(1)
        bottom.addWidget(self.reveal)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        for row in (outer, top, bottom):
            row.setSpacing(theme.GRID)
        answers.setSpacing(2 * theme.GRID)
        outer.addLayout(top)
        outer.addWidget(self.blinded)
        outer.addWidget(self.memory)
        outer.addWidget(self.hint)
        outer.addWidget(self.question)
        outer.addWidget(self.thumbs)
        outer.addLayout(answers, 1)
        outer.addLayout(bottom)

    @property
    def names(self) -> tuple[str, str]:
        """The two chosen models, empty where there is none."""
        first, second = (picker.currentData() or "" for picker in self.pickers)
        return first, second

    @property
    def cards(self) -> list[ModelCard]:
        """What is known of the two."""
        return [self._cards[name] for name in self.names if name in self._cards]

    def show_models(self, cards: Sequence[ModelCard]) -> None:
        """Offers these, and keeps what is chosen; at first the two first ones."""
        self._cards = {card.name: card for card in cards if card.error is None}
        for place, (picker, name) in enumerate(zip(self.pickers, self.names, strict=True)):
            picker.blockSignals(True)
            picker.clear()
            for card in self._cards.values():
                picker.addItem(" · ".join(part for part in (card.name, card.quantization) if part), card.name)
            found = picker.findData(name)
            picker.setCurrentIndex(found if found >= 0 else min(place, picker.count() - 1))
            picker.blockSignals(False)
        self.changed.emit()

    def say_memory(self, fits: bool, memory_bytes: int) -> None:
        """Whether both can be held at the same time."""
        needed = gigabytes(sum(card.memory_bytes for card in self.cards))
        if len(self.cards) < 2 or self.names[0] == self.names[1]:
            self.memory.setText(self.tr("Choose two different models."))
        else:
            told = self.tr("Together they need about {needed} of {memory} of memory; both stay loaded.")
            if not fits:
                told = self.tr(
                    "Together they need about {needed}, too much beside all else in {memory} of memory; so "
                    "each is loaded in its turn."
                )
            self.memory.setText(told.format(needed=needed, memory=gigabytes(memory_bytes)))

    def begin(self, question: str, thumbs: Sequence[Thumb], models: tuple[str, str]) -> None:
        """Two empty answers; ``models`` are empty where it is not to be known whose."""
        self.question.setText(question)
        self.question.setVisible(bool(question))
        self.thumbs.show_thumbs(list(thumbs))
        for column, model in zip(self.columns, models, strict=True):
            column.begin(model)
        self.allow_choice(False, False)

    def allow_choice(self, may_choose: bool, is_hidden: bool) -> None:
        """Whether one can be chosen now, and whether it is still hidden which is which."""
        for column in self.columns:
            column.choose.setEnabled(may_choose)
        self.reveal.setVisible(may_choose and is_hidden)
