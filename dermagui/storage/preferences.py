"""Preferences: which of two answers to one question a person chose. They are only appended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from dermagui import __version__
from dermagui.records import Pair, PairImage, PairKind, PairState, Role, Turn
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.pairs import turns_from_json
from dermagui.storage.people import device


@dataclass(frozen=True, slots=True)
class Preference:
    """One choice between two answers."""

    uid: str
    person_uid: str
    at: str
    turns: tuple[Turn, ...]
    """What was said before the two answers; the last turn is the question."""
    images: tuple[int, ...]
    chosen: str
    rejected: str
    chosen_by: Mapping[str, object]
    """The model that gave the answer: model, model_sha256, quantization, adapters, settings."""
    rejected_by: Mapping[str, object]
    blinded: bool
    """Whether the person could not see which model gave which answer."""
    seed: int
    """Of the order in which the answers stood; see ``chat.side_by_side.order_of``."""


def add_preference(store: Store, said: Preference) -> None:
    """Writes a choice."""
    with store.writing() as conn:
        conn.execute(
            f"INSERT INTO preferences VALUES ({','.join('?' * 12)})",
            (
                *(said.uid, said.person_uid, said.at, as_json([asdict(turn) for turn in said.turns])),
                *(said.chosen, said.rejected, as_json(said.chosen_by), as_json(said.rejected_by)),
                *(said.blinded, said.seed, device(), __version__),
            ),
        )
        conn.executemany(
            "INSERT INTO preference_images VALUES (?, ?, ?)",
            [(said.uid, ordinal, image) for ordinal, image in enumerate(said.images)],
        )


def count_preferences(store: Store) -> int:
    """How many choices there are."""
    return int(store.value("SELECT count(*) FROM preferences"))


def list_preferences(store: Store) -> Iterator[Preference]:
    """All choices, oldest first."""
    for row in store.rows("SELECT * FROM preferences ORDER BY uid"):
        query = "SELECT image_id FROM preference_images WHERE preference_uid = ? ORDER BY ordinal"
        yield _preference(row, tuple(found[0] for found in store.tuples(query, (row["uid"],))))


def _preference(row: Row, images: tuple[int, ...]) -> Preference:
    return Preference(
        uid=row["uid"],
        person_uid=row["person_uid"],
        at=row["at"],
        turns=turns_from_json(row["turns"]),
        images=images,
        chosen=row["chosen"],
        rejected=row["rejected"],
        chosen_by=json.loads(row["chosen_by"]),
        rejected_by=json.loads(row["rejected_by"]),
        blinded=bool(row["blinded"]),
        seed=row["seed"],
    )


def as_pair(said: Preference) -> tuple[Pair, tuple[Turn, ...]]:
    """A choice as an export sees it: a pair with the rejected answer, and the turns with the chosen one."""
    told = {"chosen_by": said.chosen_by, "rejected_by": said.rejected_by, "blinded": said.blinded}
    pair = Pair(
        uid=said.uid,
        kind=PairKind.OPEN if len(said.turns) == 1 else PairKind.DIALOGUE,
        turns=(*said.turns, Turn(Role.ASSISTANT, said.rejected)),
        images=tuple(PairImage(image) for image in said.images),
        payload={"preference": told},
        state=PairState.ACCEPTED,
        created_at=said.at,
    )
    return pair, (*said.turns, Turn(Role.ASSISTANT, said.chosen))
