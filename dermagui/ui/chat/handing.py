"""Sends answers, or the whole chat, to Review as pairs of the open project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from dermagui.errors import UserError
from dermagui.ui.chat.shelf import Place
from dermagui.ui.chat.talk import Talk
from dermagui.ui.desk import Desk
from dermagui.ui.widgets.bar import Bar, Level

if TYPE_CHECKING:
    from dermagui.storage.database import Store


class Handing(QObject):
    """What was sent lies in Review; the bar leads there."""

    failed = Signal(object)
    """A ``DermaError``."""
    review_wanted = Signal()

    def __init__(self, desk: Desk, talk: Talk, bar: Bar, page: QWidget) -> None:
        super().__init__(page)
        self._desk, self._talk, self._bar = desk, talk, bar

    def send(self, n: int | None = None) -> None:
        """Sends the answer at that place with its question, or the whole chat."""
        at = self._talk.at
        if at is None:
            return
        if at.place is Place.PRIVATE:
            self.failed.emit(UserError("chat.private_stays"))
        elif self._desk.project is None:
            self._bar.tell(self.tr("Pairs are reviewed in a project: open one, or make one, and send again."))
        else:
            in_notebook = at.place is Place.NOTEBOOK
            self._desk.ask(
                lambda store: _send(store, at.uid, n, in_notebook),
                lambda _: self._tell_sent(n),
                owner=self,
                failed=self.failed.emit,
                changes=frozenset({"pairs"}),
            )

    def _tell_sent(self, n: int | None) -> None:
        text = self.tr("The answer lies in Review, with its question and where it came from.")
        if n is None:
            text = self.tr("The whole chat lies in Review as one dialogue, with where it came from.")
        self._bar.tell(text, Level.DONE, self.tr("Show in Review"), self.review_wanted.emit)


def _send(project: Store, uid: str, n: int | None, in_notebook: bool) -> str:
    from dermagui.chat.handing_on import send_to_review
    from dermagui.project import home_project
    from dermagui.storage.database import Store

    if not in_notebook:
        return send_to_review(project, project, uid, n)
    chats = Store(home_project(), read_only=True)
    try:
        return send_to_review(chats, project, uid, n)
    finally:
        chats.close()
