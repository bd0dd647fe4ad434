"""Which fields of metadata may enter a prompt, when a value counts as missing, and how it reads there.

Values come from other people's tables: they are data, and may hold anything. What leaves this module is
one line without markup, so that no value can close a tag of the prompt or open one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from dermagui.library import fields

CLINICAL_FIELDS = MappingProxyType(
    {
        "modality": "imaging",
        "diagnosis": "diagnosis",
        "malignancy": "malignancy",
        "confirmed_by": "diagnosis confirmed by",
        "age": "age",
        "sex": "sex",
        "body_site": "body site",
        "fitzpatrick": "Fitzpatrick skin type",
        "monk": "Monk skin tone",
        "symptoms": "symptoms",
        "duration": "duration",
        "evolution": "evolution",
        "texture": "texture",
        "diameter_mm": "diameter in mm",
    }
)
"""Field → its name in a prompt. No other field ever enters a prompt: not patient, lesion, licence, file
name or note. The list is closed on purpose: a column that nobody thought of stays at home."""

VALUE_LIMIT_CHARACTERS = 200

_LOOKALIKES = str.maketrans(
    {"＜": "<", "﹤": "<", "‹": "<", "〈": "<", "＞": ">", "﹥": ">", "›": ">", "〉": ">"}
)
_TAG = re.compile(r"</?[^\W\d_][^<>]*>")
_WEIGHT = re.compile(r"\s*\(weight [\d.]+\)$")
_HIGHEST_AGE = 90


def is_missing(value: object) -> bool:
    """Whether a value says nothing: None, NaN, no letter or digit at all, or a word such as "unknown".

    Zero is a value, and so is False. The words are those by which the library reads tables.
    """
    text = "" if value is None else str(value)
    return fields.is_missing(text) or not any(character.isalnum() for character in text)


def clean_text(text: str) -> str:
    """One line without tags, control characters or invisible marks; a bare "<" becomes words.

    No "<" is left, so nothing in it can be taken for a tag; ">" stays, for hierarchies use it.
    """
    text = unicodedata.normalize("NFC", text).translate(_LOOKALIKES)
    if not text.isprintable():
        text = "".join(map(_visible, text))
    text = _TAG.sub(" ", text).replace("<", " less than ")
    return " ".join(text.split())


def readable_value(field: str, value: object) -> str:
    """A value as a prompt says it, or "" if it is missing; at most ``VALUE_LIMIT_CHARACTERS`` long.

    From 90 years on an age alone may tell who it is: no exact number is sent then.
    """
    if is_missing(value):
        return ""
    text = clean_text(str(value))
    if field == "age" and text.isdecimal() and int(text) >= _HIGHEST_AGE:
        text = f"{_HIGHEST_AGE} or over"
    if len(text) > VALUE_LIMIT_CHARACTERS:
        text = text[: VALUE_LIMIT_CHARACTERS - 1].rstrip() + "…"
    return "" if is_missing(text) else text


def readable_values(field: str, values: tuple[str, ...]) -> str:
    """All values of a field in one line, the missing ones and repetitions left out; "" if none is left."""
    return "; ".join(dict.fromkeys(filter(None, (readable_value(field, value) for value in values))))


def weighted_value(value: str, weight: float) -> str:
    """A value as one of several weighted ones stands in a prompt; a weight of 1 goes without saying."""
    return value if weight == 1 else f"{value} (weight {weight:.2g})"


def unweighted_value(value: str) -> str:
    """The value that ``weighted_value`` was given."""
    return _WEIGHT.sub("", value)


def present_values(metadata: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The values of each field that say something, without their weights."""
    return {
        field: [unweighted_value(value) for value in values if not is_missing(value)]
        for field, values in metadata.items()
    }


def _visible(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in {"Cc", "Zl", "Zp", "Zs"}:
        return " "
    # Joiners belong to the spelling of Persian, Hindi and others; every other format mark can only hide.
    if kind in {"Cf", "Cs", "Co", "Cn"} and character not in "\u200c\u200d":
        return ""
    return character
