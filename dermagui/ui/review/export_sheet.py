"""A small sheet: in which format, into which folder, in which shares what was accepted is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QDir, Qt, Signal
from PySide6.QtGui import QAction, QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.datasets.export import export_parameters
from dermagui.errors import DermaError
from dermagui.jobs.work import Parameters
from dermagui.paths import display_path
from dermagui.records import ExportFormat
from dermagui.ui import texts, theme
from dermagui.ui.icons import icon
from dermagui.ui.review.export_counts import Exportables
from dermagui.ui.review.words import translated
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.bar import Bar, Level
from dermagui.ui.widgets.button_row import tab_as_seen
from dermagui.ui.widgets.new_folder import ask_new_folder

_FORMATS = {
    ExportFormat.MESSAGES: (
        str(QT_TRANSLATE_NOOP("review", "Messages")),
        str(
            QT_TRANSLATE_NOOP(
                "review", "For training here and in most other programs. If in doubt, choose this one."
            )
        ),
    ),
    ExportFormat.LLAVA: (
        str(QT_TRANSLATE_NOOP("review", "LLaVA")),
        str(QT_TRANSLATE_NOOP("review", "For the programs that train models of the LLaVA family.")),
    ),
    ExportFormat.SHAREGPT: (
        str(QT_TRANSLATE_NOOP("review", "ShareGPT")),
        str(
            QT_TRANSLATE_NOOP(
                "review", "For programs that learn from chats, such as LLaMA-Factory: who says what, in turn."
            )
        ),
    ),
    ExportFormat.ALPACA: (
        str(QT_TRANSLATE_NOOP("review", "Alpaca")),
        str(
            QT_TRANSLATE_NOOP(
                "review", "For programs that learn one answer to one instruction. Dialogues are left out."
            )
        ),
    ),
    ExportFormat.DERMASYNTH: (
        str(QT_TRANSLATE_NOOP("review", "DermaSynth")),
        str(
            QT_TRANSLATE_NOOP(
                "review",
                "As the published data set DermaSynth is written, to be used beside it. One picture a pair.",
            )
        ),
    ),
    ExportFormat.CSV: (
        str(QT_TRANSLATE_NOOP("review", "Table (CSV)")),
        str(
            QT_TRANSLATE_NOOP(
                "review", "One line a pair, to be read in a spreadsheet or in statistics. Not for training."
            )
        ),
    ),
    ExportFormat.PREFERENCE: (
        str(QT_TRANSLATE_NOOP("review", "Preferences")),
        str(
            QT_TRANSLATE_NOOP(
                "review",
                "A better and a worse answer to each question, to teach a model which to prefer. Made of "
                "what was edited and of choices between two answers.",
            )
        ),
    ),
}
"""Format → its name, and what it is for."""


class ExportSheet(QDialog):
    """Asks; the page does, and closes it when the job runs. What was typed stays until then."""

    asked = Signal(object)
    """The parameters of the job ``export``."""
    wants_flagged = Signal()
    """The user would rather look at the accepted pairs that carry flags first."""

    def __init__(self, parent: QWidget, before: Parameters | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Export what was accepted"))
        self._found: Exportables | None = None
        self.format = QComboBox()
        for name, (title, _) in _FORMATS.items():
            self.format.addItem(translated(title), name.value)
        self._purpose = QLabel()
        self.out = QLineEdit(QDir.toNativeSeparators(f"{QDir.homePath()}/dataset"))
        self.out.setMinimumWidth(52 * theme.GRID)
        browse = QAction(icon("project"), self.tr("Choose the folder"), self)
        browse.triggered.connect(self._browse)
        self.out.addAction(browse, QLineEdit.ActionPosition.TrailingPosition)
        self.split = QLineEdit("80/10/10")
        self.simulated, self.unflagged = QCheckBox(), QCheckBox()
        self.look = QPushButton(self.tr("Look at them in Review"))
        self.keep_names = QCheckBox(self.tr("Keep patient ids and file names as they &are"))
        self.count = QLabel()
        self.problem = Bar(lasting=True)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._export = self.buttons.addButton(self.tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        self._connect()
        self._build()
        if before is not None:
            self._show_asked(before)
        self._count_boxes(Exportables())
        self._show_choice()

    def _connect(self) -> None:
        self.format.currentIndexChanged.connect(self._show_choice)
        for box in (self.simulated, self.unflagged):
            box.toggled.connect(self._show_choice)
        self.look.clicked.connect(self.wants_flagged)
        self.buttons.accepted.connect(self._on_asked)
        self.buttons.rejected.connect(self.reject)
        self.finished.connect(lambda _: self.deleteLater())

    def _build(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * theme.GRID)
        form.setVerticalSpacing(theme.GRID)
        form.addRow(self.tr("&Format"), self.format)
        self._purpose.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._purpose.setWordWrap(True)
        self._purpose.setFixedHeight(2 * self._purpose.fontMetrics().lineSpacing())
        self._purpose.setAlignment(Qt.AlignmentFlag.AlignTop)
        form.addRow("", self._purpose)
        form.addRow(self.tr("New f&older"), self.out)
        form.addRow(self.tr("&Train / validation / test, in percent"), self.split)
        flagged = QHBoxLayout()
        flagged.addWidget(self.unflagged)
        flagged.addWidget(self.look)
        flagged.addStretch(1)
        form.addRow("", self.simulated)
        form.addRow("", flagged)
        form.addRow("", self.keep_names)
        words = QLabel(self.tr("Accepted and edited pairs with their pictures. No patient is in two parts."))
        words.setWordWrap(True)
        font = self.count.font()
        font.setBold(True)
        self.count.setFont(font)
        self.count.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * theme.GRID] * 4)
        column.setSpacing(2 * theme.GRID)
        column.addWidget(words)
        column.addLayout(form)
        for widget in (self.count, self.problem, self.buttons):
            column.addWidget(widget)
        tab_as_seen(self.buttons)
        self._export.setDefault(True)  # here, where it belongs to the dialog
        self.look.setAutoDefault(False)
        self.out.setFocus()

    # -- what is shown --------------------------------------------------------------------------

    def _show_asked(self, before: Parameters) -> None:
        """Puts back what an export was asked for before."""
        self.format.setCurrentIndex(self.format.findData(before["format"]))
        self.out.setText(QDir.toNativeSeparators(str(out_of(before))))
        self.split.setText(before["split"])
        self.simulated.setChecked(before["simulated"])
        self.unflagged.setChecked(before["unflagged"])
        self.keep_names.setChecked(before["keep_names"])

    def show_exportables(self, found: Exportables) -> None:
        """Says how many pairs there are to write."""
        self._found = found
        self._count_boxes(found)
        self._show_choice()

    def _count_boxes(self, found: Exportables) -> None:
        """Says of how many pairs each box decides."""
        rehearsed, flagged = whole(found.rehearsed), whole(found.flagged)
        self.simulated.setText(self.tr("With re&hearsed pairs: {count}").format(count=rehearsed))
        self.unflagged.setText(self.tr("&Leave out what a check flagged: {count}").format(count=flagged))
        self.simulated.setEnabled(found.rehearsed > 0)
        for widget in (self.unflagged, self.look):
            widget.setEnabled(found.flagged > 0)

    def _show_choice(self) -> None:
        """Says what the chosen format is for and, where that is known, what will be written."""
        wanted = ExportFormat(self.format.currentData())
        self._purpose.setText(translated(_FORMATS[wanted][1]))
        if self._found is None:
            return
        taken = self._found.taken(
            wanted, rehearsed=self.simulated.isChecked(), unflagged=self.unflagged.isChecked()
        )
        self._export.setEnabled(taken.count > 0)
        words = taken.words()
        if not taken.count and self._found.rehearsed and not self.simulated.isChecked():
            more = self.tr("What was accepted comes from a rehearsal: tick its box to write it.")
            words = f"{words}. {more}"
        self.count.setText(words)

    def show_problem(self, error: DermaError) -> None:
        """Says why it cannot be done like this."""
        self.problem.tell(texts.worded(error), Level.ERROR)
        at = self.split if error.code.startswith("split.") else self.out
        at.setFocus()
        at.selectAll()

    # -- what is asked --------------------------------------------------------------------------

    def _browse(self) -> None:
        folder = ask_new_folder(self, self.tr("Name of the new dataset"), self.tr("dataset"))
        if folder:
            self.out.setText(str(folder))

    def _on_asked(self) -> None:
        if not self.out.text().strip():
            self.out.setFocus()
            return
        self.problem.hide()
        self.asked.emit(
            export_parameters(
                Path(QDir.fromNativeSeparators(self.out.text().strip())).expanduser(),
                ExportFormat(self.format.currentData()),
                simulated=self.simulated.isChecked(),
                unflagged=self.unflagged.isChecked(),
                split=self.split.text().strip(),
                keep_names=self.keep_names.isChecked(),
            )
        )


def out_of(parameters: Parameters) -> Path:
    """The folder that an export writes."""
    return Path(os.fsdecode(bytes.fromhex(parameters["out"])))


def export_words(figures: Mapping[str, int], out: Path) -> str:
    """What an export wrote, in a sentence."""
    words = QCoreApplication.translate(
        "review",
        "Written to {path}. Pairs: {pairs}, of them {train} to train, {validation} to validate, {test} to "
        "test. Pictures: {images}.",
    )
    counts = {name: whole(count) for name, count in figures.items()}
    told = words.format(path=display_path(out), **counts)
    if figures["train"]:
        return told
    nothing = QCoreApplication.translate(
        "review", "Nothing is there to train on: there are too few patients or pictures for these shares."
    )
    return f"{told} {nothing}"
