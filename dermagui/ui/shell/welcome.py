"""The first start: four pages, each of which can be skipped, and then something to look at."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QDate, QLocale, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from dermagui import settings
from dermagui.jobs.workers import memory_bytes, physical_cores
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.settings.labels import CHOICES, words
from dermagui.ui.shell import state
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.new_folder import ask_new_folder

SEEN = "window/welcome_seen"
_LITTLE_BYTES = 4 * 2**30


class Welcome(QDialog):
    """Closing it, skipping it and finishing it are all the same: it does not come again by itself."""

    wants_demo = Signal()
    """The user wants to look around in drawn pictures."""
    wants_project = Signal(object)
    """A ``Path``: where the user wants a new project."""
    wants_chat = Signal()
    """The user wants to talk to a model; that needs no project."""
    changed_setting = Signal(str)
    """The key of a setting that was chosen here."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Welcome to dermagui"))
        self._desk = desk
        self.look = QComboBox()
        self.stack = QStackedWidget()
        for page in (self._build_look(), self._build_what(), self._build_computer(), self._build_start()):
            self.stack.addWidget(page)
        self._where = QLabel()
        self._where.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.skip = QPushButton(self.tr("Skip the welcome"))
        self.back = QPushButton(self.tr("Back"))
        self.onward = QPushButton(self.tr("Next"))
        self._build()
        self._show_page(0)

    def _build(self) -> None:
        for button in (self.skip, self.back):
            button.setAutoDefault(False)  # or Return would press the one that has the focus by chance
        self.onward.setDefault(True)
        stays = self.onward.sizePolicy()
        stays.setRetainSizeWhenHidden(True)  # or Back would come to stand under a hand that presses Next
        self.onward.setSizePolicy(stays)
        self.skip.clicked.connect(self.reject)
        self.back.clicked.connect(lambda: self._show_page(self.stack.currentIndex() - 1))
        self.onward.clicked.connect(lambda: self._show_page(self.stack.currentIndex() + 1))
        buttons = QHBoxLayout()
        buttons.addWidget(self.skip)
        buttons.addStretch(1)
        buttons.addWidget(self._where)
        buttons.addWidget(self.back)
        buttons.addWidget(self.onward)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[4 * theme.GRID] * 4)
        column.setSpacing(3 * theme.GRID)
        column.addWidget(self.stack, 1)
        column.addLayout(buttons)
        self.finished.connect(self.deleteLater)
        self.resize(80 * theme.GRID, 48 * theme.GRID)

    def _show_page(self, n: int) -> None:
        last = self.stack.count() - 1
        self.stack.setCurrentIndex(n)
        self.back.setEnabled(n > 0)
        self.onward.setVisible(n < last)
        self.skip.setText(self.tr("Close") if n == last else self.tr("Skip the welcome"))
        numbers = {"n": whole(n + 1), "count": whole(last + 1)}
        self._where.setText(self.tr("{n} of {count}").format(**numbers))

    # -- the pages ------------------------------------------------------------------------------

    def _build_look(self) -> QWidget:
        for choice in settings.SETTINGS["window.theme"].choices:
            self.look.addItem(words(CHOICES[choice]), choice)
        self.look.activated.connect(self._on_look_activated)
        page, column = _page(self.tr("Language and look"))
        form = QFormLayout()
        form.setHorizontalSpacing(2 * theme.GRID)
        form.setVerticalSpacing(theme.GRID)
        form.addRow(self.tr("Language"), QLabel(self.tr("English, the only one so far")))
        form.addRow(self.tr("&Look"), self.look)
        column.addLayout(form)
        language = self.tr("Dates and numbers follow your system: {date} and {number}.")
        date = QLocale().toString(QDate.currentDate(), QLocale.FormatType.LongFormat)
        number = QLocale().toString(1234.5, "f", 1)
        column.addWidget(_text(language.format(date=date, number=number)))
        column.addStretch(1)
        return page

    def _build_what(self) -> QWidget:
        page, column = _page(self.tr("What this is, and what it is not"))
        for line in (
            self.tr(
                "dermagui turns a folder of skin images into question-answer pairs, lets people judge every "
                "pair, and exports what they accepted for training a model."
            ),
            self.tr(
                "Your pictures are only read. Nothing leaves this computer unless you mark a source so and "
                "start a generation yourself; the strip at the top always says what may leave."
            ),
            self.tr(
                "It is for research. It is no medical device, and nothing in it may be used for a diagnosis."
            ),
        ):
            column.addWidget(_text(line))
        column.addStretch(1)
        return page

    def _build_computer(self) -> QWidget:
        page, column = _page(self.tr("What this computer can do"))
        enough = memory_bytes() >= _LITTLE_BYTES
        line = (
            self.tr("With {cores} processor cores and {memory} GB of memory it can do all of it.")
            if enough
            else self.tr(
                "With {cores} processor cores and {memory} GB of memory large pictures will be slow."
            )
        )
        memory = QLocale().toString(memory_bytes() / 2**30, "f", 0)
        column.addWidget(_text(line.format(cores=whole(physical_cores()), memory=memory)))
        column.addWidget(
            _text(
                self.tr(
                    "Only generating with Google Gemini needs a network and a key; a rehearsal needs neither."
                )
            )
        )
        column.addStretch(1)
        return page

    def _build_start(self) -> QWidget:
        page, column = _page(self.tr("Begin"))
        demo = QPushButton(self.tr("Open the demo"))
        demo.clicked.connect(self._on_demo_clicked)
        project = QPushButton(self.tr("Make a project…"))
        project.clicked.connect(self._on_project_clicked)
        chat = QPushButton(self.tr("Go to Chat"))
        chat.clicked.connect(self._on_chat_clicked)
        for button, line in (
            (
                demo,
                self.tr(
                    "Drawn lesions with rehearsed pairs, some of them wrong on purpose: to look around in."
                ),
            ),
            (
                project,
                self.tr(
                    "Name a project, and a folder is made for it; then drop your pictures on the window."
                ),
            ),
            (chat, self.tr("A model on this computer answers questions about pictures, with no network.")),
        ):
            column.addWidget(_text(line))
            row = QHBoxLayout()
            row.addWidget(button)
            row.addStretch(1)
            column.addLayout(row)
            column.addSpacing(theme.GRID)
        column.addStretch(1)
        return page

    # -- what is chosen -------------------------------------------------------------------------

    def _on_look_activated(self, row: int) -> None:
        key = "window.theme"
        self._desk.work(
            partial(settings.set_value, key, str(self.look.itemData(row))),
            lambda _: self.changed_setting.emit(key),
            owner=self,
        )

    def _on_demo_clicked(self) -> None:
        self.accept()
        self.wants_demo.emit()

    def _on_chat_clicked(self) -> None:
        self.accept()
        self.wants_chat.emit()

    def _on_project_clicked(self) -> None:
        folder = ask_new_folder(self, self.tr("Name of the new project"), self.tr("Skin study"))
        if folder:
            self.accept()
            self.wants_project.emit(folder)

    def done(self, result: int) -> None:
        """However it ends, it was seen."""
        state.set_mark(SEEN)
        super().done(result)


def _page(title: str) -> tuple[QWidget, QVBoxLayout]:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2 * theme.GRID)
    heading = QLabel(title)
    heading.setFont(theme.heading_font(heading.font()))
    column.addWidget(heading)
    return page, column


def _text(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    return label
