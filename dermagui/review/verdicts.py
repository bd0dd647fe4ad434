"""Decides about pairs in a person's name: accept, edit, reject, unsure; undo and redo without limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dermagui import __version__
from dermagui.errors import UserError
from dermagui.records import (
    PairState,
    Person,
    RejectReason,
    Role,
    Turn,
    Verdict,
    VerdictKind,
    VerdictMethod,
)
from dermagui.storage import pairs, verdicts
from dermagui.storage.database import BATCH, Store
from dermagui.storage.moments import new_uid, now
from dermagui.storage.people import device


def decide(
    store: Store,
    who: Person,
    pair_uids: Iterable[str],
    kind: VerdictKind,
    *,
    method: VerdictMethod,
    reason: RejectReason | None = None,
    turns: Sequence[Turn] = (),
    note: str = "",
    rubric: dict[str, str] | None = None,
    visible: Sequence[str] = (),
    seconds: float = 0.0,
) -> list[str]:
    """Appends one verdict for each pair; returns their uids. All pairs must exist, or nothing is written.

    Raises ``UserError``: ``pair.not_found``, ``verdict.needs_reason``, ``verdict.needs_turns``.
    """
    if kind is VerdictKind.REJECT and reason is None:
        raise UserError("verdict.needs_reason", known=list(RejectReason))
    if kind is VerdictKind.EDIT and not turns:
        raise UserError("verdict.needs_turns")
    newest = verdicts.newest_uid(store)
    events = [
        Verdict(
            uid=new_uid(newest),
            pair_uid=_existing(store, uid),
            person_uid=who.uid,
            kind=kind,
            at=now(),
            method=method,
            turns=tuple(turns),
            reason=reason,
            note=note,
            rubric=rubric or {},
            visible=tuple(visible),
            seconds=seconds,
            device=device(),
            app_version=__version__,
        )
        for uid in pair_uids
    ]
    _append(store, events)
    return [event.uid for event in events]


def edited(turns: Sequence[Turn], question: str | None, answer: str | None) -> tuple[Turn, ...]:
    """Turns with their last answer, or their first question, in other words.

    Raises ``UserError`` ``verdict.needs_turns`` for an empty text, or where there is no such turn.
    """
    turns = list(turns)
    asked = next((n for n, turn in enumerate(turns) if turn.role is Role.USER), None)
    answered = next((n for n in reversed(range(len(turns))) if turns[n].role is Role.ASSISTANT), None)
    for n, text in ((asked, question), (answered, answer)):
        if text is not None:
            if n is None or not text.strip():
                raise UserError("verdict.needs_turns")
            turns[n] = Turn(turns[n].role, text.strip())
    return tuple(turns)


def undo(store: Store, who: Person, *, method: VerdictMethod) -> Verdict:
    """Takes back the person's last verdict that still counts. Raises ``verdict.nothing_to_undo``."""
    target = _last_counting(store, who)
    if target is None:
        raise UserError("verdict.nothing_to_undo", person=who.name)
    _take_back(store, who, target, method)
    return target


def redo(store: Store, who: Person, *, method: VerdictMethod) -> Verdict:
    """Takes back their last undo, unless a verdict came after it. Raises ``verdict.nothing_to_redo``."""
    target = _last_undo(store, who)
    if target is None:
        raise UserError("verdict.nothing_to_redo", person=who.name)
    _take_back(store, who, target, method)
    restored = verdicts.verdict(store, target.undoes or "")
    assert restored is not None
    return restored


def _take_back(store: Store, who: Person, target: Verdict, method: VerdictMethod) -> None:
    event = Verdict(
        uid=new_uid(verdicts.newest_uid(store)),
        pair_uid=target.pair_uid,
        person_uid=who.uid,
        kind=VerdictKind.UNDO,
        at=now(),
        method=method,
        undoes=target.uid,
        device=device(),
        app_version=__version__,
    )
    _append(store, [event])


def _last_counting(store: Store, who: Person) -> Verdict | None:
    """The newest verdict of a person that no undo of theirs takes back. Newest first, undos come first."""
    taken_back: set[str | None] = set()
    for event in verdicts.verdicts_of_person(store, who.uid):
        if event.uid in taken_back:
            continue
        if event.kind is not VerdictKind.UNDO:
            return event
        taken_back.add(event.undoes)
    return None


def _last_undo(store: Store, who: Person) -> Verdict | None:
    """The newest undo of a verdict that counts and has no newer verdict after it."""
    taken_back: set[str | None] = set()
    for event in verdicts.verdicts_of_person(store, who.uid):
        if event.uid in taken_back:
            continue
        if event.kind is not VerdictKind.UNDO:
            return None
        target = verdicts.verdict(store, event.undoes or "")
        if target is not None and target.kind is not VerdictKind.UNDO:
            return event
        taken_back.add(event.undoes)
    return None


def _existing(store: Store, uid: str) -> str:
    if pairs.pair(store, uid) is None:
        raise UserError("pair.not_found", pair=uid)
    return uid


def _append(store: Store, events: Sequence[Verdict]) -> None:
    store.keep_through_power_loss()
    for start in range(0, len(events), BATCH):
        verdicts.append_verdicts(store, events[start : start + BATCH])


def unflagged_pending(store: Store) -> list[str]:
    """The uids of pairs that nobody has decided about and no check has flagged."""
    found: list[str] = []
    last = 0
    while page := pairs.page_of_pairs(store, state=PairState.PENDING, flagged=False, after_id=last):
        found += [pair.uid for _, pair in page]
        last = page[-1][0]
    return found
