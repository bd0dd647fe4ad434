"""How the Chat page is laid out: history, conversation with its composer, and the pane at the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import theme
from dermagui.ui.chat.classify_view import ClassifyView
from dermagui.ui.chat.compare_view import CompareView
from dermagui.ui.chat.composer import Composer
from dermagui.ui.chat.conversation import Conversation
from dermagui.ui.chat.history import History
from dermagui.ui.chat.model_box import ChatSettings, ModelBox
from dermagui.ui.chat.seen_pane import SeenPane
from dermagui.ui.chat.shelf import Place
from dermagui.ui.chat.task_chips import TaskChips
from dermagui.ui.chat.words import doing_words
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.bar import Bar
from dermagui.ui.widgets.pages import Pages


class ChatLayout(QWidget):
    """All widgets of the page, and what they show; what happens is the page's."""

    def __init__(self, action: Callable[[str], QAction]) -> None:
        super().__init__()
        self.bar = Bar()
        self.history = History(
            [action("chat.new"), action("chat.private")],
            [action(id_) for id_ in ("chat.rename", "chat.export", "chat.delete")],
        )
        self.title = QLineEdit()
        self.title.setPlaceholderText(self.tr("This chat is named by its first question"))
        self.title.setAccessibleName(self.tr("Name of this chat"))
        self.private = QLabel(self.tr("Private: nothing of this chat is written down anywhere."))
        self.private.setWordWrap(True)
        self.models = ModelBox()
        self.conversation = Conversation()
        self.compare = CompareView()
        self.classify = ClassifyView()
        self._answers = Pages()
        for view in (self.conversation, self.compare, self.classify):
            self._answers.addWidget(view)
        self.modes = ModeRow({name: action(f"chat.{name}") for name in ("talk", "compare", "classify")})
        self.waiting = QLabel()
        self.progress = QProgressBar()
        self.progress.setAccessibleName(self.tr("How far the model is"))
        self.meter = QProgressBar()
        self.meter.setAccessibleName(self.tr("How much of the context is used"))
        self.used = QLabel()
        self.tasks = TaskChips()
        self.composer = Composer(
            {name: action(f"chat.{name}") for name in ("attach", "selected", "stop", "send")}
        )
        self.seen = SeenPane()
        self.settings = ChatSettings()
        self.detail = SidePane([(self.tr("Seen"), self.seen), (self.tr("Answering"), self.settings)])
        self._stack = Pages()
        self._build()
        self.show_progress("", 0, 0)

    def _build(self) -> None:
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(theme.GRID, 0, 0, 0)
        column.setSpacing(theme.GRID)
        for widget in (self.modes, self.models, self.title, self.private):
            column.addWidget(widget)
        column.addWidget(self._answers, 1)
        column.addLayout(self._build_state())
        column.addWidget(self.tasks)
        column.addWidget(self.composer)
        self._stack.addWidget(middle)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.history)
        split.addWidget(self._stack)
        split.setStretchFactor(1, 1)
        split.setSizes([28 * theme.GRID, 80 * theme.GRID])
        split.setChildrenCollapsible(False)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(theme.GRID)
        outer.addWidget(self.bar)
        outer.addWidget(split, 1)

    def _build_state(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        for meter in (self.progress, self.meter):
            meter.setTextVisible(False)
            meter.setFixedHeight(theme.GRID)
            meter.setMaximumWidth(16 * theme.GRID)
        for widget in (self.waiting, self.progress):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.used)
        row.addWidget(self.meter)
        return row

    def show_place(self, place: Place, project: str) -> None:
        """Says where the open chat is kept, and whose chats the list holds."""
        self.private.setVisible(place is Place.PRIVATE)
        text = self.tr("Chats of {project}").format(project=project) if project else self.tr("Notebook")
        if project and place is Place.NOTEBOOK:
            text = self.tr(
                "Chats of {project}, which can only be read now. New ones are kept in the Notebook."
            ).format(project=project)
        self.history.say_where(text)

    def show_mode(self, name: str) -> None:
        """Shows what stands over the composer: ``talk``, ``compare`` or ``classify``."""
        views = {"talk": self.conversation, "compare": self.compare, "classify": self.classify}
        self._answers.setCurrentWidget(views[name])
        self.modes.show_mode(name)
        self.models.setVisible(name != "compare")
        for widget in (self.title, self.tasks):
            widget.setVisible(name == "talk")
        self.composer.draft.say_what_for(name)

    def add_view(self, view: QWidget) -> None:
        """Adds what may stand in place of the conversation."""
        self._stack.addWidget(view)

    def is_in_view(self, view: QWidget) -> bool:
        """Whether it stands there."""
        return self._stack.currentWidget() is view

    def show_view(self, view: QWidget) -> None:
        """Shows one of those in place of the conversation."""
        self._stack.setCurrentWidget(view)

    def leave_view(self, view: QWidget) -> None:
        """Shows the conversation again, where that one stood in its place."""
        if self.is_in_view(view):
            self._stack.setCurrentIndex(0)
            self.tasks.updateGeometry()  # chips that came while it was hidden were not counted

    def show_progress(self, doing: str, done: float, total: float) -> None:
        """What the engine does before the first word; nothing hides it."""
        for widget in (self.waiting, self.progress):
            widget.setVisible(bool(doing))
        if doing:
            self.waiting.setText(doing_words(doing))
            self.progress.setRange(0, 1000 if total else 0)
            self.progress.setValue(round(1000 * done / total) if total else 0)

    def show_context(self, used: int, whole_tokens: int) -> None:
        """How full the context is."""
        self.meter.setVisible(bool(used))
        self.used.setVisible(bool(used))
        if used:
            self.meter.setRange(0, whole_tokens)
            self.meter.setValue(min(used, whole_tokens))
            self.used.setText(
                self.tr("{used} of {whole} tokens of context").format(
                    used=whole(used), whole=whole(whole_tokens)
                )
            )


class ModeRow(QWidget):
    """What the page can be used for; the one in view is marked."""

    def __init__(self, actions: dict[str, QAction]) -> None:
        super().__init__()
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QToolButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID // 2)
        for name, action in actions.items():
            button = self.buttons[name] = QToolButton()
            button.setText(action.text())
            button.setCheckable(True)
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.clicked.connect(action.trigger)
            action.changed.connect(lambda button=button, action=action: button.setEnabled(action.isEnabled()))
            self._group.addButton(button)
            row.addWidget(button)
        row.addStretch(1)
        self.show_mode("talk")

    def show_mode(self, name: str) -> None:
        """Marks one of them."""
        self.buttons[name].setChecked(True)


class SidePane(QWidget):
    """One of several widgets, and a row of buttons that bring them into view."""

    def __init__(self, panes: Sequence[tuple[str, QWidget]]) -> None:
        super().__init__()
        self._stack = Pages()
        self._group = QButtonGroup(self)
        row = QHBoxLayout()
        row.setContentsMargins(theme.GRID, theme.GRID, theme.GRID, 0)
        for place, (text, widget) in enumerate(panes):
            button = QToolButton()
            button.setText(text)
            button.setCheckable(True)
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.clicked.connect(lambda _=False, place=place: self.show_pane(place))
            self._group.addButton(button, place)
            self._stack.addWidget(widget)
            row.addWidget(button)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row)
        column.addWidget(self._stack, 1)
        self.show_pane(0)

    def show_pane(self, place: int) -> None:
        """Brings one of them into view."""
        self._stack.setCurrentIndex(place)
        self._group.button(place).setChecked(True)
