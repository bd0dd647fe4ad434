"""One question of a bank in fields: its type, how often it is drawn, for which images, and its variations."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QPalette, QTextCursor, QTextFormat
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from dermagui.errors import DermaError
from dermagui.ui import texts, theme

RawQuestion = dict[str, Any]
"""A question as it stands in the file of its bank: ``key, type, kind, weight, modalities, variations``."""


class QuestionForm(QWidget):
    """Fields of a question that may still be wrong; what is wrong is said below them."""

    changed = Signal()
    """The user changed a field."""
    pointed = Signal()
    """The cursor stands in another variation."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.key = QLineEdit()
        self.type = QComboBox()
        self.type.setEditable(True)
        self.weight = QDoubleSpinBox()
        self.weight.setRange(0.01, 1_000)
        self.weight.setDecimals(2)
        self.modalities = QLineEdit()
        self.modalities.setPlaceholderText(self.tr("all images"))
        self.variations = QPlainTextEdit()
        self.variations.setTabChangesFocus(True)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self._hint = QLabel()
        self._hint.setWordWrap(True)
        self._hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._line = 0
        self._build()
        self._colour_problem()
        self.key.textEdited.connect(lambda _: self.changed.emit())
        self.type.editTextChanged.connect(lambda _: self.changed.emit())
        self.weight.valueChanged.connect(lambda _: self.changed.emit())
        self.modalities.textEdited.connect(lambda _: self.changed.emit())
        self.variations.textChanged.connect(self.changed)
        self.variations.cursorPositionChanged.connect(self._on_cursor_moved)

    def _build(self) -> None:
        form = QFormLayout()
        form.setSpacing(theme.GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(self.tr("Short &name"), self.key)
        form.addRow(self.tr("T&ype"), self.type)
        form.addRow(self.tr("&Weight in the draw"), self.weight)
        form.addRow(self.tr("For &images of"), self.modalities)
        title = QLabel(self.tr("&Variations, one on each line"))
        title.setBuddy(self.variations)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addLayout(form)
        column.addWidget(title)
        column.addWidget(self.variations, 1)
        column.addWidget(self.problem)
        column.addWidget(self._hint)

    def offer(self, types: list[str], fields: list[str]) -> None:
        """The types that may be chosen, and the fields that may stand in braces."""
        with QSignalBlocker(self.type):
            self.type.clear()
            self.type.addItems(types)
        words = self.tr("A field of the image may stand in braces: {fields}")
        self._hint.setText(words.format(fields=", ".join(f"{{{name}}}" for name in fields)))

    def show_question(self, raw: RawQuestion, *, editable: bool) -> None:
        """Shows a question; that is no change."""
        fields = (self.key, self.type, self.weight, self.modalities, self.variations)
        blockers = [QSignalBlocker(field) for field in fields]
        self.key.setText(str(raw.get("key", "")))
        self.type.setEditText(str(raw.get("type", "")))
        self.weight.setValue(float(raw.get("weight", 1)))
        self.modalities.setText(", ".join(raw.get("modalities", ())))
        self.variations.setPlainText("\n".join(raw.get("variations", ())))
        del blockers
        self._line = 0
        self._mark_line()
        for line in (self.key, self.modalities, self.variations):
            line.setReadOnly(not editable)
        if not editable:  # the cursor says which variation is previewed
            self.variations.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
        self.type.setEnabled(editable)
        self.weight.setEnabled(editable)

    def question(self) -> RawQuestion:
        """What the fields say, right or wrong. Empty lines are no variations."""
        lines = [line.strip() for line in self.variations.toPlainText().splitlines()]
        modalities = [part.strip() for part in self.modalities.text().split(",")]
        return {
            "key": self.key.text().strip(),
            "type": self.type.currentText().strip(),
            "kind": "open",
            "weight": self.weight.value(),
            "modalities": [part for part in modalities if part],
            "variations": [line for line in lines if line],
        }

    @property
    def variation(self) -> int:
        """Which variation the cursor stands in."""
        before = self.variations.toPlainText().splitlines()[: self._line]
        last = max(0, len(self.question()["variations"]) - 1)
        return min(sum(bool(line.strip()) for line in before), last)

    def tell(self, problem: DermaError | None) -> None:
        """Says what is wrong, or that nothing is."""
        self.problem.setText(texts.worded(problem) if problem else "")
        self.problem.setVisible(problem is not None)

    def changeEvent(self, event: QEvent) -> None:
        """Colours anew what has colours of its own when the theme changes."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange:
            self._colour_problem()
            self._mark_line()

    def _colour_problem(self) -> None:
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.WindowText, theme.colour(theme.DANGER, palette))
        self.problem.setPalette(palette)

    def _on_cursor_moved(self) -> None:
        self._mark_line()
        line = self.variations.textCursor().blockNumber()
        if line != self._line:
            self._line = line
            self.pointed.emit()

    def _mark_line(self) -> None:
        """Marks the variation that the preview shows: a long one stands on several lines."""
        mark = QTextEdit.ExtraSelection()
        mark.cursor = self.variations.textCursor()
        mark.cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
        mark.format.setBackground(self.palette().color(QPalette.ColorRole.AlternateBase))
        mark.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
        self.variations.setExtraSelections([mark])
