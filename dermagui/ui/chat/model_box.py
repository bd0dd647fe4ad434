"""Which model answers: the bundles of this computer, what they need, under what terms; and the settings."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import texts, theme
from dermagui.ui.chat.adapter_box import AdapterBox
from dermagui.ui.chat.desk_work import ModelCard
from dermagui.ui.chat.words import memory_words, phantom_words

_AUTOMATIC = -1


class ModelBox(QWidget):
    """The picker, and under it a line about the chosen one."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._cards: dict[str, ModelCard] = {}
        self._memory_bytes = 0
        self.picker = QComboBox()
        self.picker.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.picker.setMinimumContentsLength(24)
        label = QLabel(self.tr("&Model"))
        label.setBuddy(self.picker)
        self._about = QLabel()
        self._about.setWordWrap(True)
        self.picker.currentIndexChanged.connect(self._on_picked)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID)
        row.addWidget(label)
        row.addWidget(self.picker)
        row.addWidget(self._about, 1)

    @property
    def name(self) -> str:
        """The chosen bundle; empty where there is none."""
        return self.picker.currentData() or ""

    @property
    def card(self) -> ModelCard | None:
        """What is known of the chosen bundle."""
        return self._cards.get(self.name)

    def show_models(self, cards: Sequence[ModelCard], memory_bytes: int) -> None:
        """Shows these, and keeps the choice."""
        name = self.name
        self._cards = {card.name: card for card in cards}
        self._memory_bytes = memory_bytes
        self.picker.blockSignals(True)
        self.picker.clear()
        for card in cards:
            self.picker.addItem(
                " · ".join(part for part in (card.name, card.quantization) if part), card.name
            )
        self.picker.setCurrentIndex(max(0, self.picker.findData(name)))
        self.picker.blockSignals(False)
        self._show_about()

    def choose(self, name: str) -> None:
        """Chooses a bundle where it is there."""
        place = self.picker.findData(name)
        if place >= 0:
            self.picker.setCurrentIndex(place)

    def _on_picked(self) -> None:
        self._show_about()
        self.chosen.emit(self.name)

    def _show_about(self) -> None:
        card = self.card
        if card is None:
            self._about.clear()
        elif card.error is not None:
            self._about.setText(texts.worded(card.error))
        else:
            self._about.setText(self._words(card))

    def _words(self, card: ModelCard) -> str:
        return " · ".join(
            [
                memory_words(card.memory_bytes, self._memory_bytes),
                self.tr("licence: {licence}").format(licence=card.licence or self.tr("not stated")),
                self.tr("sees pictures") if card.sees else self.tr("text only"),
                *([phantom_words()] if card.is_shipped else []),
            ]
        )


class ChatSettings(QScrollArea):
    """How it answers; a few choices for everybody, the rest behind a tick. ``changed``: any of them."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.temperature = QDoubleSpinBox()
        self.temperature.setRange(0.0, 2.0)
        self.temperature.setSingleStep(0.1)
        self.max_tokens = _number(1, 32_768, 768)
        self.system = QPlainTextEdit()
        self.system.setMaximumHeight(12 * theme.GRID)
        self.system.setTabChangesFocus(True)
        self.adapter = AdapterBox()
        self.advanced = QCheckBox(self.tr("Show &advanced settings"))
        self.seed = QLineEdit()
        self.seed.setPlaceholderText(self.tr("by chance"))
        self.context_tokens = _number(256, 1_048_576, 4096)
        self.context_tokens.setSingleStep(1024)
        self.image_tokens = _number(1, 16_384, 512)
        self.threads = _number(_AUTOMATIC, 512, _AUTOMATIC, self.tr("one for each core"))
        self.gpu_layers = _number(_AUTOMATIC, 1_000, _AUTOMATIC, self.tr("as many as fit"))
        self._more = QWidget()
        self._build()
        for box in (self.temperature, self.max_tokens, self.context_tokens, self.image_tokens):
            box.valueChanged.connect(self.changed)
        for box in (self.threads, self.gpu_layers):
            box.valueChanged.connect(self.changed)

    def _build(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        column.setSpacing(theme.GRID)
        title = QLabel(self.tr("How it answers"))
        title.setFont(theme.heading_font(title.font()))
        column.addWidget(title)
        form = _form()
        form.addRow(self.tr("&Chance (temperature)"), self.temperature)
        form.addRow(self.tr("Most &tokens of an answer"), self.max_tokens)
        form.addRow(self.tr("&Said before every chat"), self.system)
        adapter = QLabel(self.tr("Adapter (LoRA) that the model wears"))
        column.addLayout(form)
        column.addWidget(adapter)
        column.addWidget(self.adapter)
        column.addWidget(self.advanced)
        more = _form()
        more.setContentsMargins(0, 0, 0, 0)
        more.addRow(self.tr("See&d"), self.seed)
        more.addRow(self.tr("Conte&xt in tokens"), self.context_tokens)
        more.addRow(self.tr("Most tokens of a p&icture"), self.image_tokens)
        more.addRow(self.tr("Th&reads"), self.threads)
        more.addRow(self.tr("&Layers on the graphics card"), self.gpu_layers)
        self._more.setLayout(more)
        self._more.hide()
        self.advanced.toggled.connect(self._more.setVisible)
        column.addWidget(self._more)
        column.addStretch(1)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setAccessibleName(self.tr("How it answers"))

    @property
    def seed_number(self) -> int | None:
        """The seed that was written; None: by chance."""
        text = self.seed.text().strip()
        return int(text) % 2**31 if text.isascii() and text.isdecimal() else None

    @property
    def room(self) -> dict[str, int | None]:
        """The fields of a ``Room``."""
        return {
            "context_tokens": self.context_tokens.value(),
            "image_tokens": self.image_tokens.value(),
            "gpu_layers": _given(self.gpu_layers),
            "threads": _given(self.threads),
        }


def _given(box: QSpinBox) -> int | None:
    return None if box.value() == _AUTOMATIC else box.value()


def _number(least: int, most: int, value: int, automatic: str = "") -> QSpinBox:
    box = QSpinBox()
    box.setRange(least, most)
    box.setValue(value)
    box.setGroupSeparatorShown(True)
    box.setSpecialValueText(automatic)
    return box


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
    form.setSpacing(theme.GRID // 2)
    return form
