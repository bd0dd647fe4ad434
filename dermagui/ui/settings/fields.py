"""One field of the form for each declared setting, by its type: a list, a number or a line."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QSpinBox, QWidget

from dermagui.settings import Setting, Value
from dermagui.ui import theme
from dermagui.ui.settings.labels import CHOICES, LABELS, words

_MOST = 1_000_000


def make_field(setting: Setting, chosen: Callable[[str], None]) -> QWidget:
    """A field that calls ``chosen`` with the text of what the user settled on."""
    if setting.choices:
        return _choice(setting, chosen)
    if isinstance(setting.default, bool):
        box = QCheckBox()
        box.clicked.connect(lambda on: chosen("true" if on else "false"))
        return box
    if isinstance(setting.default, int):
        return _number(setting, chosen)
    line = QLineEdit()
    line.setMinimumWidth(44 * theme.GRID)
    line.editingFinished.connect(lambda: chosen(line.text()))
    return line


def _choice(setting: Setting, chosen: Callable[[str], None]) -> QComboBox:
    box = QComboBox()
    for choice in setting.choices:
        box.addItem(words(CHOICES[choice]), choice)
    box.activated.connect(lambda row: chosen(str(box.itemData(row))))
    return box


def _number(setting: Setting, chosen: Callable[[str], None]) -> QSpinBox:
    box = QSpinBox()
    box.setRange(1, _MOST)
    box.setGroupSeparatorShown(True)
    unit = words(LABELS[setting.key].unit)
    if unit:
        box.setSuffix(f" {unit}")
    box.editingFinished.connect(lambda: chosen(str(box.value())))
    return box


def show_value(field: QWidget, value: Value) -> None:
    """Shows a value in a field that ``make_field`` made, and calls nobody."""
    if isinstance(field, QComboBox):
        field.setCurrentIndex(field.findData(value))
    elif isinstance(field, QCheckBox):
        field.setChecked(bool(value))
    elif isinstance(field, QSpinBox):
        field.setValue(int(value))
    elif isinstance(field, QLineEdit):
        field.setText(str(value))
        field.setCursorPosition(0)
