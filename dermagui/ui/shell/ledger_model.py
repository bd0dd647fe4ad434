"""The ledger as a table: when, why, where to, how much, which image, what became of it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, ClassVar

from PySide6.QtCore import (
    QT_TRANSLATE_NOOP,
    QAbstractTableModel,
    QCoreApplication,
    QDateTime,
    QLocale,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
)

from dermagui.network import Purpose, is_loopback
from dermagui.ui.shell.words import whole

Index = QModelIndex | QPersistentModelIndex
Lines = list[dict[str, Any]]

_BYTES = 3
"""The column of numbers."""
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter

_PURPOSES: dict[str, str] = {
    Purpose.GENERATE: str(QT_TRANSLATE_NOOP("ledger", "Generate pairs")),
    Purpose.LIST_MODELS: str(QT_TRANSLATE_NOOP("ledger", "List models")),
    Purpose.DOWNLOAD: str(QT_TRANSLATE_NOOP("ledger", "Download a model")),
}


class LedgerModel(QAbstractTableModel):
    """Newest first; ``show_only`` keeps the lines that hold every word of a text.

    What went to a server on this same computer, as a rehearsal's does, never left: it is shown on demand.
    """

    TITLES: ClassVar[tuple[str, ...]] = (
        str(QT_TRANSLATE_NOOP("ledger", "When")),
        str(QT_TRANSLATE_NOOP("ledger", "Why")),
        str(QT_TRANSLATE_NOOP("ledger", "Where to")),
        str(QT_TRANSLATE_NOOP("ledger", "Bytes")),
        str(QT_TRANSLATE_NOOP("ledger", "Image")),
        str(QT_TRANSLATE_NOOP("ledger", "Outcome")),
    )

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._all: list[tuple[str, dict[str, Any]]] = []
        self._words: list[str] = []
        self._with_local = False
        self._shown: Lines = []

    def show_lines(self, lines: Lines) -> None:
        """Shows these, oldest first as they come."""
        self._all = [(" ".join(_cells(line)).casefold(), line) for line in reversed(lines)]
        self._filter()

    def show_only(self, text: str) -> None:
        """Keeps what holds every word of it."""
        self._words = text.casefold().split()
        self._filter()

    def show_local(self, wanted: bool) -> None:
        """Shows what stayed on this computer as well, or no more."""
        self._with_local = wanted
        self._filter()

    def _filter(self) -> None:
        self.beginResetModel()
        self._shown = [
            line
            for text, line in self._all
            if (self._with_local or not _is_local(line)) and all(word in text for word in self._words)
        ]
        self.endResetModel()

    @property
    def local_count(self) -> int:
        """How many of all lines tell of what stayed on this computer."""
        return sum(_is_local(line) for _, line in self._all)

    @property
    def lines(self) -> Lines:
        """What is shown now."""
        return self._shown

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.TITLES)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return QCoreApplication.translate("ledger", self.TITLES[section])
        return _RIGHT if role == Qt.ItemDataRole.TextAlignmentRole and section == _BYTES else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _cells(self._shown[index.row()])[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == _BYTES:
            return _RIGHT
        return None


def _is_local(line: dict[str, Any]) -> bool:
    return is_loopback(str(line.get("host") or ""))


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    at = QDateTime.fromString(line.get("at") or "", Qt.DateFormat.ISODateWithMs).toLocalTime()
    purpose = str(line.get("purpose") or "")
    return (
        QLocale().toString(at, QLocale.FormatType.ShortFormat) if at.isValid() else "",
        QCoreApplication.translate("ledger", _PURPOSES.get(purpose, purpose)) if purpose else "",
        QCoreApplication.translate("ledger", "this computer")
        if _is_local(line)
        else str(line.get("host") or ""),
        whole(line.get("bytes") or 0),
        str(line.get("image_sha256") or "")[:12],
        str(line.get("state") or line.get("project_unreadable") or ""),
    )


def write_csv(lines: Lines, path: Path) -> None:
    """Writes lines as they are kept, oldest first, for spreadsheets and for whoever asks for them."""
    names = ("at", "purpose", "host", "bytes", "image_sha256", "state", "cost_micro_usd", "run", "project")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(reversed(lines))
