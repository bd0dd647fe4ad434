"""Text can identify too: what in metadata, notes and file names may tell who is shown, for the preview.

Patterns only, and limits that must be said beside the result: a name is seen after a title, after a word
such as "patient", or if it holds a common given name; other names, nicknames, addresses and text that is
burned into the picture are not seen. A finding is a reason to look, not a proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from dermagui.paths import resources
from dermagui.records import PersonalData

_MONTHS = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_DATES = "|".join(
    [
        rf"{_YEAR}([-_./]){_MONTH}\1{_DAY}",
        rf"{_DAY}([-_./]){_MONTH}\2(?:{_YEAR}|\d\d)",
        rf"{_MONTH}/{_DAY}/(?:{_YEAR}|\d\d)",
        r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])",
        rf"{_DAY}(?:st|nd|rd|th|\.)?[ _-]{_MONTHS}\.?,?[ _-]{_YEAR}",
        rf"{_MONTHS}\.?[ _-]{_DAY}(?:st|nd|rd|th)?,?[ _-]{_YEAR}",
    ]
)
_BEFORE, _AFTER = r"(?<![^\W_])", r"(?![^\W_])"
"""Borders of a word for which, unlike ``\\b``, an underscore is no letter: file names are full of them."""

_WORD = r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
_TITLES = r"(?:dr|prof|mr|mrs|ms|miss|sir|herr|frau|mme|monsieur|madame|señora?|sra?|bay|bayan|hasta)"
_ID_LABELS = (
    r"(?:(?:pat(?:ient)?|case|mrn|id|record|accession|ssn|nhs|chart|pid|tc)"
    r"(?:[ _-]?(?:id|no|nr|number))?[ .:#_-]*|pt?(?:[-_#]|(?=\d{3})))"
)
"""A lone P counts only before a dash or three digits: p16 and p53 are markers of tumours."""
_ID = r"[a-z]{0,3}[-_]?\d{2,}[\w-]*"
_LABELS = r"(?:patient|name|nurse|doctor|physician|examiner|photographer|surname)"

_ID_FIELDS = frozenset({"patient", "lesion"})
"""Fields whose values name somebody, or a part of somebody, whatever they look like."""

_CAPITALISED = rf"(?=[^\W\d_a-z]){_WORD}"

_PATTERNS = (
    ("e-mail", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("date", re.compile(f"{_BEFORE}(?:{_DATES}){_AFTER}", re.IGNORECASE)),
    ("id", re.compile(f"{_BEFORE}{_ID_LABELS}{_ID}{_AFTER}", re.IGNORECASE)),
    (
        "phone",
        re.compile(
            r"(?<![\w+])(?:\+\d{1,4}[ ()/.-]{0,2}|\(?0\d{1,4}\)?[ /.-]{1,2})"
            r"\d{2,5}(?:[ ./-]?\d{2,5}){1,4}(?!\w)"
        ),
    ),
    ("id", re.compile(rf"{_BEFORE}(?:[a-z]{{1,5}}[-_]?)?\d{{6,}}{_AFTER}", re.IGNORECASE)),
    (
        "name",
        re.compile(
            rf"{_BEFORE}(?i:{_TITLES}\.?|{_LABELS}\s*[:=]?)[ _]+{_CAPITALISED}(?:[ _]+{_CAPITALISED})?"
        ),
    ),
)
"""Tag and pattern, the most telling first: words that one has taken are not looked at by the next."""


def identifying_text(texts: Mapping[str, str]) -> tuple[PersonalData, ...]:
    """What may identify a person in texts (place → text; of a file name the place is ``file name``)."""
    return tuple(finding for place, text in texts.items() for finding in _findings(place, text))


def _findings(place: str, text: str) -> Iterator[PersonalData]:
    if place in _ID_FIELDS:
        yield from [PersonalData(place, "id", text.strip())] if text.strip() else []
        return
    for tag, pattern in _PATTERNS:
        for found in pattern.finditer(text):
            yield PersonalData(place, tag, found[0].strip())
        # What was taken leaves a border of the same length, so that its neighbours are not joined.
        text = pattern.sub(lambda found: "\x00" * len(found[0]), text)
    yield from (PersonalData(place, "name", name) for name in _given_names_in(place, text))


def _given_names_in(place: str, text: str) -> Iterator[str]:
    words = list(re.finditer(_WORD, text))
    for n, word in enumerate(words):
        if _given_names().intersection(word[0].casefold().split("-")) and (
            word[0][0].isupper() or place == "file name"
        ):
            after = words[n + 1] if n + 1 < len(words) else None
            follows = after and after[0][0].isupper() and text[word.end() : after.start()] in {" ", "_", "-"}
            yield text[word.start() : after.end()] if after and follows else word[0]


@cache
def _given_names() -> frozenset[str]:
    lines = (resources() / "checks" / "given_names.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word.casefold() for line in lines if not line.startswith("#") for word in line.split())
