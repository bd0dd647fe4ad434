"""The reference library: the user's own files as passages of text that can be searched.

Each project has one, and the database in the data folder holds one for all projects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dermagui.errors import UserError
from dermagui.storage.database import Row, Store
from dermagui.storage.moments import new_uid, now


@dataclass(frozen=True, slots=True)
class ReferenceFile:
    """A file as it was when it was read."""

    path_bytes: bytes
    path: str
    sha256: str
    size_bytes: int
    mtime_ns: int


def save_reference(store: Store, file: ReferenceFile, passages: Sequence[tuple[str, str]]) -> str:
    """Writes a file with its passages (place, text), in place of what it held before; returns its uid.

    One transaction, however many passages they are: a file is searched whole or not at all.
    """
    with store.writing() as conn:
        row = store.row("SELECT id, uid FROM reference_files WHERE path_bytes = ?", (file.path_bytes,))
        if row:
            conn.execute("DELETE FROM reference_passages WHERE file_id = ?", (row["id"],))
            conn.execute("DELETE FROM reference_files WHERE id = ?", (row["id"],))
        uid = row["uid"] if row else new_uid()
        told = (uid, file.path, file.path_bytes, file.sha256, file.size_bytes, file.mtime_ns, now())
        cursor = conn.execute(
            """INSERT INTO reference_files (uid, path, path_bytes, sha256, size_bytes, mtime_ns, added_at)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            told,
        )
        conn.executemany(
            "INSERT INTO reference_passages (file_id, place, text) VALUES (?, ?, ?)",
            [(cursor.lastrowid, place, text) for place, text in passages],
        )
    return str(uid)


def list_references(store: Store) -> list[Row]:
    """The files of the library in order of their paths: uid, path, path_bytes, sha256, size_bytes, mtime_ns,
    added_at, passages.
    """
    query = """SELECT uid, path, path_bytes, sha256, size_bytes, mtime_ns, added_at,
            (SELECT count(*) FROM reference_passages WHERE file_id = reference_files.id) AS passages
        FROM reference_files ORDER BY path_bytes"""
    return list(store.rows(query))


def remove_reference(store: Store, uid: str) -> None:
    """Takes a file out of the library. Raises ``UserError`` ``reference.not_found``."""
    with store.writing() as conn:
        file_id = store.value("SELECT id FROM reference_files WHERE uid = ?", (uid,))
        if file_id is None:
            raise UserError("reference.not_found", name=uid)
        conn.execute("DELETE FROM reference_passages WHERE file_id = ?", (file_id,))
        conn.execute("DELETE FROM reference_files WHERE id = ?", (file_id,))
        # Words that were taken out stand in the index until its parts are put together anew.
        conn.execute("INSERT INTO reference_search (reference_search) VALUES ('optimize')")


def count_passages(store: Store) -> int:
    """How many passages the library holds."""
    return int(store.value("SELECT count(*) FROM reference_passages"))


def count_passages_with(store: Store, match: str) -> int:
    """How many passages a query of FTS5 finds."""
    query = "SELECT count(*) FROM reference_search WHERE reference_search MATCH ?"
    return int(store.value(query, (match,)))


def search_passages(store: Store, match: str, count: int) -> list[Row]:
    """The passages that a query of FTS5 finds, best first: place and text, and of the file uid, path,
    path_bytes, sha256, size_bytes, mtime_ns.
    """
    query = """SELECT place, reference_passages.text AS text,
            uid, path, path_bytes, sha256, size_bytes, mtime_ns
        FROM reference_search JOIN reference_passages ON reference_passages.id = reference_search.rowid
        JOIN reference_files ON reference_files.id = file_id
        WHERE reference_search MATCH ? ORDER BY bm25(reference_search), reference_passages.id LIMIT ?"""
    return list(store.rows(query, (match, count)))
