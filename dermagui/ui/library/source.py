"""The page of a source: its licence, whom to name, and, as a sentence, whether its images may leave."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.paths import display_path
from dermagui.records import Source
from dermagui.storage.sources import Holdings, change_source, holdings_of
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.icons import Sign
from dermagui.ui.library.adding import LICENCES
from dermagui.ui.library.leaving import LeavingQuestion
from dermagui.ui.library.proposal import LicenceProposal


class SourcePanel(QWidget):
    """Shows one source. What is typed is kept by a button; that images may leave is asked about first."""

    closed = Signal()
    finding_asked = Signal(int)
    """The user says that the folder of this source lies elsewhere."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._source: Source | None = None
        self._holdings = Holdings()
        self._title = QLabel()
        self._title.setFont(theme.heading_font(self._title.font()))
        self._sign = Sign("stay")
        self._sentence = QLabel()
        self._sentence.setWordWrap(True)
        self.leave = QPushButton()
        self.leave.clicked.connect(self._on_leave_clicked)
        self.question = LeavingQuestion()
        self.question.confirmed.connect(partial(self._let_leave, True))
        self.question.kept.connect(self.leave.setFocus)
        self.proposal = LicenceProposal(desk)
        self.proposal.taken.connect(self.show_changed)
        self._saved = QLabel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.GRID * 2, theme.GRID, theme.GRID * 2, theme.GRID)
        layout.setSpacing(theme.GRID * 2)
        layout.addWidget(self._title)
        layout.addLayout(self._build_leave())
        layout.addWidget(self.question)
        layout.addWidget(self.proposal)
        layout.addLayout(self._build_form())
        layout.addLayout(self._build_buttons())
        layout.addStretch(1)

    def _build_leave(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        row.addWidget(self._sign)
        row.addWidget(self._sentence, 1)
        row.addWidget(self.leave)
        return row

    def _build_form(self) -> QFormLayout:
        self.name = QLineEdit()
        self.licence = QComboBox()
        self.licence.setEditable(True)
        self.licence.addItems(["", *LICENCES])
        self.attribution = QLineEdit()
        self.non_commercial = QCheckBox(self.tr("The licence forbids commercial use"))
        self._folder = QLabel()
        self._folder.setWordWrap(True)
        find = QPushButton(self.tr("Find the images…"))
        find.clicked.connect(self._on_find_clicked)
        place = QHBoxLayout()
        place.addWidget(self._folder, 1)
        place.addWidget(find)
        form = QFormLayout()
        form.setSpacing(theme.GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(self.tr("&Name"), self.name)
        form.addRow(self.tr("&Licence"), self.licence)
        form.addRow(self.tr("Attri&bution"), self.attribution)
        form.addRow("", self.non_commercial)
        form.addRow(self.tr("Folder"), place)
        return form

    def _build_buttons(self) -> QHBoxLayout:
        back = QPushButton(self.tr("Back to the images"))
        back.clicked.connect(self.closed)
        self.save = QPushButton(self.tr("Save"))
        self.save.clicked.connect(self._on_save_clicked)
        buttons = QHBoxLayout()
        buttons.addWidget(self._saved)
        buttons.addStretch(1)
        buttons.addWidget(back)
        buttons.addWidget(self.save)
        return buttons

    # -- what it shows --------------------------------------------------------------------------

    def show_source(self, source: Source) -> None:
        """Shows a source as it is saved."""
        self._source = source
        self._saved.clear()
        self.question.hide()
        self.proposal.hide()
        self._title.setText(source.name)
        self.name.setText(source.name)
        self.licence.setEditText(source.licence)
        self.attribution.setText(source.attribution)
        self.non_commercial.setChecked(source.non_commercial)
        self._folder.setText(display_path(source.root))
        self._show_leave(source)
        self.save.setEnabled(not self._desk.read_only)
        self.leave.setEnabled(False)
        self._desk.ask(
            partial(holdings_of, source_id=source.id), partial(self._on_holdings_read, source), owner=self
        )

    def _on_holdings_read(self, source: Source, holdings: Holdings) -> None:
        if source is self._source:
            self._holdings = holdings
            self.leave.setEnabled(not self._desk.read_only)
            self.proposal.show_source(source, holdings)

    def _show_leave(self, source: Source) -> None:
        licence = source.licence or self.tr("licence unknown")
        if source.may_leave:
            said = self.tr(
                "Images from “{name}” ({licence}) may leave this computer: when you generate pairs with a "
                "service, their pixels are sent to it."
            )
            button = self.tr("Keep these images here")
        else:
            said = self.tr(
                "Images from “{name}” ({licence}) stay on this computer: no page sends any of them anywhere."
            )
            button = self.tr("Let these images leave…")
        self._sign.show_icon(
            "leave" if source.may_leave else "stay", theme.WARNING if source.may_leave else theme.GOOD
        )
        self._sentence.setText(said.format(name=source.name, licence=licence))
        self.leave.setText(button)

    # -- what the user does ---------------------------------------------------------------------

    def _on_leave_clicked(self) -> None:
        if self._source is None:
            return
        if self._source.may_leave:
            self._let_leave(False)
        else:
            self.question.ask(self._source, self._holdings.images)

    def _let_leave(self, may_leave: bool) -> None:
        if self._source is not None:
            self._change(partial(change_source, source_id=self._source.id, may_leave=may_leave))

    def _on_save_clicked(self) -> None:
        if self._source is None:
            return
        id_ = self._source.id
        name = self.name.text().strip() or self._source.name
        licence, attribution = self.licence.currentText().strip(), self.attribution.text().strip()
        non_commercial = self.non_commercial.isChecked()
        self._change(
            lambda store: change_source(
                store,
                id_,
                name=name,
                licence=licence,
                attribution=attribution,
                non_commercial=non_commercial,
            )
        )

    def _change(self, work: Callable[..., Source]) -> None:
        self._desk.ask(work, self.show_changed, owner=self, changes=frozenset({"sources"}))

    def show_changed(self, source: Source) -> None:
        """Shows a source anew if it is the one in view: something else is saved of it now."""
        if self._source is not None and source.id == self._source.id:
            self.show_source(source)
            self._saved.setText(self.tr("Saved."))

    def _on_find_clicked(self) -> None:
        if self._source is not None:
            self.finding_asked.emit(self._source.id)
