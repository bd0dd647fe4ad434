"""A base brought here by its name on the hub: what it weighs and whose terms hold is said, then it comes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QVBoxLayout, QWidget

from dermagui.jobs.report import Event
from dermagui.records import JobState
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train import desk_work
from dermagui.ui.train.parts import JobButton, buttons_row, say, sentence_label, word_button
from dermagui.ui.train.words import gigabytes, words

if TYPE_CHECKING:
    from dermagui.chat.hub import Listing
    from dermagui.jobs.work import Parameters

_ONCE = Qt.ConnectionType.SingleShotConnection


class BaseDownload(QWidget):
    """Hidden until a name is offered. The job belongs to the data folder: bases serve every project."""

    arrived = Signal(str)
    """The name of a base that is here now."""
    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._name = ""
        self._home = Desk(self)
        self._jobs = Jobs(self._home)
        self.look_up = word_button(self.tr("Look it up on the hub"), self._look_up)
        action = QAction(self.tr("Download"), self)
        action.triggered.connect(self._on_download_asked)
        self.button = JobButton("base_download", self._jobs, action, self.failed.emit)
        self._said = sentence_label()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addLayout(buttons_row(self.look_up))
        column.addWidget(self._said)
        column.addWidget(self.button)
        self.hide()
        self._forget()
        self._jobs.changed.connect(self.button.follow_running)
        self._jobs.told.connect(self._on_told)
        self._home.failed.connect(self.failed)
        desk.closing.connect(self._close)

    @property
    def said(self) -> str:
        """What would be downloaded, in words."""
        return self._said.text()

    def offer(self, name: str) -> None:
        """Offers the base of that name; none where it is empty. One that is on its way stays in view."""
        if self.button.is_running:
            return
        if name != self._name:
            self._forget()
        self._name = name
        self.setVisible(bool(name))

    def _forget(self) -> None:
        say(self._said, "")
        self.look_up.setEnabled(True)
        self.button.hide()

    def _look_up(self) -> None:
        self.look_up.setEnabled(False)
        look = partial(desk_work.look_up_base, self._name)
        self._home.work(look, partial(self._on_looked_up, self._name), owner=self, failed=self._on_refused)

    def _on_looked_up(self, name: str, found: Listing) -> None:
        self.look_up.setEnabled(True)
        if name != self._name:
            return
        text = self.tr("{name}: {size} to download; licence: {licence}.")
        licence = found.licence or self.tr("not stated")
        told = [text.format(name=name, size=gigabytes(found.size_bytes), licence=licence)]
        if found.gated:
            told.append(self.tr("It is gated, and your hub token opens it."))
        told += [f"⚠ {words(terms)}" for terms in desk_work.terms_of_base(name)]
        say(self._said, " ".join(told))
        self.button.show()

    def _on_refused(self, error: object) -> None:
        self.look_up.setEnabled(True)
        self.failed.emit(error)

    def _on_download_asked(self) -> None:
        prepare = partial(desk_work.prepare_base, self._name)
        self._home.work(prepare, self._begin, owner=self, failed=self.failed.emit)

    def _begin(self, prepared: tuple[Parameters, str | None, Path]) -> None:
        parameters, token, home = prepared
        begin = partial(self.button.begin, parameters, secret=token)
        if self._home.project is None:
            self._home.project_changed.connect(begin, _ONCE)
            self._home.open_project(home)
        else:
            begin()

    def _on_told(self, job_id: str, event: Event) -> None:
        if not self.button.takes(job_id):
            return
        self.button.hear(event)
        if event["event"] == "end" and event["state"] == JobState.DONE:
            self.arrived.emit(event["figures"]["name"])

    def _close(self) -> None:
        """Lets no download go on unseen; it is resumed where it was."""
        self._jobs.ask_all_to_stop()
        self._home.close()
        self._jobs.let_go()
