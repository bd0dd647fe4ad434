"""The images that a filter finds, as rows: all their numbers at once, and what is shown page by page."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import (
    QAbstractTableModel,
    QLocale,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from dermagui.library.fields import known_fields
from dermagui.storage.database import Store
from dermagui.storage.filters import Filter, ImageCard, cards_of, fields_said, find_images
from dermagui.ui.desk import Desk
from dermagui.ui.library.badges import badges, name_of, spoken
from dermagui.ui.library.field_words import field_label

PAGE_ROWS = 256
_PAGES_HELD = 64
_WISHES = 8
"""Pages that are still to be read: what scrolled by is dropped."""

CARD_ROLE = Qt.ItemDataRole.UserRole
"""The ``ImageCard`` of a row, or None while it is not read yet."""

Index = QModelIndex | QPersistentModelIndex


class ImagesModel(QAbstractTableModel):
    """Numbers as ``find_images`` returns them, cards as ``cards_of`` does. Nothing waits for the disk."""

    listed = Signal()
    """The rows are those of the filter now."""

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.filter = Filter()
        self.numbers: list[int] = []
        self._rows: dict[int, int] | None = None
        self._fields: tuple[str, ...] = ()
        self._columns = self._make_columns()
        self._pages: OrderedDict[int, dict[int, ImageCard]] = OrderedDict()
        self._known: dict[int, ImageCard] = {}
        self._wishes: dict[int, None] = {}
        self._reading = False
        self._generation = 0
        self._asked = 0

    # -- what is listed -------------------------------------------------------------------------

    def show_filter(self, wanted: Filter) -> None:
        """Lists what another filter finds."""
        self.filter = wanted
        self.refresh()

    def refresh(self) -> None:
        """Asks again; rows that stay keep their selection, and what they show is read anew."""
        self._asked += 1
        self._desk.ask(partial(_list, self.filter), partial(self._on_listed, self._asked), owner=self)

    def clear(self) -> None:
        """Lists nothing: no project is open."""
        self._asked += 1
        self.filter = Filter()
        self._pages.clear()
        self._on_listed(self._asked, ([], ()))

    def _on_listed(self, asked: int, found: tuple[list[int], tuple[str, ...]]) -> None:
        if asked != self._asked:
            return
        self._generation += 1
        # What was shown goes on being shown until the newer card is there: nothing flickers.
        self._known = {number: card for page in self._pages.values() for number, card in page.items()}
        self._pages.clear()
        self._wishes.clear()
        # The same rows need no word to the views but ``listed``: they paint, and so ask for the newer cards.
        if found != (self.numbers, self._fields):
            self.beginResetModel()
            self.numbers, self._fields = found
            self._rows = None
            self.endResetModel()
        self.listed.emit()

    def row_of(self, number: int) -> int | None:
        """Where a number stands, or None."""
        if self._rows is None:
            self._rows = {number: row for row, number in enumerate(self.numbers)}
        return self._rows.get(number)

    def card(self, row: int) -> ImageCard | None:
        """The card of a row; None or an older one while it is read, and ``dataChanged`` tells when it was."""
        page = row // PAGE_ROWS
        cards = self._pages.get(page)
        if cards is not None:
            self._pages.move_to_end(page)
            return cards.get(self.numbers[row])
        self._wishes.pop(page, None)
        self._wishes[page] = None
        if len(self._wishes) > _WISHES:
            del self._wishes[next(iter(self._wishes))]
        self._read()
        return self._known.get(self.numbers[row])

    def _read(self) -> None:
        if self._reading or not self._wishes:
            return
        page, _ = self._wishes.popitem()
        numbers = self.numbers[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
        self._reading = True

        def failed(error: Exception) -> None:
            self._reading = False
            self._desk.failed.emit(error)

        self._desk.ask(
            lambda store: cards_of(store, numbers),
            partial(self._on_read, self._generation, page),
            owner=self,
            failed=failed,
        )

    def _on_read(self, generation: int, page: int, cards: dict[int, ImageCard]) -> None:
        self._reading = False
        if generation == self._generation:
            self._pages[page] = cards
            while len(self._pages) > _PAGES_HELD:
                self._pages.popitem(last=False)
            last = min((page + 1) * PAGE_ROWS, len(self.numbers)) - 1
            self.dataChanged.emit(self.index(page * PAGE_ROWS, 0), self.index(last, self.columnCount() - 1))
        self._read()

    def forget_reading(self) -> None:
        """What was asked of another project never arrives."""
        self._reading = False

    # -- Qt's side ------------------------------------------------------------------------------

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.numbers)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self._columns) + len(self._fields)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self.numbers):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if index.column() in _NUMBERS else None
        if role not in (
            CARD_ROLE,
            Qt.ItemDataRole.DisplayRole,
            Qt.ItemDataRole.AccessibleTextRole,
            Qt.ItemDataRole.ToolTipRole,
        ):
            return None
        card = self.card(index.row())
        if role == CARD_ROLE:
            return card
        if card is None:
            return "" if role == Qt.ItemDataRole.ToolTipRole else "…"
        if index.column() == 0 and role != Qt.ItemDataRole.DisplayRole:
            return spoken(card) if role == Qt.ItemDataRole.AccessibleTextRole else card.path
        return self._text(card, index.column())

    def _text(self, card: ImageCard, column: int) -> str:
        fixed = len(self._columns)
        if column < fixed:
            return self._columns[column][1](card)
        return card.fields.get(self._fields[column - fixed], "")

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if role == Qt.ItemDataRole.TextAlignmentRole and section in _NUMBERS:
            return _RIGHT
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation is Qt.Orientation.Vertical:
            return QLocale().toString(section + 1)
        fixed = len(self._columns)
        if section < fixed:
            return self._columns[section][0]
        return field_label(self._fields[section - fixed])

    def _make_columns(self) -> tuple[tuple[str, Callable[[ImageCard], str]], ...]:
        return (
            (self.tr("Name"), name_of),
            (self.tr("Source"), lambda card: card.source),
            (self.tr("Size"), _size_text),
            (self.tr("Pairs"), lambda card: QLocale().toString(sum(card.pairs.values()))),
            (
                self.tr("State"),
                _state_text,
            ),
        )


_NUMBERS = (2, 3)
"""The columns of numbers."""
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def _size_text(card: ImageCard) -> str:
    return f"{card.width} × {card.height}" if card.width else ""


def _state_text(card: ImageCard) -> str:
    # The pairs have a column of their own.
    return " · ".join(badge.text for badge in badges(card) if badge.icon != "pairs")


def _list(wanted: Filter, store: Store) -> tuple[list[int], tuple[str, ...]]:
    said = fields_said(store)
    known = [name for name in known_fields() if name in said]
    return find_images(store, wanted), (*known, *(name for name in said if name not in known))
