"""Says what would be removed of an image or of its patient, and removes it when the user says so."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QLocale, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.errors import DermaError
from dermagui.library.forget import Meant, find_meant, forget
from dermagui.storage.database import Store
from dermagui.storage.filters import ImageCard
from dermagui.ui import texts, theme
from dermagui.ui.desk import EVERYTHING, Desk
from dermagui.ui.library.badges import name_of
from dermagui.ui.widgets.danger import danger_button


class Forgetting(QWidget):
    """Nothing is removed before the button is pressed, and the button says what."""

    closed = Signal()
    forgotten = Signal(str)
    """A sentence about what was removed."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._what = ""
        self._asked = 0
        self._title = QLabel(self.tr("What should this project forget?"))
        self._title.setFont(theme.heading_font(self._title.font()))
        self.image, self.patient = QRadioButton(), QRadioButton()
        self._choice = QButtonGroup(self)
        for button in (self.image, self.patient):
            self._choice.addButton(button)
            button.toggled.connect(self._on_choice_toggled)
        self._said = QLabel()
        self._said.setWordWrap(True)
        self.back = QPushButton(self.tr("Keep everything"))
        self.back.clicked.connect(self.closed)
        self.forget = danger_button(self.tr("Forget it for good"))
        self.forget.clicked.connect(self._on_forget_clicked)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.back)
        buttons.addWidget(self.forget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.GRID * 2, theme.GRID, theme.GRID * 2, theme.GRID)
        layout.setSpacing(theme.GRID)
        for widget in (self._title, self.image, self.patient, self._said):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addStretch(1)

    def show_card(self, card: ImageCard) -> None:
        """Asks about an image, and about its patient where one is known."""
        patient = card.fields.get("patient", "") if card.id > 0 else ""
        self._image_what = f"image:{card.id}" if card.id > 0 else f"image:{card.path}"
        self._patient_what = f"patient:{patient}"
        self.image.setText(self.tr("The image {name} and every copy of it").format(name=name_of(card)))
        self.patient.setText(self.tr("All images of the patient {patient}").format(patient=patient))
        self.patient.setVisible(bool(patient))
        self.image.setChecked(True)
        self._look(self._image_what)
        self.back.setFocus()

    def _look(self, what: str) -> None:
        self._what = what
        self._asked += 1
        self.forget.setEnabled(False)
        self._desk.ask(
            lambda store: find_meant(store, what),
            partial(self._on_found, self._asked),
            owner=self,
            failed=self._on_failed,
        )

    def _on_choice_toggled(self, checked: bool) -> None:
        if checked:
            self._look(self._image_what if self.image.isChecked() else self._patient_what)

    def _on_found(self, asked: int, meant: Meant) -> None:
        if asked != self._asked:
            return
        lines = [
            self.tr(
                "This goes from the project: files {files}, pairs with their verdicts {pairs}; also their "
                "thumbnails, chats about them, the stories of earlier jobs, and backups of the database."
            ).format(files=QLocale().toString(len(meant.files)), pairs=QLocale().toString(meant.pairs)),
            self.tr("Your own files stay where they are. This cannot be undone."),
        ]
        lines += [
            self.tr("An earlier export still holds it, and is not changed: {path}").format(path=path)
            for path in meant.exports
        ]
        self._said.setText("\n\n".join(lines))
        self.forget.setEnabled(not self._desk.read_only)

    def _on_failed(self, error: DermaError) -> None:
        self._said.setText(texts.worded(error))
        self.forget.setEnabled(False)

    def _on_forget_clicked(self) -> None:
        self.forget.setEnabled(False)
        what = self._what

        def work(store: Store) -> int:
            removed: dict[str, int] = forget(store, what)["removed"]
            return removed["files"]

        self._desk.ask(work, self._on_forgotten, owner=self, failed=self._on_failed, changes=EVERYTHING)

    def _on_forgotten(self, files: int) -> None:
        said = self.tr(
            "Forgotten, with all that was said of it; files: {count}. Your own files were not touched."
        )
        self.forgotten.emit(said.format(count=QLocale().toString(files)))
