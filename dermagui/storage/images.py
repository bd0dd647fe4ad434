"""Files and the images in them. A file belongs to a source; many files may hold the same image."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dermagui import paths
from dermagui.errors import DataError, UserError
from dermagui.records import FileFacts, FileState, Origin, Picture, Region
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.metadata import FileStatements, Statement, save_statements
from dermagui.storage.moments import now


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the database knows of a file, for comparing with the disk."""

    id: int
    path_bytes: bytes
    size_bytes: int
    mtime_ns: int
    state: FileState
    sha256: str | None


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """What a scan found: the file, and its facts or the reason why it cannot be read."""

    path_bytes: bytes
    size_bytes: int
    mtime_ns: int
    outcome: FileFacts | DataError


def known_files(store: Store, source_id: int) -> dict[bytes, KnownFile]:
    """The files of a source by their path relative to its root."""
    query = "SELECT id, path_bytes, size_bytes, mtime_ns, state, sha256 FROM files WHERE source_id = ?"
    return {
        row[1]: KnownFile(row[0], row[1], row[2], row[3], FileState(row[4]), row[5])
        for row in store.tuples(query, (source_id,))
    }


def save_scanned(store: Store, source_id: int, scanned: Sequence[ScannedFile]) -> None:
    """Writes what a scan found of some files (at most ``BATCH``), in one transaction."""
    with store.writing() as conn:
        for file in scanned:
            facts = file.outcome
            if isinstance(facts, FileFacts):
                conn.executemany(_INSERT_IMAGE, _image_rows(facts))
            conn.execute(_KEEP_FORMER, (source_id, file.path_bytes))
            conn.execute(_UPSERT_FILE, (source_id, *_file_row(file)))
            if isinstance(facts, FileFacts) and facts.metadata:
                _save_own_metadata(store, source_id, file.path_bytes, facts)


_INSERT_IMAGE = """INSERT INTO images
    (sha256, frame, width, height, pixel_hash, perceptual_hash, modality, quality)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256, frame) DO NOTHING"""

_KEEP_FORMER = """INSERT OR IGNORE INTO former_hashes
    SELECT id, sha256 FROM files WHERE source_id = ? AND path_bytes = ? AND sha256 IS NOT NULL"""

_UPSERT_FILE = """INSERT INTO files
    (source_id, path, path_bytes, size_bytes, mtime_ns, first_seen_at, state, sha256, error, format,
     orientation, frames, personal)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (source_id, path_bytes) DO UPDATE SET
        size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, state = excluded.state,
        sha256 = excluded.sha256, error = excluded.error, format = excluded.format,
        orientation = excluded.orientation, frames = excluded.frames, personal = excluded.personal"""


def _save_own_metadata(store: Store, source_id: int, path_bytes: bytes, facts: FileFacts) -> None:
    """What a file states about itself, as a DICOM file does: origin ``file``, named by its format."""
    file_id = store.value(
        "SELECT id FROM files WHERE source_id = ? AND path_bytes = ?", (source_id, path_bytes)
    )
    statements = tuple(Statement(name, value) for name, value in facts.metadata.items())
    save_statements(store, source_id, [FileStatements(file_id, statements)], Origin.FILE, facts.format)


def _image_rows(facts: FileFacts) -> Iterator[tuple[object, ...]]:
    for frame in facts.frames:
        yield (
            facts.sha256,
            frame.frame,
            frame.width,
            frame.height,
            frame.pixel_hash,
            frame.perceptual_hash,
            facts.modality,
            as_json(frame.quality),
        )


def _file_row(file: ScannedFile) -> tuple[object, ...]:
    name = paths.display_path(file.path_bytes)
    found = (name, file.path_bytes, file.size_bytes, file.mtime_ns, now())
    facts = file.outcome
    if isinstance(facts, DataError):
        error = as_json({"code": facts.code, "values": facts.values})
        return (*found, FileState.UNREADABLE, None, error, None, None, 0, "[]")
    personal = as_json([asdict(finding) for finding in facts.personal])
    return (
        *found,
        FileState.READY,
        facts.sha256,
        None,
        facts.format,
        facts.orientation,
        len(facts.frames),
        personal,
    )


def move_file(store: Store, file_id: int, path_bytes: bytes, mtime_ns: int) -> None:
    """The same bytes lie at another place now; everything said about the file goes with it."""
    with store.writing() as conn:
        conn.execute(
            "UPDATE files SET path = ?, path_bytes = ?, mtime_ns = ?, state = ? WHERE id = ?",
            (paths.display_path(path_bytes), path_bytes, mtime_ns, FileState.READY, file_id),
        )


def mark_files(store: Store, file_ids: Iterable[int], state: FileState) -> None:
    """Sets the state of files, for example ``missing``."""
    store.write_many("UPDATE files SET state = ? WHERE id = ?", ((state, file_id) for file_id in file_ids))


def forgotten_images(store: Store) -> frozenset[str]:
    """The hashes of the files that somebody asked to forget."""
    return frozenset(row[0] for row in store.tuples("SELECT hash FROM tombstones WHERE kind = 'image'"))


def list_files(store: Store) -> Iterator[Row]:
    """Every file as a row for people and scripts: the file, its first image, its personal data."""
    query = """
        SELECT files.id AS id, images.id AS image, files.path AS path, files.path_bytes AS path_bytes,
            sources.id AS source, sources.name AS source_name, sources.may_leave AS may_leave,
            files.sha256 AS sha256, files.frames AS frames, images.width AS width, images.height AS height,
            files.state AS state, files.error AS error, files.format AS format,
            files.orientation AS orientation, files.size_bytes AS size_bytes,
            images.pixel_hash AS pixel_hash, images.quality AS quality, files.personal AS personal,
            cases.patient AS patient, cases.lesion AS lesion
        FROM files JOIN sources ON sources.id = files.source_id
        LEFT JOIN images ON images.sha256 = files.sha256 AND images.frame = 0
        LEFT JOIN cases ON cases.id = files.case_id
        ORDER BY files.id"""
    for row in store.rows(query):
        raw = row.pop("path_bytes")
        if os.fsencode(row["path"]) != raw:
            row["path_bytes"] = raw.hex()
        for column in ("error", "quality", "personal"):
            row[column] = json.loads(row[column]) if row[column] else None
        row["may_leave"] = bool(row["may_leave"])
        yield row


def files_of_list(store: Store, number: int) -> list[Row]:
    """The files behind a number of a list (see ``filters``): those that hold an image, or the one file.

    Columns: id, path, source, root, state, error, format, size_bytes, sha256, first_seen_at, patient,
    personal (a list of place, tag and value).
    """
    condition = "files.id = ?" if number < 0 else "files.sha256 = (SELECT sha256 FROM images WHERE id = ?)"
    query = f"""SELECT files.id AS id, files.path AS path, sources.name AS source, sources.root AS root,
            files.state AS state, error, format, size_bytes, sha256, first_seen_at, patient, personal
        FROM files JOIN sources ON sources.id = files.source_id LEFT JOIN cases ON cases.id = files.case_id
        WHERE {condition} ORDER BY files.state = 'ready' DESC, files.id"""
    found = list(store.rows(query, (abs(number),)))
    for row in found:
        row["personal"] = json.loads(row["personal"])
        row["error"] = json.loads(row["error"]) if row["error"] else None
    return found


def count_files(store: Store) -> dict[str, int]:
    """How many files are in each state."""
    return store.counts("SELECT state, count(*) FROM files GROUP BY state")


def count_files_by_source(store: Store) -> dict[int, dict[FileState, int]]:
    """How many files of each source are in each state."""
    found: dict[int, dict[FileState, int]] = {}
    for source, state, count in store.tuples(
        "SELECT source_id, state, count(*) FROM files GROUP BY source_id, state"
    ):
        found.setdefault(source, {})[FileState(state)] = count
    return found


def sendable_images(store: Store) -> Iterator[Row]:
    """Images that may leave the computer: every source that holds them says so. In order of their id.

    Columns: id, sha256, frame, width, height, modality.
    """
    return store.rows(
        """SELECT id, sha256, frame, width, height, modality FROM images
           WHERE EXISTS (SELECT 1 FROM files WHERE files.sha256 = images.sha256 AND state = 'ready')
             AND NOT EXISTS (SELECT 1 FROM files JOIN sources ON sources.id = source_id
                             WHERE files.sha256 = images.sha256 AND NOT sources.may_leave)
           ORDER BY id"""
    )


def ready_images(store: Store) -> Iterator[Row]:
    """Images that lie on this computer now, whether they may leave it or not; like ``sendable_images``."""
    return store.rows(
        """SELECT id, sha256, frame, width, height, modality FROM images
           WHERE EXISTS (SELECT 1 FROM files WHERE files.sha256 = images.sha256 AND state = 'ready')
           ORDER BY id"""
    )


def may_leave(store: Store, image_id: int) -> bool:
    """Whether this one image may leave now: asked again right before each sending."""
    query = """SELECT min(sources.may_leave) FROM images JOIN files ON files.sha256 = images.sha256
               JOIN sources ON sources.id = files.source_id WHERE images.id = ?"""
    return bool(store.value(query, (image_id,)))


def count_images(store: Store) -> int:
    """How many different images the project holds."""
    return int(store.value("SELECT count(*) FROM images"))


def picture_of(store: Store, image_id: int) -> Picture:
    """A file on disk that holds this image now. Raises ``UserError`` ``image.originals_missing``."""
    query = """SELECT root_bytes, path_bytes, frame FROM images JOIN files ON files.sha256 = images.sha256
               JOIN sources ON sources.id = files.source_id
               WHERE images.id = ? AND files.state = 'ready' ORDER BY files.id"""
    for root, path, frame in store.tuples(query, (image_id,)):
        place = Path(os.fsdecode(root)) / os.fsdecode(path)
        if place.is_file():
            return Picture(place, frame)
    raise UserError("image.originals_missing", image=image_id)


def redactions_of(store: Store, image_id: int) -> tuple[Region, ...]:
    """The regions of an image that are painted over before anything leaves, oldest first."""
    query = "SELECT x, y, width, height FROM redactions WHERE image_id = ? ORDER BY uid"
    return tuple(Region(*row) for row in store.tuples(query, (image_id,)))
