"""ShareGPT JSON Lines as LLaMA-Factory reads them: ``{"conversations": [{"from", "value"}], "images", …}``.

``from`` is ``system`` (first only), ``human`` or ``gpt``; there are as many ``<image>`` marks as images.
Its ``dataset_info.json`` needs ``"formatting": "sharegpt"`` and ``"columns": {"messages":
"conversations", "images": "images"}``; speakers and keys are its defaults.
"""

from __future__ import annotations

from typing import Any

from dermagui.datasets.llava import from_conversation, to_conversation
from dermagui.datasets.rows import UNTRAINABLE, Refusal, columns, express, restored
from dermagui.records import ExportRow

CANNOT = UNTRAINABLE | {Refusal.IMAGE_MARK}
"""A mark in a text would be counted as an image."""


def encode(row: ExportRow) -> dict[str, object]:
    """One row as the object of its line."""
    said = express(row.kind, row.turns, row.payload)
    return {
        "id": row.uid,
        "images": list(row.images),
        "conversations": to_conversation(said, len(row.images)),
        **columns(row),
    }


def decode(read: dict[str, Any]) -> ExportRow:
    """The row of one object."""
    return restored(read, from_conversation(read["conversations"]), tuple(read.get("images") or ()))
