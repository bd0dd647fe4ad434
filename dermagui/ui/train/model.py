"""The station Model: a training becomes a model for the chat, and what the gates say of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFormLayout, QLineEdit, QVBoxLayout

from dermagui.jobs.report import Event
from dermagui.training.home import PROJECTORS, QUANTIZATIONS, build_parameters
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train import desk_work
from dermagui.ui.train.desk_work import Run
from dermagui.ui.train.gates import GateLine, ModelCard, clinical_words, parity_words
from dermagui.ui.train.parts import JobButton, sentence_label, subtitle
from dermagui.ui.train.run import RunStation
from dermagui.ui.train.station import Station
from dermagui.ui.train.words import Light
from dermagui.ui.widgets.bar import Bar

if TYPE_CHECKING:
    from dermagui.chat.bundle import Bundle


class ModelStation(Station):
    """Nothing becomes a model that does not answer like the trained one."""

    asked = Signal(str)
    """The name of a model that the user wants to chat with."""

    def __init__(self, desk: Desk, jobs: Jobs, bar: Bar, build: JobButton, runs: RunStation) -> None:
        super().__init__(self.tr("Model"), desk, jobs, bar)
        self.build_button = build
        self._runs = runs
        self.training = QComboBox()
        self.quantization = QComboBox()
        self.quantization.addItems(list(QUANTIZATIONS))
        self.projector = QComboBox()
        self.projector.addItems(list(PROJECTORS))
        self.name = QLineEdit()
        self.name.setPlaceholderText(self.tr("That of the training if left empty"))
        self.gates = {
            "parity": GateLine(self.tr("Like the trained model")),
            "clinical": GateLine(self.tr("Clinically no worse than the base")),
        }
        self.cards: list[ModelCard] = []
        self._tuned: list[Bundle] = []
        self._bundles: list[Bundle] = []
        self._cards = QVBoxLayout()
        self._cards.setSpacing(2 * theme.GRID)
        self._build()
        runs.runs_read.connect(self._on_news)
        build.ended.connect(lambda _: self.look())
        self.shine(Light.OPEN, self.tr("Finish a training first."))

    def _build(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * theme.GRID)
        form.addRow(self.tr("Training"), self.training)
        form.addRow(self.tr("Size of the language part"), self.quantization)
        form.addRow(self.tr("Size of the image part"), self.projector)
        form.addRow(self.tr("Name of the model"), self.name)
        for field in (self.training, self.quantization, self.projector, self.name):
            field.setMinimumWidth(32 * theme.GRID)
        ready = self.tr(
            "It is merged, converted, quantized, and compared with the trained model on the same pictures; "
            "what answers differently is thrown away. It counts as ready only when it also finds malignant "
            "lesions no worse than its base, whatever the loss did."
        )
        self.column.addLayout(form)
        self.column.addWidget(self.build_button)
        for gate in self.gates.values():
            self.column.addWidget(gate)
            gate.hide()
        self.column.addWidget(sentence_label(ready, quiet=True))
        self.column.addWidget(subtitle(self.tr("Models of this project")))
        self.column.addLayout(self._cards)
        self.column.addStretch(1)

    # -- looking --------------------------------------------------------------------------------

    def look(self) -> None:
        self.desk.work(desk_work.tuned_bundles, self._on_read, owner=self, failed=self.bar.tell_error)

    def _finished(self) -> list[Run]:
        return [run for run in self._runs.runs if run.has_weights]

    def _show_trainings(self) -> None:
        names = [run.row["name"] for run in self._finished()]
        shown = [self.training.itemText(n) for n in range(self.training.count())]
        if names != shown:
            before = self.training.currentText()
            self.training.clear()
            self.training.addItems(names)
            self.training.setCurrentText(before)
        self.build_button.setEnabled(bool(names) and not self.desk.read_only)
        self._judge()

    def _on_read(self, bundles: list[Bundle]) -> None:
        self._tuned = bundles
        self._on_news()

    def _on_news(self) -> None:
        """Other bundles, or other trainings: those of this project are shown."""
        mine = {run.row["uid"] for run in self._runs.runs}
        bundles = [bundle for bundle in self._tuned if bundle.about.training_run in mine]
        if bundles != self._bundles:  # a card that is being read stays
            self._bundles = bundles
            self._show_cards()
        self._show_trainings()

    def _show_cards(self) -> None:
        while (place := self._cards.takeAt(0)) is not None:
            widget = place.widget()
            if widget is not None:
                widget.deleteLater()
        self.cards = [ModelCard(bundle) for bundle in self._bundles]
        for card in self.cards:
            card.asked.connect(self.asked)
            card.card.wanted.connect(partial(self._read_card, card))
            self._cards.addWidget(card)

    def _read_card(self, card: ModelCard) -> None:
        read = partial(desk_work.model_card, card.folder)
        self.desk.work(read, card.card.show_markdown, owner=card, failed=self.bar.tell_error)

    def _judge(self) -> None:
        ready = [card.name for card in self.cards if card.ready]
        if ready:
            self.shine(Light.GREEN, self.tr("Ready, in the chat: {named}.").format(named=", ".join(ready)))
        elif self.cards:
            said = self.tr("In the chat, but not ready; its second light says why: {named}.")
            self.shine(Light.AMBER, said.format(named=", ".join(card.name for card in self.cards)))
        elif self._finished():
            self.shine(Light.AMBER, self.tr("A training is finished; it can be made a model for the chat."))
        else:
            self.shine(Light.OPEN, self.tr("Finish a training first."))

    # -- doing ----------------------------------------------------------------------------------

    def build(self) -> None:
        """Starts the way home of the training that is chosen."""
        training = self.training.currentText()
        if training:
            self._hide_gates()
            self.build_button.begin(
                build_parameters(
                    training,
                    self.quantization.currentText(),
                    name=self.name.text().strip(),
                    mmproj=self.projector.currentText(),
                )
            )

    def hear(self, event: Event) -> None:
        """Takes in an event of the way home; a model that has come bears the gates on its card."""
        name = event["event"]
        if name in self.gates:
            words = parity_words([event]) if name == "parity" else clinical_words(event)
            self.gates[name].show_gate(*words)
            self.gates[name].show()
        elif name == "end" and not event.get("error"):
            self._hide_gates()

    def _hide_gates(self) -> None:
        for gate in self.gates.values():
            gate.hide()
