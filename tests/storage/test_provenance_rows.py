"""What stands behind a pair: banks that are frozen, runs, people, terms, exports and their splits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermagui.errors import UserError
from dermagui.records import PairState, Split, VerdictKind, VerdictMethod
from dermagui.review.verdicts import decide
from dermagui.storage import banks, datasets, pairs, people, requests, runs
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid
from tests.fakes.projects import BANK, add_images, add_many_pairs, add_run, attempt, open_pair


def test_a_bank_is_frozen_by_its_first_use(store: Store) -> None:
    first = banks.freeze_bank(store, BANK)
    assert banks.freeze_bank(store, BANK) == first
    changed = replace(BANK, questions=BANK.questions[:1], sha256="c" * 64)
    second = banks.freeze_bank(store, changed)
    assert second != first
    assert banks.frozen_bank(store, first) == BANK
    assert banks.frozen_bank(store, second) == changed


def test_a_person_is_one_by_their_name(store: Store) -> None:
    ada = people.person(store, "  Ada   Lovelace ")
    assert ada.name == "Ada Lovelace"
    assert people.person(store, "Ada Lovelace") == ada
    assert people.person(store, "Bob").uid != ada.uid
    with pytest.raises(UserError) as raised:
        people.person(store, " \t")
    assert raised.value.code == "person.no_name"


def test_an_acceptance_holds_for_exactly_those_words(store: Store) -> None:
    ada = people.person(store, "Ada")
    people.accept_terms(store, ada, "gemini", "2026-01-01", "hash of the words")
    accepted = people.acceptance(store, "gemini", "hash of the words")
    assert accepted is not None
    assert (accepted["name"], accepted["terms_date"]) == ("Ada", "2026-01-01")
    assert people.acceptance(store, "gemini", "hash of other words") is None
    assert people.acceptance(store, "other service", "hash of the words") is None


def test_a_run_tells_its_bank_tier_and_terms(store: Store) -> None:
    found = runs.run(store, add_run(store))
    assert found is not None
    assert (found["bank"], found["bank_version"], found["tier"]) == ("test-bank", "1", "paid")
    assert runs.run(store, "unheard of") is None


def test_an_exportable_pair_tells_where_it_came_from_and_who_read_it(store: Store) -> None:
    (image,) = add_images(store, 1)
    run = add_run(store)
    sent = attempt(run, image, "f")
    requests.begin_attempts(store, [sent])
    asked = open_pair(image, run_uid=run, request_uid=sent.uid, question_key="look")
    written = open_pair(image)
    rehearsed = open_pair(image, simulated=True)
    pairs.add_pairs(store, [asked, written, rehearsed])
    ada, bob = people.person(store, "Ada"), people.person(store, "Bob")
    decide(store, ada, [asked.uid], VerdictKind.ACCEPT, method=VerdictMethod.READ)
    decide(store, bob, [asked.uid, written.uid], VerdictKind.ACCEPT, method=VerdictMethod.BULK)
    first, second = datasets.exportable_pairs(store, states=[PairState.ACCEPTED], simulated=False)
    assert (first.pair.uid, first.readers) == (asked.uid, (ada.uid,))
    assert set(first.people) == {ada.uid, bob.uid}
    assert (first.origin["bank"], first.origin["question_type"], first.origin["tier"]) == (
        "test-bank",
        "observation",
        "paid",
    )
    assert (second.pair.uid, second.readers, second.people) == (written.uid, (), (bob.uid,))
    assert set(second.origin.values()) == {""}
    every = list(datasets.exportable_pairs(store, states=list(PairState), simulated=True))
    assert [found.pair.uid for found in every] == [asked.uid, written.uid, rehearsed.uid]


def test_every_pair_is_exportable_over_many_pages(store: Store) -> None:
    add_many_pairs(store, add_images(store, 7), 450)
    every = [
        found.pair.uid for found in datasets.exportable_pairs(store, states=list(PairState), simulated=False)
    ]
    assert len(every) == len(set(every)) == 450


def test_a_group_keeps_the_split_that_it_was_given_first(store: Store) -> None:
    def save(seed: int, splits: dict[str, Split]) -> str:
        uid = new_uid()
        datasets.save_dataset(
            store, uid=uid, name="d", path=f"/out/{uid}", export_format="csv", seed=seed,
            manifest={"ä": 1}, splits=splits, pairs=[("pair", "hash", Split.TRAIN)],
        )  # fmt: skip
        return uid

    first = save(1, {"a": Split.TRAIN, "b": Split.TEST})
    second = save(1, {"a": Split.TEST, "c": Split.VALIDATION})
    save(2, {"a": Split.TEST})
    assert datasets.stored_splits(store, 1) == {"a": Split.TRAIN, "b": Split.TEST, "c": Split.VALIDATION}
    assert datasets.stored_splits(store, 2) == {"a": Split.TEST}
    datasets.remove_dataset(store, second)
    assert datasets.stored_splits(store, 1)["c"] is Split.VALIDATION, "it was used"
    listed = datasets.list_datasets(store)
    assert [row["uid"] == first for row in listed] == [True, False]
    assert listed[0]["manifest"] == {"ä": 1}
