"""Chat messages with typed parts, one JSON object a line: what trl, unsloth and most trainers read.

``{"id", "images": ["images/ab.jpg"], "messages": [{"role", "content": [{"type": "image", "text": null},
{"type": "text", "text": "…"}]}], "kind", "split", "payload", "turns", …provenance}``

Every row has the same keys and types. An image part bears ``text`` too, as null, because parts of two
shapes make ``datasets`` give up on their type; vision data sets of trl look the same when loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dermagui.datasets.rows import UNTRAINABLE, columns, express, restored
from dermagui.records import ExportRow, Role, Turn

CANNOT = UNTRAINABLE
"""All kinds are carried."""


def encode(row: ExportRow) -> dict[str, object]:
    """One row as the object of its line."""
    said = express(row.kind, row.turns, row.payload)
    return {
        "id": row.uid,
        "images": list(row.images),
        "messages": to_messages(said, len(row.images)),
        **columns(row),
    }


def decode(read: dict[str, Any]) -> ExportRow:
    """The row of one object; ``content`` may also be plain text, as other programs write it."""
    return restored(read, from_messages(read["messages"]), tuple(read.get("images") or ()))


def to_messages(turns: Sequence[Turn], image_count: int) -> list[dict[str, object]]:
    """Turns as messages; the images stand before the first question, or alone where a caption has none."""
    messages: list[tuple[Role, list[dict[str, str | None]]]] = [
        (turn.role, [{"type": "text", "text": turn.text}]) for turn in turns
    ]
    if image_count:
        first = next((n for n, (role, _) in enumerate(messages) if role is not Role.SYSTEM), len(messages))
        if first == len(messages) or messages[first][0] is not Role.USER:
            messages.insert(first, (Role.USER, []))
        messages[first][1][:0] = [{"type": "image", "text": None} for _ in range(image_count)]
    return [{"role": role.value, "content": content} for role, content in messages]


def from_messages(messages: Sequence[dict[str, Any]]) -> tuple[Turn, ...]:
    """The inverse of ``to_messages``: a message without text is no turn."""
    turns = []
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if texts := [part["text"] for part in parts if part["type"] == "text"]:
            turns.append(Turn(Role(message["role"]), "".join(texts)))
    return tuple(turns)
