"""Checks on every answer. Each finding is a flag with the words that prove it; a person decides."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from dermagui.generation.bank import asks_for_diagnosis, is_creative
from dermagui.generation.labels import contradictions_in
from dermagui.generation.leaks import leaks_in
from dermagui.generation.words import composed, split_words, stems
from dermagui.records import Flag, FlagKind, MetadataMode

FEWEST_WORDS, MOST_WORDS = 8, 400
SIMILARITY = 0.7
"""From this share of words in common order on, two answers about one image are near-duplicates (ROUGE-L)."""

_REFUSAL = re.compile(
    r"\b(?:I(?:['’]m| am)|we(?:['’]re| are)) sorry\b(?=,? (?:but|I|that|we)\b)"
    r"|\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b"
    r"|\bI(?:['’]m| am) (?:just |only )?an? (?:AI|language model)\b"
    r"|\b(?:I|we) (?:must|have to) decline\b"
    r"|\b(?:I|we)(?:['’]m| am|['’]re| are)? (?:cannot|can['’]t|can not|won['’]t|will not|unable to"
    r"|not able to|not allowed to|not permitted to) (?:help|assist|comply|answer|diagnose|interpret"
    r"|analy[sz]e|process|view|discuss|engage|continue|fulfil|see (?:the|this|any|your) (?:image|picture)"
    r"|(?:provide|give|offer|make) (?:an? |any |you )?(?:\w+ )?"
    r"(?:assessment|diagnosis|advice|opinion|interpretation|answer|help))\b",
    re.IGNORECASE,
)
_ASKS_FOR_NAME = re.compile(
    r"\bdiagnos|\b(?:which|what) (?:condition|disease|disorder|entity|kind of lesion)|benign or malignant",
    re.IGNORECASE,
)


def check_answer(
    answer: str,
    question: str,
    *,
    question_type: str,
    metadata: Mapping[str, tuple[str, ...]],
    mode: MetadataMode,
    given: Collection[str] = (),
    previous_answers: Sequence[str] = (),
) -> tuple[Flag, ...]:
    """All flags of an answer, each once: leak, refusal, contradiction, length, near-duplicate.

    ``question`` is the user turn of the pair; what it says itself is no leak, unless the teacher wrote it
    too (a creative question): then it is checked like the answer. ``metadata`` is field → values,
    ``given`` the fields that the reader was told, ``previous_answers`` those about the same image.
    """
    answer, question = composed(answer), composed(question)
    hidden = {field: values for field, values in metadata.items() if field not in given}
    found = [
        *(_leaks(answer, question, question_type, hidden) if mode is MetadataMode.HIDDEN else ()),
        *(Flag(FlagKind.REFUSAL, match[0]) for match in _REFUSAL.finditer(answer)),
        *contradictions_in(answer, metadata),
        *_length(answer),
        *_duplicates(answer, previous_answers),
    ]
    return tuple({(flag.kind, flag.detail, flag.evidence.casefold()): flag for flag in found}.values())


def similarity(one: str, other: str) -> float:
    """The share of words that two texts have in common, in order: from 0 to 1, the F-measure of ROUGE-L."""
    from rapidfuzz.distance import Indel

    return float(Indel.normalized_similarity(stems(one), stems(other)))


def _leaks(
    answer: str, question: str, question_type: str, metadata: Mapping[str, tuple[str, ...]]
) -> Iterator[Flag]:
    if is_creative(question_type):
        yield from leaks_in(f"{question}\n{answer}", metadata, bool(_ASKS_FOR_NAME.search(question)))
        return
    for flag in leaks_in(answer, metadata, asks_for_diagnosis(question_type)):
        if f" {' '.join(stems(flag.evidence))} " not in f" {' '.join(stems(question))} ":
            yield flag


def _length(answer: str) -> Iterator[Flag]:
    count = len(split_words(answer))
    if count < FEWEST_WORDS:
        yield Flag(FlagKind.LENGTH, f"{count} words", "too_short")
    if count > MOST_WORDS:
        yield Flag(FlagKind.LENGTH, f"{count} words", "too_long")


def _duplicates(answer: str, previous: Sequence[str]) -> Iterator[Flag]:
    from rapidfuzz.distance import Indel

    words = stems(answer)
    for other in previous:
        shared = Indel.normalized_similarity(words, stems(other), score_cutoff=SIMILARITY)
        if words and shared >= SIMILARITY:
            yield Flag(FlagKind.DUPLICATE, _longest_common(answer, other), f"similarity {shared:.2f}")


def _longest_common(answer: str, other: str) -> str:
    """The longest run of words that both answers hold, as the answer writes it."""
    from difflib import SequenceMatcher

    words = split_words(answer)
    match = SequenceMatcher(
        None, [word.stem for word in words], stems(other), autojunk=False
    ).find_longest_match()
    return answer[words[match.a].start : words[match.a + match.size - 1].end]
