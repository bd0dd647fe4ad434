"""What an answer tells although only the hidden hint said it: the evidence that a teacher peeked.

Some of it could have been seen (a body site, a skin type): a flag asks a person to look, it is no proof.
Diagnosis, site, sex and symptoms are found in the words of the vocabularies and as they were written;
ages, skin types and phrases about the hint in English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from dermagui.generation.fields import present_values
from dermagui.generation.words import Mention, Stems, Word, find_phrases, split_words, stems
from dermagui.library.fields import PATH_SEPARATOR, known_fields
from dermagui.records import Flag, FlagKind

_GIVEN = r"(?:provided|given|supplied|accompanying)"
_GIVEN_THINGS = r"(?:information|context|data|details|history|label|diagnosis)"
_PHRASES = re.compile(
    r"\b(?:meta-?data"
    r"|the (?:private )?(?:hint|private check)(?! of\b)"
    rf"|(?:the )?{_GIVEN} (?:clinical |patient )?{_GIVEN_THINGS}"
    rf"|{_GIVEN_THINGS} (?:that (?:was|were) )?{_GIVEN}"
    r"|(?:stated|noted|mentioned|described|given|indicated) in the (?:context|hint|record|notes?|label|data)"
    r"|according to the (?:context|hint|records?|notes?|file|labels?|data|history)"
    r"|the (?:record|file|label) (?:gives|states|says|shows|confirms)"
    r"|(?:recorded|labell?ed) (?:diagnosis|as)"
    r"|ground[ -]truth)\b",
    re.IGNORECASE,
)

_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = dict(zip((*_UNITS, *_TEENS, *_TENS), (*range(1, 20), *range(20, 100, 10)), strict=True))
_NUMBER = (
    rf"(?:\d{{1,3}}|(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(_UNITS)}))?|{'|'.join((*_UNITS, *_TEENS))})"
)
_DECADES = {f"{tens[:-1]}ies": n for n, tens in zip(range(20, 100, 10), _TENS, strict=True)}
_NO_SPAN_OF_TIME = "".join(
    f"(?<!{word} )"
    for word in ("for", "over", "within", "every", "last", "past", "next", "in", "after", "about")
)
_AGE = re.compile(
    rf"\b(?P<old>{_NUMBER})(?:[ -]*(?:years?|yrs?)[ -]*(?:old|of age)|[ -]*y[/.]?o\b)"
    rf"|\b(?:aged?|age (?:of|is|was))[ :]+(?P<aged>{_NUMBER})\b(?! (?:weeks?|months?|days?))"
    rf"|{_NO_SPAN_OF_TIME}(?<![\d.,-])\b(?P<years>{_NUMBER}) years\b(?! (?:ago|later|earlier|apart))"
    r"|\b(?:his|her|their|in the) (?:early[ -]|mid-?|late[ -])?"
    rf"(?P<decade>[1-9]0['’]?s|{'|'.join(_DECADES)})\b",
    re.IGNORECASE,
)
_AGE_WORDS = {
    stems(word): years
    for years, words in {
        (0, 2): ("infant", "newborn", "baby", "neonate"),
        (0, 13): ("child", "children", "toddler", "pediatric", "schoolchild"),
        (10, 19): ("teenager", "teenage", "adolescent"),
        (16, 35): ("young adult",),
        (38, 65): ("middle-aged",),
        (60, 130): ("elderly", "geriatric", "septuagenarian", "octogenarian", "nonagenarian"),
    }.items()
    for word in words
}
"""Words for an age → the first and last year that they may mean."""
_SEX_WORDS = {
    "female": stems("female woman women girl lady she her hers herself"),
    "male": stems("male man men boy gentleman he him his himself"),
}
_SKIN_TYPE = re.compile(
    r"\b(?:fitzpatrick|fst|photo-?type|skin type|skin photo-?type)\W{0,3}"
    r"(?:(?:skin|photo-?type|type|scale|is|of|class)\W{1,3}){0,3}(?P<type>VI|IV|V|I{1,3}|[1-6])\b",
    re.IGNORECASE,
)
_MONK = re.compile(
    r"\bmonk\W{1,3}(?:(?:skin|tone|scale|type|level|is|of)\W{1,3}){0,4}(?P<tone>10|[1-9])\b", re.IGNORECASE
)
_ROMAN = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5", "VI": "6"}

_SAY_NOTHING = {
    stems(text)
    for text in (
        *(
            "benign",
            "malignant",
            "premalignant",
            "indeterminate",
            "other",
            "normal",
            "healthy",
            "vascular",
            "skin",
        ),
        *(
            "normal skin",
            "no lesion",
            "lesion",
            "change",
            "elevation",
            "melanocytic",
            "nonmelanocytic",
            "non melanocytic",
        ),
        *(
            "keratinocytic",
            "epidermal",
            "dermal",
            "inflammatory",
            "neoplasm",
            "tumor",
            "tumour",
            "proliferation",
        ),
    )
}
"""Words of labels that a plain description needs: they prove nothing."""

_PLACES_OF_MANY_MEANINGS = frozenset(
    stems("back hand head face arm leg chest sole nail palm lip ear nose neck foot finger other")
)
_BEFORE_PLACE = frozenset(stems("on of over at from near across to in along is was site location"))
_ARTICLES = frozenset(stems("the his her their your my a an this"))
_SIDES = frozenset(stems("left right upper lower mid middle outer inner dorsal ventral proximal distal"))


def leaks_in(text: str, metadata: Mapping[str, tuple[str, ...]], diagnosis_is_asked: bool) -> Iterator[Flag]:
    """What a composed text tells of hidden metadata (field → values); ``detail`` names the field.

    A diagnosis is no leak where it is asked for. Age and sex always are: no picture shows them.
    """
    words = split_words(text)
    said = present_values(metadata)
    for mention in find_phrases(words, _hidden_phrases(said, diagnosis_is_asked)):
        if mention.meaning != "body_site" or _means_place(words, mention):
            yield _flag(text[words[mention.first].start : words[mention.beyond - 1].end], mention.meaning)
    if "age" in said:
        yield from (_flag(found, "age") for found in _ages_in(text, said["age"]))
    types = {
        _type_number(number) for value in said.get("fitzpatrick", []) for number in re.split(r"\W+", value)
    }
    yield from (
        _flag(m[0], "fitzpatrick") for m in _SKIN_TYPE.finditer(text) if _type_number(m["type"]) in types
    )
    yield from (_flag(m[0], "monk") for m in _MONK.finditer(text) if m["tone"] in said.get("monk", []))
    yield from (_flag(found[0], "phrase") for found in _PHRASES.finditer(text))


def age_range(value: str) -> tuple[int, int] | None:
    """The first and last year of an age such as ``54``, ``50-59``, ``85+`` or ``90 or over``."""
    numbers = [int(number) for number in re.findall(r"(?<!\d)\d{1,3}(?!\d)", value)]
    if not numbers:
        return None
    last = 130 if re.search(r"\+|over|older", value) else numbers[-1]
    return numbers[0], max(numbers[0], last)


def _hidden_phrases(said: Mapping[str, list[str]], diagnosis_is_asked: bool) -> dict[Stems, str]:
    phrases: dict[Stems, str] = {}
    for field in ("symptoms", "body_site", *(() if diagnosis_is_asked else ("diagnosis",))):
        for value in said.get(field, []):
            phrases |= dict.fromkeys(_names_of(field, value), field)
    for value in said.get("sex", []):
        phrases |= {(word,): "sex" for word in _SEX_WORDS.get(value.casefold(), ())}
    for first, _ in filter(None, map(age_range, said.get("age", []))):
        phrases |= {word: "age" for word, years in _AGE_WORDS.items() if years[0] <= first <= years[1]}
    return phrases


def _names_of(field: str, value: str) -> set[Stems]:
    """The names of a value: as written, each level of a path, each synonym, and a known last word."""
    synonyms = _synonyms(field)
    names: set[Stems] = set()
    levels = value.split(PATH_SEPARATOR.strip())
    for name in map(stems, (*levels, *re.split(r"[>/;,]|\bor\b", value))):
        names |= {name, *synonyms.get(name, ())}
        if name[-1:] in synonyms:
            names.add(name[-1:])
    # Abbreviations such as "nv" are also words of other languages and units; nobody writes them in prose.
    return {name for name in names if name and name not in _SAY_NOTHING and len("".join(name)) > 2}


@cache
def _synonyms(field: str) -> dict[Stems, set[Stems]]:
    """Every name of a vocabulary → all names of the same term."""
    names: dict[str, set[Stems]] = {}
    for name, term in known_fields()[field].terms.items():
        names.setdefault(term, set()).add(stems(name))
    return {name: group for group in names.values() for name in group if name}


def _means_place(words: Sequence[Word], mention: Mention) -> bool:
    """Whether "hand" or "back" is a part of the body: "on the left hand", but not "on the other hand"."""
    if mention.beyond - mention.first > 1 or words[mention.first].stem not in _PLACES_OF_MANY_MEANINGS:
        return True
    before = [word.stem for word in words[max(0, mention.first - 5) : mention.first]]
    while before and before[-1] in _SIDES:
        before.pop()
    if not before or (mention.beyond < len(words) and words[mention.beyond].stem == "of"):
        return False
    if before[-1] in {"site", "location"}:
        return True
    return before[-1] in _ARTICLES and len(before) > 1 and before[-2] in _BEFORE_PLACE


def _ages_in(text: str, values: list[str]) -> Iterator[str]:
    spans = [span for span in map(age_range, values) if span]
    for found in _AGE.finditer(text):
        decade = found["decade"]
        if decade:
            start = _DECADES.get(decade.casefold(), 0) or int(re.sub(r"\D", "", decade) or 0)
            stated = (start, start + 9)
        else:
            years = _number(found["old"] or found["aged"] or found["years"])
            stated = (years, years)
        if any(stated[0] <= last and first <= stated[1] for first, last in spans):
            yield found[0]


def _number(text: str) -> int:
    if text.isdecimal():
        return int(text)
    return sum(_NUMBERS[word] for word in re.split(r"[ -]", text.casefold()))


def _type_number(text: str) -> str:
    return _ROMAN.get(text.upper(), text)


def _flag(evidence: str, detail: str) -> Flag:
    return Flag(FlagKind.LEAK, evidence, detail)
