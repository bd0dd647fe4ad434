"""Sources: folders of images with a licence, and whether their images may leave the computer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dermagui import paths
from dermagui.errors import UserError
from dermagui.records import Source
from dermagui.storage.database import Row, Store
from dermagui.storage.moments import new_uid, now


def add_source(
    store: Store,
    root: Path,
    *,
    licence: str | None = None,
    attribution: str | None = None,
    non_commercial: bool | None = None,
    may_leave: bool | None = None,
) -> Source:
    """The source of that folder, made where there is none. What is None stays as it was.

    A new source may not leave the computer, and its licence is unknown, until somebody says otherwise.
    """
    with store.writing() as conn:
        conn.execute(
            """INSERT OR IGNORE INTO sources (uid, name, root, root_bytes, licence, created_at)
               VALUES (?, ?, ?, ?, '', ?)""",
            (new_uid(), paths.display_path(root.name), paths.display_path(root), os.fsencode(root), now()),
        )
        source_id = store.value("SELECT id FROM sources WHERE root_bytes = ?", (os.fsencode(root),))
        return change_source(
            store,
            source_id,
            licence=licence,
            attribution=attribution,
            non_commercial=non_commercial,
            may_leave=may_leave,
        )


def change_source(
    store: Store,
    source_id: int,
    *,
    name: str | None = None,
    licence: str | None = None,
    attribution: str | None = None,
    non_commercial: bool | None = None,
    may_leave: bool | None = None,
) -> Source:
    """Says something else of a source. What is None stays as it was."""
    said = {
        "name": name,
        "licence": licence,
        "attribution": attribution,
        "non_commercial": non_commercial,
        "may_leave": may_leave,
    }
    with store.writing() as conn:
        for column, value in said.items():
            if value is not None:
                conn.execute(f"UPDATE sources SET {column} = ? WHERE id = ?", (value, source_id))
    row = store.row("SELECT * FROM sources WHERE id = ?", (source_id,))
    assert row is not None
    return _source(row)


def move_source(store: Store, source_id: int, root: Path) -> None:
    """The folder of a source lies elsewhere now. Whoever calls has seen that the same images are there.

    Raises ``UserError`` ``source.folder_taken`` where the folder belongs to another source.
    """
    with store.writing() as conn:
        query = "SELECT name FROM sources WHERE root_bytes = ? AND id <> ?"
        other = store.value(query, (os.fsencode(root), source_id))
        if other is not None:
            raise UserError("source.folder_taken", path=paths.display_path(root), source=other)
        conn.execute(
            "UPDATE sources SET root = ?, root_bytes = ? WHERE id = ?",
            (paths.display_path(root), os.fsencode(root), source_id),
        )


def list_sources(store: Store) -> list[Source]:
    """All sources in the order in which they were added."""
    return [_source(row) for row in store.rows("SELECT * FROM sources ORDER BY id")]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a source holds, and what tables say of its licence; nothing of it is decided."""

    images: int = 0
    """Pictures in files that are ready."""
    ready: int = 0
    """Files that could be read and are there."""
    contents: int = 0
    """How many of them differ: the others are copies of these."""
    unreadable: int = 0
    missing: int = 0
    licences: Mapping[str, int] = field(default_factory=dict)
    """Every licence that a table names → of how many files, the most frequent first."""
    attributions: Mapping[str, int] = field(default_factory=dict)


def holdings_of(store: Store, source_id: int) -> Holdings:
    """Counts what lies in a source, and what its metadata says of licence and attribution."""
    query = """SELECT count(*), count(DISTINCT sha256) FROM files WHERE source_id = ? AND state = 'ready'"""
    [(ready, contents)] = store.tuples(query, (source_id,))
    states = store.counts("SELECT state, count(*) FROM files WHERE source_id = ? GROUP BY 1", (source_id,))
    query = """SELECT count(DISTINCT images.id) FROM files JOIN images ON images.sha256 = files.sha256
        WHERE files.source_id = ? AND files.state = 'ready'"""
    return Holdings(
        images=store.value(query, (source_id,)),
        ready=ready,
        contents=contents,
        unreadable=states.get("unreadable", 0),
        missing=states.get("missing", 0),
        licences=_values_said(store, source_id, "licence"),
        attributions=_values_said(store, source_id, "attribution"),
    )


def _values_said(store: Store, source_id: int, name: str) -> dict[str, int]:
    query = """SELECT value, count(DISTINCT file_id) FROM metadata JOIN files ON files.id = metadata.file_id
        WHERE metadata.field = ? AND origin <> 'model' AND files.source_id = ?
        GROUP BY value ORDER BY count(DISTINCT file_id) DESC, value"""
    return dict(store.tuples(query, (name, source_id)))


def root_of(store: Store, source_id: int) -> Path:
    """The folder of a source on this computer."""
    return Path(os.fsdecode(store.value("SELECT root_bytes FROM sources WHERE id = ?", (source_id,))))


def _source(row: Row) -> Source:
    return Source(
        id=row["id"],
        name=row["name"],
        root=os.fsdecode(row["root_bytes"]),
        licence=row["licence"],
        attribution=row["attribution"],
        non_commercial=bool(row["non_commercial"]),
        may_leave=bool(row["may_leave"]),
    )
