"""The look: Fusion with a light or a dark palette of ours, one accent, two sizes of type, an 8-pixel grid."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

GRID = 8
"""Distances are multiples of this many pixels."""
PICTURE_GREY = QColor(118, 118, 118)
"""What pictures stand on in both themes: 18 % of the light (sRGB 118)."""
SMALLEST_PIXELS = 13
LINE = QPalette.ColorRole.Mid
"""The colour of a line between two parts."""

_ROLES = {
    QPalette.ColorRole.Window: ("#f3f3f2", "#262727"),
    QPalette.ColorRole.WindowText: ("#1b1c1d", "#e8e8e6"),
    QPalette.ColorRole.Base: ("#ffffff", "#1c1d1d"),
    QPalette.ColorRole.AlternateBase: ("#f7f7f6", "#232424"),
    QPalette.ColorRole.Text: ("#1b1c1d", "#e8e8e6"),
    QPalette.ColorRole.Button: ("#e9e9e7", "#343535"),
    QPalette.ColorRole.ButtonText: ("#1b1c1d", "#e8e8e6"),
    QPalette.ColorRole.ToolTipBase: ("#ffffff", "#343535"),
    QPalette.ColorRole.ToolTipText: ("#1b1c1d", "#e8e8e6"),
    QPalette.ColorRole.PlaceholderText: ("#5f6264", "#a3a5a6"),
    QPalette.ColorRole.Highlight: ("#1f5f8b", "#2f6c96"),
    QPalette.ColorRole.HighlightedText: ("#ffffff", "#ffffff"),
    QPalette.ColorRole.Accent: ("#1f5f8b", "#6db3e0"),
    QPalette.ColorRole.Link: ("#1f5f8b", "#6db3e0"),
    QPalette.ColorRole.Mid: ("#c9c9c6", "#4a4b4b"),
    QPalette.ColorRole.Light: ("#ffffff", "#3c3d3d"),
    QPalette.ColorRole.Dark: ("#a4a4a1", "#161717"),
}
_FIELD_ROLES = {
    QPalette.ColorRole.Window: ("#b2b2af", "#b9bbbb"),
    QPalette.ColorRole.Highlight: ("#1f5f8b", "#8cc8ee"),
    QPalette.ColorRole.HighlightedText: ("#ffffff", "#1b1c1d"),
}
"""Of these Fusion makes, by darkening, the outline of a field or a box, and of what has the focus. It must be
3:1 against the window and the field.
"""
_FIELDS = (
    "QAbstractButton",
    "QAbstractSpinBox",
    "QComboBox",
    "QLineEdit",
    "QPlainTextEdit",
    "QTextEdit",
)
_DISABLED = ("#6c6e70", "#8b8d8e")

GOOD, WARNING, DANGER = ("#1d6b3a", "#7dcb98"), ("#8a5300", "#e7b457"), ("#a3261b", "#f09a90")
"""Colours of states in light and dark, as text on the window; a word or an icon says the same beside them."""

LIT, ON_LIT = ("#8a5300", "#e7b457"), ("#ffffff", "#1b1c1d")
"""What is filled to be noticed, such as "images may leave", and the text on it."""


def apply_theme(application: QApplication, choice: str) -> None:
    """Puts on ``light``, ``dark`` or what the ``system`` has."""
    palette = palette_of(is_dark(choice))
    application.setPalette(palette)
    for role, colours in _FIELD_ROLES.items():
        palette.setColor(role, QColor(colours[is_dark(choice)]))
    for name in _FIELDS:
        application.setPalette(palette, name)  # type: ignore[arg-type]  # a char*, for which bytes are refused
    font = application.font()
    if font.pixelSize() < SMALLEST_PIXELS and font.pointSizeF() * 96 / 72 < SMALLEST_PIXELS:
        font.setPixelSize(SMALLEST_PIXELS)
        application.setFont(font)


def is_dark(choice: str) -> bool:
    """Whether that choice means dark now."""
    if choice == "system":
        return QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark
    return choice == "dark"


def palette_of(dark: bool) -> QPalette:
    """The whole palette."""
    palette = QPalette()
    for role, colours in _ROLES.items():
        palette.setColor(role, QColor(colours[dark]))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(_DISABLED[dark]))
    return palette


def colour(pair: tuple[str, str], palette: QPalette) -> QColor:
    """One of ``GOOD``, ``WARNING``, ``DANGER`` as it must be on this palette."""
    return QColor(pair[palette.color(QPalette.ColorRole.Window).lightness() < 128])


def heading_font(font: QFont) -> QFont:
    """The larger of the two sizes, in the one weight for emphasis."""
    larger = QFont(font)
    if font.pixelSize() > 0:
        larger.setPixelSize(round(font.pixelSize() * 1.3))
    else:
        larger.setPointSizeF(font.pointSizeF() * 1.3)
    larger.setBold(True)
    return larger
