"""The strip at the top: the project, what may leave this computer in words, and the search for actions."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QToolButton, QWidget

from dermagui.ui import theme
from dermagui.ui.icons import icon, say_beside_icon
from dermagui.ui.shell import state
from dermagui.ui.shell.privacy import Door

_ICON = QSize(18, 18)
_MOST_MODEL_PIXELS = 20 * theme.GRID


class TitleStrip(QFrame):
    """Shows what it is told; what its buttons do is said by the window."""

    def __init__(self, menu: QMenu, palette: QAction, show_page: Callable[[str], None]) -> None:
        super().__init__()
        self.project = QPushButton(icon("project"), "")
        self.project.setIconSize(_ICON)
        self.project.setFlat(True)
        self.project.setMenu(menu)
        font = self.project.font()
        font.setBold(True)
        self.project.setFont(font)
        self._door = Door()
        self.network = _button("network")
        self.images = _button("stay")
        for button in (self.network, self.images):
            button.setToolTip(self.tr("What ever left this computer, and the switch that stops everything"))
            button.clicked.connect(lambda: show_page("privacy"))
        self.policy = _button("lock")
        say_beside_icon(self.policy, self.tr("Policy"))
        self.policy.setAccessibleName(self.tr("This machine's policy fixes some settings"))
        self.policy.clicked.connect(lambda: show_page("settings"))
        self.model = _button("chat")
        self.model.clicked.connect(lambda: show_page("chat"))
        self._search = _button("search")
        self._search.setDefaultAction(palette)
        self._search.setIcon(icon("search"))
        say_beside_icon(self._search, palette.text())
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.GRID, theme.GRID // 2, theme.GRID, theme.GRID // 2)
        row.setSpacing(theme.GRID)
        row.addWidget(self.project)
        row.addStretch(1)
        for widget in (self.policy, self.network, self.images, self.model, self._search):
            row.addWidget(widget)
        self.show_project("")
        self.show_door(self._door)
        self.show_model(str(state.window_state().value(state.MODEL, "")))

    def show_project(self, name: str) -> None:
        """The open project's name, or that there is none."""
        name = name or self.tr("No project")
        say_beside_icon(self.project, name)
        self.project.setAccessibleName(self.tr("Project: {name}").format(name=name))

    def show_model(self, name: str) -> None:
        """The bundle that answers in the chat; nothing where there is none."""
        short = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, _MOST_MODEL_PIXELS)
        say_beside_icon(self.model, self.tr("Model: {name}").format(name=short))
        self.model.setAccessibleName(self.tr("Model: {name}").format(name=name))
        self.model.setToolTip(name)
        self.model.setVisible(bool(name))

    def show_door(self, door: Door) -> None:
        """The two facts, and a lit colour where an image may leave."""
        self._door = door
        say_beside_icon(self.network, _network_words(self, door))
        say_beside_icon(self.images, _image_words(self, door))
        self.policy.setVisible(bool(door.policy))
        self.policy.setToolTip(self.tr("Some settings are fixed by {path}").format(path=door.policy))
        self.network.setIcon(icon("airplane" if door.airplane else "network"))
        self.images.setIcon(icon("leave", theme.ON_LIT) if door.is_open else icon("stay"))
        # Fusion's own buttons shade their colour, and the words on it would lose contrast.
        fill, words = (theme.colour(pair, self.palette()).name() for pair in (theme.LIT, theme.ON_LIT))
        lit = f"QToolButton {{ background: {fill}; color: {words}; border: none; padding: 2px 8px; }}"
        self.images.setStyleSheet(lit if door.is_open else "")

    def changeEvent(self, event: QEvent) -> None:
        """Another theme has other colours."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange:
            self.show_door(self._door)


def _network_words(strip: TitleStrip, door: Door) -> str:
    if door.airplane:
        return strip.tr("Network: off")
    return strip.tr("Network: on") if door.leaving else strip.tr("Network: downloads only")


def _image_words(strip: TitleStrip, door: Door) -> str:
    if not door.is_open:
        return strip.tr("Images: stay here")
    first, more = door.leaving[0], len(door.leaving) - 1
    if more:
        words = strip.tr("Images: may go to {receiver} from “{source}” and %n more", "", more)
    else:
        words = strip.tr("Images: may go to {receiver} from “{source}”")
    return words.format(receiver=door.receiver, source=first)


def _button(name: str, parent: QWidget | None = None) -> QToolButton:
    button = QToolButton(parent)
    button.setIcon(icon(name))
    button.setIconSize(_ICON)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setAutoRaise(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
