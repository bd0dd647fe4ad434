"""The table of formats, and the four things that are done with each: can carry, write, read, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

from dermagui.datasets import alpaca, csv_table, dermasynth, llava, messages, preference, sharegpt
from dermagui.datasets.json_files import read_objects, write_lines, write_list
from dermagui.datasets.rows import RESERVED_COLUMNS, Refusal, kept, refusals
from dermagui.errors import DataError
from dermagui.records import ExportFormat, ExportRow

Writer = Callable[[Iterable[Mapping[str, object]], BinaryIO], int]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: what it refuses, a row to an object and back, objects to a file and back."""

    suffix: str
    cannot: frozenset[Refusal]
    encode: Callable[[ExportRow], dict[str, object]]
    decode: Callable[[dict[str, Any]], ExportRow]
    write: Writer = write_lines
    read: Callable[[BinaryIO], Iterator[dict[str, Any]]] = read_objects
    kept: Callable[[ExportRow], ExportRow] = kept


FORMATS = {
    ExportFormat.MESSAGES: Format(".jsonl", messages.CANNOT, messages.encode, messages.decode),
    ExportFormat.LLAVA: Format(".json", llava.CANNOT, llava.encode, llava.decode, write_list),
    ExportFormat.SHAREGPT: Format(".jsonl", sharegpt.CANNOT, sharegpt.encode, sharegpt.decode),
    ExportFormat.ALPACA: Format(".jsonl", alpaca.CANNOT, alpaca.encode, alpaca.decode),
    ExportFormat.DERMASYNTH: Format(
        ".json", dermasynth.CANNOT, dermasynth.encode, dermasynth.decode, write_list
    ),
    ExportFormat.CSV: Format(
        ".csv",
        csv_table.CANNOT,
        csv_table.encode,
        csv_table.decode,
        csv_table.write_table,
        csv_table.read_table,
        csv_table.kept,
    ),
    ExportFormat.PREFERENCE: Format(
        ".jsonl", preference.CANNOT, preference.encode, preference.decode, kept=preference.kept
    ),
}


def can_carry(row: ExportRow, export_format: ExportFormat) -> str | None:
    """The code of the first reason why a format cannot carry a row without loss, or None."""
    found = refusals(row) & FORMATS[export_format].cannot
    return next((refusal.value for refusal in Refusal if refusal in found), None)


def write_rows(exported: Iterable[ExportRow], file: BinaryIO, export_format: ExportFormat) -> int:
    """Write rows that ``can_carry`` let pass, as a stream; returns how many.

    Rows without images that come before the first row with images are held in memory until then. Raises
    ``DataError``: ``export.refused``, ``export.uneven_columns``, ``export.column_name``.
    """
    shape = FORMATS[export_format]
    return shape.write(map(shape.encode, _image_first(_checked(exported, export_format))), file)


def read_rows(file: BinaryIO, export_format: ExportFormat) -> Iterator[ExportRow]:
    """The rows of a file in a format, ours or another program's, as a stream.

    Raises ``DataError``: ``dataset.not_json``, ``dataset.not_utf8``, ``dataset.not_a_table``,
    ``dataset.turns_differ``, ``dataset.not_this_format`` (with the number of the row).
    """
    shape = FORMATS[export_format]
    for number, read in enumerate(shape.read(file), 1):
        try:
            row = shape.decode(read)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError("dataset.not_this_format", number=number, format=export_format.value) from error
        yield row


def same(row: ExportRow, read_back: ExportRow, export_format: ExportFormat) -> bool:
    """Whether a row came back as the format promises to keep it."""
    return FORMATS[export_format].kept(row) == read_back


def _checked(exported: Iterable[ExportRow], export_format: ExportFormat) -> Iterator[ExportRow]:
    """The rows, as long as the format carries them and their provenance columns are all alike.

    A column whose type changes, or that is null, in a row far down stops ``datasets`` from reading the file.
    """
    expected: dict[str, type] | None = None
    for row in exported:
        if reason := can_carry(row, export_format):
            raise DataError("export.refused", pair=row.uid, reason=reason)
        types = {name: type(value) for name, value in row.provenance.items()}
        if expected is None:
            _check_names(types)
            expected = types
        if types != expected or not set(types.values()) <= {str, int, float, bool}:
            raise DataError("export.uneven_columns", pair=row.uid, columns=sorted(types))
        yield row


def _check_names(columns: Mapping[str, type]) -> None:
    if taken := sorted(RESERVED_COLUMNS & columns.keys()):
        raise DataError("export.column_name", columns=taken)


def _image_first(exported: Iterable[ExportRow]) -> Iterator[ExportRow]:
    """The rows, one with images first if there is any.

    ``datasets`` takes the types of a file from its first ten megabytes; an ``images`` column that is empty
    until then has none, and the first path makes loading fail.
    """
    remaining = iter(exported)
    held: list[ExportRow] = []
    for row in remaining:
        if row.images:
            return chain([row], held, remaining)
        held.append(row)
    return iter(held)
