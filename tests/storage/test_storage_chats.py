"""Chats in the database: written whole, read as they were, and gone with a picture that is forgotten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dermagui.errors import UserError
from dermagui.records import Role
from dermagui.storage import chats, forget
from dermagui.storage.chats import ChatImage, StoredTurn
from dermagui.storage.database import Store
from dermagui.storage.engine import Database
from dermagui.storage.migrations import migrations
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


def say(store: Store, *texts: str) -> str:
    """A new chat of questions and answers in turn."""
    uid = new_chat(store)
    roles = (Role.USER, Role.ASSISTANT) * len(texts)
    chats.add_turns(store, uid, [StoredTurn(role, text) for role, text in zip(roles, texts, strict=False)])
    return uid


def shown(store: Store, uid: str) -> list[str]:
    return [turn.text for turn in chats.turns_of_chat(store, uid)]


def test_an_answer_that_is_given_anew_leaves_the_old_one(store: Store) -> None:
    uid = say(store, "Q", "first", "Q2", "later")
    chats.replace_turns(store, uid, 1, [StoredTurn(Role.ASSISTANT, "second")])
    assert shown(store, uid) == ["Q", "second"]
    assert chats.versions_of_turn(store, uid, 1) == [0, 1]
    chats.show_version(store, uid, 1, 0)
    assert shown(store, uid) == ["Q", "first", "Q2", "later"]
    chats.show_version(store, uid, 1, 1)
    chats.add_turns(store, uid, [StoredTurn(Role.USER, "Q3"), ANSWER])
    assert shown(store, uid) == ["Q", "second", "Q3", ANSWER.text]
    chats.show_version(store, uid, 1, 0)
    assert shown(store, uid) == ["Q", "first", "Q2", "later"]


def test_a_question_in_other_words_has_answers_and_pictures_of_its_own(store: Store) -> None:
    uid = new_chat(store)
    chats.add_turns(store, uid, [question("a" * 64), StoredTurn(Role.ASSISTANT, "old")])
    chats.replace_turns(store, uid, 1, [StoredTurn(Role.ASSISTANT, "old again")])
    chats.replace_turns(store, uid, 0, [question("b" * 64), StoredTurn(Role.ASSISTANT, "new")])
    asked, answered = chats.turns_of_chat(store, uid)
    assert ([image.file_sha256 for image in asked.images], answered.text) == (["b" * 64], "new")
    assert chats.versions_of_turn(store, uid, 0) == [0, 1]
    assert chats.versions_of_turn(store, uid, 1) == [2]
    with pytest.raises(UserError) as raised:
        chats.show_version(store, uid, 1, 0)
    assert raised.value.code == "chat.turn_not_found"
    assert shown(store, uid) == ["What is this?", "new"]
    chats.show_version(store, uid, 0, 0)
    asked, answered = chats.turns_of_chat(store, uid)
    assert ([image.file_sha256 for image in asked.images], answered.text) == (["a" * 64], "old again")


def test_a_version_that_is_not_shown_is_forgotten_with_its_picture(store: Store) -> None:
    add_images(store, 1)
    sha256 = store.value("SELECT sha256 FROM images")
    uid = new_chat(store)
    chats.add_turns(store, uid, [question(sha256), ANSWER])
    chats.replace_turns(store, uid, 0, [question(), ANSWER])
    assert chats.chats_with(store, [sha256]) == [uid]
    forget.remove_files(store, [store.value("SELECT id FROM files")], [sha256], [(sha256, "image")])
    assert rows_about_chats(store) == [0, 0, 0]


def test_what_is_not_there_cannot_be_replaced(store: Store) -> None:
    uid = say(store, "Q", "A")
    with pytest.raises(UserError) as raised:
        chats.replace_turns(store, uid, 2, [ANSWER])
    assert raised.value.code == "chat.turn_not_found"
    with pytest.raises(UserError) as raised:
        chats.replace_turns(store, "nobody", 0, [ANSWER])
    assert raised.value.code == "chat.forgotten"
    assert shown(store, uid) == ["Q", "A"]


def test_a_chat_is_called_by_its_first_question_until_somebody_names_it(store: Store) -> None:
    uid = say(store, "What is this on the left hand? " * 9, "A naevus.")
    assert chats.read_chat(store, uid)["title"] == ("What is this on the left hand? " * 9)[:80].strip()
    chats.rename_chat(store, uid, "  Left \n hand ")
    assert chats.read_chat(store, uid)["title"] == "Left hand"
    chats.rename_chat(store, uid, " ")
    assert chats.read_chat(store, uid)["title"].startswith("What is this")
    assert chats.read_chat(store, new_chat(store))["title"] == ""


def test_the_chat_that_was_last_talked_in_comes_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(f"2026-01-01T00:00:{n:02}.000Z" for n in range(60))
    monkeypatch.setattr(chats, "now", lambda: next(moments))
    first, second = say(store, "Q", "A"), say(store, "Q", "A")
    assert [row["uid"] for row in chats.list_chats(store)] == [second, first]
    chats.add_turns(store, first, [question(), ANSWER])
    assert [row["uid"] for row in chats.list_chats(store)] == [first, second]


@pytest.mark.parametrize("words", ["pigment", "PIGMENTED network", "network pigm", '"pigmented', "hand LEFT"])
def test_chats_are_found_by_their_words_and_their_names(store: Store, words: str) -> None:
    uid = say(store, "What is this?", "A pigmented network, irregular.")
    chats.rename_chat(store, uid, "Left hand")
    say(store, "And this?", "Scale.")
    assert [row["uid"] for row in chats.search_chats(store, words)] == [uid]


@pytest.mark.parametrize("words", ["network AND", "zebra", "pigm network", "*", 'x" OR "y'])
def test_words_that_nobody_said_find_nothing(store: Store, words: str) -> None:
    say(store, "What is this?", "A pigmented network, irregular.")
    assert chats.search_chats(store, words) == []


def test_no_words_find_all_chats(store: Store) -> None:
    say(store, "Q", "A")
    assert chats.search_chats(store, " \0 ") == chats.list_chats(store)


def test_a_removed_chat_leaves_no_word(store: Store) -> None:
    uid, other = say(store, "Q", "zweifelsohne"), say(store, "Q", "anderes")
    assert chats.remove_chats(store, [uid, "nobody"]) == 1
    assert [row["uid"] for row in chats.search_chats(store, "anderes")] == [other]
    assert chats.search_chats(store, "zweifelsohne") == []
    store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"zweifelsohne" not in (store.folder / "dermagui.db").read_bytes()
    assert b"anderes" in (store.folder / "dermagui.db").read_bytes()


def test_a_private_chat_is_the_same_in_memory_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.in_memory() as store:
        uid = say(store, "Q", "geheim")
        chats.replace_turns(store, uid, 1, [StoredTurn(Role.ASSISTANT, "anders")])
        assert shown(store, uid) == ["Q", "anders"]
        assert [row["uid"] for row in chats.search_chats(store, "geheim")] == [uid]
    assert list(tmp_path.iterdir()) == []


def test_chats_of_before_are_kept_by_the_upgrade(tmp_path: Path) -> None:
    database = Database(tmp_path / "dermagui.db")
    migrations.apply(database, stop_before="m009_chat_page")
    for statement in (
        """INSERT INTO chats VALUES (1, 'u', 'small', '', 'Q4_0', '[]', '{}', NULL, 'd', '1', '2026')""",
        "INSERT INTO chat_turns VALUES (1, 0, 'user', 'Why?', '[]', '{}', '2026')",
        "INSERT INTO chat_turns VALUES (1, 1, 'assistant', 'So.', '[7]', '{}', '2026')",
        "INSERT INTO chat_images VALUES (1, 0, 0, NULL, 'abc', '{\"width\":3}')",
    ):
        database.conn.execute(statement)
    database.conn.commit()
    database.close()
    with Store(tmp_path) as store:
        asked, answered = chats.turns_of_chat(store, "u")
        assert asked == StoredTurn(Role.USER, "Why?", images=(ChatImage("abc", {"width": 3}),))
        assert answered == StoredTurn(Role.ASSISTANT, "So.", (7,))
        assert [row["title"] for row in chats.search_chats(store, "so")] == ["Why?"]


def test_what_a_person_made_of_a_report_stands_beside_it(store: Store) -> None:
    uid = new_chat(store)
    chats.add_turns(store, uid, [question(), ANSWER])
    chats.keep_form(store, uid, 1, {"site": "arm", "signs": ["Ä", "b"]})
    (_, answer) = chats.turns_of_chat(store, uid)
    assert answer.text == ANSWER.text
    assert answer.tokens == ANSWER.tokens
    assert answer.figures == {**ANSWER.figures, "form": {"site": "arm", "signs": ["Ä", "b"]}}
    with pytest.raises(UserError, match=r"chat\.turn_not_found"):
        chats.keep_form(store, uid, 9, {})
