"""An answer that claims the other side than its label is found; one that only speaks of it is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.generation.labels import contradictions_in, label_side
from dermagui.library.fields import known_fields
from dermagui.paths import resources

BENIGN = {"diagnosis": ("nevus",)}
MALIGNANT = {"diagnosis": ("melanoma",)}


def found(text: str, metadata: dict[str, tuple[str, ...]]) -> list[str]:
    return [flag.evidence for flag in contradictions_in(text, metadata)]


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("This is a melanoma.", ["melanoma"]),
        ("Most consistent with melanoma.", ["melanoma"]),
        ("The picture suggests a malignant lesion.", ["malignant"]),
        ("No ulceration is seen, consistent with melanoma.", ["melanoma"]),
        ("It looks like skin cancer.", ["skin cancer"]),
        ("A mole is possible, but the diagnosis is melanoma.", ["melanoma"]),
        ("Nodular BCC.", ["BCC"]),
        ("Not a benign change; melanoma.", ["melanoma"]),
    ],
)
def test_claims_of_malignancy_against_a_benign_label(text: str, evidence: list[str]) -> None:
    assert found(text, BENIGN) == evidence
    assert found(text, MALIGNANT) == []


@pytest.mark.parametrize(
    "text",
    [
        "There is no sign of melanoma.",
        "No sign of melanoma, carcinoma or other malignancy.",
        "It shows no features of malignancy, melanoma or BCC.",
        "A biopsy serves to exclude melanoma.",
        "Melanoma should be ruled out.",
        "Melanoma cannot be excluded.",
        "Melanoma is unlikely.",
        "Malignancy seems very unlikely here.",
        "Less likely melanoma.",
        "A benign nevus rather than melanoma.",
        "Nevus; melanoma would be the main alternative.",
        "It is unclear whether it is benign or malignant.",
        "If malignant, it must be removed.",
        "The risk of melanoma is low.",
        "Warning signs of skin cancer are change and bleeding.",
        "It does not look like cancer.",
        "It isn’t cancer.",
        "A non-malignant spot.",
        "It lacks the colours of a melanoma.",
        "Its malignant potential is low.",
        "A melanoma-like spot.",
        "Benign versus malignant cannot be told.",
        "An actinic keratosis.",
        "A squamous cell carcinoma in situ.",
        "A brown spot.",
        "The scc of it.",
    ],
)
def test_what_is_no_claim_of_malignancy(text: str) -> None:
    assert found(text, BENIGN) == []


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("This is a benign mole.", ["benign", "mole"]),
        ("A harmless looking nevus.", ["nevus"]),
        ("The appearance fits melanoma best. The diagnosis is naevus, a benign lesion.", ["naevus"]),
        ("Psoriasis.", ["Psoriasis"]),
        ("Melanoma is unlikely; this is a seborrhoeic keratosis.", ["seborrhoeic keratosis"]),
    ],
)
def test_claims_of_harmlessness_against_a_malignant_label(text: str, evidence: list[str]) -> None:
    assert found(text, MALIGNANT) == evidence


def test_a_differential_that_names_the_label_is_no_contradiction() -> None:
    text = "The first to be considered is melanoma, followed by naevus and seborrhoeic keratosis."
    assert found(text, MALIGNANT) == []
    assert found(text, BENIGN) == []


@pytest.mark.parametrize(
    ("metadata", "side"),
    [
        ({"malignancy": ("malignant",), "diagnosis": ("nevus",)}, "malignant"),
        ({"malignancy": ("Benign",)}, "benign"),
        ({"malignancy": ("indeterminate",), "diagnosis": ("melanoma",)}, None),
        ({"malignancy": ("benign", "malignant")}, None),
        ({"malignancy": ("nan",), "diagnosis": ("melanoma",)}, "malignant"),
        ({"diagnosis": ("Melanocytic > Benign > Naevus",)}, "benign"),
        ({"diagnosis": ("Malignant > Melanoma > Melanoma in situ",)}, None),
        ({"diagnosis": ("melanoma (weight 0.6)", "BCC (weight 0.4)")}, "malignant"),
        ({"diagnosis": ("melanoma", "nevus")}, None),
        ({"diagnosis": ("melanoma", "something else")}, None),
        ({"diagnosis": ("actinic keratosis",)}, None),
        ({"diagnosis": ("something else",)}, None),
        ({"diagnosis": ()}, None),
        ({}, None),
    ],
)
def test_the_side_of_a_label(metadata: dict[str, tuple[str, ...]], side: str | None) -> None:
    assert label_side(metadata) == side


def test_every_side_is_that_of_a_term_of_the_vocabulary() -> None:
    raw = json.loads((resources() / "checks" / "malignancy.json").read_text(encoding="utf-8"))
    terms = set(known_fields()["diagnosis"].terms.values())
    assert set(raw["benign"]) | set(raw["malignant"]) <= terms
    assert not set(raw["benign"]) & set(raw["malignant"])
    assert len(terms - set(raw["benign"]) - set(raw["malignant"])) <= 10


@given(st.text(max_size=120), st.sampled_from([BENIGN, MALIGNANT]))
def test_evidence_stands_in_the_text(text: str, metadata: dict[str, tuple[str, ...]]) -> None:
    for evidence in found(text, metadata):
        assert evidence in text
