"""The line above: which pairs, in which order, and a search. It reads like a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QApplication, QComboBox, QHBoxLayout, QLabel, QLineEdit, QWidget

from dermagui.records import FlagKind, PairState
from dermagui.review.queue import Order
from dermagui.storage.queues import QueueFilter
from dermagui.ui import theme
from dermagui.ui.review.words import FLAG_KINDS, ORDERS, STATES, capitalized, plain_name, translated
from dermagui.ui.widgets.snug_box import SnugBox

_UNREAD = "unread"
_ANY, _FLAGGED, _UNFLAGGED = "any", "flagged", "unflagged"


@dataclass(frozen=True, slots=True)
class Choices:
    """What a project offers to filter by."""

    question_keys: tuple[str, ...] = ()
    sources: dict[int, str] = field(default_factory=dict)


class FilterStrip(QWidget):
    """Combination boxes for a ``QueueFilter`` and an ``Order``, and a line to search in."""

    chosen = Signal()
    """The user chose another filter or order."""
    searched = Signal(str)
    """The user looks for these words; empty: for none any more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._person_uid = ""
        self._state, self._flag = SnugBox(), SnugBox()
        self._question, self._source = SnugBox(), SnugBox()
        self._order = SnugBox()
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search all pairs"))
        self.search.setAccessibleName(self.tr("Search all pairs"))
        self.search.setClearButtonEnabled(True)
        self.search.setMinimumWidth(16 * theme.GRID)
        self.search.returnPressed.connect(lambda: self.searched.emit(self.search.text().strip()))
        self.search.textChanged.connect(self._on_search_text_changed)
        self._build()

    def _build(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID)
        show = QLabel(self.tr("Show"))
        row.addWidget(show)
        names = (
            self.tr("State"),
            self.tr("Flags"),
            self.tr("Question"),
            self.tr("Source"),
            self.tr("Order"),
        )
        for box, name in zip(self._boxes, names, strict=True):
            box.setAccessibleName(name)
            box.activated.connect(lambda _: self.chosen.emit())
            row.addWidget(box)
        row.addWidget(self.search, 1)
        states = [("", self.tr("all pairs")), *((s.value, translated(STATES[s][1])) for s in PairState)]
        _fill(self._state, [states[1], (_UNREAD, self.tr("Not read by me")), states[0], *states[2:]])
        kinds = [(kind.value, translated(words)) for kind, words in FLAG_KINDS.items()]
        flags = [(_ANY, self.tr("flagged or not")), (_FLAGGED, self.tr("flagged"))]
        _fill(self._flag, [*flags, (_UNFLAGGED, self.tr("not flagged")), *kinds])
        _fill(self._order, [(order.value, translated(words)) for order, words in ORDERS.items()])
        self.show_choices(Choices())

    @property
    def _boxes(self) -> tuple[QComboBox, ...]:
        return self._state, self._flag, self._question, self._source, self._order

    def show_choices(self, choices: Choices) -> None:
        """Offers the questions and sources of a project; what is chosen stays."""
        questions = [(key, plain_name(key)) for key in choices.question_keys]
        _fill(self._question, [("", self.tr("all questions")), *questions])
        _fill(self._source, [(0, self.tr("all sources")), *choices.sources.items()])

    def begin_anew(self) -> None:
        """Forgets what was chosen and searched for: another project has other questions and sources."""
        self.search.clear()
        self.show_choices(Choices())
        self.show_filter(QueueFilter(), Order.RANDOM, "")

    @property
    def has_focus(self) -> bool:
        """Whether somebody chooses or searches here, so that the next pair must not take the focus."""
        focus = QApplication.focusWidget()
        return focus is not None and self.isAncestorOf(focus)

    def show_filter(self, wanted: QueueFilter, order: Order, person_uid: str) -> None:
        """Shows what is asked for, without telling of it."""
        self._person_uid = person_uid
        _choose(self._state, _UNREAD if wanted.unread_by else (wanted.state or ""))
        flagged = {None: _ANY, True: _FLAGGED, False: _UNFLAGGED}[wanted.flagged]
        _choose(self._flag, wanted.flag or flagged)
        _choose(self._question, wanted.question_key)
        _choose(self._source, wanted.source_id or 0)
        _choose(self._order, order)

    @property
    def wanted(self) -> QueueFilter:
        """What is asked for."""
        state, flag = self._state.currentData(), self._flag.currentData()
        return QueueFilter(
            state=PairState(state) if state not in ("", _UNREAD) else None,
            unread_by=self._person_uid if state == _UNREAD else "",
            flagged={_FLAGGED: True, _UNFLAGGED: False}.get(flag),
            flag=FlagKind(flag) if flag not in (_ANY, _FLAGGED, _UNFLAGGED) else None,
            question_key=self._question.currentData(),
            source_id=self._source.currentData() or None,
        )

    @property
    def order(self) -> Order:
        """What comes first."""
        return Order(self._order.currentData())

    def _on_search_text_changed(self, text: str) -> None:
        for box in self._boxes:  # a search looks at all pairs
            box.setEnabled(not text.strip())
        if not text:
            self.searched.emit("")


def _fill(box: QComboBox, choices: Iterable[tuple[object, str]]) -> None:
    before = box.currentData()
    with QSignalBlocker(box):
        box.clear()
        for value, words in choices:
            box.addItem(capitalized(words), value)
    _choose(box, before)


def _choose(box: QComboBox, value: object) -> None:
    box.setCurrentIndex(max(0, box.findData(str(value) if isinstance(value, str) else value)))
