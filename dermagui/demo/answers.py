"""Understands a generateContent body and writes the rehearsed answer to it: plain words about the picture.

The prompt marks its parts with lines: ``<hint>`` (what the reader of the pair never sees), ``<context>``
(what he gets too), each of them lines of "field: value", and ``<question>``. The same request gets the same
answer in any order and on any day.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .readings import Reading
from .wording import DIAGNOSES, NEW_QUESTIONS, NO_PICTURE, REFUSALS, guess_label, speak

Json = dict[str, Any]


class Slip(StrEnum):
    """A wrong that an answer commits on purpose, for the checks to find."""

    LEAK = "leak"
    """It tells what only the hint said."""
    WRONG = "wrong"
    """It contradicts the label in the hint or context."""
    DUPLICATE = "duplicate"
    """It says the same to every question about its image."""
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks. Hashes are SHA-256 in hex."""

    fingerprint: str
    """Of the canonical JSON of the body, each picture replaced by the hash of its bytes."""
    key: str
    """The same of ``contents`` alone: it stays when a retry allows a longer answer."""
    pictures: tuple[bytes, ...]
    """Encoded, in the order of the prompt."""
    image_hashes: tuple[str, ...]
    text: str
    question: str
    hint: dict[str, str]
    context: dict[str, str]
    schema: Json
    """What the answer must look like; {} for plain text."""


def read_request(raw: bytes) -> Asked:
    """Parse the body of generateContent or countTokens. Raises ValueError where it is not one."""
    body = json.loads(raw)
    if not isinstance(body, dict) or not isinstance(body.get("contents"), list):
        raise ValueError("contents is not specified")
    pictures: list[tuple[bytes, str]] = []
    texts = []
    for part in _parts(body):
        if data := _inner(part, "inlineData"):
            encoded = _decode_base64(data.get("data", ""))
            data["data"] = hashlib.sha256(encoded).hexdigest()
            pictures.append((encoded, data["data"]))
        elif part.get("text"):
            texts.append(str(part["text"]))
    text = "\n".join(texts)
    settings = _inner(body, "generationConfig")
    return Asked(
        fingerprint=_hash(body),
        key=_hash(body["contents"]),
        pictures=tuple(encoded for encoded, _ in pictures),
        image_hashes=tuple(sha256 for _, sha256 in pictures),
        text=text,
        question=" ".join(_marked(text, "question").split()),
        hint=_fields(_marked(text, "hint")),
        context=_fields(_marked(text, "context")),
        schema=_inner(settings, "responseJsonSchema") or _inner(settings, "responseSchema"),
    )


def _inner(holder: Json, name: str) -> Json:
    """Look up an object by its camelCase name or its snake_case twin (both are sent); {} if missing."""
    twin = re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name)
    return holder.get(name) or holder.get(twin) or {}


def write_answer(asked: Asked, readings: tuple[Reading, ...], slip: Slip | None) -> str:
    """Answer a request in the shape that it asks for: JSON by its schema, else plain text."""
    words = _words(asked, readings, slip)
    if not asked.schema:
        return words
    return json.dumps(_fill(asked.schema, "answer", words, asked), ensure_ascii=False)


def can_slip(slip: Slip, asked: Asked) -> bool:
    """Tell whether a request gives cause for a slip: no leak without a hint, no contradiction of no label."""
    if slip is Slip.LEAK:
        return any(asked.hint.values())
    return slip is not Slip.WRONG or bool({"diagnosis", "malignancy"} & (asked.hint | asked.context).keys())


def _parts(body: Json) -> Iterator[Json]:
    for content in (_inner(body, "systemInstruction"), *body["contents"]):
        yield from content.get("parts", ())


def _decode_base64(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"inline data is not base64: {error}") from error


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _marked(text: str, mark: str) -> str:
    found = re.search(rf"^\s*<{mark}>(.*?)</{mark}>", text, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def _fields(lines: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines.splitlines() if ":" in line)
    return {name.strip(" -").lower().replace(" ", "_"): value.strip() for name, _, value in pairs}


def _fill(schema: Json, name: str, words: str, asked: Asked) -> object:
    """Make the smallest value that a schema admits, with the words wherever a text is due."""
    match str(schema.get("type", "object")).lower():
        case "object":
            inner = schema.get("properties", {})
            return {key: _fill(part, key, words, asked) for key, part in inner.items()}
        case "array":
            count = int(schema.get("minItems") or schema.get("min_items") or 1)
            return [_fill(schema.get("items", {"type": "string"}), name, words, asked) for _ in range(count)]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
    if schema.get("enum"):
        return random.Random(asked.key).choice(schema["enum"])
    return random.Random(asked.key + "question").choice(NEW_QUESTIONS) if name == "question" else words


def _is_creative(asked: Asked) -> bool:
    """Tell whether the answer has to bring its own question."""
    return "question" in asked.schema.get("properties", {})


def _words(asked: Asked, readings: tuple[Reading, ...], slip: Slip | None) -> str:
    dice = random.Random(asked.key)
    if slip is Slip.REFUSAL:
        return dice.choice(REFUSALS)
    if not readings:
        return NO_PICTURE
    labels = asked.hint | asked.context
    label = _first_diagnosis(labels) or guess_label(readings[0])
    if slip is Slip.DUPLICATE:
        return speak("", False, readings[0], label, random.Random("".join(asked.image_hashes)))
    if slip is Slip.WRONG:
        label, malignancy = _opposite(labels)
        return f"{_speak(asked, readings, label, dice)} The diagnosis is {label}, a {malignancy} lesion."
    words = _speak(asked, readings, label, dice)
    return f"{words} {_leak(asked.hint)}" if slip is Slip.LEAK else words


def _speak(asked: Asked, readings: tuple[Reading, ...], label: str, dice: random.Random) -> str:
    words = speak(asked.question or asked.text, _is_creative(asked), readings[0], label, dice)
    return words if len(readings) == 1 else f"Of {len(readings)} pictures, this is about the first. {words}"


def _first_diagnosis(labels: dict[str, str]) -> str:
    """Take the heaviest diagnosis of a list, and of a path from the general to the special its end."""
    return re.split(r";| \(weight", labels.get("diagnosis", ""))[0].split(" > ")[-1].strip()


def _leak(hint: dict[str, str]) -> str:
    """Tell what only the hint said, age and diagnosis first."""
    wordings = {
        "age": "the patient is aged {}",
        "diagnosis": "the recorded diagnosis is {}",
        "sex": "the patient is {}",
        "body_site": "the site is the {}",
        "malignancy": "the lesion was recorded as {}",
    }
    known = hint | {"diagnosis": _first_diagnosis(hint)}
    told = [words.format(known[field]) for field, words in wordings.items() if known.get(field)]
    rest = [f"the {field.replace('_', ' ')} is given as {value}" for field, value in hint.items() if value]
    return f"As noted, {' and '.join((told or rest)[:2])}."


def _opposite(labels: dict[str, str]) -> tuple[str, str]:
    """Choose the diagnosis and malignancy that contradict the labels."""
    diagnosis = _first_diagnosis(labels).lower()
    known = labels.get("malignancy", "").lower() or DIAGNOSES.get(diagnosis, diagnosis)
    is_malignant = bool(re.search(r"^malig|melanoma|carcinoma", known))
    return ("naevus", "benign") if is_malignant else ("melanoma", "malignant")
