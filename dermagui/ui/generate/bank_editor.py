"""The editor of question banks: one's own may be changed, those that ship are looked at and copied."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from dermagui.errors import DermaError
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.generate import choices, desk_work
from dermagui.ui.generate.bank_preview import BankPreview
from dermagui.ui.generate.desk_work import Raw
from dermagui.ui.generate.question_form import QuestionForm, RawQuestion
from dermagui.ui.generate.question_list import QuestionList
from dermagui.ui.widgets.bar import Bar, Level

if TYPE_CHECKING:
    from dermagui.generation.own_banks import ListedBank
    from dermagui.generation.plan import Plan

_PATIENCE_MILLISECONDS = 400
"""After the last key, before the draft is kept and the preview is made anew."""

_WITHIN = Qt.ShortcutContext.WidgetWithChildrenShortcut
_NATIVE = QKeySequence.SequenceFormat.NativeText


class BankEditor(QWidget):
    """Shows one bank. What is typed is kept as a draft at once; only what is right can be saved."""

    left = Signal(str, str)
    """The user goes back to the plan with this bank: its name in plans, and what it calls itself."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._stem = self._saved_name = ""
        self._own = False
        self._raw: Raw = {}
        self._dirty = False
        self.bar = Bar()
        self.title = QLabel()
        self.name = QLineEdit()
        self.language = QComboBox()
        self.list = QuestionList()
        self.questions = self.list.rows
        self.form = QuestionForm()
        self.preview = BankPreview(desk)
        self.copy, self.save = QPushButton(self.tr("Make a copy of my own")), QPushButton(self.tr("Save"))
        self.back = QPushButton(self.tr("Back to the plan"))
        self._timer = QTimer(self, singleShot=True, interval=_PATIENCE_MILLISECONDS)
        self._build()
        self._connect()

    # -- building -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.title.setFont(theme.heading_font(self.title.font()))
        for code, text in choices.LANGUAGES.items():
            self.language.addItem(choices.words(text), code)
        head = QHBoxLayout()
        head.setSpacing(theme.GRID)
        fields: dict[str, QWidget] = {self.tr("&Name of the bank"): self.name}
        fields[self.tr("&Language")] = self.language
        for words, field in fields.items():
            label = QLabel(words)
            label.setBuddy(field)
            head.addWidget(label)
            head.addWidget(field)
        head.setStretch(1, 1)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.setChildrenCollapsible(False)
        for part, stretch in ((self.list, 2), (self.form, 4), (self.preview, 4)):
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

    def _connect(self) -> None:
        self.list.chosen.connect(self._show_question)
        self.list.changed.connect(self._touch)
        self.list.added.connect(self.form.variations.setFocus)
        self.form.changed.connect(self._on_form_changed)
        self.form.pointed.connect(self._timer.start)
        self.name.textEdited.connect(self._on_name_edited)
        self.language.activated.connect(self._on_language_chosen)
        self.copy.clicked.connect(self._copy)
        self.save.clicked.connect(self._save)
        self.back.clicked.connect(self.leave)
        self._timer.timeout.connect(self._on_timer_timeout)
        QShortcut(QKeySequence.StandardKey.Save, self, context=_WITHIN).activated.connect(self.save.click)
        self.save.setToolTip(QKeySequence(QKeySequence.StandardKey.Save).toString(_NATIVE))

    # -- a bank -----------------------------------------------------------------------------------

    def open_bank(self, name: str, plan: Plan) -> None:
        """Shows the bank that a plan calls so, with what was typed and not saved; ``plan`` previews it."""
        self.preview.use_plan(plan)
        self._desk.work(
            partial(desk_work.read_bank, name),
            self._on_read,
            owner=self,
            failed=self.bar.tell_error,
        )

    def _on_read(self, read: tuple[ListedBank, Raw, Raw | None, list[str]]) -> None:
        listed, raw, draft, fields = read
        self.bar.hide()
        self._stem, self._own, self._saved_name = listed.stem, listed.own, str(raw["name"])
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
        self._show_language(str(raw.get("language", "")))
        self.save.setVisible(self._own)
        self.copy.setVisible(not self._own)
        self.list.show_questions(self._questions, editable=self._own)

    def _show_language(self, code: str) -> None:
        """Shows the language of the bank; one that is none of those offered is offered from now on."""
        if self.language.findData(code) < 0:
            self.language.addItem(code, code)
        self.language.setCurrentIndex(self.language.findData(code))
        self.language.setEnabled(self._own)

    @property
    def _questions(self) -> list[RawQuestion]:
        found: list[RawQuestion] = self._raw.setdefault("questions", [])
        return found

    def _show_question(self) -> None:
        question = self.list.question
        self.form.setEnabled(question is not None)
        self.form.show_question(question or {}, editable=self._own)
        self._check()
        self._timer.start()

    # -- editing ----------------------------------------------------------------------------------

    def _on_form_changed(self) -> None:
        if self.list.question is not None:
            self.list.replace(self.form.question())
            self._touch()

    def _on_language_chosen(self) -> None:
        self._raw["language"] = self.language.currentData()
        self._touch()

    def _on_name_edited(self, name: str) -> None:
        self._raw["name"] = name
        self._touch()

    def _touch(self) -> None:
        self._dirty = True
        self._check()
        self._timer.start()

    def _check(self) -> None:
        """Says what keeps the bank from being saved, about the question in view first."""
        from dermagui.generation.bank import parse_bank, parse_question

        question = self.list.question
        here = _problem(parse_question, question) if question is not None else None
        whole = _problem(parse_bank, self._raw)
        self.form.tell(here or whole)
        self.save.setEnabled(self._dirty and whole is None)

    # -- saving -----------------------------------------------------------------------------------

    def _copy(self) -> None:
        """Makes a bank of one's own of the one in view, so that what is typed next has a place to be kept."""
        made = partial(desk_work.copy_bank, deepcopy(self._raw), self.tr("{name}, my copy"))
        self._desk.work(made, self._on_copied, owner=self, failed=self.bar.tell_error)

    def _on_copied(self, made: ListedBank) -> None:
        from dermagui.generation.bank import bank_as_json

        assert made.bank is not None
        self._stem, self._own, self._saved_name = made.stem, True, made.bank.name
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
        self._stem, self._saved_name = saved.stem, saved.bank.name
        row, version = self.list.row, saved.bank.version
        self._raw["version"] = version
        self._dirty = False
        self._show_bank(self._raw)
        self.list.show_row(row)
        told = self.tr("Saved as version {version}.").format(version=version)
        if version != before:
            words = self.tr("Version {version} was used in this project and stays as it was.")
            told += " " + words.format(version=before)
        self.bar.tell(told, Level.DONE)

    def leave(self) -> None:
        """Goes back to the plan; what was not saved is kept."""
        self.keep_draft()
        self.left.emit(self._stem, self._saved_name)

    def _on_timer_timeout(self) -> None:
        self.keep_draft()
        self.preview.show_question(self.list.question, self.form.variation)

    def keep_draft(self) -> None:
        """Keeps what was typed and not saved, beside the bank."""
        if self._dirty and self._own and self._stem:
            from dermagui.generation import own_banks

            kept = partial(own_banks.keep_draft, self._stem, deepcopy(self._raw))
            self._desk.work(kept, owner=self, failed=self.bar.tell_error)

    def _forget_draft(self, stem: str) -> None:
        from dermagui.generation.own_banks import keep_draft

        self._desk.work(partial(keep_draft, stem, None), owner=self, failed=self.bar.tell_error)


def _problem(parse: Callable[[object], object], raw: object) -> DermaError | None:
    try:
        parse(raw)
    except DermaError as error:
        return error
    return None
