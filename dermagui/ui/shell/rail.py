"""The rail at the left: one button a page, an icon with its word."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QVBoxLayout

from dermagui.ui import theme
from dermagui.ui.icons import icon
from dermagui.ui.pages import PAGES, PageRow


class Rail(QFrame):
    """Which page is in view, and the way to the others."""

    chosen = Signal(str)
    """The name of a page that somebody clicked."""

    def __init__(self) -> None:
        super().__init__()
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID // 2, theme.GRID, theme.GRID // 2, theme.GRID)
        column.setSpacing(theme.GRID // 2)
        for name, row in PAGES.items():
            self._buttons[name] = self._build_button(row)
            column.addWidget(self._buttons[name])
        column.insertStretch(sum(not row.at_foot for row in PAGES.values()), 1)

    def _build_button(self, row: PageRow) -> QToolButton:
        button = QToolButton()
        button.setText(row.label())
        button.setIcon(icon(row.name))
        button.setIconSize(QSize(3 * theme.GRID, 3 * theme.GRID))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setMinimumSize(button.sizeHint().expandedTo(QSize(9 * theme.GRID, 7 * theme.GRID)))
        button.setAutoRaise(True)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(partial(self.chosen.emit, row.name))
        self._group.addButton(button)
        return button

    def show_page(self, name: str) -> None:
        """Marks the page that is in view."""
        self._buttons[name].setChecked(True)
