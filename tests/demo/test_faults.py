"""The script of a rehearsal: who is chosen, how often, and that a file keeps it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.demo.answers import Slip, read_request
from dermagui.demo.faults import Fault, Rule, Script, choose_fault, choose_slip, drops_unread, part_of

KEYS = [f"request {n}" for n in range(2000)]


def test_a_script_survives_its_file() -> None:
    script = Script(
        seed=3,
        rules=(Rule(Fault.UNAVAILABLE, posts=(1, 4)), Rule(Fault.MAX_TOKENS, rate=0.25, times=None)),
        latency_seconds=(0.1, 0.2),
        leak_every=9,
        models=("one",),
    )
    assert Script.from_json(script.to_json()) == script
    assert Script.from_json("{}") == Script()
    with pytest.raises(TypeError, match="leek_every"):
        Script.from_json('{"leek_every": 3}')
    with pytest.raises(ValueError, match="earthquake"):
        Script.from_json('{"rules": [{"fault": "earthquake"}]}')


def test_rates_choose_about_their_share_and_never_the_same_request_twice() -> None:
    script = Script(rules=(Rule(Fault.INTERNAL, rate=0.2), Rule(Fault.BLOCKED, rate=0.3)))
    chosen = [choose_fault(script, key, 1, ()) for key in KEYS]
    assert 0.16 < chosen.count(Fault.INTERNAL) / len(KEYS) < 0.24
    assert 0.26 < chosen.count(Fault.BLOCKED) / len(KEYS) < 0.34


def test_another_seed_chooses_others() -> None:
    first, second = (Script(seed=n, rules=(Rule(Fault.INTERNAL, rate=0.5),)) for n in (1, 2))
    assert [choose_fault(first, key, 1, ()) for key in KEYS] != [
        choose_fault(second, key, 1, ()) for key in KEYS
    ]


@pytest.mark.parametrize(("times", "expected"), [(1, [1, 0, 0, 0]), (3, [1, 1, 1, 0]), (None, [1, 1, 1, 1])])
def test_a_chosen_request_fails_as_often_as_the_rule_says(times: int | None, expected: list[int]) -> None:
    script = Script(rules=(Rule(Fault.INTERNAL, rate=1.0, times=times),))
    numbers = (5, 8, 13, 21)
    found = [choose_fault(script, "key", number, numbers[:n]) for n, number in enumerate(numbers)]
    assert [fault is not None for fault in found] == [bool(n) for n in expected]


def test_a_rule_by_number_hits_the_post_or_for_ever_the_request() -> None:
    once = Script(rules=(Rule(Fault.INTERNAL, posts=(5,)),))
    always = Script(rules=(Rule(Fault.INTERNAL, posts=(5,), times=None),))
    assert choose_fault(once, "key", 5, ()) is Fault.INTERNAL
    assert choose_fault(once, "key", 9, (5,)) is None
    assert choose_fault(always, "key", 9, (5,)) is Fault.INTERNAL
    assert choose_fault(always, "other", 9, (4,)) is None


def test_a_break_before_the_body_can_be_chosen_by_number_only() -> None:
    with pytest.raises(ValueError, match="running number"):
        Rule(Fault.DROP_BEFORE_BODY, rate=0.1)
    script = Script(rules=(Rule(Fault.INTERNAL, rate=1.0), Rule(Fault.DROP_BEFORE_BODY, posts=(2,))))
    assert [drops_unread(script, number) for number in (1, 2, 3)] == [False, True, False]


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_part_is_steady_and_within_its_range(names: list[str]) -> None:
    assert 0 <= part_of(*names) == part_of(*names) < 1


def test_slips_are_chosen_by_the_request_and_duplicates_by_the_image() -> None:
    def asked(question: str, image: str) -> str:
        parts = [{"inlineData": {"data": image}}, {"text": f"<hint>\nage: 3\n</hint>\n{question}"}]
        return json.dumps({"contents": [{"parts": parts}]})

    requests = {
        (q, i): read_request(asked(f"q{q}", f"{i:04d}").encode()) for q in range(8) for i in range(99)
    }
    leaks = Script(leak_every=5)
    chosen = [key for key, request in requests.items() if choose_slip(leaks, request) is Slip.LEAK]
    assert 0.14 < len(chosen) / len(requests) < 0.26
    doubles = Script(duplicate_every=5)
    by_image = {
        i: {choose_slip(doubles, requests[q, i]) is Slip.DUPLICATE for q in range(8)} for i in range(99)
    }
    assert all(len(found) == 1 for found in by_image.values())
    assert {True} in by_image.values()
    assert {False} in by_image.values()
    assert all(choose_slip(Script(), request) is None for request in requests.values())
