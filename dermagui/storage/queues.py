"""Queues of pairs for a reviewer: in an order of chance that stays the same, page by page, never as a whole.

The order is a number for each pair that SQLite itself reckons from the pair's id and the reviewer's key, so
nothing is kept for it, and pairs that come later find their places among those that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dermagui.records import FlagKind, PairState
from dermagui.storage.database import Store

_BITS = 30
_MASK = (1 << _BITS) - 1
_STRIDE = 0x2545F491
"""Odd, so that no two ids get the same number."""
_SPREAD = f"(((id * {_STRIDE}) + :key) & {_MASK})"
# x(2x + 1) is one-to-one for a power of two (as in the cipher RC6), and its upper bits depend on all of x.
_NUMBER = f"(({_SPREAD} * (2 * {_SPREAD} + 1)) & {_MASK})"


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which pairs are wanted. What is None or empty asks nothing; ``diagnosis`` empty means none is said."""

    state: PairState | None = PairState.PENDING
    unread_by: str = ""
    """The uid of a person: only what that person has not decided about by reading it."""
    flagged: bool | None = None
    flag: FlagKind | None = None
    question_key: str = ""
    source_id: int | None = None
    diagnosis: str | None = None


def number_of(pair_id: int, key: int) -> int:
    """The place of a pair in the order of that key."""
    spread = (pair_id * _STRIDE + key) & _MASK
    return (spread * (2 * spread + 1)) & _MASK


def page_of_queue(
    store: Store,
    wanted: QueueFilter,
    key: int,
    *,
    after: int = -1,
    before: int | None = None,
    count: int = 200,
) -> list[int]:
    """The ids of the next pairs whose numbers lie behind ``after``; or of the last ones before ``before``.

    In the order of their numbers. One pass over what the filter finds, in bounded memory.
    """
    where, values = _conditions(wanted)
    values |= {"key": key, "count": count, "bound": after if before is None else before}
    sign, direction = (">", "") if before is None else ("<", "DESC")
    query = f"""SELECT id FROM pairs WHERE {where} AND {_NUMBER} {sign} :bound
        ORDER BY {_NUMBER} {direction} LIMIT :count"""
    found = [row[0] for row in store.tuples(query, values)]
    return found if before is None else found[::-1]


def count_queue(store: Store, wanted: QueueFilter) -> int:
    """How many pairs a filter finds."""
    where, values = _conditions(wanted)
    return int(store.value(f"SELECT count(*) FROM pairs WHERE {where}", values))


def count_read(store: Store, wanted: QueueFilter, person_uid: str) -> int:
    """How many of them a person has decided about by reading, with a verdict that still counts."""
    where, values = _conditions(wanted)
    query = f"SELECT count(*) FROM pairs WHERE uid IN ({_READ_BY.format('who')}) AND {where}"
    return int(store.value(query, values | {"who": person_uid}))


# A verdict counts unless an undo takes it back that was not itself taken back.
_READ_BY = """SELECT pair_uid FROM verdicts AS said
    WHERE said.person_uid = :{} AND said.method = 'read' AND said.kind <> 'undo' AND NOT EXISTS (
        SELECT 1 FROM verdicts AS undone WHERE undone.undoes = said.uid AND NOT EXISTS (
            SELECT 1 FROM verdicts AS redone WHERE redone.undoes = undone.uid))"""
_SAID = """SELECT file_id FROM metadata
    WHERE field = 'diagnosis' {0} AND origin <> 'model' AND file_id IS NOT NULL
    UNION ALL SELECT files.id FROM metadata JOIN files ON files.case_id = metadata.case_id
    WHERE field = 'diagnosis' {0} AND origin <> 'model'"""
_OF_FILES = """id IN (SELECT pair_id FROM files JOIN images ON images.sha256 = files.sha256
    JOIN pair_images ON pair_images.image_id = images.id WHERE {})"""


def _conditions(wanted: QueueFilter) -> tuple[str, dict[str, object]]:
    asked = list(_asked(wanted))
    values: dict[str, object] = {}
    for _, more in asked:
        values |= more
    return " AND ".join(condition for condition, _ in asked) or "1", values


def _asked(wanted: QueueFilter) -> Iterator[tuple[str, dict[str, object]]]:
    if wanted.state is not None:
        yield "state = :state", {"state": wanted.state}
    if wanted.flagged is not None or wanted.flag is not None:
        yield "flag_count > 0" if wanted.flagged or wanted.flag else "flag_count = 0", {}
    if wanted.flag is not None:
        yield "flags LIKE :flag", {"flag": f'%"kind":"{wanted.flag}"%'}
    if wanted.question_key:
        yield "question_key = :question", {"question": wanted.question_key}
    if wanted.unread_by:
        yield f"uid NOT IN ({_READ_BY.format('reader')})", {"reader": wanted.unread_by}
    if wanted.source_id is not None:
        yield _OF_FILES.format("files.source_id = :source"), {"source": wanted.source_id}
    if wanted.diagnosis:
        yield _about(_SAID.format("AND value = :diagnosis")), {"diagnosis": wanted.diagnosis}
    elif wanted.diagnosis is not None:
        yield f"NOT {_about(_SAID.format(''))}", {}


def _about(files: str) -> str:
    return _OF_FILES.format(f"files.id IN ({files})")


def diagnoses_by_rarity(store: Store) -> list[str]:
    """The diagnoses that files and people state, the rarest first."""
    query = """SELECT value FROM metadata WHERE field = 'diagnosis' AND origin <> 'model' AND value <> ''
        GROUP BY value ORDER BY count(*), value"""
    return [row[0] for row in store.tuples(query)]


def question_keys(store: Store) -> list[str]:
    """The questions of which there are pairs."""
    query = "SELECT DISTINCT question_key FROM pairs WHERE question_key IS NOT NULL ORDER BY question_key"
    return [row[0] for row in store.tuples(query)]


def id_of_pair(store: Store, uid: str) -> int | None:
    """The id of the pair with that uid."""
    found = store.value("SELECT id FROM pairs WHERE uid = ?", (uid,))
    return None if found is None else int(found)
