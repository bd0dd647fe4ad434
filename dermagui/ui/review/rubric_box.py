"""The form: four short questions about a pair, each answered by pressing its number until it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from dermagui.review.rubric import rubric, rubric_texts
from dermagui.ui import theme
from dermagui.ui.review.words import ANSWERS, translated
from dermagui.ui.widgets.key_icon import key_icon


class RubricBox(QWidget):
    """Shows the questions with what is answered so far; there is an action for each of them."""

    def __init__(self, actions: Sequence[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._said: dict[str, str] = {}
        self._buttons: dict[str, QPushButton] = {}
        self._texts = {
            key: QCoreApplication.translate("rubric", text) for key, text in rubric_texts().items()
        }
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.GRID)
        grid.setVerticalSpacing(theme.GRID // 2)
        grid.setColumnStretch(0, 1)
        for row, ((key, text), does) in enumerate(zip(self._texts.items(), actions, strict=True)):
            button = QPushButton()
            icon, size = key_icon(does.shortcut())
            button.setIcon(icon)
            button.setIconSize(size)
            button.setMinimumWidth(14 * theme.GRID)
            button.clicked.connect(does.trigger)
            label = QLabel(text)
            label.setWordWrap(True)
            grid.addWidget(label, row, 0)
            grid.addWidget(button, row, 1, Qt.AlignmentFlag.AlignTop)
            self._buttons[key] = button
        self.show_answers({})

    @property
    def answers(self) -> dict[str, str]:
        """What is answered, by the key of the question."""
        return dict(self._said)

    def show_answers(self, said: Mapping[str, str]) -> None:
        """Shows these answers."""
        self._said = {key: answer for key, answer in said.items() if key in self._buttons}
        for key, button in self._buttons.items():
            answer = self._said.get(key, "")
            word = translated(ANSWERS[answer]) if answer in ANSWERS else answer or self.tr("not said")
            button.setText(word)
            button.setAccessibleName(f"{self._texts[key]} {word}")

    def rate(self, n: int) -> None:
        """The next answer to the question at that place, from none through all of them to none again."""
        if n >= len(self._buttons):
            return
        key = list(self._buttons)[n]
        answers = ("", *rubric()[key])
        chosen = answers[(answers.index(self._said.get(key, "")) + 1) % len(answers)]
        self.show_answers({**self._said, key: chosen} if chosen else _without(self._said, key))


def _without(said: Mapping[str, str], key: str) -> dict[str, str]:
    return {name: answer for name, answer in said.items() if name != key}
