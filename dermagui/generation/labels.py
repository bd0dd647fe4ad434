"""Whether an answer contradicts the known label: it calls benign what is malignant, or the reverse.

Only what is claimed counts: "no sign of melanoma", "to exclude melanoma" and "melanoma is unlikely" do not
claim one. A flag is raised for a statement of the other side ("the diagnosis is naevus"), and for naming
the other side while never naming the label's own. English only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from dermagui.generation.fields import present_values
from dermagui.generation.words import Stems, find_phrases, split_words, stems
from dermagui.library.fields import PATH_SEPARATOR, known_fields
from dermagui.paths import resources
from dermagui.records import Flag, FlagKind

BENIGN, MALIGNANT = "benign", "malignant"
_NEITHER = "neither"

_CLAUSE_END = re.compile(r"[.;:!?\n]|,?\s\b(?:but|however|although|though|whereas|while)\b")
_CLAIM_WORDS = re.compile(
    r"\b(?:consistent with|compatible with|suggest\w*|favou?r\w*|most likely|typical of|diagnosis is"
    r"|indicat\w*|points? to|represent\w*|is an?|are)\b",
    re.IGNORECASE,
)
_UNCLAIMED_BEFORE = re.compile(
    r"\b(?:no|not|non|without|never|neither|nor|absen\w+|lack\w*|missing|den(?:y|ies)|\w+n['’]t"
    r"|exclud\w+|rul(?:e|es|ed|ing) out|unlikely|less likely|rather than|instead of|opposed to|against"
    r"|differ\w*|distinguish\w*|tell apart|mimic\w*|resembl\w*|look-?alikes?|versus|vs"
    r"|if|whether|unless|risks?|warning|history of|screen\w*)\b",
    re.IGNORECASE,
)
_UNCLAIMED_AFTER = re.compile(
    r"^(?:[ -]like\b|\s(?:transformation|potential|change)\b"
    r"|[^,]{0,40}?\b(?:(?:is|are|was|were|seems?|appears?)\s(?:much\s|far\s|very\s|rather\s|therefore\s)?"
    r"(?:unlikely|less likely|improbable|excluded|ruled out|not)"
    r"|(?:can|could|cannot|can['’]t|must|should|needs? to) (?:not )?be (?:excluded|ruled out))\b)",
    re.IGNORECASE,
)
_STATED_BEFORE = re.compile(
    r"\b(?:diagnosis|impression|this|it|lesion|finding|spot|mole|picture|image|appearance)\s"
    r"(?:is|was|shows|represents)\s(?:(?:most likely|probably|clearly|certainly|definitely|likely|indeed)\s)?"
    r"(?:(?:an?|the)\s)?(?:[\w-]+\s){0,2}$",
    re.IGNORECASE,
)
_EITHER = re.compile(
    r"\b(?:benign|malignant)(?:\s?/\s?|\s(?:or|and|vs\.?|versus|from)\s)(?:benign|malignant)\b", re.IGNORECASE
)


class _Claim(NamedTuple):
    side: str
    words: str
    stated: bool


def label_side(metadata: Mapping[str, tuple[str, ...]]) -> str | None:
    """``benign`` or ``malignant``, by the malignancy or else by all the diagnoses; None if unclear."""
    said = present_values(metadata)
    if malignancy := {value.casefold() for value in said.get("malignancy", [])}:
        return malignancy.pop() if malignancy in ({BENIGN}, {MALIGNANT}) else None
    sides = {_side_of(value) for value in said.get("diagnosis", [])}
    side = sides.pop() if len(sides) == 1 else _NEITHER
    return None if side == _NEITHER else side


def contradictions_in(text: str, metadata: Mapping[str, tuple[str, ...]]) -> Iterator[Flag]:
    """The claims of a composed text against the label; ``detail`` is the side that the label is on."""
    side = label_side(metadata)
    if side is None:
        return
    claims = list(_claims_in(text))
    supported = any(claim.side == side for claim in claims)
    for claim in claims:
        if claim.side not in {side, _NEITHER} and (claim.stated or not supported):
            yield Flag(FlagKind.CONTRADICTION, claim.words, side)


def _claims_in(text: str) -> Iterator[_Claim]:
    text = _EITHER.sub(lambda found: " " * len(found[0]), text)
    words = split_words(text)
    for mention in find_phrases(words, _sides()):
        start, end = words[mention.first].start, words[mention.beyond - 1].end
        before, after = _clause_around(text, start, end)
        evidence = text[start:end]
        if len(evidence) <= 3 and not evidence.isupper():
            continue  # an abbreviation of the vocabulary that is a plain word here
        if not _is_negated(before) and not _UNCLAIMED_AFTER.search(after):
            yield _Claim(mention.meaning, evidence, bool(_STATED_BEFORE.search(before)))


def _clause_around(text: str, start: int, end: int) -> tuple[str, str]:
    borders = [found.end() for found in _CLAUSE_END.finditer(text, 0, start)]
    following = _CLAUSE_END.search(text, end)
    return text[borders[-1] if borders else 0 : start], text[
        end : following.start() if following else len(text)
    ]


def _is_negated(before: str) -> bool:
    """Whether what stands before a mention takes it back: "no ulcer, consistent with" does not."""
    parts = before.split(",")
    claims = [n for n, part in enumerate(parts) if _CLAIM_WORDS.search(part)]
    return bool(_UNCLAIMED_BEFORE.search(",".join(parts[claims[-1] if claims else 0 :])))


def _side_of(diagnosis: str) -> str:
    """The side of the most special level of a path that has one."""
    levels = [stems(level) for level in diagnosis.split(PATH_SEPARATOR.strip())]
    return next((_sides()[level] for level in reversed(levels) if level in _sides()), _NEITHER)


@cache
def _sides() -> dict[Stems, str]:
    """Every name of a diagnosis → its side. Names of neither stand here too: they hide shorter ones."""
    raw = json.loads((resources() / "checks" / "malignancy.json").read_text(encoding="utf-8"))
    side_of_term = {term: side for side in (BENIGN, MALIGNANT) for term in raw[side]}
    names = known_fields()["diagnosis"].terms
    found = {
        stems(name): side_of_term.get(term, _NEITHER) for name, term in names.items() if term != "normal"
    }
    generic = {"benign": BENIGN, "noncancerous": BENIGN}
    generic |= dict.fromkeys(("malignant", "malignancy", "cancer", "cancerous", "skin cancer"), MALIGNANT)
    return found | {stems(word): side for word, side in generic.items()}
