"""Chips over the composer: what is asked for, and under them what the chosen one still needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QButtonGroup,
    QLabel,
    QPushButton,
    QStyleOptionToolButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import theme
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.flow import FlowLayout

if TYPE_CHECKING:
    from dermagui.chat.tasks import ChatTask

FREE = "question"
"""The task that is chosen at first: a question in the user's own words."""
GROUNDED = "references"
"""The chip that is no task: a question of one's own, answered from the reference library."""
REPORT_CONTEXT_TOKENS = 8192
"""A picture, the form and a long answer do not fit into less."""


class Chip(QToolButton):
    """A button that is chosen or not, which is seen in both themes: pressed and filled."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def initStyleOption(self, option: QStyleOptionToolButton) -> None:
        super().initStyleOption(option)
        if self.isChecked():
            roles = QPalette.ColorRole
            palette = option.palette
            palette.setColor(roles.Button, palette.color(roles.Highlight))
            palette.setColor(roles.ButtonText, palette.color(roles.HighlightedText))
            option.palette = palette


class TaskChips(QWidget):
    """Exactly one chip is chosen, as with radio buttons: by arrow keys too. ``changed``: another one, or
    other answers.
    """

    changed = Signal()
    library_wanted = Signal()
    """The user wants to see the reference library."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[str, ChatTask] = {}
        self.chips: dict[str, Chip] = {}
        self.answers: dict[int, Chip] = {}
        """By the place of the answer in the chat."""
        self._group = QButtonGroup(self)
        self._group.buttonToggled.connect(self._on_toggled)
        self.needs = QLabel()
        self.needs.setWordWrap(True)
        self.needs.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.library = QPushButton(self.tr("References…"), self)
        self.library.setAutoDefault(False)
        self.library.clicked.connect(self.library_wanted)
        self._facts: dict[str, str] = {}
        self.facts = Chip("", self)
        self.facts.hide()
        self._row, self._choices = FlowLayout(), FlowLayout()
        self._row.setSpacing(theme.GRID // 2)
        self._choices.setSpacing(theme.GRID // 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID // 2)
        column.addLayout(self._row)
        column.addWidget(self.needs)
        column.addLayout(self._choices)
        self._choices.addWidget(self.facts)
        self.library.hide()
        self.needs.hide()

    def show_tasks(self, tasks: Sequence[ChatTask]) -> None:
        """Shows a chip for each task, and the one for the reference library."""
        if self.chips:
            return
        self.tasks = {task.id: task for task in tasks}
        for task in tasks:
            self._add_chip(task.id, QCoreApplication.translate("tasks", task.label))
        self._add_chip(GROUNDED, self.tr("Answer from references"))
        self._row.addWidget(self.library)
        self.choose(FREE)

    def _add_chip(self, name: str, text: str) -> None:
        chip = Chip(text)
        self.chips[name] = chip
        self._group.addButton(chip)
        self._row.addWidget(chip)

    @property
    def chosen(self) -> str:
        """The name of the chosen chip; ``FREE`` as long as there is none."""
        return next((name for name, chip in self.chips.items() if chip.isChecked()), FREE)

    @property
    def task(self) -> ChatTask | None:
        """The chosen task; None for a question in the user's own words, from references or not."""
        return None if self.chosen in (FREE, GROUNDED) else self.tasks[self.chosen]

    @property
    def chosen_answers(self) -> list[int]:
        """The places of the answers that a task is to be about, the earliest first."""
        task = self.task
        wants = task is not None and task.needs == "text"
        return [place for place, button in self.answers.items() if wants and button.isChecked()]

    def choose(self, name: str) -> None:
        """Chooses a chip where there is one of that name."""
        if name in self.chips:
            self.chips[name].setChecked(True)

    def reset(self) -> None:
        """After a task its own words are what comes next; who asks references goes on with that."""
        if self.chosen != GROUNDED:
            self.choose(FREE)

    def take_focus(self) -> None:
        """Puts the focus on the chosen chip; arrow keys go on from there."""
        chip = self.chips.get(self.chosen)
        if chip is not None:
            chip.setFocus()

    def show_answers(self, places: Sequence[int]) -> None:
        """Which answers the chat has; the last one is chosen until somebody chooses otherwise."""
        if list(self.answers) == list(places):
            return
        for button in self.answers.values():
            self._choices.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.answers = {}
        for place in places:
            button = Chip(self.tr("Answer {number}").format(number=whole(place // 2 + 1)), self)
            button.setAccessibleName(
                self.tr("Take answer {number} as the text").format(number=whole(place // 2 + 1))
            )
            button.setChecked(place == places[-1])
            button.toggled.connect(self.changed)
            button.hide()
            self.answers[place] = button
            self._choices.addWidget(button)

    @property
    def chosen_facts(self) -> dict[str, str]:
        """What a task is to say of the picture beside the question; nothing unless somebody chose it."""
        return self._facts if self.task is not None and self.facts.isChecked() else {}

    def show_facts(self, facts: dict[str, str]) -> None:
        """What the library knows of the pictures."""
        if facts != self._facts:
            self._facts = facts
            told = " · ".join(f"{name}: {value}" for name, value in facts.items())
            self.facts.setChecked(False)
            self.facts.setText(self.tr("Tell what the library knows"))
            self.facts.setToolTip(told)
            self.facts.setAccessibleDescription(told)

    def show_needs(self, *, has_image: bool, has_text: bool, has_library: bool, room: str = "") -> None:
        """Says what the chosen task needs. ``room``: what is to be said of the context for a report."""
        task = self.task
        wants_text = task is not None and task.needs == "text"
        is_grounded = self.chosen == GROUNDED
        self.library.setVisible(is_grounded)
        self.facts.setVisible(task is not None and bool(self._facts))
        for button in self.answers.values():
            button.setVisible(wants_text)
        if is_grounded:
            text = self.tr("The answer keeps to your reference library, and names the passages it is from.")
            if not has_library:
                text = self.tr("Your reference library is empty: add guidelines or texts of your own first.")
        elif task is None:
            text = ""
        else:
            text = self._needs_of(task, has_image, has_text or bool(self.chosen_answers))
        told = self.tr("The library knows: {facts}.").format(facts=self.facts.toolTip())
        text = " ".join(part for part in (text, room, told if self.facts.isVisibleTo(self) else "") if part)
        self.needs.setText(text)
        self.needs.setVisible(bool(text))

    def _needs_of(self, task: ChatTask, has_image: bool, has_text: bool) -> str:
        label = self.chips[task.id].text()
        if task.needs == "image" and not has_image:
            text = self.tr("“{task}” is about a picture: attach one, or drop it here.")
        elif task.needs == "text" and not has_text and not self.answers:
            text = self.tr("“{task}” needs a text: write or paste one below.")
        elif task.needs == "text" and not has_text:
            text = self.tr("“{task}” needs a text: write or paste one below, or choose answers.")
        elif task.needs == "text":
            text = self.tr("Enter asks for “{task}”, of what you write below and of the chosen answers.")
        else:
            text = self.tr("Enter asks for “{task}”; you may add words of your own.")
        return text.format(task=label)

    def _on_toggled(self, _: object, is_checked: bool) -> None:
        if is_checked:
            self.changed.emit()
