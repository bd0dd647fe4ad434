"""What is written and not sent belongs to the chat that it was written in, and goes into no other."""

from __future__ import annotations

from dermagui.ui.chat.composer import Composer
from dermagui.ui.chat.desk_work import Thumb
from dermagui.ui.chat.shelf import Place
from dermagui.ui.chat.talk import Talk


class Drafts:
    """``put_by`` before another chat is opened, ``take_up`` after it; kept in memory only."""

    def __init__(self, talk: Talk, composer: Composer) -> None:
        self._talk, self._composer = talk, composer
        self._kept: dict[str, tuple[str, list[Thumb]]] = {}

    def put_by(self) -> None:
        """Keeps the draft of the open chat; of a private one that nobody can open again it is dropped."""
        chat = self._chat
        if chat is not None:
            self._kept[chat] = (self._composer.text, list(self._composer.thumbs))

    def take_up(self) -> None:
        """Shows the draft of the chat that is open now."""
        kept = self._kept.pop(self._chat, None) if self._chat is not None else None
        self._composer.fill(*(kept or ("", [])))

    @property
    def _chat(self) -> str | None:
        """Its id, empty for a new one; None for a new private one."""
        if self._talk.at is not None:
            return self._talk.at.uid
        return None if self._talk.place is Place.PRIVATE else ""
