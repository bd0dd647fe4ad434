"""The model card: what it may not leave out, and that no name can break it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dermagui.chat.bundle import NOTICE, About, Bundle
from dermagui.chat.bundle_files import BundleFile
from dermagui.training.card import clinical_in_words, model_card, rate_in_words, write_card
from dermagui.training.clinical import Case, Clinical, Given, judge, untested

PARITY: list[dict[str, Any]] = [
    {
        "quantization": "F16",
        "difference": 0.00123,
        "limit": 0.02,
        "first_tokens_equal": 16,
        "probes": 16,
        "true_score": -0.5,
        "shuffled_score": -2.5,
        "faults": [],
    }
]
MANIFEST: dict[str, Any] = {
    "licences": {
        "strictest": {"name": "CC-BY-NC-4.0", "sources": ["clinic"]},
        "all": [
            {"source": "clinic", "licence": "CC-BY-NC-4.0", "attribution": "A | B"},
            {"source": "own", "licence": "", "attribution": ""},
        ],
    }
}
TRAINING: dict[str, Any] = {
    "name": "moles",
    "uid": "0199",
    "seed": 17,
    "recipe": {"name": "try-out", "rank": 16},
    "figures": {"last_loss": 0.25},
}


def bundle_of(folder: Path, gate: Clinical) -> Bundle:
    """A bundle of a training that this gate judged."""
    about = About(
        licence="Apache-2.0", base="A base", gates={"parity": PARITY, "clinical": gate.told()}, dataset="d-1"
    )
    files = {"model": BundleFile("c0ffee" * 10 + "beef", 1234)}
    return Bundle(folder, "now", "0.1.0", "gemma3", "x", "Q4_K_M", 1_000, 2_048, files, None, about)


def gate(missed: int) -> Clinical:
    """Of ten melanomas the base finds all, the tuned model all but so many."""
    cases = [Case(f"{n}", "melanoma" if n < 10 else "nevus", n < 10) for n in range(20)]
    base = [Given(case.label, False) for case in cases]
    tuned = [Given("nevus" if n < missed else case.label, True) for n, case in enumerate(cases)]
    return judge(cases, base, tuned)


def test_a_card_says_what_a_reader_must_know(tmp_path: Path) -> None:
    path = write_card(bundle_of(tmp_path, gate(missed=0)), TRAINING, "gemma3", MANIFEST)
    card = path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]
    for told in (
        *(NOTICE, "The strictest terms of the data are **CC-BY-NC-4.0**.", "A \\| B", "not stated"),
        *("seed 17", "| rank | 16 |", "| model | 1234 | c0ffee", "dermagui 0.1.0", "It passed both gates."),
        *("| F16 | 0.00123 | 0.02 | 16 of 16 | -0.5000 | -2.5000 |", "try-out", "Apache-2.0", "d-1"),
        "| Sensitivity for malignant | 100.0% (95 % interval 72.2% to 100.0%, n = 10) |",
    ):
        assert told in card, told
    assert "$" not in card


def test_a_card_says_that_a_model_is_not_ready(tmp_path: Path) -> None:
    card = model_card(bundle_of(tmp_path, gate(missed=3)), TRAINING, "gemma3", None)
    assert "**It is not ready**" in card
    assert "only 70.0% malignant" in card
    assert "not known" in card
    card = model_card(bundle_of(tmp_path, untested()), TRAINING, "gemma3", None)
    assert "**It is not ready**" in card
    assert "Not tested" in card


@pytest.mark.parametrize("state", ["passed", "fell", "one_class", "worse", "few", "untested"])
def test_every_state_of_the_gate_is_worded(state: str) -> None:
    values: dict[str, object] = {"n": 12, "least": 10, "base": 0.9, "tuned": 0.5, "low": 0.6, "high": 1.0}
    values |= {"benign": 8, "alarms": 1.0, "chance": 0.5}
    values |= {"balanced": 0.5, "balanced_base": 0.8, "balanced_low": 0.7}
    assert clinical_in_words({"state": state, "values": values}).endswith(".")


def test_a_share_of_none_is_no_share() -> None:
    assert rate_in_words({"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}) == "none (n = 0)"
