"""What models said about images when they had to choose between labels.

The likeliest label becomes metadata of origin ``model``: no hint, no label, no split key, until a person
promotes it, which makes it that person's own statement.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from dermagui.records import Origin, Person
from dermagui.storage.database import BATCH, Row, Store, as_json
from dermagui.storage.moments import now

VOCABULARY = "labels of the user"


def images_without(
    store: Store, key: str, *, source_id: int | None = None, image_ids: Sequence[int] | None = None
) -> list[int]:
    """The images that lie on this computer and have no answer under ``key`` yet, in order of their id."""
    query = """SELECT id FROM images WHERE EXISTS
            (SELECT 1 FROM files WHERE files.sha256 = images.sha256 AND state = 'ready'
                AND (:source IS NULL OR source_id = :source))
        AND (:images IS NULL OR id IN (SELECT value FROM json_each(:images)))
        AND NOT EXISTS (SELECT 1 FROM classifications WHERE key = :key AND image_id = images.id)
        ORDER BY id"""
    chosen = None if image_ids is None else json.dumps(list(image_ids))
    return [row[0] for row in store.tuples(query, {"source": source_id, "images": chosen, "key": key})]


def save_classification(
    store: Store,
    key: str,
    image_id: int,
    *,
    model: str,
    field: str,
    scores: Mapping[str, float],
    pixels: Mapping[str, object],
) -> None:
    """Writes one answer: log-probabilities by label; and the metadata that follows, in one transaction."""
    values = (key, image_id, model, field, as_json(scores), as_json(pixels), now())
    with store.writing() as conn:
        conn.execute("INSERT OR REPLACE INTO classifications VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        sha256 = store.value("SELECT sha256 FROM images WHERE id = ?", (image_id,))
        labels = sorted(set(_latest_labels(store, sha256, model, field).values()))
        of_files = "file_id IN (SELECT id FROM files WHERE sha256 = ?)"
        said = "field = ? AND origin = ? AND origin_name = ?"
        conn.execute(
            f"DELETE FROM metadata WHERE {of_files} AND {said}", (sha256, field, Origin.MODEL, model)
        )
        conn.executemany(
            """INSERT INTO metadata (file_id, field, value, vocabulary, origin, origin_name, at)
               SELECT id, ?, ?, ?, ?, ?, ? FROM files WHERE sha256 = ?""",
            [(field, label, VOCABULARY, Origin.MODEL, model, now(), sha256) for label in labels],
        )


def _latest_labels(store: Store, sha256: str, model: str, field: str) -> dict[int, str]:
    """The likeliest label of each image of a file, by the model's latest answer."""
    query = """SELECT image_id, scores FROM classifications JOIN images ON images.id = image_id
        WHERE sha256 = ? AND model = ? AND field = ? ORDER BY at, key"""
    found = {image: json.loads(scores) for image, scores in store.tuples(query, (sha256, model, field))}
    return {image: max(scores, key=scores.__getitem__) for image, scores in found.items()}


def answers_of(
    store: Store, key: str, *, source_id: int | None = None, image_ids: Sequence[int] | None = None
) -> Iterator[Row]:
    """The answers under a key, one for each image: image, sha256, frame, source, path, scores, at."""
    query = """SELECT image_id AS image, images.sha256 AS sha256, frame, sources.name AS source,
            files.path AS path, scores, at
        FROM classifications JOIN images ON images.id = image_id
        LEFT JOIN files ON files.id = (SELECT min(id) FROM files WHERE files.sha256 = images.sha256
            AND (:source IS NULL OR source_id = :source))
        LEFT JOIN sources ON sources.id = files.source_id
        WHERE key = :key AND (:source IS NULL OR files.id IS NOT NULL)
            AND (:images IS NULL OR image_id IN (SELECT value FROM json_each(:images)))
        ORDER BY image_id"""
    chosen = None if image_ids is None else json.dumps(list(image_ids))
    for row in store.rows(query, {"source": source_id, "images": chosen, "key": key}):
        yield row | {"scores": json.loads(row["scores"])}


def promote(store: Store, who: Person, image_ids: Sequence[int], field: str, model: str) -> int:
    """Makes what a model said of images the statement of a person, in place of what that person said of
    this field before; counts the files. What the model said stays beside it.
    """
    promoted = 0
    for start in range(0, len(image_ids), BATCH):
        ids = json.dumps(list(image_ids[start : start + BATCH]))
        of_model = """SELECT metadata.id AS id, file_id FROM metadata JOIN files ON files.id = file_id
            JOIN images ON images.sha256 = files.sha256
            WHERE images.id IN (SELECT value FROM json_each(?))
                AND field = ? AND origin = 'model' AND origin_name = ?"""
        about = (ids, field, model)
        with store.writing() as conn:
            conn.execute(
                f"""DELETE FROM metadata WHERE field = ? AND origin = ? AND origin_name = ?
                    AND file_id IN (SELECT file_id FROM ({of_model}))""",
                (field, Origin.PERSON, who.name, *about),
            )
            conn.execute(
                f"""INSERT INTO metadata (file_id, field, value, weight, vocabulary, origin, origin_name, at)
                    SELECT file_id, field, value, weight, vocabulary, ?, ?, ? FROM metadata
                    WHERE id IN (SELECT id FROM ({of_model}))""",
                (Origin.PERSON, who.name, now(), *about),
            )
            query = f"SELECT count(DISTINCT file_id) FROM ({of_model})"
            promoted += store.value(query, about)
    return promoted


def take_back(store: Store, who: Person, image_ids: Sequence[int], field: str) -> int:
    """Takes back what a person said of a field of images by promoting; returns how many values went."""
    removed = 0
    for start in range(0, len(image_ids), BATCH):
        with store.writing() as conn:
            removed += conn.execute(
                """DELETE FROM metadata WHERE field = ? AND origin = ? AND origin_name = ? AND vocabulary = ?
                    AND file_id IN (SELECT files.id FROM files JOIN images ON images.sha256 = files.sha256
                        WHERE images.id IN (SELECT value FROM json_each(?)))""",
                (
                    *(field, Origin.PERSON, who.name, VOCABULARY),
                    json.dumps(list(image_ids[start : start + BATCH])),
                ),
            ).rowcount
    return removed
