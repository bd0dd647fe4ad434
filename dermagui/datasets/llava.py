"""LLaVA JSON: one list of ``{"id", "image", "conversations": [{"from": "human" | "gpt", "value"}], …}``.

As LLaVA's own loader reads it: a row without an image has no key ``image``; several images are a list
(LLaVA-NeXT); each ``<image>`` mark stands on a line of its own before the first question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dermagui.datasets.rows import IMAGE_MARK, UNTRAINABLE, Refusal, columns, express, restored
from dermagui.records import ExportRow, Role, Turn

CANNOT = UNTRAINABLE | {Refusal.SYSTEM_TURN, Refusal.IMAGE_MARK}
"""LLaVA's loader knows two speakers, and counts the marks."""

_SPEAKERS = {Role.SYSTEM: "system", Role.USER: "human", Role.ASSISTANT: "gpt"}
_ROLES = {speaker: role for role, speaker in _SPEAKERS.items()} | {role.value: role for role in Role}


def encode(row: ExportRow) -> dict[str, object]:
    """One row as an object of the list."""
    said = express(row.kind, row.turns, row.payload)
    image = row.images[0] if len(row.images) == 1 else list(row.images)
    return {
        "id": row.uid,
        **({"image": image} if row.images else {}),
        "conversations": to_conversation(said, len(row.images)),
        **columns(row),
    }


def decode(read: dict[str, Any]) -> ExportRow:
    """The row of one object."""
    image = read.get("image") or ()
    images = (image,) if isinstance(image, str) else tuple(image)
    return restored(read, from_conversation(read["conversations"]), images)


def to_conversation(turns: Sequence[Turn], image_count: int) -> list[dict[str, str]]:
    """Turns as speakers and values; a caption without a question answers the bare marks."""
    values = [(turn.role, turn.text) for turn in turns]
    if image_count:
        first = next((n for n, (role, _) in enumerate(values) if role is not Role.SYSTEM), len(values))
        asked = values[first][1] if first < len(values) and values[first][0] is Role.USER else None
        values[first : first + (asked is not None)] = [(Role.USER, marked(asked, image_count))]
    return [{"from": _SPEAKERS[role], "value": value} for role, value in values]


def from_conversation(conversation: Sequence[dict[str, str]]) -> tuple[Turn, ...]:
    """The inverse of ``to_conversation``; marks of other programs may stand anywhere."""
    said = [(_ROLES[turn["from"]], unmarked(turn["value"])) for turn in conversation]
    return tuple(Turn(role, text) for role, text in said if text is not None)


def marked(text: str | None, image_count: int) -> str:
    """A question with a mark before it for each image, or the marks alone."""
    return "\n".join([IMAGE_MARK] * image_count + ([] if text is None else [text]))


def unmarked(value: str) -> str | None:
    """The inverse of ``marked``: None where there is nothing but marks."""
    if re.fullmatch(rf"({IMAGE_MARK}\n?)*{IMAGE_MARK}", value):
        return None
    text = re.sub(rf"^({IMAGE_MARK}\n)+", "", value)
    return text.replace(f"\n{IMAGE_MARK}", "").replace(IMAGE_MARK, "")
