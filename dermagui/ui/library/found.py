"""What a look through folders found: each number with its reason, and a click that shows what it counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.records import FileState, Source
from dermagui.storage import sources
from dermagui.storage.database import Store
from dermagui.storage.filters import Filter
from dermagui.storage.sources import Holdings
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.icons import Sign, icon
from dermagui.ui.library.proposal import LicenceProposal
from dermagui.ui.library.words import counted
from dermagui.ui.shell.words import whole


@dataclass(frozen=True, slots=True)
class Found:
    """The figures of an ``add`` job, and what its source holds since."""

    source: Source
    figures: Mapping[str, Any]
    holdings: Holdings

    @property
    def table(self) -> Mapping[str, Any]:
        """What became of the rows of the table that was read; empty where none was."""
        return self.figures.get("metadata") or {}

    @property
    def is_all_understood(self) -> bool:
        """Whether every file could be read and every row found its file."""
        return not self.holdings.unreadable and self.table.get("rows", 0) == self.table.get("matched", 0)


@dataclass(frozen=True, slots=True)
class Line:
    """A number in words, why it is so, and the filter that shows what it counts, if one does."""

    count: str
    reason: str
    shown: Filter | None = None


def read_found(store: Store, figures: Mapping[str, Any]) -> Found | None:
    """Reads what the source of an ended job holds; None where it is gone."""
    known = [source for source in sources.list_sources(store) if source.id == figures["source"]]
    return Found(known[0], figures, sources.holdings_of(store, known[0].id)) if known else None


class FoundPanel(QFrame):
    """Hidden until something was found; stays while its numbers are clicked, until it is put away."""

    filter_chosen = Signal(object)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._found: dict[int, Found] = {}
        self._parts: list[QWidget] = []
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.ToolTipBase)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.title = QLabel()
        self.title.setWordWrap(True)
        self._sign = Sign("done")
        self.which = QComboBox()
        self.which.setAccessibleName(self.tr("Folder that was looked through"))
        self.which.currentIndexChanged.connect(self._show_chosen)
        self._dismiss = QToolButton()
        self._dismiss.setIcon(icon("close"))
        self._dismiss.setAutoRaise(True)
        self._dismiss.setToolTip(self.tr("Put away"))
        self._dismiss.setAccessibleName(self.tr("Put away what was found"))
        self._dismiss.clicked.connect(self.clear)
        self.proposal = LicenceProposal(desk)
        self._rows = QGridLayout()
        self._rows.setHorizontalSpacing(theme.GRID * 2)
        self._rows.setVerticalSpacing(theme.GRID // 2)
        self._rows.setColumnStretch(1, 1)
        self._build()
        self.hide()

    def _build(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(theme.GRID)
        for widget in (self._sign, self.title, self.which, self._dismiss):
            head.addWidget(widget)
        head.setStretch(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID * 2, theme.GRID, theme.GRID, theme.GRID)
        column.setSpacing(theme.GRID)
        column.addLayout(head)
        column.addLayout(self._rows)
        column.addWidget(self.proposal)

    # -- what it shows --------------------------------------------------------------------------

    def clear(self) -> None:
        """Forgets what was found, and goes."""
        self._found.clear()
        self.which.clear()
        self.hide()

    def look(self, figures: Mapping[str, Any]) -> None:
        """Shows what a job found, from its figures."""
        self._desk.ask(partial(read_found, figures=figures), self.show_found, owner=self)

    def show_found(self, found: Found | None) -> None:
        """Shows what was found in one source, beside what is shown of others."""
        if found is None:
            return
        self._found[found.source.id] = found
        index = self.which.findData(found.source.id)
        if index < 0:
            self.which.addItem(found.source.name, found.source.id)
            index = self.which.count() - 1
        self.which.setVisible(self.which.count() > 1)
        self.which.setCurrentIndex(index)
        self._show_chosen()
        self.show()
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def show_sources(self, known: Sequence[Source]) -> None:
        """What is saved of the sources has changed: their names, or what was proposed for them."""
        for source in known:
            if source.id in self._found:
                self._found[source.id] = replace(self._found[source.id], source=source)
                self.which.setItemText(self.which.findData(source.id), source.name)
        self._show_chosen()

    def _show_chosen(self) -> None:
        found = self._found.get(self.which.currentData())
        if found is None:
            return
        self._sign.show_icon(
            "done" if found.is_all_understood else "warning",
            theme.GOOD if found.is_all_understood else theme.WARNING,
        )
        self.title.setText(self._title_text(found))
        self.setAccessibleName(self.title.text())
        for part in self._parts:
            self._rows.removeWidget(part)
            part.hide()
            part.deleteLater()
        self._parts.clear()
        for row, line in enumerate([*self._file_lines(found), *self._table_lines(found)]):
            self._show_line(row, line)
        self.proposal.show_source(found.source, found.holdings)

    def _show_line(self, row: int, line: Line) -> None:
        reason = QLabel(line.reason)
        reason.setWordWrap(True)
        number: QWidget
        if line.shown is None:
            number = QLabel(line.count)
        else:
            number = QPushButton(line.count)
            number.setToolTip(self.tr("Show them"))
            number.clicked.connect(partial(self._choose, line.shown))
        self._rows.addWidget(number, row, 0, Qt.AlignmentFlag.AlignVCenter)
        self._rows.addWidget(reason, row, 1)
        self._parts += [number, reason]

    def _choose(self, wanted: Filter, *_: object) -> None:
        self.filter_chosen.emit(wanted)

    def _title_text(self, found: Found) -> str:
        words = {
            "new": self.tr("{count} new"),
            "changed": self.tr("{count} changed"),
            "moved": self.tr("{count} moved"),
            "unchanged": self.tr("{count} unchanged"),
        }
        counts = [
            text.format(count=whole(found.figures[name]))
            for name, text in words.items()
            if found.figures.get(name)
        ]
        text = self.tr("Looked through “{name}”. Files: {counts}.")
        return text.format(name=found.source.name, counts=", ".join(counts) or self.tr("none"))

    def _file_lines(self, found: Found) -> Iterator[Line]:
        """Of the files: what they became, and what they did not."""
        here, holds = Filter(source_id=found.source.id), found.holdings
        if holds.images:
            files = counted(holds.ready, self.tr("in 1 file"), self.tr("in {count} files"))
            if holds.images > holds.contents:
                files = self.tr("{files}, of which some hold several pictures").format(files=files)
            count = counted(holds.images, self.tr("1 image"), self.tr("{count} images"))
            yield Line(count, files, replace(here, state=FileState.READY))
        if copies := holds.ready - holds.contents:
            reason = self.tr("The same file lies there more than once: it counts as one image.")
            count = counted(copies, self.tr("1 copy"), self.tr("{count} copies"))
            yield Line(count, reason, replace(here, copied=True))
        if holds.unreadable:
            reason = self.tr("Damaged, empty or of no known kind: its details say why.")
            count = counted(holds.unreadable, self.tr("1 unreadable"), self.tr("{count} unreadable"))
            yield Line(count, reason, replace(here, state=FileState.UNREADABLE))
        if holds.missing:
            reason = self.tr("It was there before and is gone from the folder; its pairs are kept.")
            count = counted(holds.missing, self.tr("1 missing"), self.tr("{count} missing"))
            yield Line(count, reason, replace(here, state=FileState.MISSING))
        if other := found.figures.get("unsupported", 0):
            reason = self.tr("No picture, such as a table or a text: left alone.")
            yield Line(counted(other, self.tr("1 other file"), self.tr("{count} other files")), reason)
        if forgotten := found.figures.get("forgotten", 0):
            reason = self.tr("This project was told to forget it: it stays out.")
            yield Line(counted(forgotten, self.tr("1 forgotten"), self.tr("{count} forgotten")), reason)

    def _table_lines(self, found: Found) -> Iterator[Line]:
        """Of the rows of a table: which found their file, and which did not."""
        here, table = Filter(source_id=found.source.id), found.table
        rows, matched = table.get("rows", 0), table.get("matched", 0)
        if rows and not matched:
            columns = table.get("mapping", {}).get("image") or [self.tr("none")]
            yield Line(self.tr("0 rows"), texts.sentence("metadata.none_matched", {"columns": columns}))
            return
        if matched:
            reason = self.tr("of {rows} in the table say something of a file")
            count = counted(matched, self.tr("1 row"), self.tr("{count} rows"))
            yield Line(count, reason.format(rows=whole(rows)), replace(here, described=True))
        if unmatched := table.get("unmatched", 0):
            reason = self.tr("No file is called as the table says.")
            yield Line(
                counted(unmatched, self.tr("1 row without a file"), self.tr("{count} rows without a file")),
                reason,
            )
        if ambiguous := table.get("ambiguous", 0):
            reason = self.tr(
                "Several files fit, and nothing was guessed: the table must name the folder too."
            )
            yield Line(
                counted(
                    ambiguous, self.tr("1 row for several files"), self.tr("{count} rows for several files")
                ),
                reason,
            )
        if bare := table.get("files_without_row", 0):
            reason = self.tr("The table has no row for it: nothing is known of it but its pixels.")
            count = counted(bare, self.tr("1 file without a row"), self.tr("{count} files without a row"))
            yield Line(count, reason, replace(here, described=False))
