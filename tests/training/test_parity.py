"""The probes of the parity gate: half of them show a picture for which the answer is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from dermagui.errors import UserError
from dermagui.training.parity import PROBES, choose_probes

SHAPE, COLOUR = "Which shape is it?", "Which colour has it?"


def row(picture: str, question: str, answer: str) -> dict[str, Any]:
    said = [("user", question), ("assistant", answer)]
    messages = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said]
    return {"id": f"{picture} {question}", "images": [picture], "messages": messages}


def test_a_shuffled_probe_shows_a_picture_that_makes_its_answer_wrong() -> None:
    """There are several questions to each picture, so that another answer alone proves nothing."""
    truth = {f"{n}.png": ("round" if n < 6 else "oval", "red" if n % 3 else "blue") for n in range(12)}
    rows = [
        row(name, *said) for name, told in truth.items() for said in zip((SHAPE, COLOUR), told, strict=True)
    ]
    probes = choose_probes(rows)
    assert len(probes) == 2 * PROBES
    for own, shuffled in zip(probes[:PROBES], probes[PROBES:], strict=True):
        assert own["id"] == shuffled["id"]
        place = [SHAPE, COLOUR].index(own["messages"][0]["content"][0]["text"])
        assert truth[own["images"][0]][place] != truth[shuffled["images"][0]][place]


def test_where_every_question_is_another_a_picture_of_another_answer_will_do() -> None:
    rows = [row(f"{n}.png", f"What is number {n}?", f"It is {n}.") for n in range(PROBES)]
    probes = choose_probes(rows)
    assert all(probe["id"].split()[0] != probe["images"][0] for probe in probes[PROBES:])


def test_too_few_pictures_are_no_proof() -> None:
    rows = [row("one.png", f"What is number {n}?", f"It is {n}.") for n in range(2 * PROBES)]
    with pytest.raises(UserError) as refused:
        choose_probes(rows)
    assert refused.value.values == {"count": 0, "least": PROBES}
