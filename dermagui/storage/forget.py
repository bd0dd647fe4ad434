"""Takes images out of the database: their rows, what was said about them, and the bytes behind them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from dermagui.storage.database import Row, Store, told_apart
from dermagui.storage.filters import forget_filters
from dermagui.storage.moments import now


def files_with_hash(store: Store, sha256: str) -> list[Row]:
    """The files with these bytes."""
    return _files(store, "files.sha256 = ?", sha256)


def hashes_of(store: Store, files: Sequence[Row]) -> set[str]:
    """What files hold, and what they held before they were changed."""
    marks = ",".join("?" * len(files))
    query = f"SELECT sha256 FROM former_hashes WHERE file_id IN ({marks})"
    former = {row[0] for row in store.tuples(query, [file["id"] for file in files])}
    return former | {file["sha256"] for file in files if file["sha256"]}


def hashes_of_image(store: Store, name: str) -> set[str]:
    """The sha256 of the image with this number, or of those that begin so; no file need hold it."""
    if name.isascii() and name.isdecimal() and len(name) < 16:
        numbered = {row[0] for row in store.tuples("SELECT sha256 FROM images WHERE id = ?", (int(name),))}
        if numbered:
            return numbered
    if len(name) < 8 or set(name) - set("0123456789abcdef"):
        return set()
    query = "SELECT sha256 FROM images WHERE sha256 >= ? AND sha256 < ?"
    return {row[0] for row in store.tuples(query, (name, name + "g"))}


def files_with_path(store: Store, path: str) -> list[Row]:
    """The files with this path, relative to their source or in full."""
    return _files(store, "files.path = ? OR sources.root || '/' || files.path = ?", path, path)


def files_of_patient(store: Store, patient: str) -> list[Row]:
    """The files of a patient, in every source that knows one with this id."""
    return _files(
        store,
        """cases.patient = ? OR files.id IN
           (SELECT file_id FROM metadata WHERE field = 'patient' AND value = ? AND file_id IS NOT NULL)""",
        patient,
        patient,
    )


def _files(store: Store, condition: str, *values: object) -> list[Row]:
    query = f"""SELECT files.id AS id, files.path AS path, files.sha256 AS sha256, sources.root AS root
        FROM files JOIN sources ON sources.id = files.source_id LEFT JOIN cases ON cases.id = files.case_id
        WHERE {condition} ORDER BY files.id"""
    return list(store.rows(query, values))


def exports_with(store: Store, hashes: Sequence[str]) -> list[str]:
    """Where the exports lie that contained a pair about one of these images."""
    marks = ",".join("?" * len(hashes))
    query = f"""SELECT DISTINCT path FROM datasets JOIN dataset_pairs ON dataset_uid = datasets.uid
        WHERE pair_uid IN (
            SELECT pairs.uid FROM pairs JOIN pair_images ON pair_id = pairs.id
                JOIN images ON images.id = image_id WHERE images.sha256 IN ({marks})
            UNION SELECT preference_uid FROM preference_images
                JOIN images ON images.id = image_id WHERE images.sha256 IN ({marks}))"""
    return [row[0] for row in store.tuples(query, [*hashes, *hashes])]


def count_pairs_about(store: Store, hashes: Sequence[str]) -> int:
    """How many pairs are about one of these images."""
    marks = ",".join("?" * len(hashes))
    query = f"""SELECT count(DISTINCT pair_id) FROM pair_images JOIN images ON images.id = image_id
        WHERE images.sha256 IN ({marks})"""
    return int(store.value(query, list(hashes)))


def remove_files(
    store: Store, file_ids: Sequence[int], hashes: Sequence[str], tombstones: Sequence[tuple[str, str]]
) -> dict[str, int]:
    """Removes all rows about these files and images, and leaves tombstones (hash, kind); counts them.

    What was paid stays counted: a request keeps its cost and loses its text, picture and image.
    """
    with store.writing() as conn:
        _name(conn, "gone_files", file_ids)
        hash_marks = ",".join("?" * len(hashes))
        images = [
            row[0] for row in conn.execute(f"SELECT id FROM images WHERE sha256 IN ({hash_marks})", hashes)
        ]
        _name(conn, "gone_images", images)
        query = "SELECT DISTINCT pair_id FROM pair_images WHERE image_id IN (SELECT id FROM gone_images)"
        pairs = [row[0] for row in conn.execute(query)]
        _name(conn, "gone_pairs", pairs)
        query = f"""SELECT DISTINCT chat_id FROM chat_images WHERE file_sha256 IN ({hash_marks})
            OR image_id IN (SELECT id FROM gone_images)"""
        chats = [row[0] for row in conn.execute(query, hashes)]
        _name(conn, "gone_chats", chats)
        _unindex(store)
        for statement in _STATEMENTS:
            conn.execute(statement)
        forget_filters(store)
        conn.executemany(
            "INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?)",
            [(hash_, kind, now()) for hash_, kind in tombstones],
        )
        for name in ("gone_files", "gone_images", "gone_pairs", "gone_chats"):
            conn.execute(f"DROP TABLE {name}")
    return {"files": len(file_ids), "images": len(images), "pairs": len(pairs), "chats": len(chats)}


_OF_PAIRS = "IN (SELECT uid FROM pairs WHERE id IN (SELECT id FROM gone_pairs))"
_OF_PREFERENCES = """IN (SELECT preference_uid FROM preference_images
    WHERE image_id IN (SELECT id FROM gone_images))"""
_STATEMENTS = (
    f"""UPDATE datasets SET manifest = '{{}}' WHERE uid IN
        (SELECT dataset_uid FROM dataset_pairs WHERE pair_uid {_OF_PAIRS})""",
    f"DELETE FROM dataset_pairs WHERE pair_uid {_OF_PAIRS}",
    f"DELETE FROM verdicts WHERE pair_uid {_OF_PAIRS}",
    f"DELETE FROM facts WHERE key LIKE 'draft/%' AND substr(key, -36) {_OF_PAIRS}",
    "DELETE FROM pair_turns WHERE pair_id IN (SELECT id FROM gone_pairs)",
    "DELETE FROM pair_images WHERE pair_id IN (SELECT id FROM gone_pairs)",
    "DELETE FROM pairs WHERE id IN (SELECT id FROM gone_pairs)",
    """UPDATE requests SET image_id = NULL, prompt = '{}', pixels = '{}', response = '', fingerprint = uid
        WHERE image_id IN (SELECT id FROM gone_images)""",
    "DELETE FROM chat_images WHERE chat_id IN (SELECT id FROM gone_chats)",
    "DELETE FROM chat_turns WHERE chat_id IN (SELECT id FROM gone_chats)",
    "DELETE FROM chats WHERE id IN (SELECT id FROM gone_chats)",
    f"""UPDATE datasets SET manifest = '{{}}' WHERE uid IN
        (SELECT dataset_uid FROM dataset_pairs WHERE pair_uid {_OF_PREFERENCES})""",
    f"DELETE FROM dataset_pairs WHERE pair_uid {_OF_PREFERENCES}",
    "CREATE TEMP TABLE gone_preferences AS SELECT DISTINCT preference_uid AS uid FROM preference_images "
    "WHERE image_id IN (SELECT id FROM gone_images)",
    "DELETE FROM preference_images WHERE preference_uid IN (SELECT uid FROM gone_preferences)",
    "DELETE FROM preferences WHERE uid IN (SELECT uid FROM gone_preferences)",
    "DROP TABLE gone_preferences",
    "DELETE FROM classifications WHERE image_id IN (SELECT id FROM gone_images)",
    "DELETE FROM redactions WHERE image_id IN (SELECT id FROM gone_images)",
    "DELETE FROM images WHERE id IN (SELECT id FROM gone_images)",
    "DELETE FROM metadata WHERE file_id IN (SELECT id FROM gone_files)",
    "DELETE FROM former_hashes WHERE file_id IN (SELECT id FROM gone_files)",
    "DELETE FROM files WHERE id IN (SELECT id FROM gone_files)",
    # A row about a file has no case, and no value, not even that one, is in an empty list of cases.
    """DELETE FROM metadata WHERE case_id IS NOT NULL
        AND case_id NOT IN (SELECT case_id FROM files WHERE case_id IS NOT NULL)""",
    "DELETE FROM cases WHERE id NOT IN (SELECT case_id FROM files WHERE case_id IS NOT NULL)",
    # The name of a folder, of a table or of an export may be a patient's as well.
    "DELETE FROM sources WHERE id NOT IN (SELECT source_id FROM files)",
    "UPDATE jobs SET parameters = '{}', error = NULL WHERE kind IN ('add', 'export')",
)


def _name(conn: sqlite3.Connection, table: str, ids: Sequence[int]) -> None:
    conn.execute(f"CREATE TEMP TABLE {table} (id INTEGER PRIMARY KEY)")
    conn.executemany(f"INSERT INTO {table} VALUES (?)", [(id_,) for id_ in ids])


def _unindex(store: Store) -> None:
    """Takes pairs out of the search index, while their text is still there to say which words go."""
    store.conn.execute(
        """INSERT INTO pair_search (pair_search, rowid, text) SELECT 'delete', id, text FROM pair_texts
           WHERE id IN (SELECT id FROM gone_pairs) AND id <= ?""",
        (int(store.fact("search_watermark")),),
    )


def wipe_free_space(store: Store) -> bool:
    """Rewrites the file so that removed rows are in no free page, no index and no log any more.

    False where another process is reading and the log could not be emptied: its next end does that.
    """
    with told_apart(store.folder):
        for index in ("pair_search", "chat_search"):
            store.conn.execute(f"INSERT INTO {index} ({index}) VALUES ('optimize')")
        store.conn.execute("VACUUM")
        busy = store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy
