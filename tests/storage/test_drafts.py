"""Drafts: kept for one person and one pair, taken away when asked to, and forgotten with their pair."""

from __future__ import annotations

from dermagui.records import Role, Turn
from dermagui.storage import forget, images, pairs
from dermagui.storage.database import Store
from dermagui.storage.drafts import keep_draft, kept_draft
from tests.fakes.projects import add_images, open_pair

TURNS = (Turn(Role.USER, "What?"), Turn(Role.ASSISTANT, "Half a sen"))


def test_a_draft_belongs_to_one_person_and_one_pair(store: Store) -> None:
    keep_draft(store, "ada", "pair", TURNS)
    assert kept_draft(store, "ada", "pair") == TURNS
    assert kept_draft(store, "grace", "pair") == ()
    assert kept_draft(store, "ada", "another") == ()
    keep_draft(store, "ada", "pair", TURNS[:1])
    assert kept_draft(store, "ada", "pair") == TURNS[:1]
    keep_draft(store, "ada", "pair", ())
    assert kept_draft(store, "ada", "pair") == ()


def test_a_draft_goes_with_its_pair(store: Store) -> None:
    gone, stays = add_images(store, 2)
    made = [open_pair(gone), open_pair(stays)]
    pairs.add_pairs(store, made)
    for pair in made:
        keep_draft(store, "ada", pair.uid, TURNS)
    sha256 = store.value("SELECT sha256 FROM images WHERE id = ?", (gone,))
    files = [row["id"] for row in forget.files_with_hash(store, sha256)]
    forget.remove_files(store, files, [sha256], [])
    assert images.count_images(store) == 1
    assert [kept_draft(store, "ada", pair.uid) for pair in made] == [(), TURNS]
