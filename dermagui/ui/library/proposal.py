"""The licence that a table names is proposed for the source of its pictures; one click takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from dermagui.records import Source
from dermagui.storage.sources import Holdings, change_source
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.icons import Sign
from dermagui.ui.library.words import counted

_NAMED_AT_MOST = 4


class LicenceProposal(QFrame):
    """Hidden where nothing is proposed. Only what nobody has said yet of the source is."""

    taken = Signal(object)
    """The ``Source`` with the licence that was proposed."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._source: Source | None = None
        self._licence = self._attribution = ""
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.take = QPushButton(self.tr("Take it for this source"))
        self.take.clicked.connect(self._on_take_clicked)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID)
        row.addWidget(Sign("info"))
        row.addWidget(self.text, 1)
        row.addWidget(self.take)
        self.hide()

    def show_source(self, source: Source, holdings: Holdings) -> None:
        """Proposes what the tables say and the source does not."""
        self._source = source
        self._licence = "" if source.licence else ", ".join(holdings.licences)
        self._attribution = "" if source.attribution else "; ".join(holdings.attributions)
        said = []
        if self._licence:
            text = self.tr("The table names this licence: {licences}.")
            if len(holdings.licences) > 1:
                text = self.tr("The table names several licences: {licences}.")
            said.append(text.format(licences=_named(holdings.licences)))
        if self._attribution:
            text = self.tr("It says whom to name: {names}.")
            said.append(text.format(names=_named(holdings.attributions)))
        self.text.setText(" ".join(said))
        self.setVisible(bool(said) and not self._desk.read_only)

    def _on_take_clicked(self) -> None:
        if self._source is None:
            return
        forbids = re.search(r"\bNC\b|non-?commercial", self._licence, re.IGNORECASE)
        change = partial(
            change_source,
            source_id=self._source.id,
            licence=self._licence or None,
            attribution=self._attribution or None,
            non_commercial=True if forbids else None,
        )
        self.hide()
        self._desk.ask(change, self.taken.emit, owner=self, changes=frozenset({"sources"}))


def _named(values: Mapping[str, int]) -> str:
    """The most frequent values, each with its number of files."""
    translate = QCoreApplication.translate
    one, many = translate("library", "1 file"), translate("library", "{count} files")
    named = [f"{value} ({counted(count, one, many)})" for value, count in values.items()]
    more = len(named) - _NAMED_AT_MOST
    if more > 0:
        named[_NAMED_AT_MOST:] = [translate("library", "{count} more").format(count=more)]
    return ", ".join(named)
