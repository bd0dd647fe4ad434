"""The way through a queue: page by page in both directions, read ahead, and nothing of it twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dermagui.review import queue as queues
from dermagui.review.queue import Order, Place, Spot, open_queue, pairs_after, spots_from
from dermagui.storage import people
from dermagui.storage.database import Store
from dermagui.storage.queues import QueueFilter
from dermagui.ui.desk import Desk
from dermagui.ui.review import walk as walks
from dermagui.ui.review.walk import Walk
from tests.fakes.projects import add_images, add_many_pairs, new_store

Wait = Callable[[Callable[[], object]], None]
PAIRS, PAGE = 60, 7


@pytest.fixture
def walk(
    desk: Desk, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> tuple[Walk, list[Spot], queues.Queue]:
    """A way through sixty pairs in pages of seven, what it must be, and its queue."""
    monkeypatch.setattr(walks, "pairs_after", partial(queues.pairs_after, count=PAGE))
    monkeypatch.setattr(walks, "pairs_before", partial(queues.pairs_before, count=PAGE))
    with new_store(tmp_path / "study") as store:
        add_many_pairs(store, add_images(store, 3), PAIRS)
        ada = people.person(store, "Ada")
        queue = open_queue(store, ada.uid, QueueFilter(), Order.RANDOM)
        whole = pairs_after(store, queue, None)
    desk.open_project(tmp_path / "study")
    wait_until(lambda: desk.project)
    return Walk(desk), whole, queue


def _steps(walk: Walk, step: Callable[[], None], wait_until: Wait) -> list[int]:
    """Walks until it goes no further; the pairs on the way."""
    seen: list[int] = []
    while len(seen) <= 2 * PAIRS:
        before = walk.spot
        assert walk.reading is not None
        seen.append(walk.reading.pair_id)
        step()
        wait_until(lambda: walk.settled and not walk._fetching)
        if walk.spot is None or walk.spot == before:
            break
    return seen


def test_forth_to_the_end_and_back_to_the_beginning(
    walk: tuple[Walk, list[Spot], queues.Queue], wait_until: Wait
) -> None:
    way, whole, queue = walk
    way.begin("ada", whole[:PAGE], queue)
    wait_until(lambda: way.settled and not way._fetching)
    assert _steps(way, way.go_on, wait_until) == [spot.pair_id for spot in whole]
    assert way.spot is None
    assert not way.is_empty
    way.go_back()
    wait_until(lambda: way.reading)
    assert _steps(way, way.go_back, wait_until) == [spot.pair_id for spot in reversed(whole)]


def test_from_a_place_in_the_middle_back_over_what_was_never_fetched(
    walk: tuple[Walk, list[Spot], queues.Queue], desk: Desk, wait_until: Wait
) -> None:
    way, whole, queue = walk
    place = Place(pair_uid=_uid_of(desk, whole[30]))
    with Store(desk.folder or Path(), read_only=True) as store:
        spots = spots_from(store, queue, place)
    way.begin("ada", spots, queue)
    wait_until(lambda: way.reading and not way._fetching)
    assert _steps(way, way.go_back, wait_until) == [spot.pair_id for spot in reversed(whole[:31])]


def _uid_of(desk: Desk, spot: Spot) -> str:
    with Store(desk.folder or Path(), read_only=True) as store:
        return str(store.value("SELECT uid FROM pairs WHERE id = ?", (spot.pair_id,)))


def test_what_comes_next_is_read_before_it_is_asked_for(
    walk: tuple[Walk, list[Spot], queues.Queue], wait_until: Wait
) -> None:
    way, whole, queue = walk
    way.begin("ada", whole[:PAGE], queue)
    wait_until(lambda: len(way.ahead()) == 3)
    assert [reading.pair_id for reading in way.ahead()] == [spot.pair_id for spot in whole[:3]]
    moved: list[int] = []
    way.moved.connect(lambda: moved.append(way.reading.pair_id if way.reading else 0))
    way.go_on()
    assert moved == [whole[1].pair_id], "at once, with no question to the database"


def test_a_pair_that_was_forgotten_meanwhile_is_stepped_over(
    walk: tuple[Walk, list[Spot], queues.Queue], desk: Desk, wait_until: Wait
) -> None:
    way, whole, queue = walk
    gone = Spot(0, 10_000)
    way.begin("ada", [whole[0], gone, *whole[1:PAGE]], queue)
    wait_until(lambda: way.settled and not way._fetching)
    assert _steps(way, way.go_on, wait_until) == [spot.pair_id for spot in whole]
