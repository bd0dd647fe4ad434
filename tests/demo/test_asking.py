"""The stage with the phantom model: what is counted, what is claimed of a model that looks, and why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dermagui.demo import asking
from dermagui.demo.asking import Found, ask_phantom, claim_found, count_right
from dermagui.demo.steps import Nature, Shell, Stage, Tour

TRUTH = {f"{n:02}.png": "malignant" if n % 3 == 0 else "benign" for n in range(24)}


def shares(found: Found) -> list[float]:
    return [rate.value for rate in (found.tuned, found.untuned, found.shuffled, found.majority)]


def test_answers_are_counted_against_what_was_drawn() -> None:
    said = TRUTH | {"00.png": "benign", "01.png": "something else"}
    found = count_right(TRUTH, said, dict.fromkeys(TRUTH, "malignant"))
    shuffled = sum(said[f"{(n + 12) % 24:02}.png"] == TRUTH[f"{n:02}.png"] for n in range(24)) / 24
    assert shares(found) == [22 / 24, 8 / 24, shuffled, 16 / 24]
    assert found.tuned.low < found.tuned.value < found.tuned.high
    assert found.majority.n == 24


def claims(tuned: dict[str, str], untuned: dict[str, str]) -> list[bool | None]:
    stage = Stage("", "", Nature.REAL)
    claim_found(stage, count_right(TRUTH_IN_BLOCKS, tuned, untuned))
    assert all("n = 24" in str(told) for told in stage.figures.values())
    return [claim.holds for claim in stage.claims]


TRUTH_IN_BLOCKS = {f"{n:02}.png": "malignant" if n < 12 else "benign" for n in range(24)}
"""Half a set away the other is always true, so that a model that looks is always wrong there."""


def test_of_a_model_that_looks_every_line_holds_and_of_one_that_does_not_none() -> None:
    constant = dict.fromkeys(TRUTH_IN_BLOCKS, "benign")
    assert claims(TRUTH_IN_BLOCKS, constant) == [True, True, True]
    assert claims(constant, constant) == [False, False, False]
    assert claims(TRUTH_IN_BLOCKS, TRUTH_IN_BLOCKS) == [True, False, True], "it had not to learn anything"


def test_without_the_engine_the_stage_says_so_and_claims_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking.importlib.util, "find_spec", lambda name: None)
    tour = Tour(tmp_path, tmp_path, None, Shell(tmp_path, tmp_path, "canary"), {})
    ask_phantom(tour)
    (stage,) = tour.stages
    assert stage.nature is Nature.NOT_RUN
    assert "the chat engine is not installed" in stage.story
    assert "nothing about skin" in stage.story
    assert stage.claims == stage.runs == []
