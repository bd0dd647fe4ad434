"""The filled button: only where something is spent, sent or deleted."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QPushButton

from dermagui.ui import theme


def danger_button(text: str) -> QPushButton:
    """A button in the colour of danger, white on dark red in both themes."""
    button = QPushButton(text)
    palette = button.palette()
    for group in (QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive):
        palette.setColor(group, QPalette.ColorRole.Button, QColor(theme.DANGER[0]))
        palette.setColor(group, QPalette.ColorRole.ButtonText, QColor("white"))
    button.setPalette(palette)
    return button
