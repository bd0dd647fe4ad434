"""The columns that the page Generate stands in."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from dermagui.ui import theme
from dermagui.ui.generate.cards import Cards


def scrolled(column: QWidget, name: str) -> QScrollArea:
    """A column that scrolls where the window is low."""
    scroll = QScrollArea()
    scroll.setAccessibleName(name)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setWidgetResizable(True)
    scroll.setWidget(column)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFixedWidth(32 * theme.GRID)
    return scroll


def preview_column(cards: Cards) -> QWidget:
    """The cards of what would be sent, under what to look for in them."""
    title = QLabel(_tr("Preview"))
    title.setFont(theme.heading_font(title.font()))
    notice = QLabel(
        _tr(
            "Exactly this would be sent. Text in a picture (a name on a ruler, a date in a corner) "
            "is not detected: look at the pictures."
        )
    )
    notice.setWordWrap(True)
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(theme.GRID)
    layout.addWidget(title)
    layout.addWidget(notice)
    layout.addWidget(cards, 1)
    return column


def _tr(text: str) -> str:
    return QCoreApplication.translate("generate", text)
