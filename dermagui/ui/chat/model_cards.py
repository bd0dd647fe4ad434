"""A model that one can have, as a card: what it is for, what it needs, and the button that brings it here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.paths import display_path
from dermagui.ui import texts, theme
from dermagui.ui.chat.words import gigabytes, memory_words

if TYPE_CHECKING:
    from dermagui.chat.catalogue import CatalogueModel
    from dermagui.jobs.report import Event
    from dermagui.ui.chat.model_work import Found, Offer


class ModelFrame(QFrame):
    """A title, lines about it, a row of buttons, and how far its coming is; with ``stopped`` to end that."""

    stopped = Signal()

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.ToolTipBase)
        heading = _words(title)
        font = heading.font()
        font.setBold(True)
        heading.setFont(font)
        self.about = _words()
        self.facts = _words()
        self.facts.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(theme.GRID)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximumWidth(40 * theme.GRID)
        self.progress.setAccessibleName(self.tr("How much of {name} is here").format(name=title))
        self.said = QLabel()
        self.stop = self.button(self.tr("Cancel"), self.tr("Cancel: {name}"))
        self.stop.clicked.connect(self.stopped)
        self.buttons.addWidget(self.progress)
        self.buttons.addWidget(self.said)
        self.buttons.addWidget(self.stop)
        self.buttons.addStretch(1)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, theme.GRID)
        self.column.setSpacing(theme.GRID)
        for label in (heading, self.about, self.facts):
            self.column.addWidget(label)
        self.column.addLayout(self.buttons)
        self.show_coming(None)

    def button(self, text: str, name: str) -> QPushButton:
        """A button whose name is told with that of the model."""
        made = QPushButton(text)
        made.setAutoDefault(False)
        made.setAccessibleName(name.format(name=self.title))
        return made

    def show_coming(self, done_total: tuple[int, int] | None) -> None:
        """How many bytes of how many are here; None: nothing is under way."""
        for widget in (self.progress, self.said, self.stop):
            widget.setVisible(done_total is not None)
        if done_total is not None:
            done, total = done_total
            self.progress.setRange(0, 1000 if total else 0)
            self.progress.setValue(round(1000 * done / total) if total else 0)
            told = self.tr("{done} of {total}").format(done=gigabytes(done), total=gigabytes(total))
            self.said.setText(told if total else self.tr("Starting…"))


class OfferCard(ModelFrame):
    """A suggested model. ``wanted`` carries the name of the person who accepts its terms, or nothing."""

    wanted = Signal(str)

    def __init__(self, model: CatalogueModel, memory_bytes: int) -> None:
        super().__init__(model.title)
        self.model = model
        self._is_accepted = True
        self.about.setText(QCoreApplication.translate("catalogue", model.purpose))
        self.facts.setText(" · ".join(self._facts(memory_bytes)))
        self.download = self.button(self.tr("Download"), self.tr("Download: {name}"))
        self.download.clicked.connect(self._on_download_clicked)
        self.here = QLabel(self.tr("On this computer"))
        self.buttons.insertWidget(0, self.here)
        self.buttons.insertWidget(0, self.download)
        self.terms = TermsBox(model)
        self.terms.hide()
        self.terms.accepted.connect(self._on_accepted)
        self.column.addWidget(self.terms)

    def _facts(self, memory_bytes: int) -> list[str]:
        model = self.model
        size = self.tr("about {size} to download").format(size=gigabytes(model.size_bytes))
        if any(file.unverified for file in model.files.values()):
            size += self.tr(" (size unverified)")
        facts = [
            size,
            memory_words(model.memory_bytes, memory_bytes),
            self.tr("licence: {licence}").format(licence=model.licence),
            QCoreApplication.translate("catalogue", model.quantization),
        ]
        if model.gated:
            facts.append(self.tr("may ask for an account that accepted its terms"))
        return facts

    def show_offer(self, offer: Offer, progress: Event | None) -> None:
        """Shows how much of it is here."""
        self._is_accepted = offer.is_accepted
        self.here.setVisible(offer.is_here)
        self.download.setVisible(not offer.is_here and progress is None)
        text = self.tr("Download")
        if offer.arrived_bytes:
            text = self.tr("Go on: {size} are here").format(size=gigabytes(offer.arrived_bytes))
        self.download.setText(text)
        self.show_coming(None if progress is None else (progress.get("done", 0), progress.get("total", 0)))

    def hear(self, event: Event) -> None:
        """Shows an event of its download."""
        if event["event"] == "progress":
            self.download.hide()
            self.show_coming((event["done"], event["total"] or 0))

    def _on_download_clicked(self) -> None:
        if self._is_accepted:
            self.wanted.emit("")
        else:
            self.terms.show()
            self.terms.name.setFocus()

    def _on_accepted(self, person: str) -> None:
        self.terms.hide()
        self.wanted.emit(person)


class TermsBox(QWidget):
    """The terms of a model in our words; ``accepted`` carries who read and accepts them."""

    accepted = Signal(str)

    def __init__(self, model: CatalogueModel) -> None:
        super().__init__()
        terms = _words(f"{model.terms}\n{model.terms_link}")
        self.name = QLineEdit()
        self.read = QCheckBox(self.tr("I have read the terms themselves, and I am allowed to accept them"))
        self.accept = QPushButton(self.tr("Accept and download"))
        self.accept.setAutoDefault(False)
        self.name.textChanged.connect(self._show_whether_done)
        self.read.toggled.connect(self._show_whether_done)
        self.accept.clicked.connect(lambda: self.accepted.emit(self.name.text().strip()))
        form = QFormLayout()
        form.setSpacing(theme.GRID)
        form.addRow(self.tr("Your &name"), self.name)
        form.addRow("", self.read)
        form.addRow("", self.accept)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(terms)
        column.addLayout(form)
        for widget in (self.name, self.read, self.accept):
            words = widget.text() if not isinstance(widget, QLineEdit) else self.tr("Your name")
            widget.setAccessibleName(f"{words}: {model.title}")
        self._show_whether_done()

    def _show_whether_done(self) -> None:
        self.accept.setEnabled(bool(self.name.text().strip()) and self.read.isChecked())


class FoundCard(ModelFrame):
    """A model of the user's own, with the image part that goes with it."""

    wanted = Signal()
    other_wanted = Signal()
    """The user wants to choose the image part."""

    def __init__(self, found: Found, memory_bytes: int) -> None:
        super().__init__(display_path(found.path.name))
        self.found = found
        self.about.setText(self._pairing())
        self.facts.setText(
            " · ".join(
                [
                    gigabytes(found.size_bytes),
                    found.quantization,
                    memory_words(found.memory_bytes, memory_bytes),
                    self.tr("licence: {licence}").format(licence=found.licence or self.tr("not stated")),
                ]
            )
        )
        self.add = self.button(self.tr("Add this model"), self.tr("Add this model: {name}"))
        self.add.setEnabled(found.error is None)
        self.add.clicked.connect(self.wanted)
        self.other = self.button(
            self.tr("Choose the image part…"), self.tr("Choose the image part of {name}…")
        )
        self.other.clicked.connect(self.other_wanted)
        for place, button in enumerate((self.add, self.other)):
            self.buttons.insertWidget(place, button)

    def _pairing(self) -> str:
        found = self.found
        if found.error is not None:
            return texts.worded(found.error)
        if found.mmproj is not None:
            return self.tr("It sees through {name}.").format(name=display_path(found.mmproj.name))
        if found.is_seeing:
            return self.tr(
                "Models of its kind see pictures, but no image part that fits lies beside it (a file "
                "mmproj…); without one it reads text only."
            )
        return self.tr("It has no image part and reads text only.")

    def show_coming(self, done_total: tuple[int, int] | None) -> None:
        super().show_coming(done_total)
        for name in ("add", "other"):
            button = getattr(self, name, None)
            if button is not None:
                button.setVisible(done_total is None)


def _words(text: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return label
