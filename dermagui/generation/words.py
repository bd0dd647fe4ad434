"""Finding phrases in a text by whole words, whatever their spelling, number or punctuation.

A word is compared by its stem: lower case, British ``ae`` and ``oe`` as American ``e``, singular. So
"Seborrhoeic keratoses" is found by "seborrheic keratosis", but "graph" never in "micrographic".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

Stems = tuple[str, ...]

# A character of Chinese or Japanese is counted as a word: these scripts put no space between words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_ENDINGS = (
    (re.compile(r"matous$|mata$"), "ma"),
    (re.compile(r"(?<=n)evi$"), "evus"),
    (re.compile(r"(?<=\w\w)([oi])ses$"), r"\1sis"),
    (re.compile(r"(?<=\w\w)ies$"), "y"),
    (re.compile(r"(?<=\w\w)(?<![sui])s$"), ""),
)


class Word(NamedTuple):
    """A word of a text: its stem, and where it stands."""

    stem: str
    start: int
    end: int


class Mention(NamedTuple):
    """A phrase that was found: words ``first`` up to before ``beyond``, and what the phrase stands for."""

    first: int
    beyond: int
    meaning: str


def composed(text: str) -> str:
    """The text in the composed form in which it is searched and quoted."""
    return unicodedata.normalize("NFC", text)


@lru_cache(maxsize=256)
def split_words(text: str) -> tuple[Word, ...]:
    """The words of a composed text; kept for a while, as every check of an answer asks for them."""
    return tuple(Word(stem(found[0]), *found.span()) for found in _WORD.finditer(text))


@lru_cache(maxsize=256)
def stems(text: str) -> Stems:
    """The stems of a phrase, as the key under which ``find_phrases`` looks for it."""
    return tuple(word.stem for word in split_words(composed(text)))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The form in which a word is compared."""
    plain = word.casefold().replace("ae", "e").replace("oe", "e")
    return next((pattern.sub(to, plain) for pattern, to in _ENDINGS if pattern.search(plain)), plain)


def find_phrases(words: Sequence[Word], phrases: Mapping[Stems, str]) -> Iterator[Mention]:
    """Where phrases (stems → meaning) stand in a text; the longest at a place, none within another."""
    lengths: dict[str, set[int]] = {}
    for phrase in phrases:
        lengths.setdefault(phrase[0], set()).add(len(phrase))
    beyond = 0
    for first, word in enumerate(words):
        for length in sorted(lengths.get(word.stem, ()), reverse=True):
            run = tuple(found.stem for found in words[first : first + length])
            meaning = phrases.get(run)
            if meaning is not None and first >= beyond:
                beyond = first + len(run)
                yield Mention(first, beyond, meaning)
                break
