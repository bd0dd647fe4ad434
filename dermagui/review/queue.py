"""A reviewer's queue: an order that never changes underfoot, and the place in it that is found again.

An order is a row of parts, such as what is flagged and then the rest; within a part, chance decides, by a
key that belongs to the person and the project.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from dermagui.records import FlagKind, PairState
from dermagui.storage.database import Store, as_json
from dermagui.storage.queues import (
    QueueFilter,
    diagnoses_by_rarity,
    id_of_pair,
    number_of,
    page_of_queue,
)

PAGE_PAIRS = 200


class Order(StrEnum):
    """What comes first."""

    RANDOM = "random"
    FLAGGED = "flagged"
    RARE = "rare"
    """Pairs about the rarest diagnoses; what has none comes last."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A pair's place in a queue: in which of its parts, and which pair."""

    part: int
    pair_id: int


@dataclass(frozen=True, slots=True)
class Queue:
    """A filter in an order, cut into parts, for one person."""

    wanted: QueueFilter
    order: Order
    key: int
    parts: tuple[QueueFilter, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What a reviewer looked at last, kept in the project."""

    wanted: QueueFilter = field(default_factory=QueueFilter)
    order: Order = Order.RANDOM
    part: int = 0
    pair_uid: str = ""


def open_queue(store: Store, person_uid: str, wanted: QueueFilter, order: Order) -> Queue:
    """The queue of that person; cheap, as nothing of it is read yet."""
    return Queue(wanted, order, person_key(store, person_uid), tuple(_parts(store, wanted, order)))


def person_key(store: Store, person_uid: str) -> int:
    """What makes the order of one person another one's chance: from the project's own secret."""
    said = f"{store.fact('secret')} review {person_uid}"
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:4]) >> 2


def _parts(store: Store, wanted: QueueFilter, order: Order) -> Sequence[QueueFilter]:
    if order is Order.FLAGGED and wanted.flagged is None and wanted.flag is None:
        return [replace(wanted, flagged=flagged) for flagged in (True, False)]
    if order is Order.RARE:
        return [replace(wanted, diagnosis=value) for value in (*diagnoses_by_rarity(store), "")]
    return [wanted]


def pairs_after(store: Store, queue: Queue, spot: Spot | None, count: int = PAGE_PAIRS) -> list[Spot]:
    """The next pairs after a spot, or the first ones; less than ``count`` only where the queue ends."""
    found: list[Spot] = []
    first = spot.part if spot else 0
    for part in range(first, len(queue.parts)):
        after = number_of(spot.pair_id, queue.key) if spot and part == first else -1
        left = count - len(found)
        ids = page_of_queue(store, queue.parts[part], queue.key, after=after, count=left)
        found += [Spot(part, pair_id) for pair_id in ids]
        if len(found) == count:
            break
    return found


def pairs_before(store: Store, queue: Queue, spot: Spot, count: int = PAGE_PAIRS) -> list[Spot]:
    """The last pairs before a spot, in the order of the queue."""
    found: list[Spot] = []
    for part in range(min(spot.part, len(queue.parts) - 1), -1, -1):
        before = number_of(spot.pair_id, queue.key) if part == spot.part else 1 << 62
        left = count - len(found)
        ids = page_of_queue(store, queue.parts[part], queue.key, before=before, count=left)
        found = [Spot(part, pair_id) for pair_id in ids] + found
        if len(found) == count:
            break
    return found


def spots_from(store: Store, queue: Queue, place: Place) -> list[Spot]:
    """The first page from a kept place on, with the pair of that place even if it is decided by now.

    From the beginning where that pair is gone or was of another order.
    """
    pair_id = id_of_pair(store, place.pair_uid)
    if pair_id is None or place.order is not queue.order or place.part >= len(queue.parts):
        return pairs_after(store, queue, None)
    spot = Spot(place.part, pair_id)
    return [spot, *pairs_after(store, queue, spot)]


def keep_place(store: Store, person_uid: str, place: Place) -> None:
    """Keeps where a reviewer is, for the next start."""
    store.set_fact(f"review/{person_uid}", as_json(asdict(place)))


def kept_place(store: Store, person_uid: str) -> Place:
    """Where a reviewer was; the beginning of what is to be decided for a new one."""
    text = store.value("SELECT value FROM facts WHERE key = ?", (f"review/{person_uid}",))
    return _place(json.loads(text)) if text else Place()


def _place(said: Mapping[str, Any]) -> Place:
    wanted = said["wanted"]
    state, flag = wanted["state"], wanted["flag"]
    typed = {"state": PairState(state) if state else None, "flag": FlagKind(flag) if flag else None}
    return Place(QueueFilter(**wanted | typed), Order(said["order"]), said["part"], said["pair_uid"])
