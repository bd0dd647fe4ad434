"""The passages under an answer: numbered, those that it cites marked, each to unfold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from dermagui.ui import theme
from dermagui.ui.chat.words import state_words

_NAME_LETTERS = 60


class Passages(QWidget):
    """One line for each passage; its words come below it when the line is pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[QToolButton] = []
        self.texts: list[QLabel] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.GRID // 2)
        self.hide()

    def show_passages(self, passages: Sequence[Mapping[str, Any]], cited: set[int], called: str) -> None:
        """Shows these; ``called`` names the answer, so that two answers' lines are told apart by ear."""
        for widget in (*self.lines, *self.texts):
            self._column.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self.lines, self.texts = [], []
        for told in passages:
            self._add(told, int(told["number"]) in cited, called)
        self.setVisible(bool(passages))

    def _add(self, told: Mapping[str, Any], is_cited: bool, called: str) -> None:
        name = _shortened(str(told["name"]))
        parts = [f"[{told['number']}] {name}", str(told["place"]), self.tr("cited") if is_cited else ""]
        words = " · ".join(part for part in (*parts, state_words(str(told.get("state", "")))) if part)
        line = QToolButton(self)
        line.setText(words.replace("&", "&&"))
        line.setAccessibleName(self.tr("{passage}, passage of {answer}").format(passage=words, answer=called))
        line.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        line.setArrowType(Qt.ArrowType.RightArrow)
        line.setCheckable(True)
        line.setAutoRaise(True)
        line.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        text = QLabel(str(told["text"]), self)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setWordWrap(True)
        text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        text.setContentsMargins(3 * theme.GRID, 0, 0, theme.GRID)
        spoken = self.tr("Words of {passage}, passage of {answer}")
        text.setAccessibleName(spoken.format(passage=words, answer=called))
        text.hide()
        line.toggled.connect(lambda is_open: _unfold(line, text, is_open))
        self.lines.append(line)
        self.texts.append(text)
        self._column.addWidget(line)
        self._column.addWidget(text)


def _unfold(line: QToolButton, text: QLabel, is_open: bool) -> None:
    line.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
    text.setVisible(is_open)


def _shortened(name: str) -> str:
    half = _NAME_LETTERS // 2
    return name if len(name) <= _NAME_LETTERS else f"{name[:half]}…{name[-half:]}"
