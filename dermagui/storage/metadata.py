"""Metadata: rows of field and value about a file or a case, with origin and vocabulary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dermagui.records import Origin
from dermagui.storage.database import BATCH, Row, Store
from dermagui.storage.moments import now


@dataclass(frozen=True, slots=True)
class Statement:
    """One value that somebody said of a file."""

    field: str
    value: str
    weight: float = 1.0
    vocabulary: str = "as written"


@dataclass(frozen=True, slots=True)
class FileStatements:
    """All that one table says of one file, and the case that it belongs to."""

    file_id: int
    statements: tuple[Statement, ...]
    patient: str = ""
    lesion: str = ""
    visit: str = ""


def remove_statements(store: Store, source_id: int, origin: Origin, origin_name: str) -> None:
    """Takes back all that a table said of the files of a source: it is about to say it anew."""
    with store.writing() as conn:
        conn.execute(
            """DELETE FROM metadata WHERE origin = ? AND origin_name = ?
               AND file_id IN (SELECT id FROM files WHERE source_id = ?)""",
            (origin, origin_name, source_id),
        )


def save_statements(
    store: Store, source_id: int, about: Iterable[FileStatements], origin: Origin, origin_name: str
) -> int:
    """Writes what a table says; what the same table said of the same file before is replaced."""
    batch: list[FileStatements] = []
    written = 0
    for statements in about:
        batch.append(statements)
        if len(batch) >= BATCH // 10:
            written += _save_batch(store, source_id, batch, origin, origin_name)
            batch = []
    return written + _save_batch(store, source_id, batch, origin, origin_name)


def _save_batch(
    store: Store, source_id: int, batch: list[FileStatements], origin: Origin, origin_name: str
) -> int:
    moment = now()
    with store.writing() as conn:
        for about in batch:
            conn.execute(
                "DELETE FROM metadata WHERE file_id = ? AND origin = ? AND origin_name = ?",
                (about.file_id, origin, origin_name),
            )
            conn.executemany(
                """INSERT INTO metadata (file_id, field, value, weight, vocabulary, origin, origin_name, at)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                [
                    (
                        about.file_id,
                        said.field,
                        said.value,
                        said.weight,
                        said.vocabulary,
                        origin,
                        origin_name,
                        moment,
                    )
                    for said in about.statements
                ],
            )
            if about.patient or about.lesion:
                case = (source_id, about.patient, about.lesion, about.visit)
                conn.execute(
                    "INSERT OR IGNORE INTO cases (source_id, patient, lesion, visit) VALUES (?, ?, ?, ?)",
                    case,
                )
                conn.execute(
                    """UPDATE files SET case_id = (SELECT id FROM cases
                       WHERE source_id = ? AND patient = ? AND lesion = ? AND visit = ?) WHERE id = ?""",
                    (*case, about.file_id),
                )
    return sum(len(about.statements) for about in batch)


def fields_of_images(store: Store, image_ids: list[int]) -> dict[int, dict[str, tuple[Row, ...]]]:
    """What files and people say of images: image → field → rows of value, weight, vocabulary, origin.

    What a model said is left out: it is no hint, no key and no truth until a person promoted it.
    Rows of a field are sorted by weight, heaviest first; equal values are named once.
    """
    found: dict[int, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for start in range(0, len(image_ids), 500):
        for row in _said_of(store, image_ids[start : start + 500]):
            said = found[row.pop("image_id")][row["field"]]
            if all(row["value"] != other["value"] for other in said):
                said.append(row)
    return {image: {field: tuple(rows) for field, rows in fields.items()} for image, fields in found.items()}


def _said_of(store: Store, image_ids: list[int]) -> Iterator[Row]:
    marks = ",".join("?" * len(image_ids))
    about = "metadata.field, metadata.value, metadata.weight, metadata.vocabulary, metadata.origin"
    return store.rows(
        f"""SELECT images.id AS image_id, {about} FROM images
                JOIN files ON files.sha256 = images.sha256 JOIN metadata ON metadata.file_id = files.id
                WHERE images.id IN ({marks}) AND metadata.origin <> 'model'
            UNION ALL
            SELECT images.id AS image_id, {about} FROM images
                JOIN files ON files.sha256 = images.sha256 JOIN metadata ON metadata.case_id = files.case_id
                WHERE images.id IN ({marks}) AND metadata.origin <> 'model'
            ORDER BY image_id, field, weight DESC, value""",
        [*image_ids, *image_ids],
    )


def statements_about(store: Store, image_id: int) -> list[Row]:
    """All that is said of an image, each with who said it: a file, a person or a model.

    Columns: field, value, weight, vocabulary, origin, origin_name, at.
    """
    columns = "field, value, weight, vocabulary, origin, origin_name, at"
    query = f"""WITH held AS (SELECT files.id AS id, files.case_id AS case_id FROM files
            JOIN images ON images.sha256 = files.sha256 WHERE images.id = ?)
        SELECT {columns} FROM metadata WHERE file_id IN (SELECT id FROM held)
        UNION SELECT {columns} FROM metadata
            WHERE case_id IN (SELECT case_id FROM held WHERE case_id IS NOT NULL)
        ORDER BY field, weight DESC, value"""
    return list(store.rows(query, (image_id,)))


def count_values(store: Store, field: str) -> dict[str, int]:
    """How often each value of a field is said of a file or case, by files and people; models do not count."""
    return store.counts(
        """SELECT value, count(*) FROM metadata WHERE field = ? AND origin <> 'model'
           GROUP BY value ORDER BY 2 DESC, 1""",
        (field,),
    )
