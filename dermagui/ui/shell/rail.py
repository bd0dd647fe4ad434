"""The rail at the left: one button a page, an icon with its word."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QVBoxLayout

from dermagui.ui import theme
from dermagui.ui.icons import icon

TITLES = {
    "library": str(QT_TRANSLATE_NOOP("rail", "Library")),
    "generate": str(QT_TRANSLATE_NOOP("rail", "Generate")),
    "review": str(QT_TRANSLATE_NOOP("rail", "Review")),
    "jobs": str(QT_TRANSLATE_NOOP("rail", "Jobs")),
    "privacy": str(QT_TRANSLATE_NOOP("rail", "Privacy")),
    "settings": str(QT_TRANSLATE_NOOP("rail", "Settings")),
}
"""Page → its word; the page's name is its icon's too."""

_BELOW = "jobs"
"""The first of the pages that stand at the foot of the rail."""


def title_of(page: str) -> str:
    """A page's word in the user's language."""
    return QCoreApplication.translate("rail", TITLES[page])


class Rail(QFrame):
    """Which page is in view, and the way to the others."""

    chosen = Signal(str)
    """The name of a page that somebody clicked."""

    def __init__(self, pages: list[str]) -> None:
        super().__init__()
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID // 2, theme.GRID, theme.GRID // 2, theme.GRID)
        column.setSpacing(theme.GRID // 2)
        for name in pages:
            if name == _BELOW:
                column.addStretch(1)
            self._buttons[name] = self._build_button(name)
            column.addWidget(self._buttons[name])

    def _build_button(self, name: str) -> QToolButton:
        button = QToolButton()
        button.setText(title_of(name))
        button.setIcon(icon(name))
        button.setIconSize(QSize(3 * theme.GRID, 3 * theme.GRID))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setMinimumSize(9 * theme.GRID, 7 * theme.GRID)
        button.setAutoRaise(True)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(partial(self.chosen.emit, name))
        self._group.addButton(button)
        return button

    def show_page(self, name: str) -> None:
        """Marks the page that is in view."""
        self._buttons[name].setChecked(True)
