"""Requests: written before they are sent, settled once, found again, and never paid twice in silence."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from dermagui.records import RequestState, Usage
from dermagui.storage import pairs, requests, runs
from dermagui.storage.database import Store
from dermagui.storage.requests import Attempt, History, Settlement
from tests.fakes.projects import add_images, add_run, attempt, open_pair


@pytest.fixture
def run_uid(store: Store) -> str:
    """A run about two images."""
    add_images(store, 2)
    return add_run(store)


def settle(store: Store, sent: Attempt, state: RequestState, cost: int = 0, response: str = "") -> None:
    requests.settle_attempts(
        store, [Settlement(sent.uid, state, f"code.{state}", cost, 1000, response=response)]
    )


def begin(store: Store, run: str, fingerprint: str, number: int = 1, reserved: int = 500) -> Attempt:
    sent = attempt(run, 1, fingerprint, number, reserved)
    requests.begin_attempts(store, [sent])
    return sent


def test_an_attempt_is_there_before_it_is_settled(store: Store, run_uid: str) -> None:
    sent = begin(store, run_uid, "f")
    row = store.row("SELECT * FROM requests")
    assert row is not None
    assert (row["uid"], row["state"], row["finished_at"], row["reserved_micro_usd"]) == (
        sent.uid,
        "sending",
        None,
        500,
    )
    usage = Usage(prompt=11, cached=2, answer=3, thoughts=4, image=5)
    done = Settlement(
        sent.uid, RequestState.ANSWERED, "answer.ok", 321, 4000, usage, "model-001", "id-1", '{"ä":1}'
    )
    requests.settle_attempts(store, [done])
    row = store.row("SELECT * FROM requests")
    assert row is not None
    assert row["usage"] == '{"answer":3,"cached":2,"image":5,"prompt":11,"thoughts":4}'
    kept = (row["state"], row["cost_micro_usd"], row["sent_bytes"], row["model_version"], row["response"])
    assert kept == ("answered", 321, 4000, "model-001", '{"ä":1}')
    assert row["finished_at"] >= row["sent_at"]


def test_attempts_are_written_all_or_none(store: Store, run_uid: str) -> None:
    good = attempt(run_uid, 1, "f")
    with pytest.raises(sqlite3.IntegrityError):
        requests.begin_attempts(store, [good, replace(good, fingerprint="g")])
    assert requests.count_requests(store) == {}


def test_outcomes_are_written_all_or_none(store: Store, run_uid: str) -> None:
    first, second = begin(store, run_uid, "f"), begin(store, run_uid, "f", 2)
    both = [Settlement(sent.uid, RequestState.ANSWERED, "", 1, 1) for sent in (first, second)]
    with pytest.raises(sqlite3.IntegrityError):
        requests.settle_attempts(store, both)
    assert requests.count_requests(store) == {"sending": 2}


def test_a_question_is_answered_once(store: Store, run_uid: str) -> None:
    """Two answers to one fingerprint would mean that it was paid twice."""
    settle(store, begin(store, run_uid, "f"), RequestState.ANSWERED)
    again = begin(store, run_uid, "f", 2)
    with pytest.raises(sqlite3.IntegrityError):
        settle(store, again, RequestState.ANSWERED)
    settle(store, begin(store, run_uid, "g"), RequestState.ANSWERED)
    assert requests.count_requests(store) == {"answered": 2, "sending": 1}


def test_what_an_ended_process_left_is_unknown(store: Store, run_uid: str) -> None:
    begin(store, run_uid, "left")
    settle(store, begin(store, run_uid, "done"), RequestState.ANSWERED)
    assert requests.mark_unknown(store) == 1
    assert requests.mark_unknown(store) == 0
    assert requests.histories(store) == {
        "left": History(RequestState.UNKNOWN, "request.process_ended", 1),
        "done": History(RequestState.ANSWERED, "", 1),
    }


def test_an_unknown_one_that_is_sent_again_is_open_no_more(store: Store, run_uid: str) -> None:
    begin(store, run_uid, "left")
    requests.mark_unknown(store)
    begin(store, run_uid, "other", reserved=70)
    assert requests.open_unknown(store) == (1, 500)
    requests.mark_unknown(store)
    assert requests.open_unknown(store) == (2, 570)
    begin(store, run_uid, "left", 2)
    assert requests.open_unknown(store) == (1, 70)
    assert runs.committed_micro_usd(store, "plan") == 1070, "a budget counts what may have been billed"
    requests.mark_unknown(store)
    assert requests.open_unknown(store) == (2, 570)
    found = requests.histories(store)["left"]
    assert found == History(RequestState.UNKNOWN, "request.process_ended", 2, in_state=2)


def test_a_history_tells_the_newest_attempt_and_their_number(store: Store, run_uid: str) -> None:
    states = [RequestState(name) for name in ("retryable", "quota_minute", "retryable")]
    for number, state in enumerate(states, 1):
        settle(store, begin(store, run_uid, "f", number), state)
    begin(store, run_uid, "e")
    begin(store, run_uid, "g")
    found = requests.histories(store)
    assert found["f"] == History(RequestState.RETRYABLE, "code.retryable", 3, in_state=2)
    assert found["e"] == found["g"] == History(RequestState.SENDING, "", 1)


def test_money_is_counted_once_in_one_of_its_sums(store: Store, run_uid: str) -> None:
    rehearsal = add_run(store, simulated=True)
    for number, state in enumerate(RequestState):
        sent = begin(store, run_uid, f"f{number}", reserved=1000 + number)
        if state is not RequestState.SENDING:
            settle(store, sent, state, cost=number)
    settle(store, begin(store, rehearsal, "r"), RequestState.ANSWERED, cost=77)
    order = list(RequestState)
    spent = sum(n for n, state in enumerate(order) if state is not RequestState.SENDING) + 77
    assert requests.money_micro_usd(store) == {
        "spent": spent,
        "reserved": 1000 + order.index(RequestState.SENDING),
        "at_risk": 1000 + order.index(RequestState.UNKNOWN),
        "simulated": 77,
    }
    assert requests.count_requests(store) == {**dict.fromkeys(RequestState, 1), "answered": 2}


def test_an_empty_project_has_spent_nothing(store: Store) -> None:
    assert set(requests.money_micro_usd(store).values()) == {0}


def test_a_plan_has_committed_what_it_spent_and_what_it_may_still_cost(store: Store) -> None:
    add_images(store, 1)
    first, second, other = (add_run(store, plan_key=key) for key in ("plan", "plan", "other"))
    settle(store, begin(store, first, "a", reserved=900), RequestState.ANSWERED, cost=5)
    settle(store, begin(store, first, "b", reserved=900), RequestState.UNKNOWN)
    begin(store, second, "c", reserved=70)
    settle(store, begin(store, other, "d"), RequestState.ANSWERED, cost=10_000)
    assert runs.committed_micro_usd(store, "plan") == 5 + 900 + 70
    assert runs.committed_micro_usd(store, "unheard of") == 0


def test_answers_without_a_pair_are_those_still_to_be_used(store: Store, run_uid: str) -> None:
    used, unused, forgotten, blocked = (begin(store, run_uid, name) for name in ("a", "b", "c", "d"))
    for sent in (used, unused, forgotten):
        settle(store, sent, RequestState.ANSWERED, response=f"answer to {sent.fingerprint}")
    settle(store, blocked, RequestState.BLOCKED)
    store.conn.execute("UPDATE requests SET image_id = NULL WHERE uid = ?", (forgotten.uid,))
    pairs.add_pairs(store, [open_pair(1, request_uid=used.uid)])
    (row,) = requests.answers_without_pair(store)
    assert (row["uid"], row["response"], row["prompt"]) == (unused.uid, "answer to b", {"user": "question b"})
    assert [row["uid"] for row in requests.answers_without_pair(store, [used.uid, unused.uid])] == [
        unused.uid
    ]
    assert list(requests.answers_without_pair(store, [used.uid])) == []
    assert list(requests.answers_without_pair(store, [])) == []


def test_every_sending_stands_in_the_ledger(store: Store, run_uid: str) -> None:
    settle(store, begin(store, run_uid, "a"), RequestState.ANSWERED, cost=9)
    begin(store, run_uid, "b")
    begin(store, add_run(store), "c")
    first, second = requests.ledger_rows(store, run_uid)
    image = store.value("SELECT sha256 FROM images WHERE id = 1")
    told = {"purpose": "generate", "host": "service.example", "image_sha256": image, "run": run_uid}
    assert first | told == first
    assert (first["bytes"], first["state"], first["cost_micro_usd"]) == (1000, "answered", 9)
    assert (second["bytes"], second["state"]) == (0, "sending")
