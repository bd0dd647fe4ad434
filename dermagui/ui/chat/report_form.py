"""A report as a form that can be edited, saved as text or as a page, and printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGroupBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from dermagui.chat.bundle import NOTICE
from dermagui.chat.reports import FormField, fields_of
from dermagui.ui import theme
from dermagui.ui.widgets.bar import Bar
from dermagui.ui.widgets.button_row import tab_as_seen

_LINES = {"text": 2, "list": 4}


class ReportForm(QDialog):
    """Every field can be written in; ``values`` is what stands there now."""

    save_wanted = Signal()
    print_wanted = Signal()

    def __init__(self, schema: Mapping[str, Any], values: Mapping[str, Any], parent: QWidget) -> None:
        super().__init__(parent)
        title = str(schema.get("title") or self.tr("Report"))
        self.setWindowTitle(title)
        self.bar = Bar()
        self.fields: dict[str, Callable[[], object]] = {}
        """What each field holds now, by its key."""
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._inside = QWidget()
        self._column = QVBoxLayout(self._inside)
        self._column.setSpacing(theme.GRID // 2)
        for field in fields_of(schema):
            self.fields[field.key] = add_field(self._column, field, values.get(field.key), field.label)
        self._column.addStretch(1)
        self._before = self.values
        self._build()

    def _build(self) -> None:
        notice = QLabel(NOTICE)
        font = notice.font()
        font.setBold(True)
        notice.setFont(font)
        notice.setWordWrap(True)
        about = QLabel(
            self.tr("Written by a model: read every field. What you change is kept with the chat.")
        )
        about.setWordWrap(True)
        scroll = QScrollArea()
        scroll.setWidget(self._inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setAccessibleName(self.tr("Fields of the report"))
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, 2 * theme.GRID, 2 * theme.GRID, 2 * theme.GRID)
        column.setSpacing(theme.GRID)
        for widget in (self.bar, notice, about):
            column.addWidget(widget)
        column.addWidget(scroll, 1)
        column.addWidget(self.buttons)
        actions = {self.tr("&Save as a file…"): self.save_wanted, self.tr("&Print…"): self.print_wanted}
        for text, wanted in actions.items():
            button = self.buttons.addButton(text, QDialogButtonBox.ButtonRole.ActionRole)
            button.setAutoDefault(False)
            button.clicked.connect(wanted)
        tab_as_seen(self.buttons)
        self.buttons.rejected.connect(self.reject)
        self.resize(80 * theme.GRID, 88 * theme.GRID)
        first = next(iter(self._inside.findChildren(QPlainTextEdit)), None)
        if first is not None:
            first.setFocus()

    @property
    def values(self) -> dict[str, object]:
        """What the form holds now."""
        return {key: read() for key, read in self.fields.items()}

    @property
    def is_changed(self) -> bool:
        """Whether somebody wrote in it."""
        return self.values != self._before


def add_field(column: QVBoxLayout, field: FormField, value: object, name: str) -> Callable[[], object]:
    """Adds a field with its label; returns what reads it. ``name`` tells it apart from all others by ear."""
    if field.kind == "table":
        table = Rows(field, value if isinstance(value, list) else [])
        column.addWidget(table)
        return lambda: table.values
    label = QLabel(field.label)
    widget, read = _editor(field, value)
    label.setBuddy(widget)
    widget.setAccessibleName(name)
    if field.kind == "list":
        label.setText(label.tr("{name} (one on each line)").format(name=field.label))
    column.addWidget(label)
    column.addWidget(widget)
    return read


def _editor(field: FormField, value: object) -> tuple[QWidget, Callable[[], object]]:
    if field.kind == "choice":
        return _choice(field, str(value or ""))
    written = QPlainTextEdit("\n".join(value) if isinstance(value, list) else str(value or ""))
    written.setTabChangesFocus(True)
    line = written.fontMetrics().lineSpacing()
    written.setFixedHeight(_LINES[field.kind] * line + 2 * theme.GRID)
    if field.kind == "text":
        return written, lambda: written.toPlainText().strip()
    return written, lambda: [part.strip() for part in written.toPlainText().splitlines() if part.strip()]


def _choice(field: FormField, value: str) -> tuple[QWidget, Callable[[], object]]:
    box = QuietBox()
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.addItem("–", "")
    for choice in field.choices:
        box.addItem(choice, choice)
    if value and box.findData(value) < 0:  # a model without a grammar, or a form of another version
        box.addItem(value, value)
    box.setCurrentIndex(max(0, box.findData(value)))
    return box, box.currentData


class QuietBox(QComboBox):
    """Whoever scrolls through the form does not choose something else on the way."""

    def wheelEvent(self, event: object) -> None:
        event.ignore()  # type: ignore[attr-defined]


class Rows(QWidget):
    """A table as one box for each row, with buttons that add and remove rows."""

    def __init__(self, field: FormField, rows: list[Mapping[str, Any]]) -> None:
        super().__init__()
        self._field = field
        self._rows: list[tuple[QGroupBox, dict[str, Callable[[], object]]]] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.GRID)
        self.add = QPushButton(self.tr("Add to: {name}").format(name=field.label))
        self.add.setAutoDefault(False)
        self.add.clicked.connect(lambda: self.add_row({}))
        self._column.addWidget(self.add, 0, Qt.AlignmentFlag.AlignLeft)
        for row in rows:
            self.add_row(row)

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Adds a row behind the others."""
        box = QGroupBox()
        column = QVBoxLayout(box)
        column.setSpacing(theme.GRID // 2)
        title = self.tr("{name} {number}").format(name=self._field.label, number=len(self._rows) + 1)
        box.setTitle(title)
        readers = {
            one.key: add_field(column, one, row.get(one.key), f"{title}: {one.label}")
            for one in self._field.columns
        }
        remove = QPushButton(self.tr("Remove"))
        remove.setAutoDefault(False)
        remove.setAccessibleName(self.tr("Remove: {name}").format(name=title))
        remove.clicked.connect(partial(self._remove, box))
        column.addWidget(remove, 0, Qt.AlignmentFlag.AlignLeft)
        self._rows.append((box, readers))
        self._column.insertWidget(self._column.count() - 1, box)

    def _remove(self, box: QGroupBox) -> None:
        values = [row for row, (other, _) in zip(self._told(), self._rows, strict=True) if other is not box]
        for other, _ in self._rows:
            self._column.removeWidget(other)
            other.hide()
            other.deleteLater()
        self._rows.clear()
        for row in values:  # they are numbered anew
            self.add_row(row)
        self.add.setFocus()

    @property
    def values(self) -> list[dict[str, object]]:
        """What the rows hold now; one without a word is none."""
        return [row for row in self._told() if any(row.values())]

    def _told(self) -> list[dict[str, object]]:
        return [{key: read() for key, read in readers.items()} for _, readers in self._rows]
