"""A small sheet: in which format, into which folder, in which shares what was accepted is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QDir, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from dermagui.datasets.export import export_parameters
from dermagui.datasets.splits import parse_ratios
from dermagui.errors import UserError
from dermagui.jobs.work import Parameters
from dermagui.paths import display_path
from dermagui.records import ExportFormat
from dermagui.ui import texts, theme
from dermagui.ui.icons import icon
from dermagui.ui.review.words import translated, whole
from dermagui.ui.widgets.button_row import tab_as_seen
from dermagui.ui.widgets.new_folder import ask_new_folder

_FORMATS = {
    ExportFormat.MESSAGES: str(QT_TRANSLATE_NOOP("review", "Messages (for fine-tuning here and with TRL)")),
    ExportFormat.LLAVA: str(QT_TRANSLATE_NOOP("review", "LLaVA conversations")),
    ExportFormat.SHAREGPT: str(QT_TRANSLATE_NOOP("review", "ShareGPT conversations")),
    ExportFormat.ALPACA: str(QT_TRANSLATE_NOOP("review", "Alpaca instructions")),
    ExportFormat.DERMASYNTH: str(QT_TRANSLATE_NOOP("review", "DermaSynth")),
    ExportFormat.CSV: str(QT_TRANSLATE_NOOP("review", "Table (CSV)")),
    ExportFormat.PREFERENCE: str(QT_TRANSLATE_NOOP("review", "Preferences (edited against generated)")),
}


class ExportSheet(QDialog):
    """Asks; the page does. ``asked`` brings the parameters of the job ``export``."""

    asked = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Export what was accepted"))
        self.format = QComboBox()
        for name, words in _FORMATS.items():
            self.format.addItem(translated(words), name.value)
        self.out = QLineEdit(QDir.toNativeSeparators(f"{QDir.homePath()}/dataset"))
        self.out.setMinimumWidth(48 * theme.GRID)
        browse = QAction(icon("project"), self.tr("Choose the folder"), self)
        browse.triggered.connect(self._browse)
        self.out.addAction(browse, QLineEdit.ActionPosition.TrailingPosition)
        self.split = QLineEdit("80/10/10")
        self.simulated = QCheckBox(self.tr("With re&hearsed pairs"))
        self.keep_names = QCheckBox(self.tr("Keep patient ids and file names as they &are"))
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._export = self.buttons.addButton(self.tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self._on_asked)
        self.buttons.rejected.connect(self.reject)
        self.finished.connect(lambda _: self.deleteLater())
        self._build()

    def _build(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * theme.GRID)
        form.setVerticalSpacing(theme.GRID)
        form.addRow(self.tr("&Format"), self.format)
        form.addRow(self.tr("New f&older"), self.out)
        form.addRow(self.tr("&Train / validation / test, in percent"), self.split)
        form.addRow("", self.simulated)
        form.addRow("", self.keep_names)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, 2 * theme.GRID, 2 * theme.GRID, 2 * theme.GRID)
        column.setSpacing(2 * theme.GRID)
        words = QLabel(self.tr("Accepted and edited pairs with their pictures. No patient is in two parts."))
        words.setWordWrap(True)
        column.addWidget(words)
        column.addLayout(form)
        column.addWidget(self.problem)
        column.addWidget(self.buttons)
        tab_as_seen(self.buttons)
        self.problem.hide()
        self._export.setDefault(True)  # here, where it belongs to the dialog
        self.out.setFocus()

    def _browse(self) -> None:
        folder = ask_new_folder(self, self.tr("Name of the new dataset"), self.tr("dataset"))
        if folder:
            self.out.setText(str(folder))

    def _on_asked(self) -> None:
        try:
            parse_ratios(self.split.text().strip())
        except UserError as error:
            self.problem.setText(texts.worded(error))
            self.problem.show()
            self.split.setFocus()
            return
        if not self.out.text().strip():
            self.out.setFocus()
            return
        self.asked.emit(
            export_parameters(
                Path(QDir.fromNativeSeparators(self.out.text().strip())).expanduser(),
                ExportFormat(self.format.currentData()),
                simulated=self.simulated.isChecked(),
                split=self.split.text().strip(),
                keep_names=self.keep_names.isChecked(),
            )
        )
        self.accept()


def out_of(parameters: Parameters) -> Path:
    """The folder that an export writes."""
    return Path(os.fsdecode(bytes.fromhex(parameters["out"])))


def export_words(figures: Mapping[str, int], out: Path) -> str:
    """What an export wrote, in a sentence."""
    words = QCoreApplication.translate(
        "review",
        "Wrote {pairs} pairs and {images} pictures to {path}: {train} to train, {validation} to validate, "
        "{test} to test.",
    )
    counts = {name: whole(count) for name, count in figures.items()}
    told = words.format(path=display_path(out), **counts)
    if figures["train"]:
        return told
    nothing = QCoreApplication.translate(
        "review", "Nothing is there to train on: there are too few patients or pictures for these shares."
    )
    return f"{told} {nothing}"
