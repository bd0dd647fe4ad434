"""Alpaca JSON Lines: ``{"instruction", "input", "output", "images", …}``, one exchange a row.

LLaMA-Factory wants one ``<image>`` mark for each image and finds them in ``instruction``; its
``dataset_info.json`` needs ``"columns": {"images": "images"}`` beside its defaults.
"""

from __future__ import annotations

from typing import Any

from dermagui.datasets.llava import marked, unmarked
from dermagui.datasets.rows import (
    UNTRAINABLE,
    Refusal,
    columns,
    exchange_turns,
    express,
    one_exchange,
    restored,
)
from dermagui.records import ExportRow, PairKind

CANNOT = UNTRAINABLE | {Refusal.DIALOGUE, Refusal.SYSTEM_TURN, Refusal.IMAGE_MARK}


def encode(row: ExportRow) -> dict[str, object]:
    """One row as the object of its line; only an instruction fills ``input``."""
    question, answer = one_exchange(express(row.kind, row.turns, row.payload))
    further = ""
    if row.kind is PairKind.INSTRUCTION and question != (asked := one_exchange(row.turns)[0]):
        question, further = asked, str(row.payload["input"])
    return {
        "id": row.uid,
        "instruction": marked(question, len(row.images)),
        "input": further,
        "output": answer,
        "images": list(row.images),
        **columns(row),
    }


def decode(read: dict[str, Any]) -> ExportRow:
    """The row of one object; instruction and input make one question."""
    question, further = unmarked(read["instruction"]), read.get("input")
    if further:
        question = f"{question}\n\n{further}"
    return restored(read, exchange_turns(question, read["output"]), tuple(read.get("images") or ()))
