"""Datasets: what an export is made of, and what is kept of it; and the split that a group has for ever."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dermagui.records import ACCEPTED_STATES, Pair, PairState, Split, Turn
from dermagui.storage.database import BATCH, Row, Store, as_json
from dermagui.storage.moments import now
from dermagui.storage.pairs import page_of_pairs, turns_from_json
from dermagui.storage.preferences import as_pair, list_preferences


@dataclass(frozen=True, slots=True)
class Exportable:
    """A pair with the turns that hold now, and where it came from.

    ``origin`` holds provider, model, model_version, terms_date, tier, bank, bank_version, question_type;
    empty texts where nobody asked a model. ``readers`` are the uids of those who read it themselves,
    ``people`` of all who decided about it.
    """

    pair: Pair
    turns: tuple[Turn, ...]
    origin: Mapping[str, str]
    readers: tuple[str, ...]
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageOrigin:
    """Where an image lies, and what ties it to other images."""

    sha256: str
    frame: int
    pixel_hash: str
    perceptual_hash: bytes
    sources: tuple[int, ...]
    patients: tuple[str, ...]
    """``source id:patient``: the same id in two sources may be two people."""
    lesions: tuple[str, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """How many accepted and edited pairs are alike in what an export asks about."""

    rehearsed: bool
    flagged: bool
    """A check found something, and nobody has rewritten the text since."""
    edited: bool
    count: int


_ORIGIN = (
    "provider",
    "model",
    "model_version",
    "terms_date",
    "tier",
    "bank",
    "bank_version",
    "question_type",
)


def count_accepted(store: Store) -> tuple[Accepted, ...]:
    """The accepted and edited pairs, counted by what tells them apart."""
    query = f"""SELECT simulated, flag_count > 0 AND state <> '{PairState.EDITED}',
            state = '{PairState.EDITED}', count(*)
        FROM pairs WHERE state IN ({",".join("?" * len(ACCEPTED_STATES))}) GROUP BY 1, 2, 3"""
    return tuple(
        Accepted(bool(rehearsed), bool(flagged), bool(edited), count)
        for rehearsed, flagged, edited, count in store.tuples(query, ACCEPTED_STATES)
    )


def exportable_pairs(
    store: Store, *, states: Sequence[PairState], simulated: bool, unflagged: bool = False
) -> Iterator[Exportable]:
    """Every pair in one of these states, in order of its id; those of a rehearsal only if they are wanted.

    ``unflagged`` leaves out what a check flagged, unless a person has rewritten it.
    """
    last = 0
    while page := page_of_pairs(store, after_id=last, count=BATCH // 5):
        last = page[-1][0]
        wanted = [
            (id_, pair)
            for id_, pair in page
            if pair.state in states
            and (simulated or not pair.simulated)
            and not (unflagged and pair.flags and pair.state is not PairState.EDITED)
        ]
        origins = _origins(store, [id_ for id_, _ in wanted])
        for id_, pair in wanted:
            row = origins[id_]
            edited = turns_from_json(row["edited_turns"]) if row["edited_turns"] else ()
            readers, people = _who(store, pair.uid)
            origin = {name: row[name] or "" for name in _ORIGIN} | _of_chat(pair.payload.get("chat"))
            yield Exportable(pair, edited or pair.turns, origin, readers, people)


def exportable_preferences(store: Store) -> Iterator[Exportable]:
    """Every choice between two answers: the rejected one as the pair's own, the chosen one as what holds."""
    for said in list_preferences(store):
        pair, turns = as_pair(said)
        origin = dict.fromkeys(_ORIGIN, "") | _of_chat(said.chosen_by)
        yield Exportable(pair, turns, origin, (said.person_uid,), (said.person_uid,))


def _of_chat(told: object) -> dict[str, str]:
    """Where an answer of a chat came from: a model on this computer."""
    if not isinstance(told, dict):
        return {}
    model = f"{told.get('model', '')} {told.get('quantization', '')}".strip()
    return {"provider": "local", "model": model, "model_version": str(told.get("model_sha256") or model)}


def _origins(store: Store, pair_ids: Sequence[int]) -> dict[int, Row]:
    query = f"""SELECT pairs.id AS id, edited_turns, runs.provider AS provider, runs.model AS model,
            requests.model_version AS model_version, runs.terms_date AS terms_date, runs.tier AS tier,
            banks.name AS bank, banks.version AS bank_version, questions.type AS question_type
        FROM pairs LEFT JOIN runs ON runs.uid = pairs.run_uid
        LEFT JOIN requests ON requests.uid = pairs.request_uid
        LEFT JOIN banks ON banks.id = runs.bank_id
        LEFT JOIN questions ON questions.bank_id = banks.id AND questions.key = pairs.question_key
        WHERE pairs.id IN ({",".join("?" * len(pair_ids))})"""
    return {row["id"]: row for row in store.rows(query, pair_ids)}


def _who(store: Store, pair_uid: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    query = """SELECT person_uid, max(method = 'read' AND kind <> 'undo') FROM verdicts
        WHERE pair_uid = ? GROUP BY person_uid ORDER BY person_uid"""
    found = list(store.tuples(query, (pair_uid,)))
    return tuple(person for person, read in found if read), tuple(person for person, _ in found)


def image_origins(store: Store, image_ids: Sequence[int]) -> dict[int, ImageOrigin]:
    """Where images lie and what ties them together."""
    found: dict[int, ImageOrigin] = {}
    for start in range(0, len(image_ids), 500):
        some = image_ids[start : start + 500]
        query = f"""SELECT images.id AS id, images.sha256 AS sha256, frame, pixel_hash, perceptual_hash,
                files.source_id AS source, files.path AS path,
                cases.patient AS patient, cases.lesion AS lesion
            FROM images JOIN files ON files.sha256 = images.sha256 LEFT JOIN cases ON cases.id = files.case_id
            WHERE images.id IN ({",".join("?" * len(some))}) ORDER BY images.id, files.id"""
        rows: dict[int, list[Row]] = defaultdict(list)
        for row in store.rows(query, some):
            rows[row["id"]].append(row)
        found |= {image: _origin(of_image) for image, of_image in rows.items()}
    return found


def _origin(rows: list[Row]) -> ImageOrigin:
    first = rows[0]
    return ImageOrigin(
        sha256=first["sha256"],
        frame=first["frame"],
        pixel_hash=first["pixel_hash"],
        perceptual_hash=first["perceptual_hash"],
        sources=tuple(sorted({row["source"] for row in rows})),
        patients=tuple(sorted({f"{row['source']}:{row['patient']}" for row in rows if row["patient"]})),
        lesions=tuple(
            sorted({f"{row['source']}:{row['patient']}:{row['lesion']}" for row in rows if row["lesion"]})
        ),
        path=first["path"],
    )


def stored_splits(store: Store, seed: int) -> dict[str, Split]:
    """The splits that groups were given under this seed; the keys are pseudonyms of groups."""
    query = "SELECT group_key, split FROM splits WHERE seed = ?"
    return {key: Split(split) for key, split in store.tuples(query, (seed,))}


def save_dataset(
    store: Store,
    *,
    uid: str,
    name: str,
    path: str,
    export_format: str,
    seed: int,
    manifest: Mapping[str, object],
    splits: Mapping[str, Split],
    pairs: Sequence[tuple[str, str, Split]],
) -> None:
    """Keeps an export: its splits first, which never move again, then its pairs (uid, text hash, split)."""
    moment = now()
    store.write_many(
        "INSERT OR IGNORE INTO splits VALUES (?, ?, ?, ?)",
        ((seed, key, split, moment) for key, split in splits.items()),
    )
    with store.writing() as conn:
        conn.execute(
            "INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?)",
            (uid, name, path, export_format, seed, moment, as_json(manifest)),
        )
    store.write_many(
        "INSERT INTO dataset_pairs VALUES (?, ?, ?, ?)",
        ((uid, pair, text, split) for pair, text, split in pairs),
    )


def remove_dataset(store: Store, uid: str) -> None:
    """Takes back an export whose folder could not be put into place. Its splits stay: they were used."""
    with store.writing() as conn:
        conn.execute("DELETE FROM dataset_pairs WHERE dataset_uid = ?", (uid,))
        conn.execute("DELETE FROM datasets WHERE uid = ?", (uid,))


def list_datasets(store: Store) -> list[Row]:
    """All exports, oldest first, with their manifests."""
    rows = list(store.rows("SELECT * FROM datasets ORDER BY uid"))
    for row in rows:
        row["manifest"] = json.loads(row["manifest"])
    return rows
