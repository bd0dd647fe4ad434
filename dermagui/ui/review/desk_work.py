"""What the page asks of the database, as functions of the project's ``Store``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dermagui.records import Person, RejectReason, Turn, Verdict, VerdictKind, VerdictMethod
from dermagui.review.queue import Place, Queue, Spot, keep_place, kept_place, open_queue, spots_from
from dermagui.review.verdicts import decide, redo, undo
from dermagui.storage import people, sources
from dermagui.storage.database import Store
from dermagui.storage.drafts import keep_draft
from dermagui.storage.pairs import search_pairs
from dermagui.storage.queues import QueueFilter, count_queue, count_read, id_of_pair, question_keys

FOUND_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class Said:
    """A verdict as the reviewer gave it; whatever becomes of the disk, this is what must not be lost."""

    pair_uid: str
    kind: VerdictKind
    reason: RejectReason | None = None
    turns: tuple[Turn, ...] = ()
    note: str = ""
    rubric: Mapping[str, str] | None = None
    visible: tuple[str, ...] = ()
    seconds: float = 0.0

    def as_dict(self, person: str) -> dict[str, Any]:
        """For a file: all of it, and whose it is."""
        return {"person": person, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Opened:
    """What the page begins with: the reviewer, their queue, and where in it they were."""

    person: Person
    place: Place
    queue: Queue
    spots: tuple[Spot, ...]
    question_keys: tuple[str, ...]
    sources: dict[int, str]
    people: tuple[str, ...]
    has_pairs: bool


def open_review(store: Store, name: str, place: Place | None = None) -> Opened:
    """The queue of that reviewer from where they were, or as ``place`` says."""
    person = _person(store, name)
    keys, names = question_keys(store), {s.id: s.name for s in sources.list_sources(store)}
    place = _still_there(place or kept_place(store, person.uid), keys, names)
    queue = open_queue(store, person.uid, place.wanted, place.order)
    return Opened(
        person=person,
        place=place,
        queue=queue,
        spots=tuple(spots_from(store, queue, place)),
        question_keys=tuple(keys),
        sources=names,
        people=tuple(people.list_people(store)),
        has_pairs=bool(store.value("SELECT EXISTS (SELECT 1 FROM pairs)")),
    )


def _still_there(place: Place, keys: Sequence[str], names: Mapping[int, str]) -> Place:
    """The place without a question or a source that the project has no more: nobody could unchoose it."""
    wanted = place.wanted
    kept = replace(
        wanted,
        question_key=wanted.question_key if wanted.question_key in keys else "",
        source_id=wanted.source_id if wanted.source_id in names else None,
    )
    return place if kept == wanted else Place(kept, place.order)


def _person(store: Store, name: str) -> Person:
    if not store.read_only:
        return people.person(store, name)
    known = store.value("SELECT uid FROM people WHERE name = ?", (name,))
    return Person(known or "", name)


def save_verdict(store: Store, person: Person, said: Said) -> None:
    """Writes a verdict, and takes away the draft that became one."""
    store.keep_through_power_loss()
    with store.writing():
        decide(
            store,
            person,
            [said.pair_uid],
            said.kind,
            method=VerdictMethod.READ,
            reason=said.reason,
            turns=said.turns,
            note=said.note,
            rubric=dict(said.rubric or {}),
            visible=said.visible,
            seconds=said.seconds,
        )
        if said.kind is VerdictKind.EDIT:
            keep_draft(store, person.uid, said.pair_uid, ())


def step_back(store: Store, person: Person) -> tuple[Verdict, int | None]:
    """Takes back the person's last verdict; it, and the id of its pair."""
    found = undo(store, person, method=VerdictMethod.READ)
    return found, id_of_pair(store, found.pair_uid)


def step_forward(store: Store, person: Person) -> tuple[Verdict, int | None]:
    """Restores what the person took back last; it, and the id of its pair."""
    found = redo(store, person, method=VerdictMethod.READ)
    return found, id_of_pair(store, found.pair_uid)


def count_progress(store: Store, wanted: QueueFilter, person_uid: str) -> tuple[int, int]:
    """Of how many pairs of a filter, whatever their state, the person has read how many."""
    whole = replace(wanted, state=None, unread_by="")
    return count_read(store, whole, person_uid), count_queue(store, whole)


def find_pairs(store: Store, words: str) -> tuple[Spot, ...]:
    """The pairs that hold these words, the best first."""
    return tuple(Spot(0, pair_id) for pair_id, _ in search_pairs(store, words, count=FOUND_AT_MOST))


def keep_where(store: Store, person: Person, place: Place) -> None:
    """Keeps the reviewer's place, where anything can be kept."""
    if not store.read_only:
        keep_place(store, person.uid, place)


def keep_begun(store: Store, person: Person, pair_uid: str, turns: Sequence[Turn]) -> None:
    """Keeps an edit that was begun, where anything can be kept."""
    if not store.read_only:
        keep_draft(store, person.uid, pair_uid, turns)
