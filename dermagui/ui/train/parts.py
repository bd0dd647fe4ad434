"""Small parts of the stations: sentences, rows of buttons, and a button that starts and follows a job."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from dermagui.errors import DermaError
from dermagui.jobs.report import Event
from dermagui.jobs.work import Parameters
from dermagui.ui import theme
from dermagui.ui.icons import icon
from dermagui.ui.jobs import Jobs
from dermagui.ui.shell.words import count_words
from dermagui.ui.train.words import STAGES, words


class JobButton(QWidget):
    """Starts a job of one kind; while it runs, how far it is and Stop stand in the button's place."""

    begun = Signal()
    """A job was asked for here; what was told of the one before is old."""
    ended = Signal(object)
    """The ``end`` event of its job."""

    def __init__(self, kind: str, jobs: Jobs, action: QAction, tell: Callable[[DermaError], None]) -> None:
        super().__init__()
        self.kind = kind
        self._jobs = jobs
        self._tell = tell
        self._job: str | None = None
        self._stage = ""
        self.start = action_button(action)
        self.stop = QPushButton(icon("stop"), self.tr("Stop"))
        self.stop.setAccessibleName(self.tr("Stop: {name}").format(name=self.start.text()))
        self.stop.clicked.connect(self._on_stop_clicked)
        self._progress = QProgressBar()
        self._progress.setMaximumWidth(40 * theme.GRID)
        self._progress.setTextVisible(False)
        self._progress.setAccessibleName(self.start.text())
        self._said = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID)
        for widget in (self.start, self._progress, self._said, self.stop):
            row.addWidget(widget)
        row.addStretch(1)
        self._show(False)

    @property
    def is_running(self) -> bool:
        """Whether its job is under way."""
        return self._job is not None

    @property
    def said(self) -> str:
        """How far its job is, in words."""
        return self._said.text()

    def begin(self, parameters: Parameters, secret: str | None = None) -> None:
        """Starts the job."""
        self.begun.emit()
        self._jobs.start(self.kind, parameters, secret=secret, failed=self._tell)

    def follow_running(self) -> None:
        """Takes up a job of its kind that runs, whoever started it; lets go of one that is over."""
        running = [(id_, job) for id_, job in self._jobs.running.items() if job.row["kind"] == self.kind]
        if running and self._job is None:
            self._job, followed = running[0]
            self._show(True)
            for event in list(followed.newest):
                self.hear(event)
        elif not running and self._job is not None:
            self._let_go()

    def takes(self, job_id: str) -> bool:
        """Whether that job is the one it follows."""
        return job_id == self._job

    def hear(self, event: Event) -> None:
        """Shows an event of its job."""
        if event["event"] == "progress":
            self._progress.setRange(0, event["total"] or 0)
            self._progress.setValue(event["done"])
            count = count_words(event["done"], event["total"], event["unit"])
            self._tell_how_far("" if event["unit"] == "stages" else count)
        elif event["event"] == "stage":
            self._stage = words(STAGES[event["stage"]])
            self._tell_how_far("")
        elif event["event"] == "end":
            self._let_go()
            error = event.get("error")
            if error:
                self._tell(DermaError(error["code"], **error["values"]))
            self.ended.emit(event)

    def _tell_how_far(self, count: str) -> None:
        self._said.setText(" · ".join(part for part in (self._stage, count) if part))

    def _let_go(self) -> None:
        self._job = None
        self._show(False)

    def _show(self, running: bool) -> None:
        self.start.setVisible(not running)
        for widget in (self._progress, self._said, self.stop):
            widget.setVisible(running)
        if running:
            self._stage = ""
            self._said.clear()
            self._progress.setRange(0, 0)

    def _on_stop_clicked(self) -> None:
        if self._job is not None:
            self._jobs.stop(self._job)


def action_button(action: QAction, picture: str = "") -> QPushButton:
    """A button that does an action and can be pressed when that can be done."""
    button = QPushButton(action.text())
    if picture:
        button.setIcon(icon(picture))
    button.clicked.connect(action.trigger)
    button.setEnabled(action.isEnabled())
    action.changed.connect(lambda: button.setEnabled(action.isEnabled()))
    return button


def word_button(text: str, call: Callable[[], object]) -> QPushButton:
    """A button for what stands in no table of actions, such as a question for a folder."""
    button = QPushButton(text)
    button.clicked.connect(lambda *_: call())
    return button


def buttons_row(*buttons: QWidget) -> QHBoxLayout:
    """Buttons from the left."""
    row = QHBoxLayout()
    row.setSpacing(theme.GRID)
    for button in buttons:
        row.addWidget(button)
    row.addStretch(1)
    return row


def sentence_label(text: str = "", *, quiet: bool = False) -> QLabel:
    """A sentence that wraps and can be marked with the mouse; a quiet one is a hint."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    if quiet:
        label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label


def say(label: QLabel, text: str) -> None:
    """Shows a sentence; without one the label takes no room."""
    label.setText(text)
    label.setVisible(bool(text))


def subtitle(text: str) -> QLabel:
    """What a part of a station is called."""
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label
