"""What is kept of a chat: its pictures by the hash of their files, and how each answer came about.

Pictures stay where they are. Only one from the clipboard, which is nowhere, is written beside the database;
for a private chat (``Store.in_memory``) not even that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dermagui.chat.protocol import Adapter, Rgb, Sampling
from dermagui.chat.session import Answer
from dermagui.errors import DataError, UserError, from_os_error
from dermagui.library.opening import Pasted, open_file
from dermagui.library.pixels import pixels
from dermagui.paths import display_path
from dermagui.records import Picture, PixelRecipe, Pixels, Region
from dermagui.storage import chats
from dermagui.storage.chats import PASTED, ChatImage, StoredTurn
from dermagui.storage.database import Store
from dermagui.storage.images import picture_of


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture that is to be shown to a model."""

    picture: Picture
    sha256: str
    """Of its file."""
    redactions: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """Which model answered, and how it was asked; with every answer, as a chat may change its model."""

    model: str
    model_sha256: str = ""
    """Empty where nobody has hashed the file."""
    quantization: str = ""
    adapters: Sequence[Adapter] = ()
    sampling: Sampling = field(default_factory=Sampling)
    context_tokens: int = 0
    task: str = ""
    """Which of ``tasks`` it was; empty for a question in the user's own words."""


def attach(picture: Picture, redactions: tuple[Region, ...] = ()) -> Attachment:
    """A picture with the hash of its file. Raises what ``open_file`` raises, with the ``path``."""
    try:
        with open_file(picture.path) as file:
            return Attachment(picture, hashlib.file_digest(file, "sha256").hexdigest(), redactions)
    except DataError as error:
        raise DataError(error.code, **{"path": display_path(picture.path), **error.values}) from error


def chat_image(attachment: Attachment, rgb: Rgb, answer: Answer) -> ChatImage:
    """A picture as a turn keeps it, with what the answer says that the model saw of it."""
    seen = {"sha256": rgb.sha256, "width": rgb.width, "height": rgb.height, "exact": rgb.exact}
    for told in answer.images:
        if (told["sha256"], told["width"], told["height"]) == rgb.key:
            seen = told
    made = {"recipe": asdict(rgb.recipe) if rgb.recipe else None}
    hidden = {"redactions": [[r.x, r.y, r.width, r.height] for r in attachment.redactions]}
    path = attachment.picture.path
    place = b"" if isinstance(path, Pasted) else os.fsencode(Path(path).absolute())
    return ChatImage(attachment.sha256, {**seen, **made, **hidden}, attachment.picture.frame, place)


def figures_of(
    answer: Answer, asked: Asked, cited: Sequence[Mapping[str, object]] | None = None
) -> dict[str, object]:
    """How an answer came about. ``cited`` are the passages that the model was given; None: it was not asked
    to keep to any.
    """
    told: dict[str, object] = {
        "ended": answer.ended,
        "seconds": answer.seconds,
        "prompt_tokens": answer.prompt_tokens,
        "reused_tokens": answer.reused_tokens,
        "labels": answer.labels,
        "model": asked.model,
        "model_sha256": asked.model_sha256,
        "quantization": asked.quantization,
        "adapters": [{"file": Path(one.path).name, "scale": one.scale} for one in asked.adapters],
        "settings": asdict(asked.sampling) | {"context_tokens": asked.context_tokens},
        "task": asked.task,
    }
    return told if cited is None else told | {"passages": list(cited)}


def keep_turns(
    store: Store,
    uid: str,
    turns: Sequence[StoredTurn],
    attachments: Sequence[Attachment] = (),
    *,
    at: int | None = None,
) -> None:
    """Writes a question with its answer, and first the pictures among ``attachments`` that are in no file.

    ``at`` is the place of the turn that these stand in for (see ``chats.replace_turns``). Raises what
    ``add_turns``, ``replace_turns`` and ``refuse_forgotten`` raise, and what the disk refuses.
    """
    chats.refuse_forgotten(store, [image.file_sha256 for turn in turns for image in turn.images])
    with store.writing():  # nobody takes a pasted picture for unused meanwhile
        for attachment in attachments:
            if isinstance(attachment.picture.path, Pasted) and not store.is_private:
                _write_pasted(store.folder / PASTED, attachment.sha256, attachment.picture.path.content)
        if at is None:
            chats.add_turns(store, uid, turns)
        else:
            chats.replace_turns(store, uid, at, turns)


def remove_chats(store: Store, uids: Sequence[str]) -> int:
    """Removes chats, and the pasted pictures that no other chat shows; returns how many there were."""
    with store.writing():
        removed = chats.remove_chats(store, uids)
        for path in () if store.is_private else chats.unused_pasted(store):
            with suppress(OSError):
                path.unlink()
    return removed


def find_picture(store: Store, image: ChatImage) -> Picture:
    """Where a picture of a chat lies now: in the library, where it was, or beside the database.

    Raises ``UserError`` ``chat.image_missing`` where no file there has its hash any more.
    """
    query = "SELECT id FROM images WHERE sha256 = ? AND frame = ?"
    known = store.value(query, (image.file_sha256, image.frame))
    with suppress(UserError):
        if known is not None:
            return picture_of(store, known)
    places = [Path(os.fsdecode(image.path_bytes))] if image.path_bytes else []
    if not store.is_private:
        places.append(store.folder / PASTED / f"{image.file_sha256}.png")
    for place in places:
        picture = Picture(place, image.frame)
        if place.is_file() and attach(picture).sha256 == image.file_sha256:
            return picture
    raise UserError("chat.image_missing", sha256=image.file_sha256[:12])


def seen_again(picture: Picture, image: ChatImage) -> tuple[Pixels, bool]:
    """The pixels that a model saw of a picture, made again, and whether they are the very same.

    Raises what ``library.pixels.pixels`` raises.
    """
    told = image.pixels
    recipe = told.get("recipe")
    redactions = tuple(Region(*box) for box in _list(told.get("redactions")))
    made = pixels(picture, PixelRecipe(**recipe) if isinstance(recipe, dict) else _usual(told), redactions)
    return made, made.sha256 == told.get("sha256")


def _usual(told: Mapping[str, object]) -> PixelRecipe:
    """For chats of before the recipe was kept: the same size at least."""
    sides = [side for side in (told.get("width"), told.get("height")) if isinstance(side, int)]
    return replace(PixelRecipe(codec="png"), longest_side=max(sides, default=None))


def _list(told: object) -> list[list[int]]:
    return told if isinstance(told, list) else []


def _write_pasted(folder: Path, sha256: str, content: bytes) -> None:
    path = folder / f"{sha256}.png"
    try:
        folder.mkdir(exist_ok=True)
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(content)
            part.replace(path)
    except OSError as error:
        raise from_os_error(error, path) from error
