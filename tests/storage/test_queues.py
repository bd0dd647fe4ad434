"""Queues: every pair of a filter once, in an order of chance that stays, and back again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from dermagui.records import (
    Flag,
    FlagKind,
    Origin,
    Pair,
    PairState,
    RejectReason,
    VerdictKind,
    VerdictMethod,
)
from dermagui.review.verdicts import decide, redo, undo
from dermagui.storage import pairs, people, sources
from dermagui.storage.database import Store
from dermagui.storage.metadata import FileStatements, Statement, save_statements
from dermagui.storage.queues import (
    QueueFilter,
    count_queue,
    count_read,
    diagnoses_by_rarity,
    number_of,
    page_of_queue,
    question_keys,
)
from tests.fakes.projects import add_images, add_many_pairs, open_pair

ALL = QueueFilter(state=None)
READ, BULK = VerdictMethod.READ, VerdictMethod.BULK


def _walk(store: Store, wanted: QueueFilter, key: int, count: int) -> list[int]:
    found: list[int] = []
    while page := page_of_queue(
        store, wanted, key, after=number_of(found[-1], key) if found else -1, count=count
    ):
        found += page
    return found


def _ids(store: Store) -> dict[str, int]:
    return {pair.uid: pair_id for pair_id, pair in pairs.page_of_pairs(store, count=10_000)}


def test_pages_hold_every_pair_once_in_the_order_of_their_numbers(store: Store) -> None:
    add_many_pairs(store, add_images(store, 5), 500)
    walked = _walk(store, ALL, 12345, 7)
    assert sorted(walked) == sorted(_ids(store).values())
    assert walked == sorted(walked, key=lambda id_: number_of(id_, 12345))
    assert walked == _walk(store, ALL, 12345, 499)


def test_the_way_back_is_the_way_there(store: Store) -> None:
    add_many_pairs(store, add_images(store, 5), 100)
    walked = _walk(store, ALL, 99, 100)
    before = page_of_queue(store, ALL, 99, before=number_of(walked[60], 99), count=25)
    assert before == walked[35:60]


def _in_order(key: int) -> list[int]:
    return sorted(range(1, 1001), key=lambda id_: number_of(id_, key))


def test_the_order_looks_like_chance_and_is_another_one_for_another_key() -> None:
    orders = [_in_order(key) for key in (1, 77_000_000)]
    assert len({number_of(id_, 1) for id_ in range(1, 100_001)}) == 100_000
    for order in orders:
        rises = sum(later > earlier for earlier, later in pairwise(order))
        neighbours = sum(abs(later - earlier) < 10 for earlier, later in pairwise(order))
        assert 350 < rises < 650
        assert neighbours < 100
        assert 300 < sum(order[:100]) / 100 < 700
    same = sum(one == other for one, other in zip(*orders, strict=True))
    assert same < 50


def _flagged(kind: FlagKind) -> Pair:
    return open_pair(flags=(Flag(kind, "evidence", "detail"),), question_key="overview")


def test_filters_find_what_they_say(store: Store) -> None:
    here, there = add_images(store, 1, root=Path("/here")), add_images(store, 1, root=Path("/there"))
    leaking, refusing = _flagged(FlagKind.LEAK), _flagged(FlagKind.REFUSAL)
    plain, elsewhere = open_pair(here[0], question_key="diagnosis"), open_pair(there[0])
    pairs.add_pairs(store, [leaking, refusing, plain, elsewhere])
    decide(store, people.person(store, "Ada"), [plain.uid], VerdictKind.ACCEPT, method=READ)
    ids = _ids(store)
    second = sources.list_sources(store)[1].id

    def found(wanted: QueueFilter) -> set[int]:
        assert count_queue(store, wanted) == len(page_of_queue(store, wanted, 5))
        return set(page_of_queue(store, wanted, 5))

    assert found(QueueFilter()) == {ids[pair.uid] for pair in (leaking, refusing, elsewhere)}
    assert found(QueueFilter(state=PairState.ACCEPTED)) == {ids[plain.uid]}
    assert found(QueueFilter(state=None, flagged=True)) == {ids[leaking.uid], ids[refusing.uid]}
    assert found(QueueFilter(state=None, flagged=False)) == {ids[plain.uid], ids[elsewhere.uid]}
    assert found(QueueFilter(state=None, flag=FlagKind.LEAK)) == {ids[leaking.uid]}
    assert found(QueueFilter(state=None, question_key="diagnosis")) == {ids[plain.uid]}
    assert found(QueueFilter(state=None, source_id=second)) == {ids[elsewhere.uid]}
    assert question_keys(store) == ["diagnosis", "overview"]


def test_diagnoses_come_rarest_first_and_find_their_pairs(store: Store) -> None:
    images = add_images(store, 4)
    source = sources.list_sources(store)[0]
    files = [row[0] for row in store.tuples("SELECT id FROM files ORDER BY id")]
    said = [FileStatements(file, (Statement("diagnosis", "nevus"),)) for file in files[:2]]
    said.append(FileStatements(files[2], (Statement("diagnosis", "melanoma"),)))
    save_statements(store, source.id, said, Origin.FILE, "table.csv")
    pairs.add_pairs(store, [open_pair(image) for image in images])
    text_only = open_pair()
    pairs.add_pairs(store, [text_only])
    ids = [pair_id for pair_id, _ in pairs.page_of_pairs(store)]
    assert diagnoses_by_rarity(store) == ["melanoma", "nevus"]
    assert page_of_queue(store, QueueFilter(diagnosis="melanoma"), 5) == [ids[2]]
    assert set(page_of_queue(store, QueueFilter(diagnosis="nevus"), 5)) == set(ids[:2])
    assert set(page_of_queue(store, QueueFilter(diagnosis=""), 5)) == {ids[3], ids[4]}


@pytest.mark.parametrize("steps", range(4))
def test_what_a_person_has_read_follows_undo_and_redo(store: Store, steps: int) -> None:
    made = [open_pair() for _ in range(3)]
    pairs.add_pairs(store, made)
    ada, grace = people.person(store, "Ada"), people.person(store, "Grace")
    decide(store, ada, [made[0].uid], VerdictKind.REJECT, method=READ, reason=RejectReason.OTHER)
    decide(store, ada, [made[1].uid], VerdictKind.ACCEPT, method=BULK)
    decide(store, grace, [made[2].uid], VerdictKind.ACCEPT, method=READ)
    decide(store, ada, [made[2].uid], VerdictKind.UNSURE, method=READ)
    for step in range(steps):
        (redo if step % 2 else undo)(store, ada, method=READ)
    expected = 1 if steps % 2 else 2
    assert count_read(store, ALL, ada.uid) == expected
    assert count_read(store, ALL, grace.uid) == 1
    unread = QueueFilter(state=None, unread_by=ada.uid)
    assert count_queue(store, unread) == 3 - expected
