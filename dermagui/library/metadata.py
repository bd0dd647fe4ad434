"""Reads a table of metadata into rows about the files of a source."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dermagui.jobs.report import Report
from dermagui.library.columns import (
    IMAGE,
    ColumnMapping,
    guess_mapping,
    parse_mapping,
    read_mapping,
    read_values,
)
from dermagui.library.fields import Value
from dermagui.library.matching import Matching, match_rows
from dermagui.library.tables import Table, read_table
from dermagui.paths import display_path
from dermagui.records import FileState, Origin
from dermagui.storage import images
from dermagui.storage.database import Store
from dermagui.storage.metadata import FileStatements, Statement, remove_statements, save_statements

_CASE_FIELDS = ("patient", "lesion", "visit")
_NAMED_AT_MOST = 20


def import_table(
    store: Store, source_id: int, path: Path, mapping_texts: Sequence[str], report: Report
) -> dict[str, Any]:
    """Fills metadata from a CSV, TSV, XLSX or JSON file; returns the counts and the mapping that was used.

    ``mapping_texts`` are ``field=column`` pairs, or one path of a JSON file with them; what they do not
    name is guessed from the columns. Values of the same table of an earlier time are replaced.
    """
    table = read_table(path)
    for note in table.notes:
        report.warn(note.code, **note.values)
    said = _said_mapping(mapping_texts, table)
    mapping = guess_mapping(table.columns, table.rows) | said
    files = _files_of(store, source_id)
    # Trying the columns against the files is safer than guessing the column of file names by its own name.
    matching = match_rows(table.rows, said.get(IMAGE), files)
    mapping[IMAGE] = matching.id_columns
    name = display_path(path.resolve())
    remove_statements(store, source_id, Origin.FILE, name)
    values = save_statements(store, source_id, _statements(table, mapping, matching), Origin.FILE, name)
    for row in matching.ambiguous_rows[:_NAMED_AT_MOST]:
        report.warn("metadata.ambiguous", text=row.text, count=row.candidate_count)
    return {
        "rows": len(table.rows),
        "matched": len({row for row, _ in matching.matched}),
        "unmatched": len(matching.unmatched_rows),
        "ambiguous": len(matching.ambiguous_rows),
        "files_without_row": len(matching.files_without_row),
        "values": values,
        "mapping": json.loads(json.dumps(mapping)),
    }


def check_table(path: Path, mapping_texts: Sequence[str]) -> None:
    """Raises what ``import_table`` would raise of the table and of the mapping that was said."""
    _said_mapping(mapping_texts, read_table(path))


def _said_mapping(texts: Sequence[str], table: Table) -> ColumnMapping:
    if len(texts) == 1 and "=" not in texts[0]:
        return read_mapping(Path(texts[0]), table.columns)
    return parse_mapping(texts, table.columns)


def _files_of(store: Store, source_id: int) -> list[tuple[int, str]]:
    known = images.known_files(store, source_id).values()
    return [(file.id, display_path(file.path_bytes)) for file in known if file.state is not FileState.MISSING]


def _statements(table: Table, mapping: ColumnMapping, matching: Matching) -> Iterator[FileStatements]:
    """What the table says of each file. Several rows of one file are put together."""
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, file in matching.matched:
        rows_of[file].append(row)
    for file, rows in rows_of.items():
        values = [value for row in rows for value in read_values(table.rows[row], mapping)]
        case = {name: _first(values, name) for name in _CASE_FIELDS}
        said = {(v.field, v.value): Statement(v.field, v.value, v.weight, v.vocabulary) for v in values}
        yield FileStatements(file, tuple(said.values()), **case)


def _first(values: Sequence[Value], field: str) -> str:
    return next((value.value for value in values if value.field == field), "")
