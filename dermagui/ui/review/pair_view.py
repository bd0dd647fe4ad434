"""The text of a pair: its flags in plain words, its turns, an edit as a difference, the fields to edit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from html import escape
from string import ascii_uppercase

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QSizePolicy, QVBoxLayout, QWidget

from dermagui.records import Pair, PairKind, Role, Turn
from dermagui.review.difference import Change, difference
from dermagui.review.reading import Reading
from dermagui.ui import theme
from dermagui.ui.icons import Sign
from dermagui.ui.review.words import REASONS, STATES, flag_words, plain_name, role_words, translated
from dermagui.ui.shell.words import whole

MEASURE_CHARACTERS = 70
"""Lines longer than this are hard to read on."""

_MARKS = {
    Change.KEPT: "{text}",
    Change.DELETED: '<s style="color:{deleted}">{text}</s>',
    # A thin space, or the first word would stick to what was deleted before it.
    Change.INSERTED: '&#8201;<b style="color:{inserted}"><u>{text}</u></b>',
}


class TurnEdit(QPlainTextEdit):
    """A field as high as its text."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlainText(text)
        self.setTabChangesFocus(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.textChanged.connect(self._fit)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        lines = max(2, round(self.document().documentLayout().documentSize().height()))
        margins = 2 * (self.frameWidth() + round(self.document().documentMargin())) + theme.GRID // 2
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + margins)


class PairView(QWidget):
    """Shows one reading, or lets its turns be edited."""

    typed = Signal()
    """Somebody typed in one of the fields."""
    cursor_moved = Signal(QPoint)
    """Where in this widget somebody writes now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reading: Reading | None = None
        self._answer_hidden = False
        self.fields: list[TurnEdit] = []
        """The fields of an edit, one for each turn; empty while nothing is edited."""
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(theme.GRID * 2, theme.GRID * 2, theme.GRID * 2, theme.GRID * 2)
        self._column.setSpacing(theme.GRID)
        self._set_measure()

    def _set_measure(self) -> None:
        average = self.fontMetrics().averageCharWidth()
        self.setMaximumWidth(MEASURE_CHARACTERS * average + 4 * theme.GRID)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.ApplicationFontChange):
            self._set_measure()
        if event.type() is QEvent.Type.PaletteChange and self._reading and not self.fields:
            self.show_reading(self._reading, answer_hidden=self._answer_hidden)
        super().changeEvent(event)

    # -- reading --------------------------------------------------------------------------------

    def show_reading(self, reading: Reading, *, answer_hidden: bool = False) -> None:
        """Shows a pair to be read. With ``answer_hidden``, only what was asked."""
        self._reading, self._answer_hidden = reading, answer_hidden
        self._clear()
        self._add_state(reading)
        if not answer_hidden:
            self._add_flags(reading)
        for n, turn in enumerate(reading.turns):
            if answer_hidden and turn.role is Role.ASSISTANT:
                self._add_words(self.tr("The answer appears when you have written your own impression."))
                break
            self._add_heading(self._title(n))
            self._add_text(self._shown(n, turn))
            if turn.role is Role.USER:
                self._add_payload(reading.pair, answer_hidden)
        if reading.edited and not answer_hidden:
            self._add_words(self.tr("Edited: what was deleted is struck out, what was added is underlined."))
        if reading.draft:
            self._add_words(self.tr("You have begun an edit of this pair; Edit goes on with it."))
        self._column.addStretch(1)

    def _add_state(self, reading: Reading) -> None:
        name, word = STATES[reading.pair.state]
        words = [translated(word)]
        if reading.said is not None and reading.said.reason is not None:
            words.append(translated(REASONS[reading.said.reason]))
        if reading.pair.simulated:
            words.append(self.tr("written by a rehearsal, not by a model"))
        self._add_signed(name, " · ".join(words), theme.GOOD if reading.edited else None)

    def _add_flags(self, reading: Reading) -> None:
        for flag in reading.pair.flags:
            self._add_signed("flag", flag_words(flag), theme.WARNING)

    def _title(self, n: int) -> str:
        """What the turn is; numbered where there are several of the kind."""
        assert self._reading is not None
        turns, kind = self._reading.turns, self._reading.pair.kind
        role = turns[n].role
        words = role_words(kind, role)
        same = [m for m, turn in enumerate(turns) if turn.role is role]
        return words if len(same) == 1 else f"{words} {whole(same.index(n) + 1)}"

    def _shown(self, n: int, turn: Turn) -> str:
        assert self._reading is not None
        generated = self._reading.pair.turns
        if not self._reading.edited or n >= len(generated) or generated[n].text == turn.text:
            return _lines(turn.text)
        colours = {
            "deleted": theme.colour(theme.DANGER, self.palette()).name(),
            "inserted": theme.colour(theme.GOOD, self.palette()).name(),
        }
        pieces = difference(generated[n].text, turn.text)
        return "".join(_MARKS[change].format(text=_lines(text), **colours) for change, text in pieces)

    def _add_payload(self, pair: Pair, answer_hidden: bool) -> None:
        """What the kind of pair needs besides turns: options, an input, the facts of a case."""
        options = pair.payload.get("options")
        if pair.kind is PairKind.CHOICE and isinstance(options, (list, Mapping)):
            lettered = (
                options if isinstance(options, Mapping) else dict(zip(ascii_uppercase, options, strict=False))
            )
            for letter, text in lettered.items():
                is_key = str(letter) == str(pair.payload.get("key")) and not answer_hidden
                mark = self.tr("the right one") if is_key else ""
                line = f"{escape(str(letter))}. {escape(str(text))}"
                self._add_text(f"<b>{line}</b> ({escape(mark)})" if mark else line)
        if pair.kind is PairKind.INSTRUCTION and pair.payload.get("input"):
            self._add_text(_lines(str(pair.payload["input"])))
        fields = pair.payload.get("fields")
        if pair.kind is PairKind.CASE and isinstance(fields, Mapping):
            for name, value in fields.items():
                self._add_text(f"{escape(plain_name(str(name)))}: {escape(str(value))}")

    # -- editing --------------------------------------------------------------------------------

    def edit(self, reading: Reading) -> None:
        """Shows a pair to be edited, from the draft where there is one."""
        self._reading = reading
        self._clear()
        self._add_state(reading)
        self._add_flags(reading)
        for n, turn in enumerate(reading.draft or reading.turns):
            self._add_heading(self._title(n))
            field = TurnEdit(turn.text)
            field.setAccessibleName(self._title(n))
            field.textChanged.connect(self.typed)
            field.cursorPositionChanged.connect(partial(self._on_field_cursor_position_changed, field))
            self.fields.append(field)
            self._add(field)
            if turn.role is Role.USER:
                self._add_payload(reading.pair, False)
        self._column.addStretch(1)
        last = [n for n, turn in enumerate(reading.turns) if turn.role is Role.ASSISTANT]
        if self.fields:
            self.fields[last[-1] if last else 0].setFocus()

    def _on_field_cursor_position_changed(self, field: TurnEdit) -> None:
        self.cursor_moved.emit(field.mapTo(self, field.cursorRect().center()))

    @property
    def edited(self) -> tuple[Turn, ...]:
        """The turns as they stand in the fields; empty while nothing is edited."""
        if self._reading is None:
            return ()
        turns = self._reading.draft or self._reading.turns
        return tuple(
            Turn(turn.role, field.toPlainText()) for turn, field in zip(turns, self.fields, strict=False)
        )

    # -- parts ----------------------------------------------------------------------------------

    def _clear(self) -> None:
        self.fields = []
        while (part := self._column.takeAt(0)) is not None:
            widget = part.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def _add(self, widget: QWidget) -> None:
        self._column.addWidget(widget)
        widget.show()  # now, and not with the next event: what is not shown cannot take the focus

    def _add_heading(self, text: str) -> None:
        label = QLabel(text)
        label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        label.setContentsMargins(0, theme.GRID, 0, 0)
        self._add(label)

    def _add_text(self, html: str) -> None:
        label = QLabel(html)
        label.setTextFormat(Qt.TextFormat.RichText)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._add(label)

    def _add_words(self, text: str) -> None:
        label = QLabel(text)
        label.setWordWrap(True)
        label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._add(label)

    def _add_signed(self, name: str, text: str, tint: tuple[str, str] | None) -> None:
        """A sign and a word beside it."""
        box = QFrame()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID)
        sign = Sign(name)
        sign.show_icon(name, tint)
        label = QLabel(text)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(label, 1)
        self._add(box)


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")
