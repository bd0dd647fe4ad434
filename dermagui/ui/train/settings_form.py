"""The settings of a recipe as a form: a field for each, made from the table of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QT_TRANSLATE_NOOP, QLocale, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QLineEdit, QWidget

from dermagui.errors import UserError
from dermagui.training.recipe import SETTINGS, refuse_bad_settings
from dermagui.ui import theme
from dermagui.ui.train.words import words

LABELS = {
    "method": str(QT_TRANSLATE_NOOP("train", "What is tuned")),
    "rank": str(QT_TRANSLATE_NOOP("train", "Rank of the adapter")),
    "alpha": str(QT_TRANSLATE_NOOP("train", "Weight of the adapter (alpha)")),
    "dropout": str(QT_TRANSLATE_NOOP("train", "Dropout")),
    "train_vision": str(QT_TRANSLATE_NOOP("train", "Tune the image part too")),
    "load_in_4bit": str(QT_TRANSLATE_NOOP("train", "Load the base in four bits")),
    "dtype": str(QT_TRANSLATE_NOOP("train", "Kind of numbers")),
    "epochs": str(QT_TRANSLATE_NOOP("train", "Rounds through the data")),
    "batch": str(QT_TRANSLATE_NOOP("train", "Pairs at a time")),
    "accumulation": str(QT_TRANSLATE_NOOP("train", "Times that are gathered into a step")),
    "learning_rate": str(QT_TRANSLATE_NOOP("train", "Learning rate")),
    "scheduler": str(QT_TRANSLATE_NOOP("train", "Course of the learning rate")),
    "warmup": str(QT_TRANSLATE_NOOP("train", "Warm-up (share of the steps)")),
    "weight_decay": str(QT_TRANSLATE_NOOP("train", "Weight decay")),
    "optimizer": str(QT_TRANSLATE_NOOP("train", "Optimizer")),
    "gradient_checkpointing": str(QT_TRANSLATE_NOOP("train", "Save memory by computing twice")),
    "save_steps": str(QT_TRANSLATE_NOOP("train", "Steps between checkpoints")),
    "patience": str(QT_TRANSLATE_NOOP("train", "Evaluations without gain before it ends (0: never)")),
    "image_side": str(QT_TRANSLATE_NOOP("train", "Longest side of a picture (pixels)")),
    "probes": str(QT_TRANSLATE_NOOP("train", "Probe pictures")),
    "most_pairs": str(QT_TRANSLATE_NOOP("train", "Most pairs to learn from (0: all)")),
}
"""What every setting is called."""

_CHOICES = {
    "method": {
        "lora": str(QT_TRANSLATE_NOOP("train", "An adapter (LoRA)")),
        "full": str(QT_TRANSLATE_NOOP("train", "All weights")),
    },
    "dtype": {"bfloat16": "bfloat16", "float16": "float16"},
    "scheduler": {
        "cosine": str(QT_TRANSLATE_NOOP("train", "Falls like a cosine")),
        "linear": str(QT_TRANSLATE_NOOP("train", "Falls evenly")),
        "constant": str(QT_TRANSLATE_NOOP("train", "Stays as it is")),
    },
}
"""Settings with few values: value → what it is called. The kinds of numbers are names."""

Field = QCheckBox | QComboBox | QLineEdit


class SettingsForm(QWidget):
    """A recipe's settings, to be changed by who knows what they do."""

    changed = Signal()
    """The user changed one, which need not be possible."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, Field] = {name: _field(name, kind) for name, kind in SETTINGS.items()}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(2 * theme.GRID)
        for name, field in self.fields.items():
            text = words(LABELS[name])
            if isinstance(field, QCheckBox):
                field.setText(text)
                form.addRow(field)
                continue
            label = QLabel(text)
            label.setBuddy(field)
            field.setAccessibleName(text)
            field.setFixedWidth(20 * theme.GRID)
            form.addRow(label, field)
        for field in self.fields.values():
            if isinstance(field, QCheckBox):
                field.clicked.connect(self.changed)
            elif isinstance(field, QComboBox):
                field.activated.connect(self.changed)
            else:
                field.textEdited.connect(self.changed)

    def show_settings(self, settings: Mapping[str, Any]) -> None:
        """Shows the settings of a recipe."""
        for name, field in self.fields.items():
            value = settings[name]
            if isinstance(field, QCheckBox):
                field.setChecked(value)
            elif isinstance(field, QComboBox):
                if field.findData(value) < 0:
                    field.addItem(value, value)
                field.setCurrentIndex(field.findData(value))
            else:
                field.setText(_written(value))

    def settings(self) -> dict[str, Any]:
        """What stands there. Raises ``UserError`` ``train.bad_setting``."""
        found = {name: self._value(name, field) for name, field in self.fields.items()}
        for name, value in found.items():
            if value is None:
                raise UserError("train.bad_setting", name=words(LABELS[name]))
        try:
            refuse_bad_settings(found)
        except ValueError as error:
            name = str(error).partition(":")[0]
            raise UserError("train.bad_setting", name=words(LABELS.get(name, name))) from error
        return found

    def _value(self, name: str, field: Field) -> object:
        if isinstance(field, QCheckBox):
            return field.isChecked()
        if isinstance(field, QComboBox):
            return field.currentData()
        if SETTINGS[name] is str:
            return field.text().strip()
        number, is_number = QLocale().toDouble(field.text().strip())
        if not is_number:
            return None
        return int(number) if SETTINGS[name] is int and number == int(number) else number


def _field(name: str, kind: type) -> Field:
    if kind is bool:
        return QCheckBox()
    if name in _CHOICES:
        box = QComboBox()
        for value, text in _CHOICES[name].items():
            box.addItem(text if text == value else words(text), value)
        return box
    return QLineEdit()


def _written(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    return QLocale().toString(value, "g", 6) if isinstance(value, float) else str(value)
