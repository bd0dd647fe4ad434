"""Verdict events add up to the same state in whatever order, and however often, they arrive."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermagui.records import (
    PairState,
    RejectReason,
    Role,
    Turn,
    Verdict,
    VerdictKind,
    VerdictMethod,
)
from dermagui.storage import pairs, verdicts
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid
from tests.fakes.projects import new_store, open_pair

DECISIONS = [kind for kind in VerdictKind if kind is not VerdictKind.UNDO]
PAIRS = tuple(f"0000000{n}-0000-7000-8000-00000000000{n}" for n in range(3))


def uid_of(number: int) -> str:
    """A uid that sorts by its number."""
    return f"018f0000-0000-7000-8000-{number:012}"


@st.composite
def histories(draw: st.DrawFn) -> list[Verdict]:
    """Events of two people about three pairs; an undo takes back anything, even a later one or itself."""
    events: list[Verdict] = []
    count = draw(st.integers(1, 12))
    for number in range(count):
        kind = draw(st.sampled_from(VerdictKind))
        target = draw(st.integers(0, count - 1))
        turns = (Turn(Role.ASSISTANT, f"edit {number}"),) if kind is VerdictKind.EDIT else ()
        events.append(
            Verdict(
                uid=uid_of(number),
                pair_uid=draw(st.sampled_from(PAIRS)),
                person_uid=draw(st.sampled_from(["a", "b"])),
                kind=kind,
                at=f"2026-01-01T00:00:{draw(st.integers(0, 59)):02}.000Z",
                undoes=uid_of(target) if kind is VerdictKind.UNDO else None,
                turns=turns,
                reason=RejectReason.OTHER if kind is VerdictKind.REJECT else None,
            )
        )
    return events


@given(histories(), st.randoms(use_true_random=False))
def test_the_present_does_not_depend_on_the_order_or_number_of_arrivals(
    events: list[Verdict], chance: random.Random
) -> None:
    shuffled = events + chance.choices(events, k=5)
    chance.shuffle(shuffled)
    assert verdicts.present(shuffled) == verdicts.present(events)


def outcome(store: Store) -> list[tuple[PairState, tuple[Turn, ...], list[Verdict]]]:
    found = []
    for uid in PAIRS:
        pair = pairs.pair(store, uid)
        assert pair is not None
        assert pair.turns == open_pair().turns, "generated text is never overwritten"
        found.append((pair.state, pairs.edited_turns(store, uid), verdicts.verdicts_of_pair(store, uid)))
    return found


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Store]]:
    """Three people's copies of the same three pairs."""
    made = []
    for name in "abc":
        with new_store(tmp_path_factory.mktemp(name) / "project") as store:
            pairs.add_pairs(store, [open_pair(uid=uid) for uid in PAIRS])
        made.append(store.folder)
    stores = [Store(folder) for folder in made]
    yield stores
    for store in stores:
        store.close()


@settings(max_examples=60)
@given(histories(), st.data())
def test_merging_in_any_order_and_twice_gives_the_same_project(
    copies: list[Store], events: list[Verdict], data: st.DataObject
) -> None:
    of_a = [event for event in events if event.person_uid == "a"]
    of_b = [event for event in events if event.person_uid == "b"]
    pieces = data.draw(st.permutations([[event] for event in events]))
    ways = [[of_a, of_b], [of_b, of_a, of_a, of_b], pieces]
    outcomes = []
    for store, way in zip(copies, ways, strict=True):
        store.conn.executescript(
            "DELETE FROM verdicts; UPDATE pairs SET state = 'pending', edited_turns = NULL"
        )
        new = sum(verdicts.append_verdicts(store, part) for part in way)
        assert new == len(events)
        outcomes.append(outcome(store))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_an_event_comes_back_as_it_was(store: Store) -> None:
    pair = open_pair()
    pairs.add_pairs(store, [pair])
    event = Verdict(
        uid=new_uid(),
        pair_uid=pair.uid,
        person_uid="somebody of another copy",
        kind=VerdictKind.EDIT,
        at="2026-03-01T09:30:00.123Z",
        method=VerdictMethod.BULK,
        turns=(Turn(Role.USER, "Wo?"), Turn(Role.ASSISTANT, "Am Rücken.\n")),
        reason=RejectReason.LANGUAGE,
        note="“so”",
        rubric={"visible": "yes"},
        visible=("image", "flags"),
        seconds=12.5,
        device="pc",
        app_version="0",
    )
    assert verdicts.append_verdicts(store, [event]) == 1
    assert verdicts.append_verdicts(store, [event]) == 0
    assert verdicts.verdict(store, event.uid) == event
    assert (
        verdicts.verdicts_of_pair(store, pair.uid)
        == [event]
        == list(verdicts.verdicts_of_person(store, event.person_uid))
    )
    assert verdicts.verdict(store, "unheard of") is None


def test_a_verdict_about_a_pair_that_is_not_here_is_kept(store: Store) -> None:
    event = Verdict(new_uid(), "a pair of another copy", "b", VerdictKind.ACCEPT, "2026-01-01T00:00:00.000Z")
    assert verdicts.append_verdicts(store, [event]) == 1
    assert verdicts.verdicts_of_pair(store, event.pair_uid) == [event]


@pytest.mark.parametrize("count", [1, 2, 3, 5000])
def test_a_chain_of_undone_undos_may_be_long(count: int) -> None:
    """Such a chain comes from nobody's keyboard, but it may stand in somebody's file."""
    events = [Verdict(uid_of(0), "p", "a", VerdictKind.ACCEPT, "")]
    events += [
        Verdict(uid_of(n), "p", "a", VerdictKind.UNDO, "", undoes=uid_of(n - 1)) for n in range(1, count + 1)
    ]
    state, _ = verdicts.present(events)
    assert state is (PairState.PENDING if count % 2 else PairState.ACCEPTED)


def test_only_those_who_read_it_are_its_readers(store: Store) -> None:
    pair = open_pair()
    pairs.add_pairs(store, [pair])
    who = {
        "reader": (VerdictKind.UNSURE, VerdictMethod.READ),
        "script": (VerdictKind.ACCEPT, VerdictMethod.BULK),
        "undoer": (VerdictKind.UNDO, VerdictMethod.READ),
    }
    events = [
        Verdict(new_uid(), pair.uid, person, kind, "", method) for person, (kind, method) in who.items()
    ]
    verdicts.append_verdicts(store, events)
    assert verdicts.readers_of_pair(store, pair.uid) == {"reader"}


def test_the_newest_event_of_all(store: Store) -> None:
    assert verdicts.newest_uid(store) == ""
    events = [Verdict(uid_of(n), "p", "a", VerdictKind.ACCEPT, "") for n in (3, 1, 2)]
    verdicts.append_verdicts(store, events)
    assert verdicts.newest_uid(store) == uid_of(3)
