"""From the columns of a table to known fields: guessed, or said by a person, and then read row by row.

A column that no field claims is kept under its own name: nothing that a table says is lost.

Errors: ``UserError`` for a mapping that does not fit the table.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from dermagui.errors import UserError
from dermagui.library.fields import (
    AS_WRITTEN,
    HIERARCHY,
    PATH_SEPARATOR,
    KnownField,
    Value,
    as_flag,
    clean_name,
    column_key,
    heaviest,
    is_missing,
    known_fields,
    normalise,
)
from dermagui.paths import display_path

IMAGE = "image"
"""The field whose columns name the files; it says nothing about them and becomes no value."""

ColumnMapping = dict[str, tuple[str, ...]]
"""From the name of a field to the columns that it is read from; none: the field is not read at all."""

_CELLS_TO_JUDGE = 200


def guess_mapping(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> ColumnMapping:
    """Which columns mean which known field, judged by their names and by what stands in them.

    A column may serve two fields (the first level of a diagnosis is a malignancy).
    """
    by_name = {column_key(column): column for column in reversed(columns)}
    mapping: ColumnMapping = {}
    for known in known_fields().values():
        fitting = (found for found in _candidates(known, by_name) if _fits(known, found, rows))
        if chosen := next(fitting, None):
            mapping[known.name] = chosen
    return mapping


def _candidates(known: KnownField, by_name: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    for group in (*known.columns, tuple(known.flags)):
        if found := tuple(by_name[name] for name in group if name in by_name):
            yield found


def _fits(known: KnownField, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> bool:
    """Whether at least half of what stands in the columns can mean the field; a header alone can."""
    if not rows:
        return True
    cells = ((column, row[column]) for row in rows for column in columns if not is_missing(row.get(column)))
    judged = [_can_mean(known, column, raw) for column, raw in islice(cells, _CELLS_TO_JUDGE)]
    return 2 * sum(judged) >= len(judged) > 0


def _can_mean(known: KnownField, column: str, raw: str) -> bool:
    if column_key(column) in known.flags:
        return as_flag(raw) is not None
    if known.kind == "labels":
        return not re.fullmatch(r"[-+]?[\d.,]+", raw.strip())
    said = normalise(known.name, raw)
    return bool(said) and all(value.vocabulary != AS_WRITTEN for value in said)


def parse_mapping(texts: Iterable[str], columns: Sequence[str]) -> ColumnMapping:
    """The mapping that options such as ``diagnosis=dx`` or ``image=image_1,image_2`` spell out.

    ``sex=`` says that no column is the sex. Errors: ``UserError`` for a text without ``=``, a field that
    is named twice or misspelt, a column that the table lacks.
    """
    pairs = []
    for text in texts:
        field, equals, column = text.partition("=")
        if not equals or not field.strip():
            raise UserError("mapping.malformed", text=text)
        whole = _find_column(column, columns) if column.strip() else None
        pairs.append((field, [whole] if whole else [part for part in column.split(",") if part.strip()]))
    return _checked_mapping(pairs, columns)


def read_mapping(path: Path, columns: Sequence[str]) -> ColumnMapping:
    """The mapping of a JSON file: an object from field to a column or to a list of columns."""
    try:
        pairs = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=list)
        named = [(field, [said] if isinstance(said, str) else said or []) for field, said in pairs]
        if not all(isinstance(column, str) for _, found in named for column in found):
            raise ValueError("a column is named by text")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError("mapping.file_invalid", path=display_path(path), reason=reason) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError("mapping.file_invalid", path=display_path(path), reason=str(error)) from error
    return _checked_mapping(named, columns)


def _checked_mapping(pairs: Iterable[tuple[str, Sequence[str]]], columns: Sequence[str]) -> ColumnMapping:
    mapping: ColumnMapping = {}
    for said, names in pairs:
        field = clean_name(said)
        near = difflib.get_close_matches(field, known_fields(), cutoff=0.75)
        if field not in known_fields() and near:
            raise UserError("mapping.field_unknown", field=said.strip(), near=near)
        if field in mapping:
            raise UserError("mapping.field_twice", field=field)
        mapping[field] = tuple(_required_column(name, columns) for name in names)
    return mapping


def _required_column(name: str, columns: Sequence[str]) -> str:
    found = _find_column(name, columns)
    if found is None:
        near = difflib.get_close_matches(name.strip(), columns, cutoff=0.5)
        raise UserError("mapping.column_unknown", column=name.strip(), near=near, columns=list(columns))
    return found


def _find_column(name: str, columns: Sequence[str]) -> str | None:
    """The column of that name; letter case, spaces and underscores do not matter where one is meant."""
    if name.strip() in columns:
        return name.strip()
    like = [column for column in columns if column_key(column) == column_key(name)]
    return like[0] if len(like) == 1 else None


def read_values(row: Mapping[str, str], mapping: ColumnMapping) -> tuple[Value, ...]:
    """All that a row says: its mapped columns as fields, every other column under its own name.

    A column that is called like a known field but was not mapped to it becomes ``<name>_as_written``.
    """
    mapped = {column for columns in mapping.values() for column in columns}
    said = [
        value
        for field, columns in mapping.items()
        if field != IMAGE
        for value in _read_columns(field, columns, row)
    ]
    for column, raw in row.items():
        if column not in mapped:
            name = clean_name(column)
            said += normalise(f"{name}_as_written" if name in known_fields() else name, raw)
    return tuple(said)


def _read_columns(field: str, columns: Sequence[str], row: Mapping[str, str]) -> tuple[Value, ...]:
    known = known_fields().get(field)
    if known and known.joins_path and len(columns) > 1:
        levels = [row[column].strip() for column in columns if not is_missing(row.get(column))]
        levels = [level for n, level in enumerate(levels) if n == 0 or level != levels[n - 1]]
        if len(levels) > 1:
            return (Value(field, PATH_SEPARATOR.join(levels), vocabulary=HIERARCHY),)
        return normalise(field, levels[0]) if levels else ()
    return heaviest(
        value for column in columns for value in _read_cell(known, field, column, row.get(column))
    )


def _read_cell(known: KnownField | None, field: str, column: str, raw: str | None) -> tuple[Value, ...]:
    meaning = known.flags.get(column_key(column)) if known else None
    if known is None or meaning is None or raw is None or is_missing(raw):
        return normalise(field, raw)
    said = as_flag(raw)
    if said is None:
        return (Value(field, f"{meaning}: {raw.strip()}"),)
    return (Value(field, meaning, vocabulary=known.vocabulary),) if said else ()
