"""A reviewer's queue: its own order for each person, parts one after another, the place found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dermagui.records import FlagKind, Origin, Person, VerdictKind, VerdictMethod
from dermagui.review.queue import (
    Order,
    Place,
    Spot,
    keep_place,
    kept_place,
    open_queue,
    pairs_after,
    pairs_before,
    spots_from,
)
from dermagui.review.verdicts import decide
from dermagui.storage import pairs, people, sources
from dermagui.storage.database import Store
from dermagui.storage.metadata import FileStatements, Statement, save_statements
from dermagui.storage.queues import QueueFilter
from tests.fakes.projects import add_images, add_many_pairs, new_store

PAIRS = 40


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with forty pairs, four of them flagged."""
    with new_store(tmp_path / "project") as store:
        add_many_pairs(store, add_images(store, 4), PAIRS)
        yield store


@pytest.fixture
def ada(store: Store) -> Person:
    """Somebody who reviews."""
    return people.person(store, "Ada")


def _uid(store: Store, spot: Spot) -> str:
    return str(store.value("SELECT uid FROM pairs WHERE id = ?", (spot.pair_id,)))


def test_each_person_has_an_order_that_stays(store: Store, ada: Person) -> None:
    grace = people.person(store, "Grace")
    mine = pairs_after(store, open_queue(store, ada.uid, QueueFilter(), Order.RANDOM), None)
    again = pairs_after(store, open_queue(store, ada.uid, QueueFilter(), Order.RANDOM), None)
    hers = pairs_after(store, open_queue(store, grace.uid, QueueFilter(), Order.RANDOM), None)
    assert mine == again
    assert len(mine) == PAIRS
    assert mine != hers
    assert set(mine) == set(hers)


def test_what_is_flagged_comes_first_over_the_edge_of_a_page(store: Store, ada: Person) -> None:
    queue = open_queue(store, ada.uid, QueueFilter(), Order.FLAGGED)
    whole = pairs_after(store, queue, None)
    flagged = {row[0] for row in store.tuples("SELECT id FROM pairs WHERE flag_count > 0")}
    assert {spot.pair_id for spot in whole[:4]} == flagged
    paged: list[Spot] = []
    while page := pairs_after(store, queue, paged[-1] if paged else None, 3):
        paged += page
    assert paged == whole
    assert pairs_before(store, queue, whole[6], 5) == whole[1:6]


def test_a_verdict_takes_nothing_else_out_of_its_place(store: Store, ada: Person) -> None:
    queue = open_queue(store, ada.uid, QueueFilter(), Order.RANDOM)
    whole = pairs_after(store, queue, None)
    decide(store, ada, [_uid(store, whole[3])], VerdictKind.ACCEPT, method=VerdictMethod.READ)
    assert pairs_after(store, queue, whole[3]) == whole[4:]
    assert pairs_before(store, queue, whole[5]) == [*whole[:3], whole[4]]


def test_the_place_is_found_again_even_of_a_pair_that_is_decided(store: Store, ada: Person) -> None:
    queue = open_queue(store, ada.uid, QueueFilter(), Order.RANDOM)
    whole = pairs_after(store, queue, None)
    place = Place(queue.wanted, queue.order, 0, _uid(store, whole[7]))
    keep_place(store, ada.uid, place)
    assert kept_place(store, ada.uid) == place
    decide(store, ada, [place.pair_uid], VerdictKind.ACCEPT, method=VerdictMethod.READ)
    assert spots_from(store, queue, place) == whole[7:]


def test_a_place_keeps_its_filter_and_belongs_to_one_person(store: Store, ada: Person) -> None:
    wanted = QueueFilter(None, flag=FlagKind.LENGTH, question_key="overview", source_id=1)
    keep_place(store, ada.uid, Place(wanted, Order.RARE))
    assert kept_place(store, ada.uid) == Place(wanted, Order.RARE)
    assert kept_place(store, people.person(store, "Grace").uid) == Place()


def test_a_place_of_a_pair_that_is_gone_is_the_beginning(store: Store, ada: Person) -> None:
    queue = open_queue(store, ada.uid, QueueFilter(), Order.RANDOM)
    whole = pairs_after(store, queue, None)
    assert spots_from(store, queue, Place(pair_uid="nobody")) == whole
    elsewhere = replace(Place(pair_uid=_uid(store, whole[9])), order=Order.FLAGGED)
    assert spots_from(store, queue, elsewhere) == whole
    assert pairs.pair(store, elsewhere.pair_uid) is not None


def test_rare_diagnoses_come_first_and_pairs_without_one_last(store: Store, ada: Person) -> None:
    source = sources.list_sources(store)[0]
    files = [row[0] for row in store.tuples("SELECT id FROM files ORDER BY id")]
    said = [
        FileStatements(file, (Statement("diagnosis", value),))
        for file, value in zip(files, ("nevus", "nevus", "melanoma"), strict=False)
    ]
    save_statements(store, source.id, said, Origin.FILE, "table.csv")
    queue = open_queue(store, ada.uid, QueueFilter(), Order.RARE)
    spots = pairs_after(store, queue, None)
    images = dict(store.tuples("SELECT pair_id, image_id FROM pair_images"))
    order = [images[spot.pair_id] for spot in spots]
    first, last = order.count(3), order.count(4)
    assert len(spots) == PAIRS
    assert set(order[:first]) == {3}
    assert set(order[first:-last]) == {1, 2}
    assert set(order[-last:]) == {4}
