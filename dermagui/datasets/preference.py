"""Preferences: the text that a person wrote against the one that the model wrote, in trl's shape.

``{"id", "images", "prompt": [messages], "chosen": [message], "rejected": [message], …}``, one JSON
object a line, with the typed parts of ``messages``. Only rows whose last answer was edited qualify: were
an earlier turn different too, the two answers would not answer the same thing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dermagui.datasets.messages import from_messages, to_messages
from dermagui.datasets.rows import (
    UNTRAINABLE,
    Refusal,
    columns,
    express,
    restored,
    stored_turns,
    unstored_turns,
)
from dermagui.records import ExportRow

CANNOT = UNTRAINABLE | {Refusal.UNCHANGED, Refusal.EARLIER_TURN_CHANGED}


def encode(row: ExportRow) -> dict[str, object]:
    """One row as the object of its line."""
    said = express(row.kind, row.turns, row.payload)
    generated = express(row.kind, row.generated_turns, row.payload)
    return {
        "id": row.uid,
        "images": list(row.images),
        "prompt": to_messages(said[:-1], len(row.images)),
        "chosen": to_messages(said[-1:], 0),
        "rejected": to_messages(generated[-1:], 0),
        **columns(row),
        "generated_turns": stored_turns(row, row.generated_turns),
    }


def decode(read: dict[str, Any]) -> ExportRow:
    """The row of one object, generated turns included."""
    prompt = from_messages(read["prompt"])
    row = restored(read, prompt + from_messages(read["chosen"]), tuple(read.get("images") or ()))
    generated = prompt + from_messages(read["rejected"])
    return replace(
        row,
        generated_turns=unstored_turns(read, "generated_turns", row.kind, row.payload, generated),
    )


def kept(row: ExportRow) -> ExportRow:
    """The row as this format gives it back: whole."""
    return row
