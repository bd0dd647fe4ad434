"""At 20,000 pairs nothing that a page or a command asks walks through all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from dermagui.records import PairState, RequestState, VerdictKind, VerdictMethod
from dermagui.review.verdicts import decide, redo, undo
from dermagui.storage import datasets, forget, images, metadata, pairs, people, requests, verdicts
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid
from dermagui.storage.requests import Settlement
from tests.fakes.projects import (
    add_images,
    add_many_pairs,
    add_run,
    attempt,
    new_store,
    open_pair,
    query_plans,
)

PAIRS = 20_000
SCAN = re.compile(r"SCAN (pairs|pair_turns|pair_images|verdicts)\b")
ONLY_THE_FLAGGED = "SCAN pairs USING INDEX pairs_flagged"
COVERED = re.compile(r"SCAN pairs USING COVERING INDEX")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A project with 20,000 pairs about 500 images, some of them from requests, a thousand with verdicts."""
    with new_store(tmp_path_factory.mktemp("full") / "project") as store:
        ids = add_images(store, 500)
        add_many_pairs(store, ids, PAIRS)
        run = add_run(store)
        sent = [attempt(run, image, f"f{image}") for image in ids]
        requests.begin_attempts(store, sent)
        answered = [Settlement(one.uid, RequestState.ANSWERED, "", 1, 1, response="{}") for one in sent]
        requests.settle_attempts(store, answered)
        pairs.add_pairs(store, [open_pair(one.image_id, request_uid=one.uid) for one in sent[:250]])
        some = [pair.uid for _, pair in pairs.page_of_pairs(store, count=1000)]
        decide(store, people.person(store, "Ada"), some, VerdictKind.ACCEPT, method=VerdictMethod.BULK)
        yield store


def pages(store: Store) -> Iterator[object]:
    """The second page under every filter."""
    for state in (None, PairState.PENDING, PairState.ACCEPTED, PairState.REJECTED):
        for flagged in (None, True, False):
            yield pairs.page_of_pairs(store, state=state, flagged=flagged, after_id=200)


def verdicts_given(store: Store) -> None:
    """A decision, its undo and its redo."""
    who = people.person(store, "Bob")
    pair = pairs.page_of_pairs(store, after_id=PAIRS // 2, count=1)[0][1]
    decide(store, who, [pair.uid], VerdictKind.UNSURE, method=VerdictMethod.READ)
    undo(store, who, method=VerdictMethod.READ)
    redo(store, who, method=VerdictMethod.READ)


def a_uid(store: Store) -> str:
    return pairs.page_of_pairs(store, after_id=PAIRS // 2, count=1)[0][1].uid


def a_person(store: Store) -> str:
    return people.person(store, "Ada").uid


def some_requests(store: Store) -> list[str]:
    return [row[0] for row in store.conn.execute("SELECT uid FROM requests WHERE id BETWEEN 240 AND 260")]


WORK: dict[str, Callable[[Store], object]] = {
    "every page": lambda store: list(pages(store)),
    "a pair": lambda store: pairs.pair(store, a_uid(store)),
    "its edit": lambda store: pairs.edited_turns(store, a_uid(store)),
    "a pair by the end of its uid": lambda store: pairs.pairs_ending(store, a_uid(store)[-12:]),
    "pairs of an image": lambda store: pairs.pairs_of_image(store, 7),
    "answers about an image": lambda store: pairs.answers_of_image(store, 7),
    "a search": lambda store: pairs.search_pairs(store, "brown lesion"),
    "flags": pairs.count_flags,
    "the index": pairs.index_pairs,
    "new pairs": lambda store: pairs.add_pairs(store, [open_pair(7, request_uid=new_uid())]),
    "answers that have no pair": lambda store: list(requests.answers_without_pair(store)),
    "some answers that have no pair": lambda store: list(
        requests.answers_without_pair(store, some_requests(store))
    ),
    "verdicts of a pair": lambda store: verdicts.verdicts_of_pair(store, a_uid(store)),
    "readers of a pair": lambda store: verdicts.readers_of_pair(store, a_uid(store)),
    "verdicts of a person": lambda store: list(verdicts.verdicts_of_person(store, a_person(store))),
    "the newest verdict": verdicts.newest_uid,
    "verdicts": verdicts_given,
    "the ledger of a run": lambda store: list(
        requests.ledger_rows(store, store.value("SELECT uid FROM runs"))
    ),
    "an export": lambda store: next(
        iter(datasets.exportable_pairs(store, states=[PairState.ACCEPTED], simulated=False))
    ),
    "origins of images": lambda store: datasets.image_origins(store, [1, 2, 3]),
    "fields of images": lambda store: metadata.fields_of_images(store, [1, 2, 3]),
    "images that may leave": lambda store: list(images.sendable_images(store)),
    "what forgetting asks": lambda store: forget.exports_with(store, ["0" * 64]),
}


@pytest.mark.parametrize("what", WORK)
def test_no_pair_is_visited_in_vain(full: Store, what: str) -> None:
    plans = query_plans(full, lambda: WORK[what](full))
    assert plans
    scans = [
        f"{step}: {statement}"
        for statement, steps in plans.items()
        for step in steps
        if SCAN.search(step) and step != ONLY_THE_FLAGGED
    ]
    assert scans == []


def test_forgetting_an_image_visits_its_own_pairs_only(full: Store) -> None:
    file, sha256 = full.conn.execute("SELECT id, sha256 FROM files WHERE id = 300").fetchone()
    plans = query_plans(full, lambda: forget.remove_files(full, [file], [sha256], [(sha256, "image")]))
    assert any("pair_images_image" in step for steps in plans.values() for step in steps)
    assert [step for steps in plans.values() for step in steps if SCAN.search(step)] == []


def test_a_count_walks_an_index_and_not_the_pairs(full: Store) -> None:
    (steps,) = query_plans(full, lambda: pairs.count_pairs(full)).values()
    assert any(COVERED.match(step) for step in steps)
    assert sum(pairs.count_pairs(full).values()) > PAIRS - 100


def test_a_page_is_read_in_order_without_sorting(full: Store) -> None:
    plans = query_plans(full, lambda: list(pages(full)))
    assert [step for steps in plans.values() for step in steps if "TEMP B-TREE" in step] == []


def test_the_ledger_of_a_run_reads_that_run_only(full: Store) -> None:
    run = full.value("SELECT uid FROM runs")
    (steps,) = query_plans(full, lambda: list(requests.ledger_rows(full, run))).values()
    assert any(step.startswith("SEARCH requests") for step in steps)


def test_a_search_goes_through_the_index_once(full: Store) -> None:
    """Begun anew for each hit it would take seconds, and the plan would not tell."""
    statements: list[str] = []
    pairs.search_pairs(full, "brown lesion")
    full.conn.set_trace_callback(statements.append)
    assert len(pairs.search_pairs(full, "brown lesion", count=10)) == 10
    full.conn.set_trace_callback(None)
    assert len(statements) < 2 * pairs.RANK_BOUND, "about one look for each hit that is ranked"


def test_a_scan_would_be_seen(full: Store) -> None:
    """Guards the guard."""
    plans = query_plans(full, lambda: full.value("SELECT uid FROM pairs WHERE created_at = ''"))
    assert any(SCAN.search(step) for steps in plans.values() for step in steps)
