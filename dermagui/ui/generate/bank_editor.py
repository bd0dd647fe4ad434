"""The editor of question banks: one's own may be changed, those that ship are looked at and copied."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from dermagui.errors import DermaError
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.generate import desk_work
from dermagui.ui.generate.cards import Card, Cards, PreviewCard
from dermagui.ui.generate.desk_work import Prepare, Raw
from dermagui.ui.generate.question_form import QuestionForm, RawQuestion
from dermagui.ui.widgets.bar import Bar, Level

if TYPE_CHECKING:
    from dermagui.generation.own_banks import ListedBank
    from dermagui.generation.plan import Plan
    from dermagui.generation.preview import Preview

_PATIENCE_MILLISECONDS = 400
"""After the last key, before the draft is kept and the preview is made anew."""

_WITHIN = Qt.ShortcutContext.WidgetWithChildrenShortcut
_NATIVE = QKeySequence.SequenceFormat.NativeText


class BankEditor(QWidget):
    """Shows one bank. What is typed is kept as a draft at once; only what is right can be saved."""

    left = Signal(str)
    """The user goes back to the plan with this bank, by its name in plans."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._plan: Plan | None = None
        self._stem = ""
        self._own = False
        self._raw: Raw = {}
        self._nth = 0
        self._dirty = False
        self.bar = Bar()
        self.title = QLabel()
        self.name = QLineEdit()
        self.questions = QListWidget()
        self.form = QuestionForm()
        self.preview = Cards(self.tr("What would be sent"))
        self.add, self.remove = QPushButton(self.tr("Add a question")), QPushButton(self.tr("Remove it"))
        self.next_image = QPushButton(self.tr("Another image"))
        self.copy, self.save = QPushButton(self.tr("Make a copy of my own")), QPushButton(self.tr("Save"))
        self.back = QPushButton(self.tr("Back to the plan"))
        self._timer = QTimer(self, singleShot=True, interval=_PATIENCE_MILLISECONDS)
        self._build()
        self._connect()

    # -- building -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.title.setFont(theme.heading_font(self.title.font()))
        label = QLabel(self.tr("&Name of the bank"))
        label.setBuddy(self.name)
        head = QHBoxLayout()
        head.setSpacing(theme.GRID)
        for widget in (label, self.name):
            head.addWidget(widget)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.setChildrenCollapsible(False)
        for part, stretch in ((self._build_list(), 2), (self.form, 4), (self._build_preview(), 4)):
            parts.addWidget(part)
            parts.setStretchFactor(parts.count() - 1, stretch)
        foot = QHBoxLayout()
        foot.setSpacing(theme.GRID)
        foot.addStretch(1)
        for button in (self.copy, self.save, self.back):
            foot.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(self.bar)
        column.addWidget(self.title)
        column.addLayout(head)
        column.addWidget(parts, 1)
        column.addLayout(foot)

    def _build_list(self) -> QWidget:
        self.questions.setAccessibleName(self.tr("Questions of the bank"))
        buttons = QHBoxLayout()
        buttons.addWidget(self.add)
        buttons.addWidget(self.remove)
        return _column(self.questions, buttons)

    def _build_preview(self) -> QWidget:
        title = QLabel(self.tr("On one image, exactly"))
        row = QHBoxLayout()
        row.addWidget(title, 1)
        row.addWidget(self.next_image)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addLayout(row)
        column.addWidget(self.preview, 1)
        return whole

    def _connect(self) -> None:
        self.questions.currentRowChanged.connect(self._show_question)
        self.form.changed.connect(self._on_form_changed)
        self.form.pointed.connect(self._timer.start)
        self.name.textEdited.connect(self._on_name_edited)
        self.add.clicked.connect(self._add_question)
        self.remove.clicked.connect(self._remove_question)
        self.next_image.clicked.connect(self._show_next_image)
        self.copy.clicked.connect(self._copy)
        self.save.clicked.connect(self._save)
        self.back.clicked.connect(self.leave)
        self._timer.timeout.connect(self._on_timer_timeout)
        QShortcut(QKeySequence.StandardKey.Save, self, context=_WITHIN).activated.connect(self.save.click)
        self.save.setToolTip(QKeySequence(QKeySequence.StandardKey.Save).toString(_NATIVE))

    # -- a bank -----------------------------------------------------------------------------------

    def open_bank(self, name: str, plan: Plan) -> None:
        """Shows the bank that a plan calls so, with what was typed and not saved; ``plan`` previews it."""
        self._plan = plan
        self._desk.work(
            partial(desk_work.read_bank, name),
            self._on_read,
            owner=self,
            failed=self.bar.tell_error,
        )

    def _on_read(self, read: tuple[ListedBank, Raw, Raw | None, list[str]]) -> None:
        listed, raw, draft, fields = read
        self.bar.hide()
        self._stem, self._own = listed.stem, listed.own
        types = sorted({question["type"] for question in raw["questions"]})
        self.form.offer(types, fields)
        self._show_bank(draft or raw)
        self._dirty = draft is not None
        if draft is not None:
            discard = partial(self._discard, raw)
            self.bar.tell(
                self.tr("What you had not saved is here."), Level.INFO, self.tr("Discard it"), discard
            )
        self._check()

    def _discard(self, raw: Raw) -> None:
        self._forget_draft(self._stem)
        self._show_bank(raw)
        self._check()

    def _show_bank(self, raw: Raw) -> None:
        self._raw = deepcopy(raw)
        self._dirty = False
        words = self.tr("{name}, version {version}")
        if not self._own:
            words = self.tr("{name}, version {version}, which came with dermagui")
        self.title.setText(words.format(name=raw.get("name", ""), version=raw.get("version", "")))
        self.name.setText(str(raw.get("name", "")))
        self.name.setReadOnly(not self._own)
        for widget in (self.add, self.remove, self.save):
            widget.setVisible(self._own)
        self.copy.setVisible(not self._own)
        self._list_questions(0)

    def _list_questions(self, row: int) -> None:
        with QSignalBlocker(self.questions):
            self.questions.clear()
            self.questions.addItems([str(question.get("key", "")) for question in self._questions])
            self.questions.setCurrentRow(row)
        self._show_question(self.questions.currentRow())

    @property
    def _questions(self) -> list[RawQuestion]:
        found: list[RawQuestion] = self._raw.get("questions", [])
        return found

    def _show_question(self, row: int) -> None:
        chosen = 0 <= row < len(self._questions)
        self.form.setEnabled(chosen)
        self.form.show_question(self._questions[row] if chosen else {}, editable=self._own)
        self._check()
        self._timer.start()

    # -- editing ----------------------------------------------------------------------------------

    def _on_form_changed(self) -> None:
        row = self.questions.currentRow()
        if 0 <= row < len(self._questions):
            self._questions[row] = self.form.question()
            item = self.questions.item(row)
            item.setText(self._questions[row]["key"])
            self._touch()

    def _on_name_edited(self, name: str) -> None:
        self._raw["name"] = name
        self._touch()

    def _add_question(self) -> None:
        names = {question.get("key") for question in self._questions}
        key = next(f"question_{n}" for n in range(1, 10_000) if f"question_{n}" not in names)
        made = {
            "key": key,
            "type": "overview",
            "kind": "open",
            "weight": 1.0,
            "modalities": [],
            "variations": [],
        }
        self._questions.append(made)
        self._touch()
        self._list_questions(len(self._questions) - 1)
        self.form.variations.setFocus()

    def _remove_question(self) -> None:
        row = self.questions.currentRow()
        if 0 <= row < len(self._questions):
            del self._questions[row]
            self._touch()
            self._list_questions(min(row, len(self._questions) - 1))

    def _touch(self) -> None:
        self._dirty = True
        self._check()
        self._timer.start()

    def _check(self) -> None:
        """Says what keeps the bank from being saved, about the question in view first."""
        from dermagui.generation.bank import parse_bank, parse_question

        row = self.questions.currentRow()
        here = _problem(parse_question, self._questions[row]) if 0 <= row < len(self._questions) else None
        whole = _problem(parse_bank, self._raw)
        self.form.tell(here or whole)
        self.save.setEnabled(self._dirty and whole is None)
        self.remove.setEnabled(bool(self._questions))

    # -- saving -----------------------------------------------------------------------------------

    def _copy(self) -> None:
        """Makes a bank of one's own of the one in view, so that what is typed next has a place to be kept."""
        made = partial(desk_work.copy_bank, deepcopy(self._raw), self.tr("{name}, my copy"))
        self._desk.work(made, self._on_copied, owner=self, failed=self.bar.tell_error)

    def _on_copied(self, made: ListedBank) -> None:
        from dermagui.generation.bank import bank_as_json

        assert made.bank is not None
        self._stem, self._own = made.stem, True
        self._show_bank(bank_as_json(made.bank))
        self.name.setFocus()
        self.name.selectAll()

    def _save(self) -> None:
        if not self.save.isEnabled() or not self.save.isVisible():
            return
        raw = deepcopy(self._raw)
        name = str(raw.get("name", ""))
        self._desk.ask(
            partial(desk_work.used_versions, name=name),
            partial(self._write, raw),
            owner=self,
            failed=self.bar.tell_error,
        )

    def _write(self, raw: Raw, used: frozenset[str]) -> None:
        write = partial(desk_work.write_bank, raw, used, self._stem)
        saved = partial(self._on_saved, raw["version"])
        self._desk.work(write, saved, owner=self, failed=self.bar.tell_error)

    def _on_saved(self, before: str, saved: ListedBank) -> None:
        assert saved.bank is not None
        self._stem = saved.stem
        row, version = self.questions.currentRow(), saved.bank.version
        self._raw["version"] = version
        self._dirty = False
        self._show_bank(self._raw)
        self._list_questions(row)
        told = self.tr("Saved as version {version}.").format(version=version)
        if version != before:
            words = self.tr("Version {version} was used in this project and stays as it was.")
            told += " " + words.format(version=before)
        self.bar.tell(told, Level.DONE)

    def leave(self) -> None:
        """Goes back to the plan; what was not saved is kept."""
        self.keep_draft()
        self.left.emit(self._stem)

    def _on_timer_timeout(self) -> None:
        self.keep_draft()
        self._show_preview()

    def keep_draft(self) -> None:
        """Keeps what was typed and not saved, beside the bank."""
        if self._dirty and self._own and self._stem:
            from dermagui.generation import own_banks

            kept = partial(own_banks.keep_draft, self._stem, deepcopy(self._raw))
            self._desk.work(kept, _nothing, owner=self, failed=self.bar.tell_error)

    def _forget_draft(self, stem: str) -> None:
        from dermagui.generation.own_banks import keep_draft

        self._desk.work(partial(keep_draft, stem, None), _nothing, owner=self, failed=self.bar.tell_error)

    # -- the preview ------------------------------------------------------------------------------

    def _show_next_image(self) -> None:
        self._nth += 1
        self._show_preview()

    def _show_preview(self) -> None:
        from dermagui.generation.bank import parse_question

        row = self.questions.currentRow()
        if self._plan is None or not 0 <= row < len(self._questions):
            self.preview.show_cards([])
            return
        try:
            question = parse_question(self._questions[row])
        except DermaError:
            self.preview.show_cards([])  # below the fields it says what is wrong
            return
        ask = partial(
            desk_work.plan_one,
            plan=self._plan,
            question=question,
            variation=self.form.variation,
            nth=self._nth,
        )
        self._desk.ask(ask, self._on_planned, owner=self, failed=self._say)

    def _on_planned(self, prepare: Prepare) -> None:
        self._desk.work(prepare, self._on_prepared, owner=self, failed=self._say)

    def _on_prepared(self, found: tuple[Preview, QImage]) -> None:
        self.preview.show_cards([PreviewCard(*found)])

    def _say(self, error: DermaError) -> None:
        card = Card()
        card.say(texts.worded(error))
        self.preview.show_cards([card])


def _column(widget: QWidget, below: QHBoxLayout) -> QWidget:
    whole = QWidget()
    column = QVBoxLayout(whole)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(theme.GRID)
    column.addWidget(widget, 1)
    column.addLayout(below)
    return whole


def _problem(parse: Callable[[object], object], raw: object) -> DermaError | None:
    try:
        parse(raw)
    except DermaError as error:
        return error
    return None


def _nothing(_: object) -> None:
    """For work whose result nobody waits for."""
