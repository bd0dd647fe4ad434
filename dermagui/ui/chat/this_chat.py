"""The open chat as a whole: its name, where it is saved as a file, that it goes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QLineEdit, QWidget

from dermagui.ui.chat.shelf import Listed, Shelf
from dermagui.ui.chat.talk import Talk
from dermagui.ui.widgets.bar import Bar, Level


class ThisChat(QObject):
    """What can be done with the open chat; what came of it is told in the bar."""

    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(self, talk: Talk, shelf: Shelf, title: QLineEdit, bar: Bar, page: QWidget) -> None:
        super().__init__(page)
        self._talk, self._shelf, self._title, self._bar, self._page = talk, shelf, title, bar, page
        self.titles: dict[str, str] = {}
        """Of the chats that are listed, by their uids."""
        title.editingFinished.connect(self._on_title_edited)

    def show_title(self, chats: Sequence[Listed]) -> None:
        """Takes the names of chats from the list; nobody is disturbed who writes one."""
        self.titles = {chat.at.uid: chat.title for chat in chats}
        uid = self._talk.at.uid if self._talk.at else ""
        if uid in self.titles and not self._title.hasFocus():
            self._title.setText(self.titles[uid])

    def rename(self) -> None:
        """Puts the cursor into the chat's name."""
        self._title.setFocus()
        self._title.selectAll()

    def _on_title_edited(self) -> None:
        uid = self._talk.at.uid if self._talk.at else ""
        title = self._title.text().strip()
        if uid and title != self.titles.get(uid, ""):
            self._talk.rename(title)

    def remove(self) -> None:
        """Asks whether the chat is to go, in the bar."""
        self._bar.tell(
            self.tr("Delete this chat with all that was said in it? It cannot be brought back."),
            Level.WARNING,
            self.tr("Delete"),
            self._talk.remove,
        )

    def export(self) -> None:
        """Asks for a file and writes the chat into it: Markdown, HTML with its pictures, or JSON."""
        at = self._talk.at
        if at is None:
            return
        kinds = {
            self.tr("Markdown (*.md)"): ".md",
            self.tr("Web page with pictures (*.html)"): ".html",
            self.tr("JSON (*.json)"): ".json",
        }
        name, kind = QFileDialog.getSaveFileName(
            self._page, self.tr("Save this chat"), "chat.md", ";;".join(kinds)
        )
        if not name:
            return
        path = Path(name)
        if path.suffix.lower() not in kinds.values():
            path = path.with_name(path.name + kinds.get(kind, ".md"))
        from dermagui.chat.transcript import write_transcript

        write = partial(write_transcript, uid=at.uid, path=path, held=self._talk.held)
        said = self.tr("Saved as {name}.").format(name=path.name)
        self._shelf.ask(
            at.place,
            write,
            lambda _: self._bar.tell(said, Level.DONE),
            owner=self,
            failed=self.failed.emit,
        )
