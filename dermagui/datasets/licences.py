"""What may be done with pictures: licence texts as people write them, in order of strictness."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dermagui.records import Source

FAMILIES = {
    "cc0": "public domain or CC0",
    "cc-by": "CC BY",
    "cc-by-sa": "CC BY-SA",
    "cc-by-nc": "CC BY-NC",
    "cc-by-nc-sa": "CC BY-NC-SA",
    "cc-by-nd": "CC BY-ND",
    "cc-by-nc-nd": "CC BY-NC-ND",
    "custom": "custom or unknown: read its own text",
}
"""Licence families, the freest first. A training set is an adaptation, so ND weighs more than NC."""

_PUBLIC_DOMAIN = re.compile(r"(cc ?0( 1 0)?( universal)?|(cc )?(public domain|pdm)( mark)?( 1 0)?|pddl)")
_ATTRIBUTION = re.compile(
    r"(cc )?by( nc)?( sa| nd)?( (?P<version>[1-4] \d))?( international| unported| generic)?"
)
_LONG_WORDS = {
    r"https?://(www\.)?creativecommons\.org/(licenses|licences|publicdomain)/zero": "cc0",
    r"https?://(www\.)?creativecommons\.org/(licenses|licences|publicdomain)/mark": "public domain mark",
    r"https?://(www\.)?creativecommons\.org/(licenses|licences|publicdomain)/": "cc ",
    r"(/deed(\.\w+)?|/legalcode(\.\w+)?)?/?$": "",
    r"creative ?commons": "cc",
    r"attribution": "by",
    r"non[ -]?commercial": "nc",
    r"share[ -]?alike": "sa",
    r"no[ -]?deriv(ative)?s?( works)?": "nd",
    r"\b(the|license|licence|licensed under|version)\b|\bv(?=\d)": " ",
}


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence text understood: a key of ``FAMILIES`` and the version, where it names one."""

    family: str
    version: str = ""

    @property
    def strictness(self) -> int:
        """Its place in ``FAMILIES``."""
        return list(FAMILIES).index(self.family)

    @property
    def hub_name(self) -> str:
        """Its name on the Hugging Face hub; ``other`` where that has none."""
        if self.family == "cc0":
            return "cc0-1.0"
        return f"{self.family}-4.0" if self.family != "custom" and self.version == "4.0" else "other"


def parse_licence(text: str) -> Licence:
    """Understand a licence as people write it. Whatever is not wholly understood is ``custom``.

    A text that says more than a licence's name ("CC BY, but ask first") is custom too. What stands in
    brackets behind a name must name the same licence.
    """
    if bracketed := re.fullmatch(r"([^()]+)\(([^()]+)\)\s*", text):
        long_name, short_name = map(parse_licence, bracketed.groups())
        return long_name if long_name.family == short_name.family else Licence("custom")
    words = text.strip().casefold()
    for pattern, short in _LONG_WORDS.items():
        words = re.sub(pattern, short, words)
    words = " ".join(re.split(r"[\s\-‐‑–_/.,]+", words)).strip()
    if _PUBLIC_DOMAIN.fullmatch(words):
        return Licence("cc0")
    if found := _ATTRIBUTION.fullmatch(words):
        family = "cc-by" + "".join(f"-{part.strip()}" for part in found.groups()[1:3] if part)
        return Licence(family, (found["version"] or "").replace(" ", "."))
    return Licence("custom")


def licence_of(source: Source) -> Licence:
    """The licence of a source; what is declared non-commercial is at least CC BY-NC."""
    licence = parse_licence(source.licence)
    non_commercial = Licence("cc-by-nc")
    is_freer = licence.strictness < non_commercial.strictness
    return non_commercial if source.non_commercial and is_freer else licence


def licence_summary(sources: Iterable[Source]) -> dict[str, object]:
    """The terms of everything that these sources hold together: the strictest by name, and all of them.

    Several strictest ones of different wording are all listed; the hub's name is then that of none.
    """
    known = sorted(((licence_of(source), source) for source in sources), key=_strictness_and_name)
    worst = [(licence, source) for licence, source in known if licence.strictness == known[-1][0].strictness]
    hub_names = {licence.hub_name for licence, _ in worst}
    return {
        "strictest": {
            "family": worst[0][0].family if worst else "",
            "name": FAMILIES[worst[0][0].family] if worst else "no pictures",
            "hub_name": hub_names.pop() if len(hub_names) == 1 else "other",
            "sources": [source.name for _, source in worst],
        },
        "all": [
            {
                "source": source.name,
                "licence": source.licence,
                "family": licence.family,
                "attribution": source.attribution,
                "non_commercial": source.non_commercial,
            }
            for licence, source in known
        ],
    }


def _strictness_and_name(known: tuple[Licence, Source]) -> tuple[int, str]:
    return known[0].strictness, known[1].name
