"""The filter as a sentence: *Images · diagnosis is melanoma · with no pairs · from PAD-UFES-20*."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QLocale, QPoint, QTimer, Signal
from PySide6.QtWidgets import QLineEdit, QMenu, QPushButton, QWidget

from dermagui.library.fields import known_fields
from dermagui.records import FileState
from dermagui.storage import filters
from dermagui.storage.filters import Filter, PairFilter
from dermagui.storage.metadata import count_values
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.icons import icon
from dermagui.ui.library.field_words import field_label
from dermagui.ui.widgets.flow import FlowLayout

_TYPING_MILLISECONDS = 250
_VALUES_AT_MOST = 40
_WIDEST_VALUE = 48


class FilterBar(QWidget):
    """Shows a filter as chips, each of which is taken away by a click, and adds conditions from a menu."""

    changed = Signal(object)
    """The user wants this ``Filter``."""
    saving_asked = Signal(str)
    """The user wants the filter to be kept under this name."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._filter = Filter()
        self._sources: Mapping[int, str] = {}
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_MILLISECONDS)
        self._typing.timeout.connect(self._on_typing_timeout)
        self._build()

    def _build(self) -> None:
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Part of a file name"))
        self.search.setAccessibleName(self.tr("Find images by file name"))
        self.search.setClearButtonEnabled(True)
        self.search.setFixedWidth(theme.GRID * 24)
        self.search.textEdited.connect(lambda _: self._typing.start())
        self.search.returnPressed.connect(self._on_typing_timeout)
        self._chips: list[QPushButton] = []
        self._add = QPushButton(self.tr("Add a condition"))
        self._add.setIcon(icon("add"))
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._add.setMenu(self._menu)
        self._save = QPushButton(self.tr("Save this filter…"))
        self._save.clicked.connect(self.ask_name)
        self._name = QLineEdit()
        self._name.setPlaceholderText(self.tr("Name of the filter, then Enter"))
        self._name.setAccessibleName(self.tr("Name of the filter"))
        self._name.setFixedWidth(theme.GRID * 28)
        self._name.returnPressed.connect(self._on_name_return_pressed)
        self._name.editingFinished.connect(self._name.hide)
        self._name.hide()
        self._row = FlowLayout(self)
        for widget in (self.search, self._add, self._save, self._name):
            self._row.addWidget(widget)
        self.show_filter(Filter(), {})

    # -- what it shows --------------------------------------------------------------------------

    @property
    def sentence(self) -> str:
        """The filter in words."""
        return " · ".join(text for text, _ in self._conditions())

    def show_filter(self, wanted: Filter, sources: Mapping[int, str]) -> None:
        """Shows a filter; ``sources`` are the names of the sources by their ids."""
        self._filter, self._sources = wanted, sources
        if not self.search.hasFocus():
            self.search.setText(wanted.text)
        for chip in self._chips:
            self._row.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self._chips = [self._make_chip(text, without) for text, without in self._conditions()]
        for n, chip in enumerate(self._chips, 1):
            self._row.insert_widget(n, chip)
        for before, after in itertools.pairwise((self.search, *self._chips, self._add)):
            QWidget.setTabOrder(before, after)
        self._save.setEnabled(wanted != Filter())

    def _make_chip(self, text: str, without: Filter) -> QPushButton:
        chip = QPushButton(icon("close"), text)
        chip.setToolTip(self.tr("Take this condition away"))
        chip.setAccessibleName(self.tr("Take away: {condition}").format(condition=text))
        chip.clicked.connect(lambda: self.changed.emit(without))
        return chip

    def _conditions(self) -> list[tuple[str, Filter]]:
        """Each condition in words, and the filter without it."""
        wanted = self._filter
        found = []
        for one in wanted.fields:
            left = tuple(other for other in wanted.fields if other != one)
            found.append((self._field_text(*one), replace(wanted, fields=left)))
        if wanted.pairs is not None:
            found.append((self._pair_texts()[wanted.pairs], replace(wanted, pairs=None)))
        if wanted.state is not None:
            found.append((self._state_texts()[wanted.state], replace(wanted, state=None)))
        if wanted.copied:
            found.append((self._copied_text(), replace(wanted, copied=False)))
        if wanted.described is not None:
            text = self._described_texts()[wanted.described]
            found.append((text, replace(wanted, described=None)))
        if wanted.may_leave is not None:
            found.append((self._leave_texts()[wanted.may_leave], replace(wanted, may_leave=None)))
        if wanted.source_id is not None:
            name = self._sources.get(wanted.source_id, "?")
            found.append((self.tr("source is {name}").format(name=name), replace(wanted, source_id=None)))
        return found

    def _field_text(self, name: str, value: str) -> str:
        label = field_label(name)
        if not value:
            return self.tr("{field} is not stated").format(field=label)
        short = value if len(value) <= _WIDEST_VALUE else value[: _WIDEST_VALUE - 1] + "…"
        return self.tr("{field} is {value}").format(field=label, value=short)

    def _pair_texts(self) -> dict[PairFilter, str]:
        return {
            PairFilter.NONE: self.tr("has no pairs"),
            PairFilter.SOME: self.tr("has pairs"),
            PairFilter.FLAGGED: self.tr("has flagged pairs"),
            PairFilter.PENDING: self.tr("has pairs nobody has read"),
            PairFilter.ACCEPTED: self.tr("has accepted pairs"),
            PairFilter.EDITED: self.tr("has edited pairs"),
            PairFilter.REJECTED: self.tr("has rejected pairs"),
            PairFilter.UNSURE: self.tr("has pairs that somebody is unsure of"),
        }

    def _state_texts(self) -> dict[FileState, str]:
        return {
            FileState.READY: self.tr("is readable"),
            FileState.UNREADABLE: self.tr("is unreadable"),
            FileState.MISSING: self.tr("is missing on the disk"),
        }

    def _copied_text(self) -> str:
        return self.tr("lies there more than once")

    def _described_texts(self) -> dict[bool, str]:
        return {True: self.tr("has metadata"), False: self.tr("has no metadata")}

    def _leave_texts(self) -> dict[bool, str]:
        return {True: self.tr("may leave this computer"), False: self.tr("stays on this computer")}

    # -- what the user does ---------------------------------------------------------------------

    def ask_name(self) -> None:
        """Asks for the name under which the filter is kept."""
        if self._filter != Filter():
            self._name.setText(self.sentence)
            self._name.show()
            self._name.selectAll()
            self._name.setFocus()

    def _fill_menu(self) -> None:
        self._menu.clear()
        choices: tuple[tuple[str, dict[str, Filter]], ...] = (
            (self.tr("Pairs"), {t: replace(self._filter, pairs=p) for p, t in self._pair_texts().items()}),
            (
                self.tr("File"),
                {t: replace(self._filter, state=s) for s, t in self._state_texts().items()}
                | {self._copied_text(): replace(self._filter, copied=True)},
            ),
            (
                self.tr("Metadata"),
                {t: replace(self._filter, described=d) for d, t in self._described_texts().items()},
            ),
            (
                self.tr("Privacy"),
                {t: replace(self._filter, may_leave=m) for m, t in self._leave_texts().items()},
            ),
            (
                self.tr("Source"),
                {name: replace(self._filter, source_id=id_) for id_, name in self._sources.items()},
            ),
        )
        for title, filters_of in choices:
            menu = self._menu.addMenu(title)
            for text, wanted in filters_of.items():
                menu.addAction(text).triggered.connect(partial(self._emit, wanted))
        self._menu.addSeparator()
        self._desk.ask(filters.fields_said, self._add_fields, owner=self)

    def _add_fields(self, names: list[str]) -> None:
        known = [name for name in known_fields() if name in names]
        for name in [*known, *(name for name in names if name not in known)]:
            text = self.tr("{field}…").format(field=field_label(name))
            self._menu.addAction(text).triggered.connect(partial(self._ask_values, name))

    def _ask_values(self, name: str, *_: object) -> None:
        self._desk.ask(lambda store: count_values(store, name), partial(self._show_values, name), owner=self)

    def _show_values(self, name: str, counts: dict[str, int]) -> None:
        menu = QMenu(self)
        for value, count in list(counts.items())[:_VALUES_AT_MOST]:
            text = f"{self._field_text(name, value)}   {QLocale().toString(count)}"
            # An ampersand would be taken for a shortcut.
            menu.addAction(text.replace("&", "&&")).triggered.connect(partial(self._add_field, name, value))
        menu.addSeparator()
        menu.addAction(self._field_text(name, "")).triggered.connect(partial(self._add_field, name, ""))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._add.mapToGlobal(QPoint(0, self._add.height())))

    def _add_field(self, name: str, value: str, *_: object) -> None:
        fields = (*(one for one in self._filter.fields if one != (name, value)), (name, value))
        self._emit(replace(self._filter, fields=fields))

    def _emit(self, wanted: Filter, *_: object) -> None:
        self.changed.emit(wanted)

    def _on_typing_timeout(self) -> None:
        self._typing.stop()
        if self.search.text().strip() != self._filter.text:
            self._emit(replace(self._filter, text=self.search.text().strip()))

    def _on_name_return_pressed(self) -> None:
        name = self._name.text().strip()
        self._name.hide()
        if name:
            self.saving_asked.emit(name)
