"""What the page is used for: to talk, to compare two models, to classify. One composer serves all three."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from dermagui.ui.chat.choosing import Choosing
from dermagui.ui.chat.classifying import Classifying
from dermagui.ui.chat.comparing import Comparing
from dermagui.ui.chat.desk_work import Thumb
from dermagui.ui.chat.engine import Engine, Question
from dermagui.ui.chat.layout import ChatLayout
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.widgets.bar import Level


class Mode(StrEnum):
    """The three; the values are ends of ids of actions."""

    TALK = "talk"
    COMPARE = "compare"
    CLASSIFY = "classify"


class Modes(QObject):
    """Shows one of the three, and passes on what is sent in those that are no chat."""

    changed = Signal()
    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(
        self, desk: Desk, jobs: Jobs, engine: Engine, parts: ChatLayout, choosing: Choosing, page: QWidget
    ) -> None:
        super().__init__(page)
        self._parts = parts
        self.mode = Mode.TALK
        self.comparing = Comparing(desk, engine, choosing, parts.compare)
        self.classifying = Classifying(desk, jobs, engine, parts.bar, parts.classify)
        for part in (self.comparing, self.classifying):
            part.changed.connect(self.changed)
            part.failed.connect(self.failed)
            part.given_back.connect(self._on_given_back)
        second = self.comparing.second
        second.progressed.connect(lambda told: parts.show_progress(told.doing, told.done, told.total))
        second.grew.connect(lambda _: parts.show_progress("", 0, 0))
        for one in (engine, second):
            one.answered.connect(lambda _: parts.show_progress("", 0, 0))
        self.comparing.kept.connect(lambda: parts.bar.tell(self.tr("Your choice is kept."), Level.DONE))
        self.comparing.unkept.connect(self._on_unkept)
        self.classifying.view.many_wanted.connect(
            lambda: self.classifying.start(parts.models.name, parts.composer.text)
        )

    @property
    def is_busy(self) -> bool:
        """Whether something is asked that is no chat."""
        return self.comparing.is_busy or self.classifying.is_busy

    @property
    def can_ask(self) -> bool:
        """Whether what is in view has all that it needs but a question."""
        part = self._part
        return part is None or part.can_ask

    @property
    def _part(self) -> Comparing | Classifying | None:
        if self.mode is Mode.COMPARE:
            return self.comparing
        return self.classifying if self.mode is Mode.CLASSIFY else None

    def show(self, mode: Mode) -> None:
        """Brings one of the three into view."""
        self.mode = mode
        self._parts.show_mode(mode)
        if mode is Mode.CLASSIFY:
            self.classifying.show_scopes()
        self._parts.composer.draft.setFocus()
        self.changed.emit()

    def say_private(self, private: bool) -> None:
        """Whether nothing of what is asked may be written down."""
        self.comparing.say_private(private)
        self.classifying.is_private = private

    def clear(self) -> None:
        """Another project."""
        self.comparing.clear()
        self.classifying.clear()

    def send(self, make: Callable[[], Question]) -> bool:
        """Asks what is written, where what is in view is no chat; False where it is."""
        part, composer = self._part, self._parts.composer
        if part is None:
            return False
        text, thumbs = composer.text, list(composer.thumbs)
        if text or thumbs:
            composer.clear()
            self._parts.bar.hide()
            part.ask(text, thumbs, make())
        return True

    def stop(self) -> None:
        """Ends what is asked that is no chat."""
        self.comparing.stop()
        self.classifying.stop()

    def _on_given_back(self, text: str, thumbs: list[Thumb]) -> None:
        self._parts.show_progress("", 0, 0)
        since = self._parts.composer.text
        self._parts.composer.fill("\n".join(part for part in (text, since) if part), thumbs)

    def _on_unkept(self) -> None:
        told = self.tr("Your choice is not kept: that takes an open project, and a chat that is not private.")
        self._parts.bar.tell(told, Level.INFO)
