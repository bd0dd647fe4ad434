"""Filters over the images of a project: what they find, what a list shows of it, and those that are saved.

A list holds numbers: the id of an image, or the negated id of a file in which no image could be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from dermagui.records import FileState, PairState
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.metadata import fields_of_images

_SAVED = "filters"
"""The fact under which the saved filters of a project are kept."""


class PairFilter(StrEnum):
    """What may be asked of an image's pairs."""

    NONE = "none"
    SOME = "some"
    FLAGGED = "flagged"
    PENDING = "pending"
    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all hold; what is None or empty asks nothing.

    ``fields`` are pairs of a field of metadata and a value, where an empty value means that nothing is said;
    ``text`` is part of a file's path. ``state`` missing finds images of which no file is left.
    """

    source_id: int | None = None
    state: FileState | None = None
    pairs: PairFilter | None = None
    may_leave: bool | None = None
    fields: tuple[tuple[str, str], ...] = ()
    text: str = ""
    copied: bool = False
    """Only what lies there in more than one file."""
    described: bool | None = None
    """Whether a file or a person says anything of it."""


@dataclass(frozen=True, slots=True)
class ImageCard:
    """What a list shows of one image, or of one file in which none could be read (``id`` below zero).

    ``path`` is that of its first readable file; ``fields`` hold the values of a field, joined by commas.
    """

    id: int
    path: str
    source_id: int | None
    source: str
    state: FileState
    sha256: str = ""
    frame: int = 0
    frames: int = 1
    width: int = 0
    height: int = 0
    copies: int = 1
    """How many files hold it."""
    may_leave: bool = False
    error: Mapping[str, Any] | None = None
    """Code and values of why it cannot be read."""
    pairs: Mapping[PairState, int] = field(default_factory=dict)
    flagged: int = 0
    """How many of the pairs carry a flag."""
    fields: Mapping[str, str] = field(default_factory=dict)


def find_images(store: Store, wanted: Filter) -> list[int]:
    """The numbers of what the filter finds, in order of source and path; each once."""
    conditions, values = _conditions(wanted)
    where = " AND ".join(conditions) or "1"
    query = f"""SELECT coalesce(images.id, -files.id) FROM files
        LEFT JOIN images ON images.sha256 = files.sha256 WHERE {where}
        ORDER BY files.source_id, files.path_bytes, images.frame"""
    found = dict.fromkeys(row[0] for row in store.tuples(query, values))
    # Of a file that was changed since, the earlier image has no file any more, and perhaps pairs.
    query = f"""SELECT images.id FROM images LEFT JOIN files ON files.sha256 = images.sha256
        WHERE files.id IS NULL AND {where.replace("files.state = 'missing'", "1")} ORDER BY images.id"""
    found |= dict.fromkeys(row[0] for row in store.tuples(query, values))
    return list(found)


def _conditions(wanted: Filter) -> tuple[list[str], list[object]]:
    asked = list(_asked(wanted))
    return [condition for condition, _ in asked], [value for _, values in asked for value in values]


def _asked(wanted: Filter) -> Iterator[tuple[str, tuple[object, ...]]]:
    if wanted.source_id is not None:
        yield "files.source_id = ?", (wanted.source_id,)
    if wanted.state is not None:
        yield _STATES[wanted.state], ()
    if wanted.may_leave is not None:
        yield f"{'' if wanted.may_leave else 'NOT '}{_MAY_LEAVE}", ()
    if wanted.pairs is not None:
        yield _pairs_asked(wanted.pairs)
    for name, value in wanted.fields:
        said = f"files.id IN ({_SAYING.format('AND value = ?' if value else '')})"
        yield said if value else f"NOT {said}", (name, value) * 2 if value else (name, name)
    if wanted.copied:
        yield _COPIED, ()
    if wanted.described is not None:
        yield f"{'' if wanted.described else 'NOT '}{_DESCRIBED}", ()
    if wanted.text:
        escaped = wanted.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        yield "files.path LIKE ? ESCAPE '\\'", (f"%{escaped}%",)


_READY_ELSEWHERE = "SELECT 1 FROM files AS copy WHERE copy.sha256 = files.sha256 AND copy.state = 'ready'"
_STATES = {
    FileState.READY: "files.state = 'ready'",
    FileState.UNREADABLE: "files.state = 'unreadable'",
    FileState.MISSING: f"files.state = 'missing' AND NOT EXISTS ({_READY_ELSEWHERE})",
}
_MAY_LEAVE = """(images.id IS NOT NULL AND files.id IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM files AS copy JOIN sources ON sources.id = copy.source_id
     WHERE copy.sha256 = files.sha256 AND NOT sources.may_leave))"""
_COPIED = """(SELECT count(*) FROM files AS copy WHERE copy.sha256 = files.sha256) > 1"""
_DESCRIBED = """(EXISTS (SELECT 1 FROM metadata WHERE file_id = files.id AND origin <> 'model')
    OR EXISTS (SELECT 1 FROM metadata WHERE metadata.case_id = files.case_id AND origin <> 'model'))"""
_SAYING = """SELECT file_id FROM metadata
    WHERE field = ? {0} AND origin <> 'model' AND file_id IS NOT NULL
    UNION ALL SELECT of_case.id FROM metadata JOIN files AS of_case ON of_case.case_id = metadata.case_id
    WHERE field = ? {0} AND origin <> 'model'"""


def _pairs_asked(asked: PairFilter) -> tuple[str, tuple[object, ...]]:
    any_pair = "EXISTS (SELECT 1 FROM pair_images WHERE pair_images.image_id = images.id)"
    of_image = """EXISTS (SELECT 1 FROM pair_images JOIN pairs ON pairs.id = pair_images.pair_id
        WHERE pair_images.image_id = images.id AND {})"""
    if asked is PairFilter.NONE:
        return f"images.id IS NOT NULL AND NOT {any_pair}", ()
    if asked is PairFilter.SOME:
        return any_pair, ()
    if asked is PairFilter.FLAGGED:
        return of_image.format("pairs.flag_count > 0"), ()
    return of_image.format("pairs.state = ?"), (asked.value,)


def count_listed(store: Store) -> tuple[int, dict[int, int]]:
    """How many rows a list of all images has, and how many of them each source has."""
    total = "SELECT (SELECT count(*) FROM images) + (SELECT count(*) FROM files WHERE sha256 IS NULL)"
    query = """SELECT source_id, count(DISTINCT coalesce(images.id, -files.id)) FROM files
        LEFT JOIN images ON images.sha256 = files.sha256 GROUP BY source_id"""
    return store.value(total), dict(store.tuples(query))


# -- what a list shows ----------------------------------------------------------------------------


def cards_of(store: Store, numbers: Sequence[int]) -> dict[int, ImageCard]:
    """Cards by their number; a number of which nothing is left is not among them."""
    ids = [number for number in numbers if number > 0]
    files = [-number for number in numbers if number < 0]
    return _image_cards(store, ids) | {card.id: card for card in _file_cards(store, files)}


def _image_cards(store: Store, ids: Sequence[int]) -> dict[int, ImageCard]:
    # The first row of an image is its best file: one that is there, the oldest of them.
    query = """SELECT images.id AS id, images.sha256 AS sha256, frame, width, height, files.path AS path,
            files.state AS state, files.frames AS frames, sources.id AS source_id, sources.name AS source,
            min(sources.may_leave) OVER one AS may_leave, count(files.id) OVER one AS copies
        FROM images LEFT JOIN files ON files.sha256 = images.sha256
        LEFT JOIN sources ON sources.id = files.source_id
        WHERE images.id IN (SELECT value FROM json_each(?)) WINDOW one AS (PARTITION BY images.id)
        ORDER BY images.id, files.state = 'ready' DESC, files.id"""
    first: dict[int, Row] = {}
    for row in store.rows(query, (json.dumps(list(ids)),)):
        first.setdefault(row["id"], row)
    counts, fields = _pair_counts(store, ids), fields_of_images(store, list(ids))
    return {id_: _image_card(row, counts.get(id_, []), fields.get(id_, {})) for id_, row in first.items()}


def _image_card(
    row: Row, counts: list[tuple[str, int, int]], said: Mapping[str, tuple[Row, ...]]
) -> ImageCard:
    return ImageCard(
        **row
        | {
            "path": row["path"] or "",
            "source": row["source"] or "",
            "state": FileState(row["state"] or FileState.MISSING),
            "frames": row["frames"] or 1,
            "may_leave": bool(row["may_leave"]),
            "pairs": {PairState(state): count for state, count, _ in counts},
            "flagged": sum(flagged for _, _, flagged in counts),
            "fields": {name: ", ".join(value["value"] for value in values) for name, values in said.items()},
        }
    )


def _pair_counts(store: Store, ids: Sequence[int]) -> dict[int, list[tuple[str, int, int]]]:
    query = """SELECT image_id, state, count(*), sum(flag_count > 0)
        FROM pair_images JOIN pairs ON pairs.id = pair_images.pair_id
        WHERE image_id IN (SELECT value FROM json_each(?)) GROUP BY image_id, state"""
    found: dict[int, list[tuple[str, int, int]]] = {}
    for image, *counts in store.tuples(query, (json.dumps(list(ids)),)):
        found.setdefault(image, []).append((counts[0], counts[1], counts[2]))
    return found


def _file_cards(store: Store, ids: Sequence[int]) -> Iterator[ImageCard]:
    query = """SELECT -files.id AS id, files.path AS path, files.state AS state, files.error AS error,
            sources.id AS source_id, sources.name AS source
        FROM files JOIN sources ON sources.id = files.source_id
        WHERE files.id IN (SELECT value FROM json_each(?))"""
    for row in store.rows(query, (json.dumps(list(ids)),)):
        error = json.loads(row.pop("error") or "null")
        yield ImageCard(**row | {"state": FileState(row["state"])}, error=error)


def fields_said(store: Store) -> list[str]:
    """The fields of which a file or a person says something, in order of name."""
    # From name to name through the index: there are a dozen of them among a million values.
    query = """WITH RECURSIVE names (field) AS (
            SELECT min(field) FROM metadata UNION ALL
            SELECT (SELECT min(field) FROM metadata WHERE field > names.field) FROM names
            WHERE field IS NOT NULL)
        SELECT field FROM names WHERE EXISTS
            (SELECT 1 FROM metadata WHERE metadata.field = names.field AND origin <> 'model')"""
    return [row[0] for row in store.tuples(query)]


# -- saved filters --------------------------------------------------------------------------------


def saved_filters(store: Store) -> dict[str, Filter]:
    """The saved filters of the project by their names, in order of name."""
    text = store.value("SELECT value FROM facts WHERE key = ?", (_SAVED,))
    said = json.loads(text) if text else {}
    return {name: _filter(said[name]) for name in sorted(said, key=str.casefold)}


def save_filter(store: Store, name: str, wanted: Filter | None) -> None:
    """Keeps a filter under a name, in place of one that had it; None takes the name away."""
    with store.writing():
        kept: dict[str, Filter | None] = {**saved_filters(store), name: wanted}
        said = {name: asdict(one) for name, one in kept.items() if one is not None}
        store.set_fact(_SAVED, as_json(said))


def forget_filters(store: Store) -> None:
    """Takes away saved filters that name what nobody says any more: it may be what was forgotten."""
    for name, wanted in saved_filters(store).items():
        asked = [Filter(fields=(one,)) for one in wanted.fields if one[1]]
        asked += [Filter(text=wanted.text)] if wanted.text else []
        if not all(find_images(store, one) for one in asked):
            save_filter(store, name, None)


def _filter(said: Mapping[str, Any]) -> Filter:
    return Filter(
        source_id=said["source_id"],
        state=FileState(said["state"]) if said["state"] else None,
        pairs=PairFilter(said["pairs"]) if said["pairs"] else None,
        may_leave=said["may_leave"],
        fields=tuple((name, value) for name, value in said["fields"]),
        text=said["text"],
        copied=said.get("copied", False),
        described=said.get("described"),
    )
