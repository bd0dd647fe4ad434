"""Known fields of metadata: which columns mean them, and what their values are called.

The words stand in ``resources/fields.json``: labels, names of columns, vocabularies with synonyms.
A value that no vocabulary knows is kept as it was written, and a column that no field claims is kept
under its own name: nothing that a table says is lost. One rule says what is missing, and 0 is not.
"""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from dermagui.paths import resources

AS_WRITTEN = "as written"
"""The vocabulary of a value that no vocabulary knows."""
HIERARCHY = "hierarchy"
"""The vocabulary of a value that is a path from the general to the special."""
IDENTIFIER = "identifier"
"""The vocabulary of names of patients, lesions and visits."""
YEARS, YEARS_RANGE = "years", "years_range"
"""The vocabularies of an age in years: a number such as ``54``, or text such as ``50-59`` or ``85+``."""
PATH_SEPARATOR = " > "
_OLDEST_YEARS = 130


@dataclass(frozen=True, slots=True)
class Value:
    """One thing that is said: a row of metadata before it has a file and an origin."""

    field: str
    value: str
    weight: float = 1.0
    vocabulary: str = AS_WRITTEN


@dataclass(frozen=True, slots=True)
class KnownField:
    """A field that dermagui knows, as ``resources/fields.json`` describes it.

    ``columns`` are groups of names that a column may have, most telling first; ``flags`` maps a column of
    yes and no to the value that a yes stands for; ``terms`` maps every synonym to its term.
    """

    name: str
    label: str
    kind: str
    columns: tuple[tuple[str, ...], ...]
    flags: Mapping[str, str]
    joins_path: bool
    vocabulary: str
    terms: Mapping[str, str]
    noise: frozenset[str]
    missing: frozenset[str]


@cache
def known_fields() -> dict[str, KnownField]:
    """Every known field by its name, in the order in which they are shown."""
    document = _document()
    return {
        name: _known_field(name, said, document["vocabularies"]) for name, said in document["fields"].items()
    }


@cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((resources() / "fields.json").read_text(encoding="utf-8"))
    return found


def _known_field(name: str, said: dict[str, Any], vocabularies: dict[str, Any]) -> KnownField:
    vocabulary = vocabularies.get(said.get("vocabulary", ""), {"values": {}})
    groups = ([group] if isinstance(group, str) else group for group in said["columns"])
    return KnownField(
        name=name,
        label=said["label"],
        kind=said["kind"],
        columns=tuple(tuple(column_key(column) for column in group) for group in groups),
        flags={column_key(column): value for column, value in said.get("flags", {}).items()},
        joins_path=said.get("join") == "path",
        vocabulary=said.get("vocabulary", IDENTIFIER),
        terms={_key(word): term for term, words in vocabulary["values"].items() for word in (term, *words)},
        noise=frozenset(vocabulary.get("noise", ())),
        missing=frozenset(said.get("missing", ())),
    )


def is_missing(raw: str | None) -> bool:
    """Whether a cell says nothing: empty, nan, N/A, null, a dash, unknown. The one rule; 0 says something."""
    return raw is None or raw.strip().casefold() in _words("missing")


def as_flag(raw: str) -> bool | None:
    """What a cell of a column of yes and no says; None where it says something else."""
    word = without_decimals(raw.strip()).casefold()
    return True if word in _words("yes") else False if word in _words("no") else None


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _document()[name])


def clean_name(column: str) -> str:
    """A column's name as the name of a field: lower case, words joined by underscores."""
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", column).casefold()).strip("_") or "column"


def column_key(column: str) -> str:
    """A column's name without all that people write in different ways: ``Patient ID``, ``patient_id``."""
    return clean_name(column).replace("_", "")


def _key(text: str) -> str:
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()


def normalise(field: str, raw: str | None) -> tuple[Value, ...]:
    """What a cell says of a field, in the words of the field's vocabulary where it has one.

    Nothing for a missing value; several values for a list (``;`` or ``|`` between them), for the text of a
    list, or for that of a dictionary of weights. A path such as ``Benign > Nevus`` stays one value.
    """
    if raw is None or is_missing(raw):
        return ()
    if field not in known_fields():
        return (Value(clean_name(field), raw.strip()),)
    return _normalise_known(field, raw.strip())


@lru_cache(maxsize=16_384)
def _normalise_known(field: str, text: str) -> tuple[Value, ...]:
    known = known_fields()[field]
    return () if without_decimals(text) in known.missing else _READERS[known.kind](known, text)


def _read_identifier(known: KnownField, text: str) -> tuple[Value, ...]:
    return (Value(known.name, text, vocabulary=IDENTIFIER),)


def _read_choice(known: KnownField, text: str) -> tuple[Value, ...]:
    return (Value(known.name, *_named(known, text)),)


def _named(known: KnownField, text: str, weight: float = 1.0) -> tuple[str, float, str]:
    term = _find_term(known, text)
    return (term, weight, known.vocabulary) if term else (text, weight, AS_WRITTEN)


def _find_term(known: KnownField, text: str) -> str | None:
    """The vocabulary's term for a text; words such as ``type`` of "Skin type III" are noise."""
    key = _key(without_decimals(text))
    if term := known.terms.get(key):
        return term
    words = re.findall(r"[^\W\d]+|\d+", key) if known.noise else []
    return known.terms.get(" ".join(word for word in words if word not in known.noise))


def without_decimals(text: str) -> str:
    """``3`` for ``3.0``: a table that once had gaps in a column of numbers writes them all like that."""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text)


def _read_labels(known: KnownField, text: str) -> tuple[Value, ...]:
    return heaviest(
        Value(known.name, *(_path(part, weight) if PATH_SEPARATOR in part else _named(known, part, weight)))
        for part, weight in _weighted_parts(text)
        if not is_missing(part)
    )


def _path(text: str, weight: float) -> tuple[str, float, str]:
    levels = [level.strip() for level in text.split(PATH_SEPARATOR)]
    return PATH_SEPARATOR.join(level for level in levels if not is_missing(level)), weight, HIERARCHY


def heaviest(values: Iterable[Value]) -> tuple[Value, ...]:
    """Each value once, with the largest of its weights, in order of appearance."""
    found: dict[tuple[str, str], Value] = {}
    for value in values:
        key = value.field, value.value
        if key not in found or found[key].weight < value.weight:
            found[key] = value
    return tuple(found.values())


def _weighted_parts(text: str) -> list[tuple[str, float]]:
    literal = _parse_literal(text)
    if isinstance(literal, dict) and all(map(_is_weight, literal.values())):
        return [(str(label).strip(), float(weight)) for label, weight in literal.items()]
    if isinstance(literal, list | tuple) and all(
        isinstance(label, str | int | float | None) for label in literal
    ):
        return [(str(label).strip(), 1.0) for label in literal]
    if literal is not None:
        return [(text, 1.0)]
    return [(part.strip(), 1.0) for part in re.split(r"[;|]", text)]


def _parse_literal(text: str) -> object:
    """The dictionary or list that a cell spells out in JSON or in Python, else None. Nothing is executed."""
    if text[:1] not in "{[(" or text[-1:] not in "}])":
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            found: object = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return found if isinstance(found, dict | list | tuple) else None
    return None


def _is_weight(value: object) -> bool:
    # The bound keeps out infinity and integers that no float can hold; NaN fails any comparison.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


_AGE = re.compile(
    r"(\d{1,3}(?:[.,]\d+)?)\s*(y(?:o|rs?|ears?)?|m(?:o|onths?)?|w(?:ks?|eeks?)?|d(?:ays?)?)?(?: old)?"
)
_AGE_RANGE = re.compile(r"(\d{1,3})\s*(?:-|–|—|to)\s*(\d{1,3})(?:\s*y\w*)?")
_AGE_FLOOR = re.compile(r"(?:(?:>=|≥)\s*(\d{1,3})|(\d{1,3})\s*(?:\+|(?:or|and) (?:above|older|over)))")
_UNITS_A_YEAR = {"y": 1.0, "m": 12.0, "w": 52.1775, "d": 365.2425}


def _read_age(known: KnownField, text: str) -> tuple[Value, ...]:
    """An age in years: from a number, a DICOM age (``050Y``, ``018M``), a range or a floor (``85+``)."""
    plain = text.casefold().replace("_", " ").removeprefix("age ").strip()
    for read, vocabulary in ((_exact_age, YEARS), (_age_range, YEARS_RANGE)):
        if years := read(plain):
            return (Value(known.name, years, vocabulary=vocabulary),)
    return (Value(known.name, text),)


def _exact_age(plain: str) -> str | None:
    match = _AGE.fullmatch(plain)
    if not match:
        return None
    years = float(match[1].replace(",", ".")) / _UNITS_A_YEAR[(match[2] or "y")[0]]
    return f"{years:.2f}".rstrip("0").rstrip(".") if years <= _OLDEST_YEARS else None


def _age_range(plain: str) -> str | None:
    if match := _AGE_RANGE.fullmatch(plain):
        youngest, oldest = int(match[1]), int(match[2])
        return f"{youngest}-{oldest}" if youngest <= oldest <= _OLDEST_YEARS else None
    match = _AGE_FLOOR.fullmatch(plain)
    return f"{int(match[1] or match[2])}+" if match else None


_READERS: dict[str, Callable[[KnownField, str], tuple[Value, ...]]] = {
    "identifier": _read_identifier,
    "choice": _read_choice,
    "labels": _read_labels,
    "age": _read_age,
}
