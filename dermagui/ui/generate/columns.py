"""The columns that the page Generate stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from dermagui.ui import theme
from dermagui.ui.generate.cards import Cards

if TYPE_CHECKING:
    from dermagui.generation.plan import Plan


def scrolled(column: QWidget, name: str) -> QScrollArea:
    """A column that scrolls where the window is low."""
    scroll = QScrollArea()
    scroll.setAccessibleName(name)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setWidgetResizable(True)
    scroll.setWidget(column)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFixedWidth(36 * theme.GRID)
    return scroll


class PreviewColumn(QWidget):
    """The cards of what the model would see, under what becomes of it and what to look for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards = Cards(self.tr("What the model would see"))
        title = QLabel(self.tr("Preview"))
        title.setFont(theme.heading_font(title.font()))
        self._notice = QLabel()
        self._notice.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        layout.addWidget(title)
        layout.addWidget(self._notice)
        layout.addWidget(self.cards, 1)

    def show_plan(self, plan: Plan) -> None:
        """Says where what the cards show would go."""
        if plan.local:
            where = self.tr("Exactly this is shown to the model on this computer. Nothing is sent.")
        elif plan.simulated:
            where = self.tr("A rehearsal sends nothing. Exactly this would be sent if it were none.")
        else:
            where = self.tr("Exactly this would be sent.")
        look = self.tr(
            "Text in a picture (a name on a ruler, a date in a corner) is not detected: look at the pictures."
        )
        self._notice.setText(f"{where} {look}")
