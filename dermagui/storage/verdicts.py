"""Verdicts: append-only events. A pair's present state follows from its events, whatever their order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from dermagui.records import PairState, RejectReason, Turn, Verdict, VerdictKind, VerdictMethod
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.pairs import turns_from_json

_STATE_OF = {
    VerdictKind.ACCEPT: PairState.ACCEPTED,
    VerdictKind.EDIT: PairState.EDITED,
    VerdictKind.REJECT: PairState.REJECTED,
    VerdictKind.UNSURE: PairState.UNSURE,
}


def counting(events: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts that count, latest first: those that no later undo takes back that counts itself.

    Later is who has the later uid, which knows of all that came before it, and not who has the faster
    clock. The result does not depend on the order in which the events arrive.
    """
    taken_back: set[str | None] = set()
    found: list[Verdict] = []
    once = {event.uid: event for event in events}
    for event in sorted(once.values(), key=lambda event: event.uid, reverse=True):
        if event.uid in taken_back:
            continue
        if event.kind is VerdictKind.UNDO:
            taken_back.add(event.undoes)
        else:
            found.append(event)
    return found


def present(events: Iterable[Verdict]) -> tuple[PairState, tuple[Turn, ...]]:
    """The state that the events of one pair add up to, and the turns of the edit that holds.

    Of the verdicts that count, the latest decides.
    """
    found = counting(events)
    state = _STATE_OF[found[0].kind] if found else PairState.PENDING
    return state, next((event.turns for event in found if event.kind is VerdictKind.EDIT), ())


def append_verdicts(store: Store, verdicts: Iterable[Verdict]) -> int:
    """Appends events and brings the state of their pairs up to date, in one transaction.

    An event that is there already is left alone, so that merging twice equals merging once.
    Returns how many were new.
    """
    verdicts = list(verdicts)
    with store.writing() as conn:
        new = 0
        for verdict in verdicts:
            new += conn.execute(
                f"INSERT OR IGNORE INTO verdicts VALUES ({','.join('?' * 15)})", _row_of(verdict)
            ).rowcount
        for pair_uid in {verdict.pair_uid for verdict in verdicts}:
            state, turns = present(verdicts_of_pair(store, pair_uid))
            text = as_json([asdict(turn) for turn in turns]) if turns else None
            conn.execute(
                "UPDATE pairs SET state = ?, edited_turns = ? WHERE uid = ?", (state, text, pair_uid)
            )
    return new


def verdicts_of_pair(store: Store, pair_uid: str) -> list[Verdict]:
    """All events about a pair, oldest first."""
    return [
        _verdict(row)
        for row in store.rows("SELECT * FROM verdicts WHERE pair_uid = ? ORDER BY uid", (pair_uid,))
    ]


def verdicts_of_person(store: Store, person_uid: str) -> Iterator[Verdict]:
    """All events of a person, newest first, read as they are asked for."""
    query = "SELECT * FROM verdicts WHERE person_uid = ? ORDER BY uid DESC"
    return (_verdict(row) for row in store.rows(query, (person_uid,)))


def newest_uid(store: Store) -> str:
    """The uid of the latest event of all; empty where there is none."""
    return str(store.value("SELECT coalesce(max(uid), '') FROM verdicts"))


def verdict(store: Store, uid: str) -> Verdict | None:
    """One event, or None."""
    row = store.row("SELECT * FROM verdicts WHERE uid = ?", (uid,))
    return _verdict(row) if row else None


def readers_of_pair(store: Store, pair_uid: str) -> set[str]:
    """The people who read a pair themselves, rather than deciding in bulk."""
    return {
        event.person_uid
        for event in verdicts_of_pair(store, pair_uid)
        if event.method is VerdictMethod.READ and event.kind is not VerdictKind.UNDO
    }


def _row_of(event: Verdict) -> tuple[object, ...]:
    return (
        event.uid,
        event.pair_uid,
        event.person_uid,
        event.kind,
        event.at,
        event.method,
        event.undoes,
        as_json([asdict(turn) for turn in event.turns]),
        event.reason,
        event.note,
        as_json(event.rubric),
        as_json(event.visible),
        event.seconds,
        event.device,
        event.app_version,
    )


def _verdict(row: Row) -> Verdict:
    return Verdict(
        uid=row["uid"],
        pair_uid=row["pair_uid"],
        person_uid=row["person_uid"],
        kind=VerdictKind(row["kind"]),
        at=row["at"],
        method=VerdictMethod(row["method"]),
        undoes=row["undoes"],
        turns=turns_from_json(row["turns"]),
        reason=RejectReason(row["reason"]) if row["reason"] else None,
        note=row["note"],
        rubric=json.loads(row["rubric"]),
        visible=tuple(json.loads(row["visible"])),
        seconds=row["seconds"],
        device=row["device"],
        app_version=row["app_version"],
    )
