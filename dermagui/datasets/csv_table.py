"""A table for people and spreadsheets: ``id, images, question, answer, …``, quoted as in RFC 4180.

UTF-8 with a byte order mark, without which Excel guesses the wrong alphabet; pandas and Python's csv
module (``utf-8-sig``) read it as it is. A text that a spreadsheet would run as a formula gets an
apostrophe before it, and so does a text that begins with one, so that reading can take it away again.
Provenance comes back as text: a table has no other type.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, BinaryIO

from dermagui.datasets.rows import (
    UNTRAINABLE,
    Refusal,
    columns,
    exchange_turns,
    express,
    one_exchange,
    restored,
)
from dermagui.errors import DataError
from dermagui.records import ExportRow

CANNOT = UNTRAINABLE | {Refusal.DIALOGUE, Refusal.SYSTEM_TURN, Refusal.SEPARATOR_IN_PATH}

_FORMULA_STARTS = tuple("=+-@\t\r\n'＝＋－＠")
_LONGEST_CELL = 2**31 - 1


def encode(row: ExportRow) -> dict[str, object]:
    """One row as cells; the paths of several images are joined by semicolons."""
    question, answer = one_exchange(express(row.kind, row.turns, row.payload))
    return {
        "id": row.uid,
        "images": ";".join(row.images),
        "question": question or "",
        "answer": answer,
        **columns(row),
    }


def decode(read: dict[str, Any]) -> ExportRow:
    """The row of one line's cells."""
    said = exchange_turns(read["question"] or None, read["answer"])
    return restored(read, said, tuple(read["images"].split(";")) if read["images"] else ())


def kept(row: ExportRow) -> ExportRow:
    """The row as a table gives it back: no generated turns, provenance as text."""
    worded: dict[str, object] = {name: _worded(value) for name, value in row.provenance.items()}
    return replace(row, generated_turns=(), provenance=worded)


def write_table(objects: Iterable[Mapping[str, object]], file: BinaryIO) -> int:
    """Write a header and one line an object, all with the keys of the first. Returns how many."""
    rows = iter(objects)
    first = next(rows, None)
    if first is None:
        return 0
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        writer = csv.DictWriter(text, list(first), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        count = 0
        for row in chain([first], rows):
            writer.writerow({name: guarded(value) for name, value in row.items()})
            count += 1
    finally:
        text.detach()  # else the wrapper closes the caller's file
    return count


def read_table(file: BinaryIO) -> Iterator[dict[str, str]]:
    """The lines of a table by the names of its header, apostrophes of ours taken away.

    Raises ``DataError``: ``dataset.not_utf8``, ``dataset.not_a_table`` (with the number of the line).
    """
    # Answers may be longer than the 131,072 characters that the module allows unless it is told.
    csv.field_size_limit(_LONGEST_CELL)
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    reader = csv.DictReader(text, strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise DataError("dataset.not_a_table", number=reader.line_num)
            yield {name: _unguarded(value) for name, value in row.items()}
    except csv.Error:
        raise DataError("dataset.not_a_table", number=reader.line_num) from None
    except UnicodeDecodeError:
        raise DataError("dataset.not_utf8") from None
    finally:
        text.detach()


def _worded(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def guarded(value: object) -> str:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else _worded(value)


def _unguarded(cell: str) -> str:
    return cell.removeprefix("'")
