"""How payloads are worded in turns."""

from __future__ import annotations

import pytest

from dermagui.datasets.rows import express
from dermagui.records import PairKind, Role, Turn
from tests.datasets.golden_rows import turns

OPTIONS = {"options": ["melanoma", "naevus"], "key": "B"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Its net is even.", "B. naevus\n\nIts net is even."),
        ("Because it is.", "B. naevus\n\nBecause it is."),
        ("B", "B"),
        ("(B) naevus", "(B) naevus"),
        ("B. It is even.", "B. It is even."),
        ("Naevus, as it is even.", "Naevus, as it is even."),
        ("B is it.", "B. naevus\n\nB is it."),
        ("", "B. naevus"),
    ],
)
def test_an_answer_names_its_option_once(answer: str, expected: str) -> None:
    said = express(PairKind.CHOICE, turns("Which?", answer), OPTIONS)
    assert said == turns("Which?\n\nA. melanoma\nB. naevus", expected)


def test_options_in_the_question_are_not_repeated() -> None:
    asked = turns("Is it melanoma or naevus?", "B")
    assert express(PairKind.CHOICE, asked, OPTIONS) == asked


def test_a_choice_without_an_answer_gets_its_key() -> None:
    said = express(PairKind.CHOICE, turns("Which?"), OPTIONS)
    assert said[-1] == Turn(Role.ASSISTANT, "B. naevus")


def test_letters_may_be_the_bank_s_own() -> None:
    said = express(PairKind.CHOICE, turns("Which?"), {"options": {"x": "wart", "y": "corn"}, "key": "y"})
    assert said == turns("Which?\n\nx. wart\ny. corn", "y. corn")


def test_only_the_told_fields_of_a_case_are_shown() -> None:
    payload = {
        "fields": {"Age": 0, "Sex": "", "Site": None, "Symptoms": ["itch", "pain"]},
        "final_diagnosis": "BCC",
    }
    said = express(PairKind.CASE, turns("Next?", "Biopsy."), payload)
    assert said == turns("Age: 0\nSymptoms: itch; pain\n\nNext?", "Biopsy.")


def test_an_input_stands_under_its_instruction_once() -> None:
    assert express(PairKind.INSTRUCTION, turns("Shorten:", "x"), {"input": "long"}) == turns(
        "Shorten:\n\nlong", "x"
    )
    whole = turns("Shorten: long", "x")
    assert express(PairKind.INSTRUCTION, whole, {"input": "long"}) == whole
    assert express(PairKind.INSTRUCTION, whole, {"input": ""}) == whole


def test_the_payload_of_other_kinds_is_left_alone() -> None:
    for kind in (PairKind.OPEN, PairKind.DIALOGUE, PairKind.CAPTION):
        assert express(kind, turns("a", "b"), {**OPTIONS, "input": "c", "fields": {"d": 1}}) == turns(
            "a", "b"
        )
