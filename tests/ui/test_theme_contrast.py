"""What is read has a contrast of 4.5:1; what shows where a field is, or that it has the focus, 3:1."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QColor, QImage, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import theme

ROLE = QPalette.ColorRole
READ = [
    (ROLE.WindowText, ROLE.Window),
    (ROLE.Text, ROLE.Base),
    (ROLE.Text, ROLE.AlternateBase),
    (ROLE.ButtonText, ROLE.Button),
    (ROLE.ToolTipText, ROLE.ToolTipBase),
    (ROLE.PlaceholderText, ROLE.Base),
    (ROLE.PlaceholderText, ROLE.Window),
    (ROLE.HighlightedText, ROLE.Highlight),
    (ROLE.Link, ROLE.Base),
]


@pytest.fixture(params=["light", "dark"])
def look(request: pytest.FixtureRequest, application: QApplication) -> Iterator[str]:
    """Each of the two looks."""
    theme.apply_theme(application, request.param)
    yield request.param
    theme.apply_theme(application, "light")


def luminance(colour: QColor) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.getRgbF()[:3]
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: QColor, other: QColor) -> float:
    """From 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_what_is_read_can_be_read(look: str) -> None:
    palette = theme.palette_of(look == "dark")
    low = {
        (words.name, ground.name): contrast(palette.color(words), palette.color(ground))
        for words, ground in READ
    }
    for pair in (theme.GOOD, theme.WARNING, theme.DANGER):
        low |= {
            (pair, ground.name): contrast(theme.colour(pair, palette), palette.color(ground))
            for ground in (ROLE.Window, ROLE.Base)
        }
    lit = contrast(theme.colour(theme.ON_LIT, palette), theme.colour(theme.LIT, palette))
    assert {name: ratio for name, ratio in (low | {"lit": lit}).items() if ratio < 4.5} == {}


def _outline(image: QImage, widget: QWidget) -> QColor:
    """The colour at the left edge of a field or its box, half way down."""
    return image.pixelColor(widget.x(), widget.geometry().center().y())


@pytest.mark.parametrize("kind", [QLineEdit, QComboBox, QSpinBox, QPlainTextEdit, QCheckBox, QRadioButton])
def test_a_field_stands_out_from_the_window(look: str, kind: type[QWidget]) -> None:
    top = QWidget()
    column = QVBoxLayout(top)
    field, focused = kind(), QLineEdit()
    for widget in (field, focused):
        column.addWidget(widget)
    top.resize(200, 200)
    top.show()
    top.activateWindow()
    assert QTest.qWaitForWindowActive(top)
    focused.setFocus()
    image, ground = top.grab().toImage(), top.palette().color(ROLE.Window)
    resting, ring = _outline(image, field), _outline(image, focused)
    assert contrast(resting, ground) >= 3, resting.name()
    assert contrast(ring, ground) >= 3, ring.name()
    assert ring != resting
    top.close()
    top.deleteLater()
