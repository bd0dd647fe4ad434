"""A bar across a page: what happened, why likely, and one button that mends it. In place of modal boxes."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from PySide6.QtGui import QAccessible, QAccessibleEvent, QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from dermagui.errors import DermaError
from dermagui.ui import theme
from dermagui.ui.icons import Sign, icon


class Level(StrEnum):
    """How bad it is; the values are names of icons."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DONE = "done"


_TINTS = {
    Level.ERROR: theme.DANGER,
    Level.WARNING: theme.WARNING,
    Level.INFO: None,
    Level.DONE: theme.GOOD,
}


class Bar(QFrame):
    """Hidden until ``tell`` or ``tell_error``; ``hide`` puts it away, the user too unless it is lasting."""

    def __init__(self, parent: QWidget | None = None, *, lasting: bool = False) -> None:
        super().__init__(parent)
        self._call: Callable[[], object] | None = None
        self._sign = Sign()
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._button = QPushButton()
        self._button.clicked.connect(self._on_button_clicked)
        self._dismiss = QToolButton()
        self._dismiss.setIcon(icon("close"))
        self._dismiss.setAutoRaise(True)
        self._dismiss.setToolTip(self.tr("Dismiss"))
        self._dismiss.setAccessibleName(self.tr("Dismiss this message"))
        self._dismiss.clicked.connect(self.hide)
        if lasting:  # what is shown before it has a parent would be a window of its own for a moment
            self._dismiss.hide()
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.GRID * 2, theme.GRID, theme.GRID, theme.GRID)
        row.setSpacing(theme.GRID)
        for widget in (self._sign, self._text, self._button, self._dismiss):
            row.addWidget(widget)
        row.setStretch(1, 1)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.ToolTipBase)
        self.hide()

    @property
    def text(self) -> str:
        """What it says now."""
        return self._text.text()

    def tell(
        self,
        text: str,
        level: Level = Level.INFO,
        button: str = "",
        call: Callable[[], object] | None = None,
    ) -> None:
        """Shows a sentence, and a button with that text which calls ``call`` and puts the bar away."""
        self._sign.show_icon(level, _TINTS[level])
        self._text.setText(text)
        self._button.setText(button)
        self._button.setVisible(bool(button))
        self._call = call
        self.setAccessibleName(text)
        self.show()
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def tell_error(
        self, error: DermaError, button: str = "", call: Callable[[], object] | None = None
    ) -> None:
        """Shows an expected error in the window's words."""
        from dermagui.ui import texts

        self.tell(texts.worded(error), Level.ERROR, button, call)

    def _on_button_clicked(self) -> None:
        call = self._call
        self.hide()
        if call is not None:
            call()
