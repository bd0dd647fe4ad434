"""Pairs: ordered turns about images. Generated text is never overwritten; an edit lies beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from dermagui.records import Flag, FlagKind, Pair, PairImage, PairKind, PairState, Region, Role, Turn
from dermagui.storage.database import BATCH, Row, Store, as_json

RANK_BOUND = 5_000
"""A search ranks at most this many hits: ranking all of a common word's takes seconds."""


def add_pairs(store: Store, pairs: Sequence[Pair]) -> None:
    """Writes new pairs (at most ``BATCH``) in one transaction; a pair that is there already stays."""
    with store.writing() as conn:
        for pair in pairs:
            cursor = conn.execute(
                """INSERT INTO pairs (uid, kind, state, simulated, run_uid, request_uid, question_key,
                       payload, flags, flag_count, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                   ON CONFLICT DO NOTHING""",
                (
                    pair.uid,
                    pair.kind,
                    pair.state,
                    pair.simulated,
                    pair.run_uid,
                    pair.request_uid,
                    pair.question_key,
                    as_json(pair.payload),
                    as_json([asdict(flag) for flag in pair.flags]),
                    len(pair.flags),
                    pair.created_at,
                ),
            )
            if cursor.rowcount:
                _add_parts(store, int(cursor.lastrowid or 0), pair)
    _index_when_due(store)


def _add_parts(store: Store, pair_id: int, pair: Pair) -> None:
    store.conn.executemany(
        "INSERT INTO pair_turns VALUES (?, ?, ?, ?)",
        [(pair_id, n, turn.role, turn.text) for n, turn in enumerate(pair.turns)],
    )
    store.conn.executemany(
        "INSERT INTO pair_images VALUES (?, ?, ?, ?)",
        [
            (pair_id, ordinal, image.image_id, as_json(asdict(image.region)) if image.region else None)
            for ordinal, image in enumerate(pair.images)
        ],
    )


def pair(store: Store, uid: str) -> Pair | None:
    """One pair as it was generated, with its present state; or None."""
    return next(_read(store, "SELECT * FROM pairs WHERE uid = ?", (uid,)), None)


def edited_turns(store: Store, uid: str) -> tuple[Turn, ...]:
    """The turns of the edit that holds at present; empty where there is none."""
    text = store.value("SELECT edited_turns FROM pairs WHERE uid = ?", (uid,))
    return turns_from_json(text) if text else ()


def page_of_pairs(
    store: Store,
    *,
    state: PairState | None = None,
    flagged: bool | None = None,
    after_id: int = 0,
    count: int = 200,
) -> list[tuple[int, Pair]]:
    """The next pairs in order of their id, after the last id of the page before (keyset paging)."""
    wanted: list[tuple[str, object]] = [("id > ?", after_id)]
    if state is not None:
        wanted.append(("state = ?", state))
    where = " AND ".join(condition for condition, _ in wanted)
    if flagged is not None:
        where += " AND flag_count > 0" if flagged else " AND flag_count = 0"
    query = f"SELECT * FROM pairs WHERE {where} ORDER BY id LIMIT ?"
    return list(_read_numbered(store, query, (*[value for _, value in wanted], count)))


def pairs_of_image(store: Store, image_id: int) -> list[Pair]:
    """All pairs about an image, oldest first."""
    query = "SELECT * FROM pairs WHERE id IN (SELECT pair_id FROM pair_images WHERE image_id = ?) ORDER BY id"
    return list(_read(store, query, (image_id,)))


def answers_of_image(store: Store, image_id: int) -> tuple[str, ...]:
    """The generated answers about an image, oldest first, for finding near-duplicates."""
    query = """SELECT text FROM pair_images JOIN pair_turns USING (pair_id)
               WHERE image_id = ? AND role = 'assistant' ORDER BY pair_id, n"""
    return tuple(row[0] for row in store.tuples(query, (image_id,)))


def count_pairs(store: Store) -> dict[str, int]:
    """How many pairs are in each state."""
    return store.counts("SELECT state, count(*) FROM pairs GROUP BY state")


def count_flags(store: Store) -> dict[str, int]:
    """How many pairs carry each kind of flag."""
    return store.counts(
        """SELECT json_extract(flag.value, '$.kind'), count(DISTINCT pairs.id)
           FROM pairs, json_each(pairs.flags) AS flag WHERE flag_count > 0 GROUP BY 1"""
    )


def search_pairs(store: Store, words: str, *, count: int = 50) -> list[tuple[int, Pair]]:
    """The pairs whose generated text fits the words best, best first, from the first ``RANK_BOUND`` hits.

    Words are searched as words, not as a query language: quotes and operators have no meaning.
    """
    words = words.replace("\0", " ").encode("utf-8", "ignore").decode()
    quoted = " ".join(f'"{word.replace(chr(34), chr(34) * 2)}"' for word in words.split())
    if not quoted:
        return []
    if not store.read_only:
        index_pairs(store)
    # The inner limit bounds what is ranked: a condition on rowid would start the search anew for each hit.
    hits = "SELECT rowid, bm25(pair_search) AS score FROM pair_search WHERE pair_search MATCH ? LIMIT ?"
    query = f"SELECT rowid FROM ({hits}) ORDER BY score, rowid LIMIT ?"
    ids = [row[0] for row in store.tuples(query, (quoted, RANK_BOUND, count))]
    wanted = "SELECT * FROM pairs WHERE id IN (SELECT value FROM json_each(?))"
    found = dict(_read_numbered(store, wanted, (json.dumps(ids),)))
    return [(pair_id, found[pair_id]) for pair_id in ids]


def _index_when_due(store: Store) -> None:
    behind = store.value("SELECT max(id) FROM pairs") or 0
    if behind - int(store.fact("search_watermark")) >= BATCH:
        index_pairs(store)


def index_pairs(store: Store) -> int:
    """Brings the search index up to date, in batches; returns how many pairs were added to it.

    One batch for many pairs costs a small part of what a trigger for each of them costs.
    """
    added = 0
    while True:
        with store.writing() as conn:
            start = int(store.fact("search_watermark"))
            end = store.value(
                "SELECT max(id) FROM (SELECT id FROM pairs WHERE id > ? ORDER BY id LIMIT ?)", (start, BATCH)
            )
            if end is None:
                return added
            cursor = conn.execute(
                """INSERT INTO pair_search (rowid, text)
                   SELECT id, text FROM pair_texts WHERE id > ? AND id <= ?""",
                (start, end),
            )
            added += cursor.rowcount
            store.set_fact("search_watermark", str(end))


def turns_from_json(text: str) -> tuple[Turn, ...]:
    """Turns as the database keeps them in one column."""
    return tuple(Turn(Role(turn["role"]), turn["text"]) for turn in json.loads(text))


def _read(store: Store, query: str, parameters: Sequence[object]) -> Iterator[Pair]:
    return (found for _, found in _read_numbered(store, query, parameters))


def _read_numbered(store: Store, query: str, parameters: Sequence[object]) -> Iterator[tuple[int, Pair]]:
    """Pairs with their ids, in the order of the query: three queries, however many pairs they are."""
    rows = list(store.rows(query, parameters))
    ids = json.dumps([row["id"] for row in rows])
    turns, images = _turns_of(store, ids), _images_of(store, ids)
    for row in rows:
        yield row["id"], _pair(row, turns.get(row["id"], ()), images.get(row["id"], ()))


def _turns_of(store: Store, ids: str) -> dict[int, tuple[Turn, ...]]:
    query = """SELECT pair_id, role, text FROM pair_turns
               WHERE pair_id IN (SELECT value FROM json_each(?)) ORDER BY pair_id, n"""
    found: dict[int, tuple[Turn, ...]] = {}
    for pair_id, role, text in store.tuples(query, (ids,)):
        found[pair_id] = (*found.get(pair_id, ()), Turn(Role(role), text))
    return found


def _images_of(store: Store, ids: str) -> dict[int, tuple[PairImage, ...]]:
    query = """SELECT pair_id, image_id, region FROM pair_images
               WHERE pair_id IN (SELECT value FROM json_each(?)) ORDER BY pair_id, ordinal"""
    found: dict[int, tuple[PairImage, ...]] = {}
    for pair_id, image_id, region in store.tuples(query, (ids,)):
        image = PairImage(image_id, Region(**json.loads(region)) if region else None)
        found[pair_id] = (*found.get(pair_id, ()), image)
    return found


def _pair(row: Row, turns: tuple[Turn, ...], images: tuple[PairImage, ...]) -> Pair:
    return Pair(
        uid=row["uid"],
        kind=PairKind(row["kind"]),
        turns=turns,
        images=images,
        payload=json.loads(row["payload"]),
        flags=tuple(
            Flag(FlagKind(flag["kind"]), flag["evidence"], flag["detail"])
            for flag in json.loads(row["flags"])
        ),
        state=PairState(row["state"]),
        simulated=bool(row["simulated"]),
        run_uid=row["run_uid"],
        request_uid=row["request_uid"],
        question_key=row["question_key"],
        created_at=row["created_at"],
    )


def pairs_ending(store: Store, text: str) -> list[Pair]:
    """The pair with this uid or, of eight letters and more, those whose uid ends so; at most a few."""
    found = pair(store, text)
    if found is not None or len(text) < 8:
        return [found] if found else []
    query = "SELECT * FROM pairs WHERE substr(uid, -1) = substr(?, -1) AND substr(uid, -?) = ? LIMIT 3"
    return list(_read(store, query, (text, len(text), text)))
