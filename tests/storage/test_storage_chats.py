"""Chats in the database: written whole, read as they were, and gone with a picture that is forgotten."""

from __future__ import annotations

import sqlite3

import pytest

from dermagui.errors import UserError
from dermagui.records import Role
from dermagui.storage import chats, forget
from dermagui.storage.chats import ChatImage, StoredTurn
from dermagui.storage.database import Store
from tests.fakes.disks import no_more_pages
from tests.fakes.projects import add_images

SEEN = {"sha256": "0" * 64, "width": 56, "height": 42, "tokens": 16, "exact": True}
ANSWER = StoredTurn(Role.ASSISTANT, "A näevus. 痣", (5, 6, 7), {"ended": "end", "seconds": {"load": 0.5}})


def new_chat(store: Store) -> str:
    return chats.add_chat(
        store,
        model="small",
        model_sha256="a" * 64,
        quantization="Q4_0",
        adapters=[{"file": "lora.gguf", "scale": 0.5}],
        settings={"temperature": 0.0, "context_tokens": 4096},
    )


def question(*hashes: str) -> StoredTurn:
    images = tuple(ChatImage(hash_, SEEN) for hash_ in hashes)
    return StoredTurn(Role.USER, "What is this?", images=images)


def rows_about_chats(store: Store) -> list[int]:
    return [store.value(f"SELECT count(*) FROM {table}") for table in ("chats", "chat_turns", "chat_images")]


def test_a_chat_comes_back_as_it_was_said(store: Store) -> None:
    uid = new_chat(store)
    said = [question("b" * 64, "c" * 64), ANSWER, StoredTurn(Role.USER, "Sure?"), ANSWER]
    chats.add_turns(store, uid, said[:2])
    chats.add_turns(store, uid, said[2:])
    assert chats.turns_of_chat(store, uid) == said
    (row,) = chats.list_chats(store)
    assert (row["uid"], row["model"], row["quantization"], row["turns"]) == (uid, "small", "Q4_0", 4)
    assert row["adapters"] == [{"file": "lora.gguf", "scale": 0.5}]
    assert row["settings"]["context_tokens"] == 4096
    assert chats.turns_of_chat(store, "nobody") == []


def test_the_newest_chat_comes_first(store: Store) -> None:
    uids = [new_chat(store) for _ in range(3)]
    assert [row["uid"] for row in chats.list_chats(store)] == uids[::-1]


def test_a_picture_of_the_library_is_known_again(store: Store) -> None:
    (image,) = add_images(store, 1)
    sha256 = store.value("SELECT sha256 FROM images")
    uid = new_chat(store)
    chats.add_turns(store, uid, [question(sha256, "d" * 64), ANSWER])
    known = [row[0] for row in store.conn.execute("SELECT image_id FROM chat_images ORDER BY ordinal")]
    assert known == [image, None]


def test_forgetting_a_picture_forgets_the_chats_about_it_and_no_others(store: Store) -> None:
    add_images(store, 2)
    first, second = (row[0] for row in store.conn.execute("SELECT sha256 FROM images ORDER BY id"))
    uids = [new_chat(store) for _ in range(4)]
    for uid, hashes in zip(uids, [(first,), (second, first), (second,), ()], strict=True):
        chats.add_turns(store, uid, [question(*hashes), ANSWER])
    file = store.value("SELECT id FROM files WHERE sha256 = ?", (first,))
    removed = forget.remove_files(store, [file], [first], [(first, "image")])
    assert removed["chats"] == 2
    assert [row["uid"] for row in chats.list_chats(store)] == uids[:1:-1]
    assert rows_about_chats(store) == [2, 4, 1]
    assert len(chats.turns_of_chat(store, uids[2])) == 2


def test_a_chat_that_was_forgotten_meanwhile_is_not_continued(store: Store) -> None:
    add_images(store, 1)
    sha256 = store.value("SELECT sha256 FROM images")
    uid = new_chat(store)
    chats.add_turns(store, uid, [question(sha256), ANSWER])
    chats.refuse_forgotten(store, [sha256])
    file = store.value("SELECT id FROM files")
    forget.remove_files(store, [file], [sha256], [(sha256, "image")])
    with pytest.raises(UserError) as raised:
        chats.add_turns(store, uid, [StoredTurn(Role.USER, "Sure?"), ANSWER])
    assert raised.value.code == "chat.forgotten"
    with pytest.raises(UserError) as raised:
        chats.refuse_forgotten(store, ["e" * 64, sha256])
    assert raised.value.code == "chat.image_forgotten"
    assert rows_about_chats(store) == [0, 0, 0]


def test_a_question_is_never_kept_without_its_answer(store: Store) -> None:
    uid = new_chat(store)
    broken = StoredTurn(Role.ASSISTANT, None)  # type: ignore[arg-type]
    with pytest.raises((UserError, sqlite3.IntegrityError)):
        chats.add_turns(store, uid, [question("f" * 64), broken])
    assert rows_about_chats(store) == [1, 0, 0]


def test_a_full_disk_keeps_what_was_kept(store: Store) -> None:
    uid = new_chat(store)
    chats.add_turns(store, uid, [question(), ANSWER])
    long = StoredTurn(Role.ASSISTANT, "word " * 100_000)
    with no_more_pages(store), pytest.raises(UserError) as raised:
        chats.add_turns(store, uid, [question(), long])
    assert raised.value.code == "project.full_disk"
    assert len(chats.turns_of_chat(store, uid)) == 2
