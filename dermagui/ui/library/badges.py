"""What a list says of an image in icon and word: unreadable, pairs, verdicts, flags, may leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QLocale

from dermagui.records import ACCEPTED_STATES, FileState, PairState
from dermagui.storage.filters import ImageCard
from dermagui.ui import theme

translate = QCoreApplication.translate


@dataclass(frozen=True, slots=True)
class Badge:
    """An icon of ``resources/icons``, the word beside it, and the colour of both."""

    icon: str
    text: str
    tint: tuple[str, str] | None = None


def badges(card: ImageCard) -> Iterator[Badge]:
    """The badges of an image, what matters most first."""
    if card.state is not FileState.READY:
        yield _of_state(card.state)
    if card.id < 0:
        return
    total = sum(card.pairs.values())
    yield Badge(
        "pairs",
        _counted(
            total,
            translate("badges", "no pairs"),
            translate("badges", "1 pair"),
            translate("badges", "{count} pairs"),
        ),
    )
    if card.may_leave:
        yield Badge("leave", translate("badges", "may leave"))
    if card.flagged:
        flagged = _counted(
            card.flagged, "", translate("badges", "1 flagged"), translate("badges", "{count} flagged")
        )
        yield Badge("flag", flagged, theme.WARNING)
    accepted = sum(card.pairs.get(state, 0) for state in ACCEPTED_STATES)
    if accepted:
        yield Badge("done", _filled(translate("badges", "{count} accepted"), accepted), theme.GOOD)
    if rejected := card.pairs.get(PairState.REJECTED, 0):
        yield Badge("close", _filled(translate("badges", "{count} rejected"), rejected), theme.DANGER)
    if unsure := card.pairs.get(PairState.UNSURE, 0):
        yield Badge("unsure", _filled(translate("badges", "{count} unsure"), unsure))


def _of_state(state: FileState) -> Badge:
    if state is FileState.MISSING:
        return Badge("missing", translate("badges", "missing"), theme.WARNING)
    return Badge("error", translate("badges", "unreadable"), theme.DANGER)


def spoken(card: ImageCard) -> str:
    """A card in words, for a screen reader."""
    return ", ".join([name_of(card), *(badge.text for badge in badges(card))])


def name_of(card: ImageCard) -> str:
    """The name of the file, with the number of the frame where it holds several."""
    name = card.path.rpartition("/")[2] or translate("badges", "image {number}").format(number=card.id)
    if card.frames > 1:
        return translate("badges", "{name} · frame {frame}").format(name=name, frame=card.frame + 1)
    return name


def _counted(count: int, none: str, one: str, many: str) -> str:
    return none if count == 0 else one if count == 1 else _filled(many, count)


def _filled(text: str, count: int) -> str:
    return text.format(count=QLocale().toString(count))
