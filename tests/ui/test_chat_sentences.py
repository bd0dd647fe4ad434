"""What a screen reader is told of an answer that grows: whole sentences, once each, in linear time."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.ui.chat import sentences
from dermagui.ui.chat.sentences import Sentences


def told(parts: list[str]) -> list[str]:
    """All that is told of an answer that comes in these parts."""
    cut = Sentences()
    found = [sentence for part in parts for sentence in cut.add(part)]
    return [*found, *filter(None, [cut.rest()])]


def test_a_number_and_an_abbreviation_at_the_edge_of_what_came_end_nothing() -> None:
    assert told(["It is 3.", "5 mm wide", ". It grows"]) == ["It is 3.5 mm wide.", "It grows"]


def test_marks_of_markdown_are_not_read_out() -> None:
    text = "## Findings\n\n- **Border**: irregular.\n* `scale`\n> quoted\n2 * 3 - 1 = 5"
    assert told([text]) == ["Findings", "Border:", "irregular.", "scale", "quoted", "2 * 3 - 1 = 5"]


def test_sentences_of_languages_without_spaces_end_too() -> None:
    assert told(["这是痣。边", "缘规则！"]) == ["这是痣。", "边缘规则！"]


@given(st.text("ab.!?: \n。"), st.lists(st.integers(0, 40)))
def test_in_whatever_parts_it_comes_the_same_is_told(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    parts = [text[start:end] for start, end in pairwise(places)]
    assert told(parts) == told([text])


def test_a_sentence_that_never_ends_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    class Counting:
        """The pattern, and how many letters it was given to look at."""

        def finditer(self, text: str, start: int) -> object:
            looked.append(len(text) - start)
            return END.finditer(text, start)

    END: re.Pattern[str] = sentences._END
    monkeypatch.setattr(sentences, "_END", Counting())
    assert len(told(["word "] * 2_000)) == 1
    assert sum(looked) <= 2_000 * (len("word ") + 1)
