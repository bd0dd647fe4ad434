"""What a chat and its child say to each other: messages of JSON, each followed by the pictures it announces.

JSON and raw bytes, never pickles: the child reads files of strangers with native code, and what comes back
from it is data. Every request has a ``number`` and ends with exactly one ``done`` or ``error``; what comes
before are ``progress`` and ``tokens``. ``stop`` names the number of the request that it means.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from dermagui.errors import DataError, DermaError, ServiceError, UserError
from dermagui.records import PixelRecipe, Role

Message = dict[str, Any]

BLOBS = "blobs"
_ERRORS: dict[str, type[DermaError]] = {kind.__name__: kind for kind in (UserError, ServiceError, DataError)}


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA file and how strongly it works; a scale of 0 switches it off."""

    path: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """What to load, and with how much room."""

    model: str
    mmproj: str | None = None
    template: str | None = None
    """A chat template that is used instead of the model's own."""
    context_tokens: int = 4096
    batch_tokens: int = 512
    """Tokens that are evaluated at once: the grain of a stop."""
    image_tokens: int = 512
    """The most tokens that one picture will have."""
    gpu_layers: int | None = None
    """None: as many as fit into the memory of the graphics card."""
    threads: int = 1
    gpu_layer_bytes: int = 0
    """What one layer takes, its part of the context included."""
    gpu_fixed_bytes: int = 0
    """What is needed on the graphics card besides layers."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 takes the likeliest, and nothing else matters then."""

    max_tokens: int = 512
    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Rgb:
    """A picture as the model is given it."""

    sha256: str
    """Of ``rows``."""
    width: int
    height: int
    rows: bytes = field(repr=False)
    """RGB8, row by row."""
    exact: bool = True
    """Whether the image encoder takes these very pixels; False where it cuts or scales by itself."""
    recipe: PixelRecipe | None = field(default=None, compare=False)
    """How they were made; the child is not told."""

    @property
    def key(self) -> tuple[str, int, int]:
        """What makes two pictures the same: rows of another shape can have the same bytes."""
        return self.sha256, self.width, self.height


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """One thing said in a chat. ``tokens`` are those that the model itself generated for ``text``."""

    role: Role
    text: str
    images: tuple[Rgb, ...] = ()
    tokens: tuple[int, ...] = ()


def send(connection: Connection, message: Message, blobs: Sequence[bytes] = ()) -> None:
    """Sends a message and the bytes that belong to it."""
    text = json.dumps({**message, BLOBS: len(blobs)} if blobs else message)
    connection.send_bytes(text.encode())
    for blob in blobs:
        connection.send_bytes(blob)


def receive(connection: Connection) -> tuple[Message, list[bytes]]:
    """The next message with its bytes. Raises ``EOFError`` or ``OSError`` where the other side is gone."""
    message: Message = json.loads(connection.recv_bytes())
    return message, [connection.recv_bytes() for _ in range(message.pop(BLOBS, 0))]


def turns_to_json(turns: Sequence[ChatTurn]) -> tuple[Message, list[bytes]]:
    """``turns`` and ``images`` of a request, and the pixels that follow it, each image once."""
    images = {image.key: image for turn in turns for image in turn.images}
    places = {key: place for place, key in enumerate(images)}
    told = [
        {
            "role": turn.role,
            "text": turn.text,
            "images": [places[image.key] for image in turn.images],
            "tokens": turn.tokens,
        }
        for turn in turns
    ]
    listed, blobs = images_to_json(list(images.values()))
    return {"turns": told, **listed}, blobs


def turns_from_json(message: Message, blobs: Sequence[bytes]) -> list[ChatTurn]:
    """The turns of a request."""
    images = images_from_json(message, blobs)
    return [
        ChatTurn(
            Role(turn["role"]),
            turn["text"],
            tuple(images[place] for place in turn["images"]),
            tuple(turn["tokens"]),
        )
        for turn in message["turns"]
    ]


def images_to_json(images: Sequence[Rgb]) -> tuple[Message, list[bytes]]:
    """``images`` of a request, and the pixels that follow it."""
    told = [
        {"sha256": image.sha256, "width": image.width, "height": image.height, "exact": image.exact}
        for image in images
    ]
    return {"images": told}, [image.rows for image in images]


def images_from_json(message: Message, blobs: Sequence[bytes]) -> list[Rgb]:
    """The images of a request."""
    return [Rgb(**told, rows=rows) for told, rows in zip(message["images"], blobs, strict=True)]


def error_to_json(error: DermaError) -> Message:
    """An error as the child tells it."""
    return {"event": "error", "kind": type(error).__name__, "code": error.code, "values": error.values}


def error_from_json(message: Message) -> DermaError:
    """The error that the child told."""
    return _ERRORS.get(message["kind"], ServiceError)(message["code"], **message["values"])
