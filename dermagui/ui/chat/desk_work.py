"""What the Chat page does off the window's thread: functions of a store, of files, of bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QImage

from dermagui.errors import DermaError, UserError
from dermagui.records import Picture, Role
from dermagui.ui.chat.shelf import ChatAt, Place

if TYPE_CHECKING:
    from dermagui.chat.keeping import Attachment
    from dermagui.chat.memory import Memory
    from dermagui.storage.chats import ChatImage, StoredTurn
    from dermagui.storage.database import Store
    from dermagui.ui.chat.engine import Answered, Question

THUMBNAIL_PIXELS = 96


@dataclass(frozen=True, slots=True)
class Thumb:
    """A picture of a chat, small; without an image where it cannot be found or read any more."""

    attachment: Attachment | None
    name: str
    image: QImage | None
    error: DermaError | None = None


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn as it was kept, with its pictures."""

    stored: StoredTurn
    thumbs: tuple[Thumb, ...]
    versions: tuple[int, ...] = (0,)
    """All that were asked or answered at this place, the oldest first."""
    schema: Mapping[str, Any] | None = None
    """Of the form that an answer fills in."""

    @property
    def text(self) -> str:
        """The turn as people read it."""
        return self._readable(as_markdown=False)

    @property
    def markdown(self) -> str:
        """The turn as it stands on the screen."""
        return self._readable(as_markdown=True)

    def _readable(self, *, as_markdown: bool) -> str:
        from dermagui.chat.reports import readable

        text, form = self.stored.text, self.stored.figures.get("form")
        return readable(text, self.schema, form, as_markdown=as_markdown) if self.schema else text


def take_files(paths: Sequence[Path]) -> tuple[list[Thumb], list[DermaError]]:
    """Pictures to be shown to the model, and what of it is none."""
    from dermagui.chat.keeping import attach

    thumbs, errors = [], []
    for path in paths:
        try:
            thumbs.append(small(attach(Picture(path)), path.name))
        except DermaError as error:
            errors.append(type(error)(error.code, **{"path": path.name, **error.values}))
    return thumbs, errors


def take_image(image: QImage, name: str) -> Thumb:
    """A picture from the clipboard: held in memory, and written nowhere yet."""
    from dermagui.chat.keeping import attach
    from dermagui.library.opening import Pasted

    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.convertToFormat(QImage.Format.Format_RGB888).save(buffer, "PNG")  # type: ignore[call-overload]
    return small(attach(Picture(Pasted(bytes(content.data())))), name)


def take_from_library(store: Store, image_ids: Sequence[int]) -> list[tuple[Attachment | None, str]]:
    """Images of the library, with what is painted over in them."""
    from dermagui.chat.keeping import attach
    from dermagui.storage.images import picture_of, redactions_of

    taken: list[tuple[Attachment | None, str]] = []
    for image_id in image_ids:
        picture = picture_of(store, image_id)
        taken.append((attach(picture, redactions_of(store, image_id)), Path(picture.path).name))
    return taken


def small(attachment: Attachment, name: str) -> Thumb:
    """A picture with its thumbnail, which is held in memory alone. Raises like ``decode.open_picture``."""
    from dermagui.library.pixels import pixels
    from dermagui.records import PixelRecipe

    made = pixels(attachment.picture, PixelRecipe(2 * THUMBNAIL_PIXELS, codec="png"), attachment.redactions)
    image = QImage(made.rgb, made.width, made.height, 3 * made.width, QImage.Format.Format_RGB888).copy()
    return Thumb(attachment, name, image)


Read = tuple["StoredTurn", "list[tuple[Attachment | None, str]]", tuple[int, ...]]
"""A turn as it was kept, its pictures with their names, and its versions."""


def read_turns(store: Store, uid: str, held: dict[tuple[str, int], Attachment]) -> list[Read]:
    """What is shown of a chat, with where its pictures lie now; ``held`` are pictures that lie nowhere."""
    from dermagui.storage.chats import turns_of_chat, versions_of_turn

    return [
        (
            turn,
            [_found(store, image, held) for image in turn.images],
            tuple(versions_of_turn(store, uid, n)),
        )
        for n, turn in enumerate(turns_of_chat(store, uid))
    ]


def _found(
    store: Store, image: ChatImage, held: dict[tuple[str, int], Attachment]
) -> tuple[Attachment | None, str]:
    from dermagui.chat.keeping import Attachment, find_picture
    from dermagui.storage.images import redactions_of

    known = held.get((image.file_sha256, image.frame))
    if known is not None:
        return known, ""
    try:
        picture = find_picture(store, image)
    except UserError:
        return None, image.file_sha256[:12]
    query = "SELECT id FROM images WHERE sha256 = ? AND frame = ?"
    image_id = store.value(query, (image.file_sha256, image.frame))
    redactions = redactions_of(store, image_id) if image_id is not None else ()
    return Attachment(picture, image.file_sha256, redactions), Path(picture.path).name


def thumbs_of(found: Sequence[tuple[Attachment | None, str]]) -> tuple[Thumb, ...]:
    """Thumbnails of pictures; of those that are gone, what they were called."""
    thumbs = []
    for attachment, name in found:
        try:
            thumbs.append(small(attachment, name) if attachment else Thumb(None, name, None))
        except DermaError as error:
            thumbs.append(Thumb(attachment, name, None, error))
    return tuple(thumbs)


def keep(
    store: Store, at: ChatAt | None, question: Question, answered: Answered, place: Place, n: int | None
) -> ChatAt:
    """Writes the last question and its answer; at ``n`` in place of what stands there (see
    ``replace_turns``: an even place is a question, an odd one its answer alone). Begins a chat where there
    is none.
    """
    from dermagui.chat.keeping import keep_turns
    from dermagui.storage.chats import refuse_forgotten

    last = question.turns[-1]
    refuse_forgotten(store, [one.sha256 for one in last.attachments])
    with store.writing():  # a chat without its first question would be nothing
        found = at or ChatAt(_begin(store, answered), place)
        turns = stored_turns(question, answered)
        is_answer = n is not None and n % 2 == 1
        keep_turns(store, found.uid, turns[1:] if is_answer else turns, last.attachments, at=n)
    return found


def stored_turns(question: Question, answered: Answered) -> list[StoredTurn]:
    """The last question and its answer as they are kept."""
    from dermagui.chat.keeping import chat_image, figures_of
    from dermagui.storage.chats import StoredTurn

    last = question.turns[-1]
    images = [chat_image(one, rgb, answered.answer) for one, rgb in answered.seen if one in last.attachments]
    figures = figures_of(answered.answer, answered.asked, question.passages) | {
        "left_out": answered.left_out,
        "system": question.system,
    }
    return [
        StoredTurn(Role.USER, last.text, figures=dict(question.asked), images=images),
        StoredTurn(Role.ASSISTANT, answered.answer.text, answered.answer.tokens, figures),
    ]


def _begin(store: Store, answered: Answered) -> str:
    from dermagui.storage.chats import add_chat

    asked = answered.asked
    return add_chat(
        store,
        model=asked.model,
        model_sha256=asked.model_sha256,
        quantization=asked.quantization,
        adapters=[{"file": Path(one.path).name, "scale": one.scale} for one in asked.adapters],
        settings=asdict(asked.sampling) | {"context_tokens": asked.context_tokens},
    )


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A bundle as the picker shows it."""

    name: str
    quantization: str
    size_bytes: int
    licence: str
    sees: bool
    context_length: int
    memory_bytes: int
    """What a chat with ``context_tokens`` needs, estimated."""
    error: DermaError | None = None
    needed: Memory | None = None
    is_shipped: bool = False
    """It came with the program."""


def list_models(context_tokens: int) -> tuple[list[ModelCard], int]:
    """The user's bundles, then the one that ships, what they need, and this computer's bytes of memory."""
    from dermagui.chat.bundle import Bundle, scan_bundles
    from dermagui.jobs.workers import memory_bytes

    cards = [
        _card(found, context_tokens)
        if isinstance(found, Bundle)
        else ModelCard(name, "", 0, "", False, 0, 0, found)
        for name, found in scan_bundles(shipped=True).items()
    ]
    return cards, memory_bytes()


def _card(bundle: object, context_tokens: int) -> ModelCard:
    from dermagui.chat.bundle import Bundle
    from dermagui.chat.memory import memory_needed
    from dermagui.chat.pairing import read_file

    assert isinstance(bundle, Bundle)
    card = ModelCard(
        bundle.name,
        bundle.quantization,
        bundle.size_bytes,
        bundle.about.licence,
        bundle.image is not None,
        bundle.context_length,
        0,
        is_shipped=bundle.is_shipped,
    )
    try:
        model_path, mmproj_path = bundle.path("model"), bundle.path("mmproj")
        assert model_path is not None
        mmproj = read_file(mmproj_path).facts if mmproj_path else None
        needed = memory_needed(read_file(model_path).facts, mmproj, context_tokens)
    except DermaError as error:
        return replace(card, error=error)
    return replace(card, memory_bytes=needed.total, needed=needed)


class Quiet:
    """Hears how far a file was read, and what is odd of it, and says nothing: the page shows the bundle."""

    def progress(self, progress: object) -> None:
        """So much is read."""

    def warn(self, code: str, **values: object) -> None:
        """The line under the picker says it."""

    def stop_if_asked(self) -> None:
        """Nobody can ask."""
