"""What a drop means, before anything is done: folders of pictures, tables that look like metadata."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dermagui.errors import DermaError, UserError
from dermagui.library.columns import IMAGE, ColumnMapping, guess_mapping
from dermagui.library.opening import SUFFIXES
from dermagui.library.tables import JSON_SUFFIXES, TEXT_SUFFIXES, WORKBOOK_SUFFIXES, read_table
from dermagui.library.walk import FoundKind, walk_folder
from dermagui.paths import display_path

TABLE_SUFFIXES = (TEXT_SUFFIXES | JSON_SUFFIXES | WORKBOOK_SUFFIXES) - {"", ".txt"}
"""How the name of a table ends. A text file may be one, but is rarely meant as such."""
PREVIEW_ROWS = 5
_TABLES_AT_MOST = 10
_TABLE_BYTES = 32 * 2**20
"""A table in a dropped folder is looked at only if it is no larger; one that was dropped itself always is."""


@dataclass(frozen=True, slots=True)
class UnderstoodFolder:
    """A folder to add, and what lies in it. ``unreadable`` counts what needs no decoder to be seen."""

    path: Path
    pictures: int
    unreadable: int
    other: int


@dataclass(frozen=True, slots=True)
class UnderstoodTable:
    """A table, what its columns seem to mean, and its first rows."""

    path: Path
    columns: tuple[str, ...]
    row_count: int
    mapping: ColumnMapping
    preview: tuple[Mapping[str, str], ...]

    @property
    def looks_like_metadata(self) -> bool:
        """Whether it names images and says something of them, or says several things that we know."""
        return len(self.mapping) >= 2 or (IMAGE in self.mapping and len(self.columns) > 1)


@dataclass(frozen=True, slots=True)
class Understood:
    """All that some paths mean, and why each of the others means nothing."""

    folders: tuple[UnderstoodFolder, ...] = ()
    tables: tuple[UnderstoodTable, ...] = ()
    refused: tuple[DermaError, ...] = ()


def understand(paths: Sequence[Path], project: Path) -> Understood:
    """Looks at what was dropped or chosen; a picture stands for the folder that it lies in.

    Nothing is raised: what cannot be used is among the ``refused``, each with its reason.
    """
    folders: dict[Path, UnderstoodFolder] = {}
    tables: dict[Path, UnderstoodTable] = {}
    refused: list[DermaError] = []
    for path in dict.fromkeys(_meant(path) for path in paths):
        try:
            if path.is_dir():
                folders[path] = _look_through(path, project, tables)
            else:
                tables[path] = look_at_table(path)
        except DermaError as error:
            refused.append(error)
    return Understood(tuple(folders.values()), tuple(tables.values()), tuple(refused))


def _meant(path: Path) -> Path:
    path = path.resolve()
    return path.parent if path.suffix.lower() in SUFFIXES and path.is_file() else path


def _look_through(folder: Path, project: Path, tables: dict[Path, UnderstoodTable]) -> UnderstoodFolder:
    if project in (folder, *folder.parents):
        raise UserError("folder.is_project", path=display_path(folder))
    counts: Counter[FoundKind] = Counter()
    unreadable = 0
    for found in walk_folder(folder):
        counts[found.kind] += 1
        if found.kind is FoundKind.PICTURE and found.size_bytes == 0:
            unreadable += 1
        if found.kind is FoundKind.UNSUPPORTED and len(tables) < _TABLES_AT_MOST:
            _add_if_metadata(folder / os.fsdecode(found.path), tables)
    unreadable += counts[FoundKind.UNREADABLE]
    return UnderstoodFolder(folder, counts[FoundKind.PICTURE], unreadable, counts[FoundKind.UNSUPPORTED])


def _add_if_metadata(path: Path, tables: dict[Path, UnderstoodTable]) -> None:
    """A file in the folder is a table only if it looks like one; nobody said that it is."""
    try:
        if path.suffix.lower() not in TABLE_SUFFIXES or path.stat().st_size > _TABLE_BYTES:
            return
        table = look_at_table(path)
    except (OSError, DermaError):
        return
    if table.looks_like_metadata:
        tables[path] = table


def look_at_table(path: Path) -> UnderstoodTable:
    """Reads a table and guesses what it means. Raises what ``read_table`` raises."""
    table = read_table(path)
    mapping = guess_mapping(table.columns, table.rows)
    preview = tuple(table.rows[:PREVIEW_ROWS])
    return UnderstoodTable(path, table.columns, len(table.rows), mapping, preview)


def mapping_texts(guessed: ColumnMapping, wanted: Mapping[str, str]) -> list[str]:
    """What has to be said so that columns mean what a person chose; where the guess was right, nothing.

    ``wanted`` is from a column to its field, or to nothing where it keeps its own name.
    """
    said = []
    for field in {**guessed, **{field: () for field in wanted.values() if field}}:
        before = guessed.get(field, ())
        # A column may serve two fields, of which a person sees one.
        kept = [
            column for column in before if wanted.get(column, field) == field or _serves_more(guessed, column)
        ]
        new = [column for column, meant in wanted.items() if meant == field and column not in kept]
        dropped = [column for column in kept if column in wanted and wanted[column] == ""]
        now = [column for column in (*kept, *new) if column not in dropped]
        if tuple(now) != before:
            said.append(f"{field}={','.join(now)}")
    return said


def _serves_more(guessed: ColumnMapping, column: str) -> bool:
    return sum(column in columns for columns in guessed.values()) > 1
