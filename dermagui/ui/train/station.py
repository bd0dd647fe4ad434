"""The road: a button with a light for each station; and what every station's page is made of."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.icons import Sign, icon, say_beside_icon
from dermagui.ui.jobs import Jobs
from dermagui.ui.train.words import Light
from dermagui.ui.widgets.bar import Bar

_WIDEST = 120 * theme.GRID


class Station(QWidget):
    """One page of the road: what it is about. Its ``head`` has the title, the light with a sentence, and the
    way on; it stands above, and stays there when the rest scrolls.
    """

    lit = Signal()
    """Its light or its sentence is another one."""
    ahead = Signal()
    """The user goes on to the next station."""
    wants = Signal(str)
    """The name of a page of the window where what is lacking is made."""

    def __init__(self, title: str, desk: Desk, jobs: Jobs, bar: Bar) -> None:
        super().__init__()
        self.title = title
        self.desk = desk
        self.jobs = jobs
        self.bar = bar
        self.light = Light.OPEN
        self._sign = Sign()
        self._said = QLabel()
        self._said.setWordWrap(True)
        self.next = QPushButton()
        self.next.clicked.connect(self.ahead)
        self.next.hide()
        heading = QLabel(title)
        heading.setFont(theme.heading_font(heading.font()))
        self.head = QWidget()
        row = QHBoxLayout(self.head)
        row.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, theme.GRID)
        row.setSpacing(theme.GRID)
        row.addWidget(heading)
        row.addSpacing(theme.GRID)
        row.addWidget(self._sign)
        row.addWidget(self._said, 1)
        row.addWidget(self.next)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, 2 * theme.GRID)
        self.column.setSpacing(int(1.5 * theme.GRID))
        self.head.setMaximumWidth(_WIDEST)
        self.setMaximumWidth(_WIDEST)

    def shine(self, light: Light, said: str) -> None:
        """Shows a light with its sentence."""
        self.light = light
        self._sign.show_icon(light.icon, light.tint)
        self._said.setText(said)
        self.setAccessibleDescription(f"{light.word}. {said}")
        self.next.setVisible(light.lets_on and bool(self.next.text()))
        self.lit.emit()

    @property
    def said(self) -> str:
        """The sentence beside the light."""
        return self._said.text()

    def look(self) -> None:
        """Reads anew what it shows; called when it comes into view and when rows changed."""


class Road(QWidget):
    """The five buttons. Arrow keys go from one to the next."""

    chosen = Signal(int)

    def __init__(self, titles: list[str]) -> None:
        super().__init__()
        self.buttons: list[QToolButton] = []
        self._titles = titles
        group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID // 2)
        for n in range(len(titles)):
            button = QToolButton()
            button.setCheckable(True)
            button.setAutoRaise(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setMinimumHeight(5 * theme.GRID)
            group.addButton(button, n)
            self.buttons.append(button)
            row.addWidget(button, 1)
        group.idClicked.connect(self.chosen)
        self.show_station(0)

    def show_light(self, n: int, light: Light, said: str) -> None:
        """Shows how a station stands."""
        button = self.buttons[n]
        button.setIcon(icon(light.icon, light.tint))
        say_beside_icon(button, f"{n + 1}  {self._titles[n]}: {light.word}")
        button.setToolTip(said)

    def show_station(self, n: int) -> None:
        """Marks the station that is in view."""
        self.buttons[n].setChecked(True)
