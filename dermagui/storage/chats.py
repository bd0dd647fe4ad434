"""Chats with models on this computer. A question and its answer are written together, once both are there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dermagui import __version__
from dermagui.errors import UserError
from dermagui.records import Role
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.images import forgotten_images
from dermagui.storage.moments import new_uid, now
from dermagui.storage.people import device


@dataclass(frozen=True, slots=True)
class ChatImage:
    """A picture of a turn: the hash of its file, and what the model saw of it."""

    file_sha256: str
    pixels: Mapping[str, object]
    """sha256 of the RGB8 rows, width, height, tokens, exact."""
    frame: int = 0


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One thing said in a chat."""

    role: Role
    text: str
    tokens: Sequence[int] = ()
    figures: Mapping[str, object] = field(default_factory=dict)
    """How an answer came about: seconds, reused_tokens, ended, labels."""
    images: Sequence[ChatImage] = ()


def add_chat(
    store: Store,
    *,
    model: str,
    model_sha256: str,
    quantization: str,
    adapters: Sequence[Mapping[str, object]],
    settings: Mapping[str, object],
    person_uid: str | None = None,
) -> str:
    """Begins a chat and returns its uid. ``model_sha256`` is empty where nobody has hashed the file."""
    uid = new_uid()
    facts = (uid, model, model_sha256, quantization, as_json(list(adapters)), as_json(settings))
    with store.writing() as conn:
        conn.execute(
            """INSERT INTO chats (uid, model, model_sha256, quantization, adapters, settings, person_uid,
                   device, app_version, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (*facts, person_uid, device(), __version__, now()),
        )
    return uid


def refuse_forgotten(store: Store, file_hashes: Sequence[str]) -> None:
    """Raises ``UserError`` ``chat.image_forgotten`` where one of these files is to be forgotten here."""
    if forgotten_images(store).intersection(file_hashes):
        raise UserError("chat.image_forgotten")


def add_turns(store: Store, uid: str, turns: Sequence[StoredTurn]) -> None:
    """Writes the next turns of a chat in one transaction. Raises ``UserError`` ``chat.forgotten`` where an
    image of it was forgotten meanwhile, and the chat with it.
    """
    with store.writing() as conn:
        chat_id = store.value("SELECT id FROM chats WHERE uid = ?", (uid,))
        if chat_id is None:
            raise UserError("chat.forgotten")
        first = store.value("SELECT count(*) FROM chat_turns WHERE chat_id = ?", (chat_id,))
        for n, turn in enumerate(turns, first):
            conn.execute(
                "INSERT INTO chat_turns VALUES (?, ?, ?, ?, ?, ?, ?)",
                (chat_id, n, turn.role, turn.text, as_json(turn.tokens), as_json(turn.figures), now()),
            )
            conn.executemany(
                """INSERT INTO chat_images VALUES
                   (?, ?, ?, (SELECT id FROM images WHERE sha256 = ? AND frame = ?), ?, ?)""",
                [
                    (
                        chat_id,
                        n,
                        place,
                        image.file_sha256,
                        image.frame,
                        image.file_sha256,
                        as_json(image.pixels),
                    )
                    for place, image in enumerate(turn.images)
                ],
            )


def list_chats(store: Store) -> list[Row]:
    """All chats, the newest first: uid, model, quantization, adapters, settings, created_at, turns."""
    query = """SELECT uid, model, model_sha256, quantization, adapters, settings, created_at,
        (SELECT count(*) FROM chat_turns WHERE chat_id = chats.id) AS turns FROM chats ORDER BY id DESC"""
    return [
        row | {name: json.loads(row[name]) for name in ("adapters", "settings")} for row in store.rows(query)
    ]


def turns_of_chat(store: Store, uid: str) -> list[StoredTurn]:
    """What was said in a chat, in order; nothing where there is no such chat."""
    images: dict[int, list[ChatImage]] = {}
    query = """SELECT n, file_sha256, pixels, coalesce(frame, 0) AS frame FROM chat_images
        JOIN chats ON chats.id = chat_id LEFT JOIN images ON images.id = image_id
        WHERE uid = ? ORDER BY n, ordinal"""
    for row in store.rows(query, (uid,)):
        found = ChatImage(row["file_sha256"], json.loads(row["pixels"]), row["frame"])
        images.setdefault(row["n"], []).append(found)
    query = """SELECT n, role, text, tokens, figures FROM chat_turns
        JOIN chats ON chats.id = chat_id WHERE uid = ? ORDER BY n"""
    return [
        StoredTurn(
            Role(row["role"]),
            row["text"],
            tuple(json.loads(row["tokens"])),
            json.loads(row["figures"]),
            tuple(images.get(row["n"], ())),
        )
        for row in store.rows(query, (uid,))
    ]
