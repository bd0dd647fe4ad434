"""The flat shape of DermaSynth: a JSON list of ``{"image", "question", "answer", …}``, one exchange a row.

The names of upstream's keys are not published, so reading accepts the likely ones.
"""

from __future__ import annotations

from typing import Any

from dermagui.datasets.rows import (
    UNTRAINABLE,
    Refusal,
    columns,
    exchange_turns,
    express,
    one_exchange,
    restored,
)
from dermagui.records import ExportRow

CANNOT = UNTRAINABLE | {
    Refusal.DIALOGUE,
    Refusal.SYSTEM_TURN,
    Refusal.SEVERAL_IMAGES,
    Refusal.TEXT_ONLY,
}

_IMAGE = ("image", "image_path", "file_name", "image_id")
_QUESTION = ("question", "instruction", "prompt")
_ANSWER = ("answer", "response", "output")


def encode(row: ExportRow) -> dict[str, object]:
    """One row as an object of the list."""
    question, answer = one_exchange(express(row.kind, row.turns, row.payload))
    return {
        "id": row.uid,
        "image": row.images[0],
        "question": question or "",
        "answer": answer,
        **columns(row),
    }


def decode(read: dict[str, Any]) -> ExportRow:
    """The row of one object. Raises ``KeyError`` where image, question or answer is missing."""
    image, question, answer = (_first(read, names) for names in (_IMAGE, _QUESTION, _ANSWER))
    own = {name: value for name, value in read.items() if name not in (*_IMAGE, *_QUESTION, *_ANSWER)}
    return restored(own, exchange_turns(question or None, answer), (image,))


def _first(read: dict[str, Any], names: tuple[str, ...]) -> str:
    """The value of the first of several names that is there."""
    for name in names:
        if name in read:
            return str(read[name])
    raise KeyError(names[0])
