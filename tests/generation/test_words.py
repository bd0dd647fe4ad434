"""Phrases are found by whole words, in any spelling and number."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.generation.words import composed, find_phrases, split_words, stems


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("naevus", "Nevi"),
        ("Naevi", "nevus"),
        ("seborrhoeic keratosis", "Seborrheic Keratoses"),
        ("melanoma", "melanomata"),
        ("carcinoma", "carcinomas"),
        ("angioma", "angiomatous"),
        ("haemangioma", "hemangiomas"),
        ("biopsy", "biopsies"),
        ("wart", "warts"),
        ("Bowen's disease", "bowen’s diseases"),
        ("lichen planus-like", "lichen planus like"),
        ("sağ ön kol", "SAĞ ÖN KOL"),
        ("naïve", "nai\u0308ve"),
    ],
)
def test_same_phrase(one: str, other: str) -> None:
    assert stems(one) == stems(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("graph", "micrographic"), ("psoriasis", "psoriatic"), ("nevus", "nerve"), ("his", "hi")],
)
def test_other_phrase(one: str, other: str) -> None:
    assert stems(one) != stems(other)


def found(text: str, *phrases: str) -> list[str]:
    words = split_words(composed(text))
    mentions = find_phrases(words, {stems(phrase): phrase for phrase in phrases})
    return [composed(text)[words[m.first].start : words[m.beyond - 1].end] for m in mentions]


def test_the_longest_phrase_at_a_place_and_none_within_another() -> None:
    text = "Melanoma in situ, melanomas; nodular melanoma."
    assert found(text, "melanoma", "melanoma in situ", "in situ") == [
        "Melanoma in situ",
        "melanomas",
        "melanoma",
    ]


def test_no_part_of_a_word() -> None:
    assert found("Micrographic surgery of a dermatographism", "graph", "graphic") == []


def test_scripts_without_spaces_are_split() -> None:
    assert len(split_words("黒い斑点が見えます")) == 9
    assert found("これは黒色腫です", "黒色腫") == ["黒色腫"]


@given(st.text(max_size=80))
def test_words_stand_where_they_say(text: str) -> None:
    words = split_words(composed(text))
    assert all(a.end <= b.start for a, b in itertools.pairwise(words))
    for word in words:
        assert stems(composed(text)[word.start : word.end])[0] == word.stem


@given(st.lists(st.sampled_from(["red", "blue", "spot", "skin", "edge"]), max_size=12), st.data())
def test_every_run_of_words_is_found(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    if words:
        first = data.draw(st.integers(0, len(words) - 1))
        beyond = data.draw(st.integers(first + 1, len(words)))
        assert found(text, " ".join(words[first:beyond]))
