"""What people decide: undone and redone without limit, by several people, with restarts and wrong clocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dermagui.errors import UserError
from dermagui.project import create_project
from dermagui.records import (
    Flag,
    FlagKind,
    Pair,
    PairState,
    Person,
    RejectReason,
    Role,
    Turn,
    VerdictKind,
    VerdictMethod,
)
from dermagui.review.verdicts import decide, edited, redo, undo, unflagged_pending
from dermagui.storage import pairs, people, verdicts
from dermagui.storage.database import BATCH, Store
from dermagui.texts import sentence
from tests.fakes.command_line import run
from tests.fakes.projects import new_store, open_pair

STATES = {
    VerdictKind.ACCEPT: PairState.ACCEPTED,
    VerdictKind.EDIT: PairState.EDITED,
    VerdictKind.REJECT: PairState.REJECTED,
    VerdictKind.UNSURE: PairState.UNSURE,
}
READ, BULK = VerdictMethod.READ, VerdictMethod.BULK


@dataclass
class Decision:
    """A verdict as a person remembers it."""

    pair: str
    kind: VerdictKind
    turns: tuple[Turn, ...]
    holds: bool = True


class TwoPeople(RuleBasedStateMachine):
    """Two people decide about three pairs, each with the undo and redo that any editor has."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.clock = pytest.MonkeyPatch()
        project = Path(self.folder.name) / "project"
        create_project(project)
        self.store = Store(project)
        self.generated = [open_pair() for _ in range(3)]
        pairs.add_pairs(self.store, self.generated)
        self.people = [people.person(self.store, name) for name in ("Ada", "Bob")]
        self.decisions: list[Decision] = []
        self.done: list[list[Decision]] = [[], []]
        self.undone: list[list[Decision]] = [[], []]

    def teardown(self) -> None:
        self.clock.undo()
        self.store.close()
        self.folder.cleanup()

    @rule(who=st.integers(0, 1), pair=st.integers(0, 2), kind=st.sampled_from(list(STATES)))
    def decide(self, who: int, pair: int, kind: VerdictKind) -> None:
        turns = (Turn(Role.ASSISTANT, f"edit {len(self.decisions)}"),) if kind is VerdictKind.EDIT else ()
        uid = self.generated[pair].uid
        reason = RejectReason.OTHER if kind is VerdictKind.REJECT else None
        decide(self.store, self.people[who], [uid], kind, method=READ, turns=turns, reason=reason)
        self.decisions.append(Decision(uid, kind, turns))
        self.done[who].append(self.decisions[-1])
        self.undone[who].clear()

    @rule(who=st.integers(0, 1))
    def undo(self, who: int) -> None:
        if not self.done[who]:
            with pytest.raises(UserError, match="nothing_to_undo"):
                undo(self.store, self.people[who], method=READ)
            return
        taken_back = undo(self.store, self.people[who], method=READ)
        decision = self.done[who].pop()
        assert (taken_back.pair_uid, taken_back.kind) == (decision.pair, decision.kind)
        decision.holds = False
        self.undone[who].append(decision)

    @rule(who=st.integers(0, 1))
    def redo(self, who: int) -> None:
        if not self.undone[who]:
            with pytest.raises(UserError, match="nothing_to_redo"):
                redo(self.store, self.people[who], method=READ)
            return
        restored = redo(self.store, self.people[who], method=READ)
        decision = self.undone[who].pop()
        assert (restored.pair_uid, restored.kind) == (decision.pair, decision.kind)
        decision.holds = True
        self.done[who].append(decision)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store(self.store.folder)

    @rule(seconds=st.integers(-86_400, 86_400))
    def set_the_clock(self, seconds: int) -> None:
        self.clock.undo()
        real = time.time_ns
        self.clock.setattr(time, "time_ns", lambda: real() + seconds * 1_000_000_000)

    @invariant()
    def the_last_decision_that_holds_is_the_state(self) -> None:
        for generated in self.generated:
            holding = [one for one in self.decisions if one.holds and one.pair == generated.uid]
            found = pairs.pair(self.store, generated.uid)
            assert found is not None
            assert found.state == (STATES[holding[-1].kind] if holding else PairState.PENDING)
            edits = [one.turns for one in holding if one.kind is VerdictKind.EDIT]
            assert pairs.edited_turns(self.store, generated.uid) == (edits[-1] if edits else ())
            assert found.turns == generated.turns, "generated text is never overwritten"


TwoPeople.TestCase.settings = settings(max_examples=25, stateful_step_count=30)
TestTwoPeople = TwoPeople.TestCase


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "project") as store:
        yield store


@pytest.fixture
def ada(store: Store) -> Person:
    return people.person(store, "Ada")


@pytest.fixture
def pair(store: Store) -> Pair:
    made = open_pair()
    pairs.add_pairs(store, [made])
    return made


def state_of(store: Store, pair: Pair) -> PairState:
    found = pairs.pair(store, pair.uid)
    assert found is not None
    return found.state


def test_undo_and_redo_go_all_the_way_and_back(store: Store, ada: Person, pair: Pair) -> None:
    kinds = [VerdictKind.ACCEPT, VerdictKind.UNSURE] * 30
    for kind in kinds:
        decide(store, ada, [pair.uid], kind, method=READ)
    for kind in reversed(kinds):
        assert undo(store, ada, method=READ).kind is kind
    assert state_of(store, pair) is PairState.PENDING
    for kind in kinds:
        assert redo(store, ada, method=READ).kind is kind
    assert state_of(store, pair) is PairState.UNSURE
    assert len(verdicts.verdicts_of_pair(store, pair.uid)) == 3 * len(kinds), "nothing is ever taken away"


def test_a_verdict_given_by_a_slow_clock_still_holds(
    store: Store, ada: Person, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob's computer is an hour behind Ada's, whose verdict he has seen and overrules."""
    real = time.time_ns
    decide(store, ada, [pair.uid], VerdictKind.ACCEPT, method=READ)
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3600 * 10**9)
    bob = people.person(store, "Bob")
    decide(store, bob, [pair.uid], VerdictKind.REJECT, method=READ, reason=RejectReason.HARMFUL)
    assert state_of(store, pair) is PairState.REJECTED
    undo(store, bob, method=READ)
    assert state_of(store, pair) is PairState.ACCEPTED


def test_one_person_does_not_undo_what_another_decided(store: Store, ada: Person, pair: Pair) -> None:
    bob = people.person(store, "Bob")
    decide(store, ada, [pair.uid], VerdictKind.ACCEPT, method=READ)
    with pytest.raises(UserError) as raised:
        undo(store, bob, method=READ)
    assert raised.value.code == "verdict.nothing_to_undo"
    decide(store, bob, [pair.uid], VerdictKind.UNSURE, method=READ)
    assert undo(store, ada, method=READ).kind is VerdictKind.ACCEPT
    assert state_of(store, pair) is PairState.UNSURE


def test_a_verdict_keeps_everything_that_stood_around_it(store: Store, ada: Person, pair: Pair) -> None:
    (uid,) = decide(
        store, ada, [pair.uid], VerdictKind.REJECT, method=READ, reason=RejectReason.NOT_VISIBLE,
        note="“nirgends”", rubric={"visible": "no"}, visible=["image", "answer"], seconds=7.25,
    )  # fmt: skip
    kept = verdicts.verdict(store, uid)
    assert kept is not None
    assert (kept.person_uid, kept.pair_uid, kept.reason) == (ada.uid, pair.uid, RejectReason.NOT_VISIBLE)
    assert (kept.note, kept.rubric, kept.visible, kept.seconds) == (
        "“nirgends”",
        {"visible": "no"},
        ("image", "answer"),
        7.25,
    )
    assert kept.device
    assert kept.app_version


def test_a_rejection_needs_a_reason_and_an_edit_its_turns(store: Store, ada: Person, pair: Pair) -> None:
    for kind, code in (
        (VerdictKind.REJECT, "verdict.needs_reason"),
        (VerdictKind.EDIT, "verdict.needs_turns"),
    ):
        with pytest.raises(UserError) as raised:
            decide(store, ada, [pair.uid], kind, method=READ)
        assert raised.value.code == code
    assert verdicts.verdicts_of_pair(store, pair.uid) == []


def test_one_unknown_pair_and_nothing_is_decided(store: Store, ada: Person, pair: Pair) -> None:
    with pytest.raises(UserError) as raised:
        decide(store, ada, [pair.uid, "unheard of"], VerdictKind.ACCEPT, method=READ)
    assert raised.value.code == "pair.not_found"
    assert state_of(store, pair) is PairState.PENDING


def test_what_was_decided_in_bulk_was_read_by_nobody(store: Store, ada: Person) -> None:
    add_many_pairs_without_images(store, BATCH + 5)
    uids = unflagged_pending(store)
    assert len(decide(store, ada, uids, VerdictKind.ACCEPT, method=BULK)) == BATCH + 5
    assert pairs.count_pairs(store) == {"accepted": BATCH + 5}
    assert {len(verdicts.readers_of_pair(store, uid)) for uid in uids} == {0}
    decide(store, ada, uids[:1], VerdictKind.ACCEPT, method=READ)
    assert verdicts.readers_of_pair(store, uids[0]) == {ada.uid}


def add_many_pairs_without_images(store: Store, count: int) -> None:
    for start in range(0, count, BATCH):
        pairs.add_pairs(store, [open_pair() for _ in range(start, min(start + BATCH, count))])


def test_flagged_and_decided_pairs_are_not_accepted_in_bulk(store: Store, ada: Person) -> None:
    flag = (Flag(FlagKind.LEAK, "melanoma"),)
    plain, flagged, decided = open_pair(), open_pair(flags=flag), open_pair()
    pairs.add_pairs(store, [plain, flagged, decided])
    decide(store, ada, [decided.uid], VerdictKind.UNSURE, method=READ)
    assert unflagged_pending(store) == [plain.uid]


def test_the_undo_of_a_bulk_takes_back_one_pair_at_a_time(store: Store, ada: Person) -> None:
    made = [open_pair() for _ in range(3)]
    pairs.add_pairs(store, made)
    decide(store, ada, [pair.uid for pair in made], VerdictKind.ACCEPT, method=BULK)
    assert undo(store, ada, method=BULK).pair_uid == made[-1].uid
    assert [state_of(store, pair) for pair in made] == [PairState.ACCEPTED] * 2 + [PairState.PENDING]


DIALOGUE = (
    Turn(Role.SYSTEM, "s"),
    Turn(Role.USER, "first?"),
    Turn(Role.ASSISTANT, "one"),
    Turn(Role.USER, "second?"),
    Turn(Role.ASSISTANT, "two"),
)


def test_an_edit_changes_the_first_question_or_the_last_answer() -> None:
    assert edited(DIALOGUE, None, " zwei\n") == (*DIALOGUE[:4], Turn(Role.ASSISTANT, "zwei"))
    assert edited(DIALOGUE, "erste?", None) == (DIALOGUE[0], Turn(Role.USER, "erste?"), *DIALOGUE[2:])
    assert edited(DIALOGUE, None, None) == DIALOGUE


def test_an_edit_of_the_answer_keeps_the_edit_of_the_question(store: Store, pair: Pair) -> None:
    for option, text in (("--question", "Where?"), ("--answer", "On the back.")):
        run("review", store.folder, "edit", pair.uid[-12:], "--as", "Ada", option, text)
    expected = (Turn(Role.USER, "Where?"), Turn(Role.ASSISTANT, "On the back."))
    assert pairs.edited_turns(store, pair.uid) == expected
    same = run("review", store.folder, "edit", pair.uid, "--as", "Ada", "--answer", "On the back.", code=3)
    assert sentence("verdict.needs_turns", {}) in same.err


@pytest.mark.parametrize(
    ("turns", "question", "answer"),
    [(DIALOGUE, " ", None), (DIALOGUE, None, ""), (DIALOGUE[2:3], "q?", None), (DIALOGUE[1:2], None, "a")],
)
def test_an_edit_needs_a_text_and_a_turn_to_put_it(
    turns: tuple[Turn, ...], question: str | None, answer: str | None
) -> None:
    with pytest.raises(UserError) as raised:
        edited(turns, question, answer)
    assert raised.value.code == "verdict.needs_turns"
