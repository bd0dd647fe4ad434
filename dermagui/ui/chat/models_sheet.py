"""Where models come from: the catalogue, a GGUF file, a training. Without any, the page begins here."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from dermagui.errors import DermaError
from dermagui.ui import theme
from dermagui.ui.chat import model_work
from dermagui.ui.chat.downloads import Downloads
from dermagui.ui.chat.model_cards import FoundCard, OfferCard
from dermagui.ui.chat.model_work import AddingListener, Found, Offer
from dermagui.ui.chat.words import gigabytes, phantom_words
from dermagui.ui.desk import Desk
from dermagui.ui.widgets.bar import Bar, Level

if TYPE_CHECKING:
    from dermagui.chat.bundle import Bundle
    from dermagui.jobs.report import Event


class ModelsSheet(QWidget):
    """``came`` carries the name of a model that can be chatted with now."""

    came = Signal(str)
    left = Signal()
    """Back to the chat."""
    train_wanted = Signal()
    phantom_wanted = Signal()
    """The tiny one that came with the program."""
    _adding = Signal(int, int)
    """Bytes of the model that is being added, and how many there are; told by another thread."""

    def __init__(self, desk: Desk, bar: Bar) -> None:
        super().__init__()
        self._desk, self._bar = desk, bar
        self._memory_bytes = 0
        self._listener: AddingListener | None = None
        self._being_added: FoundCard | None = None
        self.downloads = Downloads(desk)
        self.offers: dict[str, OfferCard] = {}
        self.found: list[FoundCard] = []
        self._lead = QLabel()
        self._lead.setWordWrap(True)
        self.back = QPushButton(self.tr("Back to the chat"))
        self.file = QPushButton(self.tr("A GGUF file you have…"))
        self.folder = QPushButton(self.tr("A folder with models…"))
        self.train = QPushButton(self.tr("Train one of your own"))
        self.phantom = QPushButton(self.tr("Try the phantom"))
        knows = self.tr("A tiny model that came with the program: {knows}.")
        self.phantom.setToolTip(knows.format(knows=phantom_words()))
        self._scroll = QScrollArea()
        self._found_title = _title(self.tr("Found there"))
        self._found_title.hide()
        self._found_column, self._offers_column = QVBoxLayout(), QVBoxLayout()
        self._build()
        self._connect()
        self.show_state(False, 0)

    def _build(self) -> None:
        heading = QLabel(self.tr("Models"))
        heading.setFont(theme.heading_font(heading.font()))
        top, ways = QHBoxLayout(), QHBoxLayout()
        top.addWidget(heading, 1)
        top.addWidget(self.back)
        for button in (self.file, self.folder, self.train, self.phantom, self.back):
            button.setAutoDefault(False)
        for button in (self.file, self.folder, self.train, self.phantom):
            ways.addWidget(button)
        ways.setSpacing(theme.GRID)
        ways.addStretch(1)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, theme.GRID, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(self._found_title)
        column.addLayout(self._found_column)
        column.addWidget(_title(self.tr("Suggested models")))
        column.addLayout(self._offers_column)
        column.addStretch(1)
        scroll = self._scroll
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setAccessibleName(self.tr("Models to choose from"))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(theme.GRID, 0, 0, 0)
        outer.setSpacing(theme.GRID)
        outer.addLayout(top)
        outer.addWidget(self._lead)
        outer.addLayout(ways)
        outer.addWidget(scroll, 1)

    def _connect(self) -> None:
        self.back.clicked.connect(self.left)
        self.train.clicked.connect(self.train_wanted)
        self.phantom.clicked.connect(self.phantom_wanted)
        self.file.clicked.connect(self.choose_file)
        self.folder.clicked.connect(self.choose_folder)
        self._adding.connect(self._on_adding)
        self._desk.closing.connect(self.cancel)
        self.downloads.offered.connect(self._on_offered)
        self.downloads.told.connect(self._on_told)
        self.downloads.arrived.connect(self.came)
        self.downloads.failed.connect(self._tell)

    # -- what is shown --------------------------------------------------------------------------

    def show_state(self, has_models: bool, memory_bytes: int) -> None:
        """Says why one is here: without any model, nobody can chat."""
        self._memory_bytes = memory_bytes
        self.back.setVisible(has_models)
        first = "" if has_models else self.tr("To chat, a model has to lie on this computer. ")
        self._lead.setText(
            first
            + self.tr(
                "Download one below, add one that you have, or train one; questions and pictures stay on "
                "this computer whichever it is. This computer has {memory} of memory."
            ).format(memory=gigabytes(memory_bytes))
        )

    def look(self) -> None:
        """Reads what is offered and how much of it is here."""
        self.downloads.look()

    def _on_offered(self, offers: list[Offer]) -> None:
        for offer in offers:
            name = offer.model.name
            if name not in self.offers:
                card = self.offers[name] = OfferCard(offer.model, self._memory_bytes)
                card.wanted.connect(partial(self.downloads.begin, offer.model))
                card.stopped.connect(partial(self.downloads.stop, name))
                self._offers_column.addWidget(card)
            self.offers[name].show_offer(offer, self.downloads.progress_of(name))

    def _on_told(self, name: str, event: Event) -> None:
        if name in self.offers:
            self.offers[name].hear(event)

    def _tell(self, error: DermaError) -> None:
        if error.code == "job.stopped":
            self._bar.tell(self.tr("Cancelled."), Level.INFO)
        else:
            self._bar.tell_error(error)

    # -- a model of the user's own --------------------------------------------------------------

    def choose_file(self) -> None:
        """Asks for a GGUF file."""
        name, _ = QFileDialog.getOpenFileName(
            self, self.tr("A model you have"), "", self.tr("Models (*.gguf)")
        )
        if name:
            self.look_at(Path(name))

    def choose_folder(self) -> None:
        """Asks for a folder with GGUF files."""
        name = QFileDialog.getExistingDirectory(self, self.tr("A folder with models"))
        if name:
            self.look_at(Path(name))

    def look_at(self, place: Path) -> None:
        """Shows the model in a file, or those in a folder, and what goes with them."""
        self._bar.hide()
        look = partial(model_work.look_at, place)
        self._desk.work(look, self._on_looked, owner=self, failed=self._tell)

    def _on_looked(self, found: list[Found]) -> None:
        if self._listener is None:
            self._show_found(found)
            self.found[0].add.setFocus()

    def _show_found(self, found: list[Found]) -> None:
        for old in self.found:
            old.hide()
            old.deleteLater()
        self.found = [FoundCard(one, self._memory_bytes) for one in found]
        for card in self.found:
            card.wanted.connect(partial(self._add, card))
            card.other_wanted.connect(partial(self._choose_mmproj, card))
            card.stopped.connect(self.cancel)
            self._found_column.addWidget(card)
        stops = [button for card in self.found for button in (card.add, card.other, card.stop)]
        for before, after in pairwise([self._scroll, *stops]):
            self.setTabOrder(before, after)  # they came after the cards that they stand above
        self._found_title.setVisible(bool(found))

    def _choose_mmproj(self, card: FoundCard) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, self.tr("The image part"), str(card.found.path.parent), self.tr("Image parts (*.gguf)")
        )
        if name:
            chosen = replace(card.found, mmproj=Path(name), error=None)
            self._show_found([chosen if one is card else one.found for one in self.found])

    def _add(self, card: FoundCard) -> None:
        if self._listener is not None:
            return
        self._listener, self._being_added = AddingListener(self._adding.emit), card
        card.show_coming((0, 0))
        card.stop.setFocus()
        add = partial(model_work.add, card.found, self._listener)
        self._desk.work(add, self._on_added, owner=self, failed=self._on_not_added)

    def cancel(self) -> None:
        """Ends the adding of a model; nothing of it is kept."""
        if self._listener is not None:
            self._listener.stop.set()

    def _on_adding(self, done: int, total: int) -> None:
        if self._being_added is not None:
            self._being_added.show_coming((done, total))

    def _on_added(self, bundle: Bundle) -> None:
        self._listener = self._being_added = None
        self._show_found([])
        self.came.emit(bundle.name)

    def _on_not_added(self, error: DermaError) -> None:
        card, self._listener, self._being_added = self._being_added, None, None
        if card is not None:
            card.show_coming(None)
            card.add.setFocus()
        self._tell(error)


def _title(text: str) -> QLabel:
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label
