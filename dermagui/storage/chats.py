"""Chats with models on this computer. A question and its answer are written together, once both are there.

Nothing that was said is overwritten: a question that is asked in other words, or an answer that is given
anew, is another version of its turn. A turn's version follows one version of the turn before it; what is
shown is one line of versions, from the first turn to the last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dermagui import __version__
from dermagui.errors import UserError
from dermagui.records import Role
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.images import forgotten_images
from dermagui.storage.moments import new_uid, now
from dermagui.storage.people import device

PASTED = "pasted"
"""The folder beside the database for pictures that came from the clipboard, by their hash."""
TITLE_LETTERS = 80
"""A chat that nobody named is called by so many letters of its first question, of a task by its name."""


@dataclass(frozen=True, slots=True)
class ChatImage:
    """A picture of a turn: the hash of its file, and what the model saw of it."""

    file_sha256: str
    pixels: Mapping[str, object]
    """sha256 of the RGB8 rows, width, height, tokens, exact; recipe and redactions, to make them again."""
    frame: int = 0
    path_bytes: bytes = b""
    """Where its file lay, for one that is in no library."""


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One thing said in a chat."""

    role: Role
    text: str
    tokens: Sequence[int] = ()
    figures: Mapping[str, object] = field(default_factory=dict)
    """How an answer came about: model, settings, seconds, reused_tokens, ended, labels."""
    images: Sequence[ChatImage] = ()
    version: int = field(default=0, compare=False)
    """Which version of its turn it is; given when it is written."""
    at: str = field(default="", compare=False)
    """When it was written."""


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
    with store.writing():
        chat_id = _chat_id(store, uid)
        shown = "SELECT count(*) FROM chat_turns WHERE chat_id = ? AND shown"
        _add(store, chat_id, store.value(shown, (chat_id,)), turns)


def replace_turns(store: Store, uid: str, n: int, turns: Sequence[StoredTurn]) -> None:
    """Shows these turns from place ``n`` on instead of those that stand there, which are kept.

    A question asked in other words comes with its answer at the question's place, an answer given anew
    comes alone at its own. Raises ``UserError``: ``chat.forgotten``, ``chat.turn_not_found``.
    """
    with store.writing():
        chat_id = _chat_id(store, uid)
        _hide_from(store, chat_id, n)
        _add(store, chat_id, n, turns)


def versions_of_turn(store: Store, uid: str, n: int) -> list[int]:
    """The versions of a turn that follow what is shown before it, oldest first."""
    query = """SELECT version FROM chat_turns JOIN chats ON chats.id = chat_id
        WHERE uid = :uid AND n = :n AND (n = 0 OR follows =
            (SELECT version FROM chat_turns AS before
             WHERE before.chat_id = chats.id AND before.n = :n - 1 AND before.shown))
        ORDER BY version"""
    return [row[0] for row in store.tuples(query, {"uid": uid, "n": n})]


def show_version(store: Store, uid: str, n: int, version: int) -> None:
    """Shows another version of a turn, with the newest of what was said after it.

    Raises ``UserError``: ``chat.forgotten``, ``chat.turn_not_found``.
    """
    with store.writing() as conn:
        chat_id = _chat_id(store, uid)
        if version not in versions_of_turn(store, uid, n):
            raise UserError("chat.turn_not_found")
        _hide_from(store, chat_id, n)
        found: int | None = version
        while found is not None:
            place = (chat_id, n, found)
            conn.execute("UPDATE chat_turns SET shown = 1 WHERE chat_id = ? AND n = ? AND version = ?", place)
            n += 1
            query = "SELECT max(version) FROM chat_turns WHERE chat_id = ? AND n = ? AND follows = ?"
            found = store.value(query, (chat_id, n, found))


def _chat_id(store: Store, uid: str) -> int:
    chat_id = store.value("SELECT id FROM chats WHERE uid = ?", (uid,))
    if chat_id is None:
        raise UserError("chat.forgotten")
    return int(chat_id)


def _hide_from(store: Store, chat_id: int, n: int) -> None:
    query = "UPDATE chat_turns SET shown = 0 WHERE chat_id = ? AND n >= ? AND shown"
    if not store.conn.execute(query, (chat_id, n)).rowcount:
        raise UserError("chat.turn_not_found")


def _add(store: Store, chat_id: int, first: int, turns: Sequence[StoredTurn]) -> None:
    """Writes turns as the newest versions at their places, behind what is shown before the first."""
    shown = "SELECT coalesce(max(version), 0) FROM chat_turns WHERE chat_id = ? AND n = ? AND shown"
    newest = "SELECT coalesce(max(version), -1) FROM chat_turns WHERE chat_id = ? AND n = ?"
    follows = store.value(shown, (chat_id, first - 1))
    for n, turn in enumerate(turns, first):
        version = store.value(newest, (chat_id, n)) + 1
        said = (turn.role, turn.text, as_json(turn.tokens), as_json(turn.figures), now())
        store.conn.execute(
            """INSERT INTO chat_turns (chat_id, n, version, follows, shown, role, text, tokens, figures, at)
               VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)""",
            (chat_id, n, version, follows, *said),
        )
        _add_images(store, (chat_id, n, version), turn.images)
        follows = version


def _add_images(store: Store, turn: tuple[int, int, int], images: Sequence[ChatImage]) -> None:
    store.conn.executemany(
        """INSERT INTO chat_images (chat_id, n, version, ordinal, image_id, file_sha256, frame, path_bytes,
               pixels)
           VALUES (?, ?, ?, ?, (SELECT id FROM images WHERE sha256 = ? AND frame = ?), ?, ?, ?, ?)""",
        [
            (
                *turn,
                place,
                image.file_sha256,
                image.frame,
                image.file_sha256,
                image.frame,
                image.path_bytes,
                as_json(image.pixels),
            )
            for place, image in enumerate(images)
        ],
    )


_COLUMNS = f"""uid, model, model_sha256, quantization, adapters, settings, person_uid, created_at,
    coalesce(nullif(title, ''), (SELECT trim(substr(coalesce(
        json_extract(figures, '$.label') ||
            coalesce(': ' || nullif(json_extract(figures, '$.own'), ''), ''),
        text), 1, {TITLE_LETTERS}))
        FROM chat_turns WHERE chat_id = chats.id AND n = 0 AND shown), '') AS title,
    (SELECT count(*) FROM chat_turns WHERE chat_id = chats.id AND shown) AS turns,
    coalesce((SELECT max(at) FROM chat_turns WHERE chat_id = chats.id), created_at) AS changed_at"""


def list_chats(store: Store) -> list[Row]:
    """All chats, the last one that something was said in first: uid, title, model, model_sha256,
    quantization, adapters, settings, person_uid, created_at, changed_at, turns.
    """
    return _chats(store, "SELECT {columns} FROM chats ORDER BY changed_at DESC, id DESC")


def read_chat(store: Store, uid: str) -> Row:
    """One chat as ``list_chats`` tells it. Raises ``UserError`` ``chat.forgotten``."""
    found = _chats(store, "SELECT {columns} FROM chats WHERE uid = ?", uid)
    if not found:
        raise UserError("chat.forgotten")
    return found[0]


def search_chats(store: Store, words: str) -> list[Row]:
    """The chats in which all of these words were said, or that are called so, as ``list_chats`` tells them.

    The last word may be the beginning of one. Words are words: quotes and operators have no meaning.
    """
    asked = words.replace("\0", " ").encode("utf-8", "ignore").decode().split()
    if not asked:
        return list_chats(store)
    match = " ".join(f'"{word.replace(chr(34), chr(34) * 2)}"' for word in asked) + "*"
    query = """SELECT DISTINCT chat_id FROM chat_turns
        WHERE id IN (SELECT rowid FROM chat_search WHERE chat_search MATCH ?)"""
    said_in = {row[0] for row in store.tuples(query, (match,))}
    uids = dict(store.tuples("SELECT uid, id FROM chats"))
    return [row for row in list_chats(store) if uids[row["uid"]] in said_in or _is_called(row, asked)]


def _is_called(row: Row, words: Sequence[str]) -> bool:
    title = row["title"].casefold()
    return all(word.casefold() in title for word in words)


def _chats(store: Store, query: str, *values: str) -> list[Row]:
    return [
        row | {name: json.loads(row[name]) for name in ("adapters", "settings")}
        for row in store.rows(query.format(columns=_COLUMNS), values)
    ]


def keep_form(store: Store, uid: str, n: int, form: Mapping[str, object]) -> None:
    """Writes what a person made of the report that is shown at a place, as ``form`` of its figures; what the
    model said stays.

    Raises ``UserError``: ``chat.forgotten``, ``chat.turn_not_found``.
    """
    with store.writing() as conn:
        place = (_chat_id(store, uid), n)
        query = """UPDATE chat_turns SET figures = json_set(figures, '$.form', json(?))
            WHERE chat_id = ? AND n = ? AND shown"""
        if not conn.execute(query, (as_json(form), *place)).rowcount:
            raise UserError("chat.turn_not_found")


def rename_chat(store: Store, uid: str, title: str) -> None:
    """Gives a chat a name; an empty one lets its first question name it. Raises ``chat.forgotten``."""
    with store.writing() as conn:
        chat_id = _chat_id(store, uid)
        conn.execute("UPDATE chats SET title = ? WHERE id = ?", (" ".join(title.split()), chat_id))


def remove_chats(store: Store, uids: Sequence[str]) -> int:
    """Removes chats with all versions of all that was said in them; returns how many there were."""
    marks = ",".join("?" * len(uids))
    with store.writing() as conn:
        for table in ("chat_images", "chat_turns"):
            of_these = f"chat_id IN (SELECT id FROM chats WHERE uid IN ({marks}))"
            conn.execute(f"DELETE FROM {table} WHERE {of_these}", uids)
        removed = conn.execute(f"DELETE FROM chats WHERE uid IN ({marks})", uids).rowcount
        # Words that were taken out stand in the index until its parts are put together anew.
        conn.execute("INSERT INTO chat_search (chat_search) VALUES ('optimize')")
    return removed


def chats_with(store: Store, file_hashes: Sequence[str]) -> list[str]:
    """The uids of the chats that show one of these files, in whatever version of a turn."""
    marks = ",".join("?" * len(file_hashes))
    query = f"""SELECT DISTINCT uid FROM chats JOIN chat_images ON chat_id = chats.id
        WHERE file_sha256 IN ({marks})"""
    return [row[0] for row in store.tuples(query, file_hashes)]


def unused_pasted(store: Store) -> list[Path]:
    """The pictures in ``pasted/`` that no chat shows any more."""
    used = {row[0] for row in store.tuples("SELECT DISTINCT file_sha256 FROM chat_images")}
    return [path for path in (store.folder / PASTED).glob("*.png") if path.stem not in used]


def turns_of_chat(store: Store, uid: str) -> list[StoredTurn]:
    """What is shown of a chat, in order; nothing where there is no such chat."""
    images: dict[int, list[ChatImage]] = {}
    query = """SELECT chat_images.n AS n, file_sha256, pixels, frame, path_bytes FROM chat_images
        JOIN chat_turns USING (chat_id, n, version) JOIN chats ON chats.id = chat_id
        WHERE uid = ? AND shown ORDER BY chat_images.n, ordinal"""
    for row in store.rows(query, (uid,)):
        found = ChatImage(row["file_sha256"], json.loads(row["pixels"]), row["frame"], row["path_bytes"])
        images.setdefault(row["n"], []).append(found)
    query = """SELECT n, role, text, tokens, figures, version, at FROM chat_turns
        JOIN chats ON chats.id = chat_id WHERE uid = ? AND shown ORDER BY n"""
    return [
        StoredTurn(
            Role(row["role"]),
            row["text"],
            tuple(json.loads(row["tokens"])),
            json.loads(row["figures"]),
            tuple(images.get(row["n"], ())),
            row["version"],
            row["at"],
        )
        for row in store.rows(query, (uid,))
    ]
