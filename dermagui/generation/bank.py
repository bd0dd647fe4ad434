"""Question banks: reading them strictly, importing foreign ones, and drawing questions for an image.

A bank is a JSON object ``{name, version, language, licence, questions}``; a question is
``{key, type, kind, weight, modalities, variations}``. ``{placeholders}`` in a variation name clinical
fields of the image; where the image has no such value the variation is not eligible.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from dermagui.errors import DataError, UserError
from dermagui.generation.fields import CLINICAL_FIELDS, readable_value
from dermagui.records import Bank, ChosenQuestion, PairKind, Question

CREATIVE_TYPES = frozenset({"creative", "creativity", "creative_question_and_answer"})
"""Types for which the teacher writes the question as well as the answer."""

DIAGNOSIS_TYPES = frozenset(
    {
        "diagnosis",
        "ask_for_diagnosis",
        "differential",
        "differential_diagnosis",
        "identify",
        "identify_the_lesion",
        "malignancy_assessment",
        "diagnostic_reasoning",
        "comprehensive_assessment",
    }
)
"""Types whose task is to name a diagnosis: naming the true one is no leak of hidden metadata there."""

_HEAD = ("name", "version", "language", "licence")
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_UPSTREAM_FIELDS = MappingProxyType(
    {
        "anatom_site_general": "body_site",
        "localization": "body_site",
        "body_parts": "body_site",
        "age_approx": "age",
        "textures": "texture",
        "label": "diagnosis",
    }
)

_Value = TypeVar("_Value")


def type_slug(question_type: str) -> str:
    """A type as it is compared: lower case, words joined by ``_``, without a number at the end."""
    return re.sub(r"[\W_]+", "_", re.sub(r"[\s_]*\d+$", "", question_type.strip()).casefold()).strip("_")


def is_creative(question_type: str) -> bool:
    """Whether the teacher writes the question too."""
    return type_slug(question_type) in CREATIVE_TYPES


def asks_for_diagnosis(question_type: str) -> bool:
    """Whether naming a diagnosis is the task of this type."""
    return type_slug(question_type) in DIAGNOSIS_TYPES


def load_bank(path: Path) -> Bank:
    """Read a bank and check all of it. ``UserError`` if it cannot be read, ``DataError`` if it is wrong."""
    return parse_bank(_read_json(path))


def parse_bank(raw: object) -> Bank:
    """A bank from the JSON of its file, checked like one. Raises ``DataError``."""
    raw = _typed(raw, dict, "bank")
    _check_keys(raw, {*_HEAD, "questions"}, "bank")
    questions = tuple(
        _question(question, f"questions[{n}]")
        for n, question in enumerate(_typed(raw["questions"], list, "questions"))
    )
    name, version, language, licence = (_text(raw[key], key) for key in _HEAD)
    return _sealed(Bank(name, version, language, licence, questions, sha256=""))


def parse_question(raw: object) -> Question:
    """One question of a bank, checked by itself. Raises ``DataError``."""
    return _question(raw, "question")


def bank_as_json(bank: Bank) -> dict[str, Any]:
    """What the file of a bank holds; ``parse_bank`` gives the same bank back."""
    told = asdict(bank)
    del told["sha256"]
    return json.loads(json.dumps(told))  # type: ignore[no-any-return]


def import_bank(path: Path, name: str, licence: str, sections: tuple[str, ...] = ()) -> Bank:
    """Read a bank in the shape section → list of ``{question_type, variations}`` (``prompt_samples.json``).

    Types that differ only by a number at the end ("Identify the Lesion 2") become one question whose
    weight is their count: repeating a type was how that shape weighted it. A variation that was seen
    before is left out. ``sections`` names the sections to take; none means all.
    """
    raw = _typed(_read_json(path), dict, "bank")
    if unknown := sorted(set(sections) - set(raw)):
        raise UserError("bank.unknown_section", unknown=unknown, known=sorted(raw))
    seen: set[str] = set()
    questions = [
        question
        for section in sections or tuple(raw)
        for question in _import_section(section, _typed(raw[section], list, section), seen)
    ]
    return _sealed(Bank(name, "imported", "en", licence, tuple(questions), sha256=""))


def bank_sha256(bank: Bank) -> str:
    """The hash of all that a bank says, whatever the layout of its file."""
    content = {key: value for key, value in asdict(bank).items() if key != "sha256"}
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@lru_cache(maxsize=4096)
def placeholders(text: str) -> frozenset[str]:
    """The fields that a variation asks for."""
    return frozenset(_PLACEHOLDER.findall(text))


def fill(text: str, fields: Mapping[str, str]) -> str:
    """The text with its placeholders filled. ``DataError`` if a value is missing."""

    def value_of(found: re.Match[str]) -> str:
        value = readable_value(found[1], fields.get(found[1]))
        if not value or found[1] not in CLINICAL_FIELDS:
            raise DataError("bank.missing_value", placeholder=found[1])
        return value

    return _PLACEHOLDER.sub(value_of, text)


def eligible_questions(
    bank: Bank, fields: Mapping[str, str], modality: str | None
) -> tuple[tuple[Question, tuple[int, ...]], ...]:
    """The questions that can be put to an image, each with the numbers of its eligible variations."""
    known = {field for field in CLINICAL_FIELDS if readable_value(field, fields.get(field))}
    fitting = (
        (question, tuple(n for n, text in enumerate(question.variations) if placeholders(text) <= known))
        for question in bank.questions
        if not question.modalities or modality in question.modalities
    )
    return tuple((question, variations) for question, variations in fitting if variations)


def choose_questions(
    bank: Bank, image_key: str, fields: Mapping[str, str], modality: str | None, count: int, seed: int
) -> tuple[ChosenQuestion, ...]:
    """Draw up to ``count`` different questions for an image, by weight.

    The draw depends on seed, image and question only: neither on other images, nor on their order, nor
    on what else is in the bank. Every eligible question is drawn once before one comes a second time,
    then with another variation; no variation comes twice, so fewer may be drawn than were asked for.
    """
    eligible = eligible_questions(bank, fields, modality)
    drawn: list[ChosenQuestion] = []
    for turn in range(max((len(variations) for _, variations in eligible), default=0)):
        if len(drawn) >= count:
            break
        left = [(question, variations) for question, variations in eligible if len(variations) > turn]
        # Sorted by exponential luck over weight, a list is a weighted draw without replacement.
        left.sort(key=lambda pair: _luck(seed, image_key, pair[0].key, turn) / pair[0].weight)
        for question, variations in left[: count - len(drawn)]:
            variation = _shuffled(question, variations, seed, image_key)[turn]
            drawn.append(ChosenQuestion(question, variation, fill(question.variations[variation], fields)))
    return tuple(drawn)


def _luck(*what: object) -> float:
    """An exponentially distributed number that depends on nothing but its arguments."""
    digest = hashlib.blake2b("\0".join(map(str, what)).encode(), digest_size=8).digest()
    return -math.log((int.from_bytes(digest, "big") + 1) / 2**64)


def _shuffled(question: Question, variations: tuple[int, ...], seed: int, image_key: str) -> list[int]:
    return sorted(variations, key=lambda n: _luck(seed, image_key, question.key, question.variations[n]))


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError("bank.unreadable", path=str(path), reason=error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise DataError("bank.not_json", path=str(path), reason=str(error)) from error


def _sealed(bank: Bank) -> Bank:
    """The bank with its hash, once its questions do not contradict each other."""
    if not bank.questions:
        raise DataError("bank.empty", name=bank.name)
    keys: set[str] = set()
    owners: dict[str, str] = {}
    for question in bank.questions:
        if question.key in keys:
            raise DataError("bank.duplicate_key", key=question.key)
        keys.add(question.key)
        for text in question.variations:
            if _folded(text) in owners:
                raise DataError(
                    "bank.duplicate_variation", text=text, keys=[owners[_folded(text)], question.key]
                )
            owners[_folded(text)] = question.key
    return replace(bank, sha256=bank_sha256(bank))


def _question(raw: object, where: str) -> Question:
    fields = _typed(raw, dict, where)
    _check_keys(fields, {"key", "type", "kind", "weight", "variations", "modalities"}, where)
    key = _text(fields["key"], f"{where}.key")
    variations = _texts(fields["variations"], f"{where}.variations")
    if not variations:
        raise DataError("bank.no_variations", key=key)
    for text in variations:
        _check_placeholders(text, key)
    return Question(
        key=key,
        type=_text(fields["type"], f"{where}.type"),
        kind=_kind(fields["kind"], key),
        weight=_weight(fields["weight"], key),
        variations=variations,
        modalities=_texts(fields["modalities"], f"{where}.modalities"),
    )


def _import_section(section: str, raw: list[object], seen: set[str]) -> Iterator[Question]:
    types: dict[str, tuple[int, list[str]]] = {}
    for n, theme in enumerate(raw):
        fields = _typed(theme, dict, f"{section}[{n}]")
        _check_keys(fields, {"question_type", "variations"}, f"{section}[{n}]")
        slug = type_slug(_text(fields["question_type"], f"{section}[{n}].question_type"))
        texts = map(_upstream_text, _texts(fields["variations"], f"{section}[{n}].variations"))
        count, known = types.get(slug, (0, []))
        for text in texts:
            if _folded(text) not in seen:
                seen.add(_folded(text))
                known.append(text)
        types[slug] = (count + 1, known)
    for slug, (count, variations) in types.items():
        for text in variations:
            _check_placeholders(text, slug)
        if variations:
            yield Question(f"{section}.{slug}", slug, PairKind.OPEN, float(count), tuple(variations))


def _upstream_text(text: str) -> str:
    return _PLACEHOLDER.sub(lambda found: "{" + _UPSTREAM_FIELDS.get(found[1], found[1]) + "}", text)


def _check_placeholders(text: str, key: str) -> None:
    if set("{}") & set(_PLACEHOLDER.sub("", text)):
        raise DataError("bank.bad_placeholder", key=key, text=text)
    if unknown := sorted(placeholders(text) - set(CLINICAL_FIELDS)):
        raise DataError("bank.unknown_placeholder", key=key, unknown=unknown, known=list(CLINICAL_FIELDS))


def _check_keys(raw: Mapping[str, object], expected: set[str], where: str) -> None:
    if missing := sorted(expected - set(raw)):
        raise DataError("bank.missing_key", where=where, missing=missing)
    if unknown := sorted(set(raw) - expected):
        raise DataError("bank.unknown_key", where=where, unknown=unknown)


def _kind(raw: object, key: str) -> PairKind:
    if raw != PairKind.OPEN:
        raise DataError("bank.bad_kind", key=key, kind=str(raw))
    return PairKind.OPEN


def _weight(raw: object, key: str) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool) and 0 < raw < math.inf:
        return float(raw)
    raise DataError("bank.bad_weight", key=key, weight=str(raw))


def _texts(raw: object, where: str) -> tuple[str, ...]:
    return tuple(_text(text, f"{where}[{n}]") for n, text in enumerate(_typed(raw, list, where)))


def _text(raw: object, where: str) -> str:
    text = _typed(raw, str, where).strip()
    if not any(map(str.isalnum, text)):
        raise DataError("bank.empty_text", where=where)
    return text


def _typed(raw: object, kind: type[_Value], where: str) -> _Value:
    if not isinstance(raw, kind):
        raise DataError("bank.wrong_type", where=where, expected=kind.__name__, found=type(raw).__name__)
    return raw


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
