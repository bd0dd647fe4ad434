"""The rubric is data: four questions with closed answers, and nothing else is taken."""

from __future__ import annotations

import json

import pytest

from dermagui import paths
from dermagui.errors import UserError
from dermagui.review.rubric import check_rubric, rubric


def test_the_four_questions_are_those_of_the_form() -> None:
    assert list(rubric()) == ["visible", "conclusion", "complete", "harm"]
    form = json.loads((paths.resources() / "forms" / "rubric.json").read_text(encoding="utf-8"))
    assert form["licence"] == "CC BY 4.0"
    for question in form["questions"]:
        assert question["text"].endswith(".")
        assert len(set(question["answers"])) == len(question["answers"]) >= 2


def test_every_answer_of_the_form_is_taken() -> None:
    for question, answers in rubric().items():
        for answer in answers:
            assert check_rubric([f"{question}={answer}"]) == {question: answer}
    assert check_rubric([]) == {}
    assert check_rubric(["visible=no", "harm=no", "visible=yes"]) == {"visible": "yes", "harm": "no"}


@pytest.mark.parametrize(
    "text", ["visible", "visible=", "visible=maybe", "=yes", "beauty=yes", "visible=yes=no", ""]
)
def test_another_answer_is_refused_with_those_that_are_known(text: str) -> None:
    with pytest.raises(UserError) as raised:
        check_rubric([text])
    assert raised.value.code == "rubric.unknown"
    assert "visible=yes|partly|no" in str(raised.value.values["known"])
