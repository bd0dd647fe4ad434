"""The difference of two texts: both can be read out of it, and what is the same is told as the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dermagui.review.difference import Change, difference

TEXTS = st.lists(st.sampled_from(["a", "brown", "lesion", ",", "\n", "  ", "ünlü", "5", "."])).map(" ".join)


@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_out_of_it(before: str, after: str) -> None:
    pieces = difference(before, after)
    assert "".join(text for change, text in pieces if change is not Change.INSERTED) == before
    assert "".join(text for change, text in pieces if change is not Change.DELETED) == after
    assert all(text for _, text in pieces)


def test_equal_texts_are_kept_as_a_whole() -> None:
    assert difference("A brown lesion.", "A brown lesion.") == [(Change.KEPT, "A brown lesion.")]


def test_one_word_is_one_change() -> None:
    assert difference("A brown flat lesion is seen.", "A black flat lesion is seen.") == [
        (Change.KEPT, "A "),
        (Change.DELETED, "brown"),
        (Change.INSERTED, "black"),
        (Change.KEPT, " flat lesion is seen."),
    ]


def test_two_changes_with_a_word_between_them_are_one() -> None:
    assert difference("By their extent", "An asymmetrical extent") == [
        (Change.DELETED, "By their"),
        (Change.INSERTED, "An asymmetrical"),
        (Change.KEPT, " extent"),
    ]
